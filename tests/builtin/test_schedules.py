"""The registered schedules."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import pytest

from sdkit.errors import RequestError
from sdkit.plugins import load_manager
from sdkit.plugins.registry import ScheduleEntry
from sdkit.sampling import check_sigmas, flow_sigmas
from sdkit.settings import Settings
from sdkit.types import ScheduleParams
from tests.sampling._figures import params, tensors

ENTRIES: Mapping[str, ScheduleEntry] = load_manager(settings=Settings(plugins=("none",))).schedules
FLOW = flow_sigmas()
FIGURES = sorted({key.split(".")[0] for key in tensors("sigmas")} - {"ksampler", "model_sigmas", "model_log_sigmas"})


def test_they_are_these() -> None:
    assert sorted(ENTRIES) == sorted(
        {*FIGURES, "align_your_steps", "laplace", "polyexponential", "sd_turbo", "vp"},
    )


@pytest.mark.parametrize("name", FIGURES)
def test_they_are_those_of_the_figures(name: str) -> None:
    assert ENTRIES[name].load()(10, params()) == pytest.approx(tensors("sigmas")[f"{name}.10"].tolist(), rel=1e-6)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("steps", [1, 2, 20, 150])
def test_any_gives_sigmas_that_can_be_sampled_or_says_why_not(name: str, steps: int) -> None:
    for model in (params(), ScheduleParams(FLOW, FLOW[0], FLOW[-1], "flow")):
        if name == "sd_turbo" and steps > 10:
            with pytest.raises(RequestError, match="10 steps at most"):
                ENTRIES[name].load()(steps, model)
            continue
        sigmas = ENTRIES[name].load()(steps, model)
        check_sigmas(sigmas)
        assert sigmas[-1] == 0


@pytest.mark.parametrize("name", ENTRIES)
def test_options_are_the_functions_and_have_its_defaults(name: str) -> None:
    parameters = list(inspect.signature(ENTRIES[name].load()).parameters.values())[2:]
    assert ENTRIES[name].check_options({}) == {option.name: option.default for option in parameters}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("karras", {"rho": 0}, "schedule 'karras', option 'rho'.*greater than 0, not 0"),
        ("karras", {"rh": 7}, "schedule 'karras' has no option 'rh'. Did you mean 'rho'"),
        ("beta", {"alpha": 51.0}, "option 'alpha'.*not 51"),
        ("align_your_steps", {"table": "sd3"}, "option 'table'.*'svd'"),
        ("normal", {"rho": 7}, "schedule 'normal' has no options, so 'rho' cannot be set"),
    ],
)
def test_wrong_options(name: str, options: dict[str, float | str], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        ENTRIES[name].check_options({**options})


def test_options_reach_the_schedule() -> None:
    entry = ENTRIES["karras"]
    assert entry.load()(3, params(), **entry.check_options({"rho": 1.0}))[1] == pytest.approx(7.3219, abs=1e-4)


@pytest.mark.parametrize("name", ENTRIES)
def test_summary_fits_a_line(name: str) -> None:
    assert 10 <= len(ENTRIES[name].summary) <= 90
