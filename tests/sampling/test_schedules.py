"""All schedules: other programs' figures, any number of steps, and flow models."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import pytest
import torch

from sdkit.rounding import float32
from sdkit.sampling import check_sigmas, flow_sigmas, schedules, sigmas_for
from sdkit.sigmas import shifted
from sdkit.types import Schedule, ScheduleParams
from tests.sampling._figures import params, tensors

NAMES = (
    "align_your_steps",
    "beta",
    "ddim_uniform",
    "exponential",
    "karras",
    "kl_optimal",
    "laplace",
    "linear_quadratic",
    "normal",
    "polyexponential",
    "sd_turbo",
    "sgm_uniform",
    "simple",
    "vp",
)
FIGURES = [key for key in tensors("sigmas") if not key.startswith(("ksampler.", "model_"))]
AFTER_RULES = [key for key in tensors("sigmas") if key.startswith("ksampler.")]
DISCARDING = ("dpm_2", "uni_pc")


def schedule(name: str) -> Schedule:
    return cast("Schedule", getattr(schedules, name))


def flow_params(shift: float = 1.0) -> ScheduleParams:
    table = flow_sigmas(shift)
    return ScheduleParams(table, table[0], table[-1], "flow", "sd3")


LAST_DIGIT = {
    "exponential.30": {3},
    "kl_optimal.10": {4, 5, 7, 8},
    "kl_optimal.30": {2, 4, 5, 6},
    "ksampler.euler.normal.20.0.99": {5, 18},
    "ksampler.euler.normal.20.1.0": {5, 18},
    "ksampler.uni_pc.normal.20.0.75": {6},
}
"""Where ours is the float32 next to the figure: there the reference's e^x and tangent were rounded the wrong way. They
are a library's that has others for other processors, which round each of these correctly."""


def assert_sigmas(came: tuple[float, ...], key: str) -> None:
    """To the last digit: from a sigma that is off by one, Brownian noise would be another."""
    expected = tensors("sigmas")[key]
    ours = torch.tensor(came)
    assert ours.tolist() == list(came), "not in float32"
    assert set((ours != expected).nonzero().flatten().tolist()) == LAST_DIGIT.get(key, set())
    assert torch.all((ours == expected) | (ours == torch.nextafter(expected, ours)))


def test_there_are_figures() -> None:
    assert {key.split(".")[0] for key in FIGURES} == {
        *("beta", "ddim_uniform", "exponential", "karras", "kl_optimal"),
        *("linear_quadratic", "normal", "sgm_uniform", "simple"),
    }
    assert (len(FIGURES), len(AFTER_RULES)) == (27, 65)


@pytest.mark.parametrize("key", [key for key in FIGURES if key != "kl_optimal.1"])
def test_table(key: str) -> None:
    name, steps = key.split(".")
    assert_sigmas(schedule(name)(int(steps), params()), key)


def test_kl_optimal_of_one_step_is_one_step_where_the_figure_is_not_a_number() -> None:
    assert math.isnan(tensors("sigmas")["kl_optimal.1"][0])
    assert schedules.kl_optimal(1, params()) == (float32(params().sigma_max), 0.0)


@pytest.mark.parametrize("key", AFTER_RULES)
def test_table_after_the_denoise_and_the_penultimate_rule(key: str) -> None:
    _, sampler, name, steps, whole, part = key.split(".")
    denoise = float(f"{whole}.{part}")
    came = sigmas_for(schedule(name), int(steps), params(), denoise, discard_penultimate=sampler in DISCARDING)
    assert_sigmas(came, key)


@pytest.mark.parametrize(
    ("name", "steps"),
    [(name, steps) for name in NAMES for steps in ((1, 2, 10) if name == "sd_turbo" else (1, 2, 3, 10, 37, 999, 1000))],
)
@pytest.mark.parametrize("model", [params(), flow_params(), flow_params(3.0)], ids=["eps", "flow", "shifted flow"])
def test_every_number_of_steps_that_a_request_may_ask_for_gives_good_sigmas(
    name: str, steps: int, model: ScheduleParams
) -> None:
    sigmas = schedule(name)(steps, model)
    check_sigmas(sigmas)
    assert sigmas[-1] == 0
    rounded = name in ("beta", "laplace", "ddim_uniform")
    assert rounded or len(sigmas) == steps + 1
    if model.prediction == "flow":
        assert sigmas[0] <= 1
    if name not in ("ddim_uniform", "vp"):
        assert sigmas[0] == pytest.approx(model.sigma_max, rel=1e-6)


@pytest.mark.parametrize("name", ["normal", "sgm_uniform"])
def test_flow_models_are_spaced_linearly(name: str) -> None:
    sigmas = schedule(name)(7, flow_params())
    gaps = [above - below for above, below in pairwise(sigmas[:-1])]
    assert max(gaps) - min(gaps) < 1e-9


def test_shifted_flow_models_are_spaced_evenly_in_the_unshifted_time() -> None:
    """The last time is the shifted table's first sigma, shifted once more, as in ComfyUI."""
    first = shifted(0.001, 3.0)
    times = [1.0, (1.0 + first) / 2, first]
    assert schedules.normal(3, flow_params(3.0)) == pytest.approx([*(shifted(time, 3.0) for time in times), 0.0])
    assert schedules.simple(4, flow_params(3.0)) == pytest.approx([1.0, 0.9, 0.75, 0.5, 0.0])


def test_flow_models_get_the_signal_to_noise_ratios_of_tables_made_for_other_models() -> None:
    plain, flow = schedules.align_your_steps(10, params()), schedules.align_your_steps(10, flow_params())
    assert flow[0] == 1.0
    assert [time / (1 - time) for time in flow[1:]] == pytest.approx(plain[1:])
