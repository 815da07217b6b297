"""SA-Solver: where it renews noise, what its corrector is worth, and that it keeps what others change."""

from __future__ import annotations

import pytest
import torch

from sdkit.sampling.samplers.sa_solver import sa_solver, sa_solver_pece
from sdkit.testing.denoisers import ConstantDenoiser, GaussianDenoiser, RecordingDenoiser, log_sigmas
from sdkit.testing.samplers import SamplerFunction


def no_noise(sigma: float, sigma_next: float, /) -> torch.Tensor:
    raise AssertionError(f"asked for noise from {sigma} to {sigma_next}")


def asked(flow: bool, sigmas: tuple[float, ...], **percents: float) -> list[tuple[float, float]]:
    """What noise is asked for."""
    calls: list[tuple[float, float]] = []
    x = torch.zeros(1, dtype=torch.float64)

    def noise(sigma: float, sigma_next: float, /) -> torch.Tensor:
        calls.append((sigma, sigma_next))
        return x

    sampler: SamplerFunction = sa_solver
    list(sampler(ConstantDenoiser(0.0, flow=flow), x, sigmas, noise, **percents))
    return calls


def test_sa_solver_renews_noise_between_the_percents() -> None:
    """Stable Diffusion's sigmas at 20 % and 80 % of its timesteps are 5.09 and 0.571."""
    assert asked(False, (9.0, 5.1, 5.09, 0.572, 0.57, 0.2)) == [(5.1, 5.09), (5.09, 0.572)]
    assert asked(False, (9.0, 5.0, 0.5), sde_start_percent=0.0, sde_end_percent=1.0) == [(9.0, 5.0), (5.0, 0.5)]
    sigmas = (1.0, 0.81, 0.79, 0.21, 0.19, 0.0)
    assert asked(True, sigmas) == [(0.81, 0.79), (0.79, 0.21)]
    assert asked(True, sigmas, sde_start_percent=0.0, sde_end_percent=0.5) == [(0.9999, 0.81), (0.81, 0.79)]


def test_sa_solver_corrects_what_it_predicted() -> None:
    """A corrector makes the path closer, and asking again after correcting costs an evaluation in all steps but one."""
    gauss, sigmas = GaussianDenoiser(0.6, 0.8), log_sigmas(10.0, 0.1, 12)
    x = torch.tensor([8.0], dtype=torch.float64)
    exact = float(gauss.path(x, 10.0, 0.1))
    errors: list[float] = []
    for corrector_order, use_pece in ((0, False), (4, False), (4, True)):
        denoise = RecordingDenoiser(gauss)
        *_, last = sa_solver(denoise, x, sigmas, no_noise, eta=0.0, corrector_order=corrector_order, use_pece=use_pece)
        errors.append(abs(float(last.x) - exact))
        assert len(denoise.sigmas) == (23 if use_pece else 12)
    assert errors[0] > 2 * errors[1]
    assert errors[0] > 2 * errors[2]


@pytest.mark.parametrize("sampler", [sa_solver, sa_solver_pece])
def test_sa_solver_keeps_what_somebody_changed(sampler: SamplerFunction) -> None:
    """Its corrector starts from the step before, so a change would be lost if it were not carried over."""
    x, sigmas = torch.tensor([2.0], dtype=torch.float64), (6.0, 4.0, 2.0, 1.0, 0.5)

    def last(change: float | None) -> float:
        came = x
        for step in sampler(ConstantDenoiser(0.3), x, sigmas, no_noise, eta=0.0):
            if step.index == 1 and change is not None:
                step.x = step.x + change
            came = step.x
        return float(came)

    assert last(0.0) == pytest.approx(last(None), rel=1e-14)
    assert last(1.0) - last(None) == pytest.approx(0.5 / 2.0, rel=1e-12)
