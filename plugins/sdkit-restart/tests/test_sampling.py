"""The sampler `restart`, and restarts around others: distribution, cost, noise, and what they are good for."""

import runpy
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from pydantic import JsonValue

import sdkit
import sdkit_restart
from sdkit.errors import RequestError
from sdkit.sampling import SeededNoise, ddim_step, noise_for
from sdkit.testing import GaussianDenoiser, RecordingDenoiser, assert_sampler_ok, log_sigmas, make_pipeline
from sdkit.types import Denoiser, Prediction, Run, Step, StepDone
from sdkit_restart.sampler import noise_of, restart, with_restarts
from sdkit_restart.segments import Segment

SEGMENTS = (Segment(4, 3, 0.1, 2.0), Segment(3, 1, 1.0, 5.0))


def test_restart_is_a_sampler_as_sdkit_expects_them():
    """Gaussian data keep mean and variance, eps and flow; steps meet; each image of a batch is what it is alone."""
    assert_sampler_ok(restart, noise="white", segments=(Segment(40, 2, 0.3, 2.0), Segment(20, 1, 0.5, 3.0)))


def test_without_restarts_it_is_heun_of_second_order():
    assert_sampler_ok(restart, noise="none", order=2, segments=())


@pytest.mark.parametrize("flow", [False, True], ids=["eps", "flow"])
def test_noise_brings_gaussian_data_to_the_variance_that_they_have_at_t_max(flow: bool):
    """The state at which a restart begins, seen through the denoiser's first call there."""
    gauss = GaussianDenoiser(0.6, 0.8, flow=flow)
    seen: dict[float, torch.Tensor] = {}

    class Watching:
        alpha = staticmethod(gauss.alpha)

        def __call__(self, x: torch.Tensor, sigma: float, /) -> Prediction:
            seen.setdefault(sigma, x)
            return gauss(x, sigma)

    shape = (4, 64, 64)
    mean, std = gauss.marginal(0.9)
    x = mean + std * SeededNoise((1,), shape).start().double()
    list(
        restart(
            Watching(), x, log_sigmas(0.9, 0.05, 40), SeededNoise((2,), shape), segments=(Segment(3, 1, 0.5, 0.777),)
        )
    )
    expected_mean, expected_std = gauss.marginal(0.777)
    assert seen[0.777].mean().item() == pytest.approx(expected_mean, abs=0.02)
    assert seen[0.777].std().item() == pytest.approx(expected_std, rel=0.02)


def test_evaluations_are_as_many_as_the_formula_says():
    sigmas = (*log_sigmas(10.0, 0.05, 9), 0.0)
    denoise = RecordingDenoiser(GaussianDenoiser(0.0, 1.0))
    steps = list(restart(denoise, torch.ones(1, 1, 2, 2), sigmas, SeededNoise((0,), (1, 2, 2)), segments=SEGMENTS))
    added = 3 * 3 + 1 * 2
    assert len(steps) == 10 + added
    assert len(denoise.sigmas) == 2 * (10 + added) - 1
    assert [step.index for step in steps] == list(range(10 + added))
    assert all(step.sigma_next == following.sigma for step, following in pairwise(steps))


def euler(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...]) -> Iterator[Step]:
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        yield (
            step := Step(index, sigma, sigma_next, x, prediction, ddim_step(x, prediction.denoised, sigma, sigma_next))
        )
        x = step.x


def test_edits_of_a_step_reach_the_sampler_inside():
    sigmas, noise = log_sigmas(10.0, 0.1, 4), SeededNoise((0,), (1, 2, 2))
    gauss = GaussianDenoiser(0.0, 1.0)
    steps = with_restarts(euler, (Segment(3, 1, 0.1, 2.0),), noise)(gauss, torch.ones(1, 1, 2, 2), sigmas)
    before: Step | None = None
    for step in steps:
        if before is not None:
            assert torch.equal(step.x_in, before.x)
        if step.sigma_next < step.sigma:  # the first step of a restart predicts after the noise
            assert torch.equal(step.denoised, gauss(step.x_in, step.sigma).denoised)
        step.x = step.x + 1.0
        before = step


