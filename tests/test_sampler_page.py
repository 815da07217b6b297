"""docs/samplers.md knows every sampler and every schedule: in its text, its tables and its pictures."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from sdkit.plugins import Entry, load_manager
from sdkit.settings import Settings
from tests._sources import ROOT

DOCS = ROOT / "docs"
PAGE = (DOCS / "samplers.md").read_text("utf-8")
MANAGER = load_manager(settings=Settings(plugins=("none",)))
NAMES = [*MANAGER.samplers, *MANAGER.schedules]
MOST_BYTES = 150_000
MOST_BYTES_OF_PLOT = 350_000


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script that makes the pictures."""
    monkeypatch.syspath_prepend(str(DOCS))
    yield importlib.import_module("sampler_pictures")
    sys.modules.pop("sampler_pictures", None)


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """What writes the tables."""
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    yield importlib.import_module("sampler_rows")
    sys.modules.pop("sampler_rows", None)


@pytest.mark.parametrize("name", NAMES)
def test_the_text_speaks_of(name: str) -> None:
    assert f"`{name}`" in PAGE, f"docs/samplers.md does not say what {name} is for"


def test_every_sampler_is_on_one_sheet(script: ModuleType) -> None:
    drawn = [name for names in script.KINDS.values() for name in names]
    assert sorted(drawn) == sorted(MANAGER.samplers), "see KINDS in docs/sampler_pictures.py, and make the sheets again"


def test_sheets_have_a_row_for_each(script: ModuleType) -> None:
    """The pictures were made since the last sampler or schedule came: one row is 112 pixels high."""
    rows = {f"samplers_{kind}.png": len(names) for kind, names in script.KINDS.items()}
    for name, count in {**rows, "schedule_sheet.png": len(MANAGER.schedules)}.items():
        with Image.open(DOCS / "pictures" / name) as picture:
            assert (picture.height - 26) / 112 == count, f"make {name} again: python docs/sampler_pictures.py"


def test_pictures_are_there_and_small() -> None:
    shown = [(DOCS / path) for path in re.findall(r"!\[[^]]+\]\((pictures/[\w.]+)\)", PAGE)]
    assert len(shown) >= 9
    for path in shown:
        assert path.stat().st_size <= (MOST_BYTES if path.suffix == ".png" else MOST_BYTES_OF_PLOT), path.name


def test_tables_have_a_source_for_each(tables: ModuleType) -> None:
    assert set(tables.SAMPLER_PAPERS) == set(MANAGER.samplers)
    assert set(tables.SCHEDULE_PAPERS) == set(MANAGER.schedules)
    papers = {**tables.SAMPLER_PAPERS, **tables.SCHEDULE_PAPERS}
    entries: list[Entry[Any]] = [*MANAGER.samplers.values(), *MANAGER.schedules.values()]
    for entry in entries:
        module = inspect.getmodule(entry.load())
        assert module is not None
        cited = set(re.findall(r"arXiv:(\d{4}\.\d{5})", inspect.getsource(module)))
        assert set(papers[entry.name]) <= cited, f"{module.__name__} does not cite the papers of {entry.name}"


def test_tables(tables: ModuleType) -> None:
    rows = {row.split("`")[1]: row for row in tables.sampler_table()[2:]}
    assert rows["heun"] == (
        "| `heun` | Heun | 2 | 2 | white, only with `s_churn` | `s_churn=0`, `s_tmin=0`, `s_tmax=1e+06`, `s_noise=1` "
        "| [2206.00364](https://arxiv.org/abs/2206.00364) |"
    )
    assert set(rows) == set(MANAGER.samplers)
    assert {row.split("`")[1] for row in tables.schedule_table()[2:]} == set(MANAGER.schedules)
