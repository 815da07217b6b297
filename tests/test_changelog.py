"""The changelog has a place for what comes next, and knows the version that the package says it is."""

from __future__ import annotations

import re
import tomllib

import sdkit
from tests._sources import ROOT

SECTIONS = re.compile(r"^## \[?(Unreleased|\d+\.\d+\.\d+)\]?", re.MULTILINE)


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert sdkit.__version__ == project["version"]


def test_unreleased_comes_first() -> None:
    assert SECTIONS.findall((ROOT / "CHANGELOG.md").read_text("utf-8"))[:1] == ["Unreleased"]
