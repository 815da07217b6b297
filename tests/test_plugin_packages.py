"""The packages in plugins/ are what an outside author would copy: complete, and named as the documentation says."""

from __future__ import annotations

import tomllib

import pytest

from tests._sources import PluginPackage, plugin_packages


@pytest.mark.parametrize("package", plugin_packages(), ids=lambda package: package.folder.name)
def test_plugin_package(package: PluginPackage) -> None:
    name = str(package.project["name"])
    module = name.replace("-", "_")
    assert name == package.folder.name
    assert name.startswith("sdkit-")
    project = tomllib.loads((package.folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert any(need.startswith("sdkit-core") for need in project["dependencies"]), "`sdkit` on PyPI is another project"
    assert all(target.partition(":")[0].split(".")[0] == module for target in project["entry-points"]["sdkit"].values())
    assert project["license"] == "Apache-2.0"
    for needed in (f"src/{module}/__init__.py", f"src/{module}/py.typed", "README.md", "tests"):
        assert (package.folder / needed).exists(), f"{name} has no {needed}"
    assert list(package.folder.glob("tests/**/test_*.py"))
    readme = (package.folder / "README.md").read_text("utf-8")
    assert f"pip install {name}" in readme
    assert ".png" in readme, "show what it does"
