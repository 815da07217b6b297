"""Running the command line in this process, with a toy model in place of a loaded one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdkit import Pipeline
from sdkit.cli import main
from sdkit.testing import ToyModel


@dataclass
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, an empty model folder, and no installed plugins."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SDKIT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("SDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SDKIT_PLUGINS", "none")
    monkeypatch.setattr(sys, "path", list(sys.path))  # --plugin adds the current folder
    return folder


@pytest.fixture
def sdkit(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line: `sdkit("generate", "a red circle")`. Every model is the toy model, "flow" a flow model."""

    def load(
        cls: type[Pipeline],
        source: str | None = None,
        *,
        plugins: Iterable[object] = (),
        **_: object,
    ) -> Pipeline:
        return cls(ToyModel(prediction="flow" if source == "flow" else "eps"), plugins=plugins)

    monkeypatch.setattr(Pipeline, "load", classmethod(load))
    return runner(capsys)


@pytest.fixture
def real_sdkit(here: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line with real loading of models."""
    return runner(capsys)


def runner(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Done:
        capsys.readouterr()
        code = main(arguments)
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return run


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Makes a plugin look installed, and enables it: a module on the path with a distribution's entry point."""
    names: list[str] = []
    monkeypatch.syspath_prepend(str(tmp_path))

    def add(name: str, source: str) -> None:
        (tmp_path / f"installed_{name}.py").write_text(source, encoding="utf-8")
        info = tmp_path / f"sdkit_{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: sdkit-{name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[sdkit]\n{name} = installed_{name}\n")
        names.append(name)
        monkeypatch.setenv("SDKIT_PLUGINS", ",".join(names))
        monkeypatch.delitem(sys.modules, f"installed_{name}", raising=False)

    return add
