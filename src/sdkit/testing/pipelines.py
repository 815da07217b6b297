"""Pipelines for tests: a toy model, the plugins under test, and no installed plugin that happens to be there."""

from __future__ import annotations

from collections.abc import Iterable

from sdkit.pipeline import Pipeline
from sdkit.settings import Settings
from sdkit.testing.toy import ToyModel
from sdkit.types import DiffusionModel


def make_pipeline(plugins: Iterable[object] = (), *, model: DiffusionModel | None = None) -> Pipeline:
    """A pipeline that makes 32×32 pictures in milliseconds, with these plugins and the built-in ones only.

    `model`: another one than `ToyModel()`.
    """
    return Pipeline(model or ToyModel(), plugins=plugins, settings=Settings(plugins=("none",)))
