"""Running the shell blocks of a page, or checking them in another way where running them would mean installing."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests._sources import ROOT, plugin_packages

ASSIGNMENT = re.compile(r"^\w+=")
RUN = ("sdkit", "python", "python3", "mkdir", "ls", "cat", "echo", "cp", "printf")
SETTING_UP = ("cd", "source", "export")
"""Commands that only set the stage; the test has its own stage."""
FROM_CHECKOUT = ("training", "pytest", "venv", "build")
"""`python -m` of these is about the checkout, or takes long: that they exist is what is checked."""


@dataclass
class Command:
    """One command of a shell block, and what the page shows below it ("" where it shows nothing)."""

    line: str
    shown: list[str] = field(default_factory=list[str])

    @property
    def words(self) -> list[str]:
        """The words without leading assignments and without comments."""
        words = shlex.split(self.line, comments=True)
        while words and ASSIGNMENT.match(words[0]):
            words.pop(0)
        return words


def commands(code: str, language: str) -> list[Command]:
    """The commands of a block. In a console block they follow a `$`, and the other lines are what they print."""
    found: list[Command] = []
    for line in code.replace("\\\n", " ").splitlines():
        if language == "console" and not line.startswith("$ "):
            if found and line.strip():
                found[-1].shown.append(line.strip())
        elif line.strip() and not line.lstrip().startswith("#"):
            found.append(Command(line.removeprefix("$ ").strip()))
    return found


def check_command(command: Command, folder: Path) -> None:
    """Run a command in `folder`, or check what it names; AssertionError if it is wrong."""
    words = command.words
    program = words[0]
    if program == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
        unknown = [word for word in words[1:] if "=" not in word and word not in targets]
        assert not unknown, f"{command.line!r}: the Makefile has no target {unknown}"
    elif program in ("pip", "pip3") or words[1:3] == ["-m", "pip"]:
        _check_pip(command, words[words.index("install") + 1 :])
    elif program == "git":
        assert words[1] in ("clone",), f"{command.line!r}: not something to tell readers without checking it"
    elif program in SETTING_UP:
        pass
    elif program.startswith("python") and words[1:2] == ["-m"] and words[2] in FROM_CHECKOUT:
        paths = [word for word in words[3:] if "/" in word and not word.startswith("-")]
        missing = [path for path in paths if not (ROOT / path).exists()]
        assert not missing, f"{command.line!r}: {missing} is not in the repository"
    elif program.startswith("python") and len(words) > 1 and (ROOT / words[1]).is_file():
        pass  # an example or a benchmark of the checkout, which has a test of its own
    else:
        assert program in RUN, f"{command.line!r}: the tests of the pages do not know how to check {program!r}"
        _run(command, folder)


def _run(command: Command, folder: Path) -> None:
    bin_folder = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": bin_folder + os.pathsep + os.environ["PATH"], "COLUMNS": "120"}
    done = subprocess.run(
        ["bash", "-c", command.line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    output = done.stdout + done.stderr
    shows_failure = any(line.startswith(("error:", "Error:")) for line in command.shown)
    assert (done.returncode == 0) != shows_failure, f"{command.line!r} → exit code {done.returncode}\n{output}"
    _check_shown(command, output)


def _check_shown(command: Command, output: str) -> None:
    """What the page shows is printed, in this order; `…` or `...` stands for anything."""
    printed = " ".join(output.split())
    place = 0
    for line in command.shown:
        for part in re.split(r"…|\.\.\.", line):
            wanted = " ".join(part.split())
            found = printed.find(wanted, place)
            assert found >= 0, f"{command.line!r}: the page shows {wanted!r}, which was not printed in\n{output}"
            place = found + len(wanted)


def _check_pip(command: Command, arguments: list[str]) -> None:
    """What pip is told to install is in the checkout, one of our distributions, or a dependency that we pin."""
    ours = {"sdkit-core", *(str(package.project["name"]) for package in plugin_packages())}
    pinned = {
        re.split(r"[=<>\[ ]", line)[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    }
    values = iter(arguments)
    for argument in values:
        if argument in ("-c", "-r", "--constraint", "--index-url", "--extra-index-url"):
            value = next(values)
            assert value.startswith("https://") or (ROOT / value).exists(), f"{command.line!r}: no {value}"
        elif not argument.startswith("-"):
            name = re.split(r"[=<>\[~!]", argument)[0]
            is_path = "/" in argument or argument.startswith(".")
            known = (ROOT / argument.partition("[")[0]).exists() if is_path else name.lower() in ours | pinned
            assert known, f"{command.line!r}: {argument!r} is neither in the repository nor known to it"
