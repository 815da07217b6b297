"""The registered schedules."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sdkit.plugins import Entry, load_manager
from sdkit.sampling import check_sigmas
from sdkit.settings import Settings
from sdkit.types import Schedule, ScheduleParams
from tests.sampling._figures import SCHEDULES, params, tensors

ENTRIES: Mapping[str, Entry[Schedule]] = load_manager(settings=Settings(plugins=("none",))).schedules
FLOW = tuple((i + 1) / 1000 for i in range(1000))


@pytest.mark.parametrize("name", SCHEDULES)
def test_they_are_those_of_the_figures(name: str) -> None:
    assert ENTRIES[name].load()(10, params()) == pytest.approx(tensors("sigmas")[f"{name}.10"].tolist(), rel=1e-6)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("steps", [1, 2, 20, 150])
def test_any_gives_sigmas_that_can_be_sampled(name: str, steps: int) -> None:
    for model in (params(), ScheduleParams(FLOW, FLOW[0], FLOW[-1], "flow")):
        sigmas = ENTRIES[name].load()(steps, model)
        check_sigmas(sigmas)
        assert sigmas[-1] == 0


@pytest.mark.parametrize("name", ENTRIES)
def test_summary_fits_a_line(name: str) -> None:
    assert 10 < len(ENTRIES[name].summary) < 90
