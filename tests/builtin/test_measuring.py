"""Samplers' errors over evaluations, measured on a model whose network is a formula, and counts itself."""

from __future__ import annotations

import math

import pytest
import torch

from sdkit.builtin.commands.measuring import (
    QUIET,
    Case,
    Measurement,
    cases_of,
    karras,
    measure,
    noiseless_options,
    pareto_front,
    relative_error,
    why_not,
)
from sdkit.errors import RequestError
from sdkit.hookspecs import hookimpl
from sdkit.plugins import load_manager
from sdkit.settings import Settings
from sdkit.testing import ConstantDenoiser, ToyModel, make_pipeline
from sdkit.testing.denoisers import karras_sigmas, log_sigmas

ENTRIES = load_manager(settings=Settings(plugins=("none",))).samplers
STEPS = (4, 8, 16)


@pytest.fixture(scope="module")
def measured() -> tuple[dict[str, list[Measurement]], int]:
    """Three samplers on the toy model, by name, and how often the model says that its network ran."""
    model = ToyModel()
    pipe = make_pipeline(model=model)
    cases = [case for name in ("euler", "heun", "dpmpp_2m") for case in cases_of(pipe.samplers[name], STEPS)]
    made: dict[str, list[Measurement]] = {}
    for one in measure(pipe, cases, "a red disc", seed=3, schedule="karras", reference_steps=200):
        made.setdefault(one.case.sampler, []).append(one)
    return made, model.evaluations


def test_errors_fall_as_the_orders_say(measured: tuple[dict[str, list[Measurement]], int]) -> None:
    made, _ = measured
    for name, order in (("euler", 1), ("heun", 2), ("dpmpp_2m", 2)):
        errors = [one.error for one in made[name]]
        assert errors[2] < errors[0]
        assert math.log2(errors[1] / errors[2]) == pytest.approx(order, abs=0.6), name
    assert made["dpmpp_2m"][2].error < made["euler"][2].error / 3


def test_evaluations_are_those_that_the_model_counts(measured: tuple[dict[str, list[Measurement]], int]) -> None:
    made, counted = measured
    assert [one.evaluations for one in made["euler"]] == [4, 8, 16]
    assert [one.evaluations for one in made["heun"]] == [7, 15, 31]
    reference = 200
    assert sum(one.evaluations for ones in made.values() for one in ones) + reference == counted


def test_the_error_is_that_of_the_latents() -> None:
    pipe = make_pipeline()
    (one,) = measure(pipe, [Case("euler", 5)], "red", seed=1, schedule="karras", reference_steps=50)
    conditioning = pipe.encode("red")
    made = pipe.sample(conditioning, seed=1, steps=5, sampler="euler", schedule="karras")
    sigmas = pipe.model.spec.sigmas
    spaced = (*karras_sigmas(sigmas[-1], sigmas[0], 49), 0.0)
    answer = pipe.sample(conditioning, seed=1, sampler="dpmpp_2m", sigmas=spaced).tensor
    assert one.error == pytest.approx(float((made.tensor - answer).norm() / answer.norm()), rel=1e-4)


def test_a_schedule_that_begins_elsewhere_has_an_answer_of_its_own() -> None:
    """ddim_uniform begins lower the fewer steps there are; measured against one answer, it could not get near it."""
    model = ToyModel()
    cases = [Case("heun", 8), Case("heun", 32)]
    made = list(measure(make_pipeline(model=model), cases, "red", seed=1, schedule="ddim_uniform", reference_steps=100))
    assert model.evaluations == sum(one.evaluations for one in made) + 2 * 100
    assert made[1].error < made[0].error / 3


def test_other_plugins_do_not_hide_evaluations() -> None:
    class Twice:
        """Asks the model twice."""

        @hookimpl
        def wrap_denoiser(self, run: object):
            def around(denoise):
                def twice(x: torch.Tensor, sigma: float):
                    denoise(x, sigma)
                    return denoise(x, sigma)

                return twice

            return around

    (one,) = measure(make_pipeline([Twice()]), [Case("euler", 4)], "red", seed=1, reference_steps=4)
    assert one.evaluations == 8


def test_what_is_raised_before_an_evaluation_ends_it() -> None:
    calls: list[int] = []

    def before() -> None:
        calls.append(1)
        if len(calls) > 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(measure(make_pipeline(), [Case("euler", 4)], "red", before_evaluation=before, seed=1, reference_steps=9))
    assert len(calls) == 7


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if not why_not(entry)])
def test_noiseless_options_turn_the_noise_off(name: str) -> None:
    def draw(sigma: float, sigma_next: float) -> torch.Tensor:
        raise AssertionError(f"{name} drew noise")

    x = torch.ones(1, 2, dtype=torch.float64)
    list(
        ENTRIES[name].load()(
            ConstantDenoiser(0.5), x, log_sigmas(10, 0.1, 4), draw, **(noiseless_options(ENTRIES[name]) or {})
        )
    )


def test_who_cannot_be_measured_and_why() -> None:
    reasons = {name: reason for name, entry in ENTRIES.items() if (reason := why_not(entry))}
    assert {name for name in reasons if not name.endswith("_cfg_pp")} == {"ddpm", "lcm"}
    assert reasons["lcm"] == "they always add noise"
    assert reasons["euler_cfg_pp"] == "their guidance grows with the number of steps"
    assert noiseless_options(ENTRIES["euler"]) == {}
    assert noiseless_options(ENTRIES["euler_ancestral"]) == {"eta": QUIET["eta"]}


def test_an_adaptive_sampler_is_measured_once() -> None:
    assert cases_of(ENTRIES["dpm_adaptive"], STEPS) == (Case("dpm_adaptive", 4),)
    assert [case.label for case in cases_of(ENTRIES["dpmpp_2m_sde"], (4,))] == ["dpmpp_2m_sde (eta=0)"]


def test_pictures_that_are_sampled_one_by_one_count_on_average() -> None:
    """dpm_adaptive takes each picture alone: four pictures cost what one does, four times."""
    pipe = make_pipeline()
    alone, together = (
        next(measure(pipe, [Case("dpm_adaptive", 4)], "red", seed=1, count=count, reference_steps=4)).evaluations
        for count in (1, 4)
    )
    assert together == pytest.approx(alone, rel=0.3)


def test_front() -> None:
    def point(name: str, evaluations: int, error: float) -> Measurement:
        return Measurement(Case(name, 1), evaluations, error)

    a, b, c, d, e = (
        point("a", 4, 0.9),
        point("b", 4, 0.8),
        point("c", 8, 0.8),  # as near as b, for more
        point("d", 16, 0.1),
        point("e", 8, 0.5),
    )
    assert pareto_front([a, b, c, d, e]) == (b, e, d)
    assert pareto_front([c, b]) == (b,)
    assert pareto_front([]) == ()


def test_arithmetic() -> None:
    assert relative_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])) == 2.0
    assert karras(10.0, 0.1, 7) == pytest.approx(karras_sigmas(10.0, 0.1, 7))


def test_unknown_fields_are_errors_of_the_request() -> None:
    with pytest.raises(RequestError, match="steps"):
        list(measure(make_pipeline(), [Case("euler", 0)], "red", seed=1))
