"""Runs to make guides for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import sdkit
import sdkit_guidance
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import PredictionType, Run

MakeRun = Callable[..., Run]


@pytest.fixture
def make_run() -> MakeRun:
    """`make_run(prediction, **request)`: the run that a pipeline makes of the request."""

    def make(prediction: PredictionType = "eps", **fields: Any) -> Run:
        runs: list[Run] = []

        class Listening:
            @sdkit.hookimpl
            def wrap_sampler(self, run: Run) -> None:
                runs.append(run)

        pipe = make_pipeline([sdkit_guidance, Listening()], model=ToyModel(prediction=prediction))
        asked: dict[str, Any] = {"seed": 0, "steps": 1, **fields}
        pipe("a star", **asked)
        return runs[0]

    return make
