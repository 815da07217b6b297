"""What is light stays light: importing sdkit and listing what there is load no torch; importing has no side effects."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "PIL")

REPORT = f"""
import json, sys
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def loaded_by(code: str) -> list[str]:
    """Which of the heavy packages are loaded after `code` ran in a process of its own."""
    done = run(code + "\n" + REPORT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "module",
    [
        "sdkit",
        "sdkit.editing",
        "sdkit.errors",
        "sdkit.types",
        "sdkit.request",
        "sdkit.hookspecs",
        "sdkit.plugins",
        "sdkit.images",
        "sdkit.prompts",
        "sdkit.sampling",
        "sdkit.models",
        "sdkit.names",
        "sdkit.settings",
        "sdkit.sigmas",
        "sdkit.cli",
    ],
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}") == []


def test_plain_names_of_the_public_face_load_nothing_heavy() -> None:
    assert loaded_by("import sdkit; sdkit.Request, sdkit.hookimpl, sdkit.SdkitError, sdkit.Step, sdkit.Image") == []


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["plugins"], ["samplers"], ["nodes"], ["graph", "default", "--check"], ["generate", "--help"]],
    ids=" ".join,
)
def test_listing_loads_nothing_heavy(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What ships in the box does not; the nodes of plugins may, which `sdkit nodes` looks at."""
    monkeypatch.setenv("SDKIT_PLUGINS", "none")
    code = f"""
import sys
from sdkit.cli import main
sys.argv = ["sdkit", *{arguments!r}]
try:
    code = main()
except SystemExit as ended:
    code = ended.code
assert not code, code
"""
    assert loaded_by(code) == []


def test_importing_reads_no_arguments_and_starts_no_threads() -> None:
    done = run("import sys, threading; del sys.argv; import sdkit; sdkit.Request; assert threading.active_count() == 1")
    assert done.returncode == 0, done.stderr


def test_importing_prints_and_logs_nothing() -> None:
    done = run(
        "import logging; import sdkit; assert not logging.getLogger('sdkit').handlers; assert not logging.root.handlers"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
