"""The check for samplers, on samplers that are wrong in one way each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch

from sdkit.sampling import alpha_of, ddim_step
from sdkit.testing.denoisers import karras_sigmas
from sdkit.testing.samplers import assert_sampler_ok
from sdkit.types import Denoiser, Noise, NoiseKind, Step

Sigmas = tuple[float, ...]
Fault = Callable[[Denoiser, torch.Tensor, Sigmas, Noise], Iterator[Step]]


def deaf(denoise: Denoiser, x: torch.Tensor, sigmas: Sigmas, noise: Noise) -> Iterator[Step]:
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(x, sigma)
        x_next = ddim_step(x, prediction.denoised, sigma, sigma_next)
        yield Step(i, sigma, sigma_next, x, prediction, x_next)
        x = x_next


def pretending(denoise: Denoiser, x: torch.Tensor, sigmas: Sigmas, noise: Noise) -> Iterator[Step]:
    own = x
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        prediction = denoise(own, sigma)
        own = ddim_step(own, prediction.denoised, sigma, sigma_next)
        step = Step(i, sigma, sigma_next, x, prediction, own)
        yield step
        x = step.x


def faulty(
    *,
    index: Callable[[int], int] = lambda i: i,
    step: Callable[..., torch.Tensor] = ddim_step,
    sigma_type: Callable[[float], Any] = float,
    before: Callable[[torch.Tensor], torch.Tensor] = lambda x: x,
    skip_last: bool = False,
) -> Fault:
    """Euler's method with a fault."""

    def sampler(denoise: Denoiser, x: torch.Tensor, sigmas: Sigmas, noise: Noise) -> Iterator[Step]:
        for i, (sigma, sigma_next) in enumerate(pairwise(sigmas[:-1] if skip_last else sigmas)):
            x = before(x)
            prediction = denoise(x, sigma_type(sigma))
            taken = Step(index(i), sigma, sigma_next, x, prediction, step(x, prediction.denoised, sigma, sigma_next))
            yield taken
            x = taken.x

    return sampler


def noisy(factor: float) -> Fault:
    def sampler(denoise: Denoiser, x: torch.Tensor, sigmas: Sigmas, noise: Noise) -> Iterator[Step]:
        for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
            prediction = denoise(x, sigma)
            up = sigma_next * (1 - (sigma_next / sigma) ** 2) ** 0.5
            x_next = ddim_step(x, prediction.denoised, sigma, (sigma_next**2 - up**2) ** 0.5)
            step = Step(i, sigma, sigma_next, x, prediction, x_next + noise(sigma, sigma_next) * up * factor)
            yield step
            x = step.x

    return sampler