# ── what it is good for: the README's table, smaller ─────────────────────────────────────────────────────────────────


def test_contracts_a_models_errors_and_costs_accuracy_where_there_are_none():
    measure = runpy.run_path(str(Path(__file__).parents[1] / "measure.py"))
    erring = measure["compare"](0.1, count=8000)
    assert erring["restart"].evaluations == erring["heun"].evaluations == erring["euler"].evaluations == 55
    assert erring["restart"].distance < 0.6 * erring["heun"].distance
    assert erring["restart"].distance < 0.75 * erring["euler"].distance
    exact = measure["compare"](0.0, count=8000)
    assert exact["heun"].distance < exact["restart"].distance


# ── in a pipeline ────────────────────────────────────────────────────────────────────────────────────────────────────

ON: dict[str, dict[str, JsonValue]] = {"restart": {"enabled": True, "segments": [[3, 2, 0.2, 2.0]]}}


def latents(sampler: str, seeds: list[int], options: dict[str, dict[str, JsonValue]]) -> torch.Tensor:
    pipe = make_pipeline([sdkit_restart])
    return pipe("a star", seeds=seeds, sampler=sampler, steps=8, options=options).latents.tensor


def test_is_off_unless_it_is_asked_for():
    plain = make_pipeline()("a star", seed=3, sampler="dpmpp_2m", steps=8).latents.tensor
    assert torch.equal(latents("dpmpp_2m", [3], {}), plain)
    no_restarts: dict[str, dict[str, JsonValue]] = {"restart": {"enabled": True, "segments": [[3, 0, 0.2, 2.0]]}}
    assert torch.equal(latents("dpmpp_2m", [3], no_restarts), plain)


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "heun", "dpmpp_2m"])
def test_restarts_any_sampler_and_every_picture_as_if_it_were_alone(sampler: str):
    together = latents(sampler, [3, 4], ON)
    assert not torch.allclose(together, latents(sampler, [3, 4], {}), atol=1e-3)
    for row, seed in enumerate((3, 4)):
        torch.testing.assert_close(together[row : row + 1], latents(sampler, [seed], ON), rtol=0, atol=1e-5)


def test_the_steps_of_the_sampler_by_name_are_counted_on_through_its_restarts():
    pipe = make_pipeline([sdkit_restart])
    options: dict[str, JsonValue] = {"segments": [[3, 2, 0.2, 2.0]]}
    events = pipe.stream("a star", seed=3, sampler="restart", steps=8, sampler_options=options)
    assert [event.index for event in events if isinstance(event, StepDone)] == list(range(8 + 2 * 2))


def test_restarts_draw_noise_of_their_own():
    """The starting noise and the inner sampler's come from the seeds, too; the same numbers twice would add up.

    And each of the two images has its own.
    """
    runs: list[Run] = []

    class Listening:
        @sdkit.hookimpl
        def wrap_sampler(self, run: Run) -> None:
            runs.append(run)

    make_pipeline([sdkit_restart, Listening()])("a star", seeds=[3, 4], width=256, height=256)
    run, mine, inner = runs[0], noise_of(runs[0]), noise_for(runs[0], "white", "euler")
    assert run.noise is not None
    draws = [run.noise, *(inner(1.0, 0.5) for _ in range(3)), *(mine(1.0, 0.5) for _ in range(3))]
    correlations = torch.corrcoef(torch.cat(draws).flatten(1))
    assert correlations.fill_diagonal_(0).abs().max() < 0.08  # 4,096 numbers each: 5 standard deviations


def test_restarting_the_restart_sampler_is_refused():
    with pytest.raises(RequestError, match="restarts by itself"):
        latents("restart", [3], ON)
