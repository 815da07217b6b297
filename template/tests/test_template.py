"""The template makes a package that installs, is found by its entry point, and passes its own test."""

import os
import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "new_plugin.py"


def make(name: str, into: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), name, "--into", str(into)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_name_is_replaced(tmp_path: Path):
    assert make("my-frame", tmp_path).returncode == 0
    made = tmp_path / "sdkit-my-frame"
    files = sorted(file.relative_to(made).as_posix() for file in made.rglob("*") if file.is_file())
    assert files == [
        "README.md",
        "pyproject.toml",
        "src/sdkit_my_frame/__init__.py",
        "src/sdkit_my_frame/py.typed",
        "tests/test_plugin.py",
    ]
    assert not [file for file in files if "example" in (made / file).read_text(encoding="utf-8")]
    assert 'my_frame = "sdkit_my_frame"' in (made / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["My Frame", "../frame", "frame_", "9", ""])
def test_names_that_no_package_can_have_are_refused(name: str, tmp_path: Path):
    result = make(name, tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: a plugin's name is lower-case words joined by hyphens")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path):
    make("frame", tmp_path)
    assert "is there already" in make("sdkit-frame", tmp_path).stderr


@pytest.mark.slow
def test_the_package_installs_and_passes_its_test(tmp_path: Path):
    """In an environment of its own, which borrows this one's packages: the plugin must not stay behind in this one."""
    pytest.importorskip("hatchling", reason="building needs the dev extra")
    pytest.importorskip("editables", reason="building needs the dev extra")
    made: Path = runpy.run_path(str(SCRIPT))["new_plugin"]("frame", tmp_path)
    python = empty_environment(tmp_path / "venv")
    install = ["-m", "pip", "--python", str(python), "install", "--no-deps", "--no-build-isolation", "--no-index", "-e"]
    subprocess.run([sys.executable, *install, str(made)], check=True, capture_output=True)
    pytest_in_it = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", made]
    tests = subprocess.run(pytest_in_it, capture_output=True, text=True, check=False)
    assert "1 passed" in tests.stdout, tests.stdout + tests.stderr
    find = "from importlib.metadata import entry_points; print(*entry_points(group='sdkit').names)"
    found = subprocess.run([python, "-c", find], capture_output=True, text=True, check=True)
    assert "frame" in found.stdout.split()


def empty_environment(folder: Path) -> Path:
    """A virtual environment that sees this one's packages, editable ones included; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip())
    (site / "borrowed.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return python