def mixing(x: torch.Tensor, denoised: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
    return ddim_step(x, denoised.mean(0, keepdim=True).expand_as(x), sigma, sigma_next)


def halving(x: torch.Tensor, denoised: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
    return ddim_step(x, denoised, sigma, sigma_next) * (1.0 if sigma_next else 0.999)


def global_noise(x: torch.Tensor, denoised: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
    return ddim_step(x, denoised, sigma, sigma_next) + 0 * torch.randn(1)


def in_place(x: torch.Tensor, denoised: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
    return x.sub_(denoised).mul_(sigma_next / sigma).add_(denoised)


def drifting(x: torch.Tensor, denoised: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
    return ddim_step(x, denoised, sigma, sigma_next**1.01 if sigma_next else 0.0)


@pytest.mark.parametrize(
    ("sampler", "order", "noise", "message"),
    [
        (deaf, 1, "none", r"write `x = step\.x` after the yield"),
        (pretending, 1, "none", r"the result is what it was without; compute with what step\.x is after the yield"),
        (faulty(index=lambda i: i + 1), 1, "none", "step 0 has index 1; number steps from 0"),
        (faulty(skip_last=True), 1, "none", r"yielded no step for sigmas \(10\.0, 0\.1"),
        (faulty(before=lambda x: x + 0.0 if x.shape[0] else x * 2, step=halving), 1, "none", "x is off by 0.0004"),
        (faulty(before=lambda x: x + 1), 1, "none", "x_in must be the state that the step started from"),
        (faulty(sigma_type=torch.tensor), 1, "none", "give it a Python float"),
        (faulty(step=mixing), 1, "none", "must not mix the images of a batch"),
        (faulty(step=in_place), 1, "none", "x_in must be the state|changed the x that it was given"),
        (faulty(step=global_noise), 1, "none", "drew from torch's global random generator"),
        (faulty(), 2, "none", r"order of convergence was said to be 2, but .* order [01]\.\d\d"),
        (faulty(step=drifting), None, "none", "strays .* from the closed-form path"),
        (noisy(1.0), None, "none", 'register it with noise="white" or "brownian"'),
        (noisy(1.0), 1, "white", "its order cannot be measured"),
        (
            noisy(1.2),
            None,
            "white",
            r"with an eps model: Gaussian data should have variance .* \(sdkit\.sampling\.alpha",
        ),
        (noisy(1.0), None, "white", "with a flow model: Gaussian data should have"),
    ],
)
def test_fault_is_found(sampler: Fault, order: float | None, noise: NoiseKind, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_sampler_ok(sampler, order=order, noise=noise)


def adaptive(steps: int, power: float) -> Fault:
    """Euler's method, in more steps the less error it may have."""

    def sampler(
        denoise: Denoiser, x: torch.Tensor, sigmas: Sigmas, noise: Noise, *, rtol: float = 0.1, atol: float = 0.1
    ) -> Iterator[Step]:
        count = round(steps / (rtol + atol) ** power)
        grid = *karras_sigmas(sigmas[0], sigmas[-1] or sigmas[-2], count)[:-1], sigmas[-1]
        yield from faulty()(denoise, x, grid if len(sigmas) > 2 else sigmas, noise)

    return sampler


def test_without_a_fault_there_is_none() -> None:
    assert_sampler_ok(faulty(), order=1)
    assert_sampler_ok(noisy(1.0), noise="white", flow=False)
    assert_sampler_ok(adaptive(40, 0.5), adaptive=True)


def test_of_an_adaptive_sampler_the_error_must_fall_with_the_tolerance() -> None:
    with pytest.raises(AssertionError, match=r"fall to a fifth or less with \{'rtol': 0.001, 'atol': 0.001\}; it went"):
        assert_sampler_ok(adaptive(40, 0.2), adaptive=True)
    with pytest.raises(AssertionError, match=r"ends .* from the closed-form path .*\{'rtol': 0.01, 'atol': 0.001"):
        assert_sampler_ok(adaptive(4, 0.2), adaptive=True, rtol=1.0)
    with pytest.raises(AssertionError, match=r"options rtol and atol; missing: \['rtol', 'atol'\]"):
        assert_sampler_ok(faulty(), adaptive=True)


def test_order_is_measured_between_the_steps_that_are_given() -> None:
    """A sampler whose last step is worse where their number is divisible by four."""

    def uneven(denoise: Denoiser, x: torch.Tensor, sigmas: Sigmas, noise: Noise) -> Iterator[Step]:
        good = faulty() if len(sigmas) % 4 != 1 else faulty(step=drifting)
        yield from good(denoise, x, sigmas, noise)

    assert_sampler_ok(uneven, order=1, steps=(81, 162))
    with pytest.raises(AssertionError, match=r"strays .* from the closed-form path of Gaussian data in 80 steps"):
        assert_sampler_ok(uneven, order=1)


def test_of_a_consistency_sampler_noise_is_checked_on_a_single_value() -> None:
    """A model of one value predicts where every path ends, so jumping there and back is exact."""

    def jumping(factor: float) -> Fault:
        def sampler(denoise: Denoiser, x: torch.Tensor, sigmas: Sigmas, noise: Noise) -> Iterator[Step]:
            for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
                prediction, x_next = denoise(x, sigma), denoise(x, sigma).denoised
                if sigma_next > 0:
                    x_next = x_next * alpha_of(denoise)(sigma_next) + noise(sigma, sigma_next) * sigma_next * factor
                step = Step(i, sigma, sigma_next, x, prediction, x_next)
                yield step
                x = step.x

        return sampler

    assert_sampler_ok(jumping(1.0), noise="white", consistency=True)
    with pytest.raises(AssertionError, match=r"Gaussian data should have variance 0\.8000 at sigma 0.4"):
        assert_sampler_ok(jumping(1.0), noise="white")
    with pytest.raises(AssertionError, match=r"Gaussian data should have variance 0\.1600 at sigma 0.4"):
        assert_sampler_ok(jumping(1.1), noise="white", consistency=True)
