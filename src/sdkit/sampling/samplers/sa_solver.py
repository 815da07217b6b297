"""SA-Solver: stochastic Adams methods in λ, predictor and corrector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sdkit.sampling.alpha import alpha_of
from sdkit.sampling.parameterisations import Parameterisation
from sdkit.sampling.samplers.maths import (
    ReverseSde,
    exponential_lagrange,
    finite_snr,
    half_log_snr,
    reverse_sde,
    weighted_sum,
)
from sdkit.sigmas import scaled_linear_sigmas
from sdkit.types import Step

if TYPE_CHECKING:
    import torch

    from sdkit.sampling.alpha import Alpha
    from sdkit.types import Denoiser, Noise


def sa_solver(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    sde_start_percent: float = 0.2,
    sde_end_percent: float = 0.8,
    predictor_order: int = 3,
    corrector_order: int = 4,
    simple_order_2: bool = False,
    use_pece: bool = False,
) -> Iterator[Step]:
    """SA-Solver: each step is predicted from earlier predictions, and corrected once the model was asked at its end
    (Xue et al., arXiv:2309.05019, algorithm 1, for models that predict the clean latents).

    τ is `eta` where sigma_next lies between the two percents of the training timesteps, and 0 elsewhere.
    `simple_order_2`: the paper's simpler coefficients where two predictions are used. `use_pece` asks the model again
    after correcting. Deviations: orders fall to 1 towards sigma 0, where high ones ring. A step yields what was
    predicted, and the next step begins with correcting it. What somebody changed in between is added to the corrected
    state, too, so that it is not lost.
    """
    alpha = alpha_of(denoise)
    safe = finite_snr(alpha, sigmas)
    tau = _tau(alpha, eta, sde_start_percent, sde_end_percent)
    to_zero = bool(safe) and safe[-1] == 0
    history: list[tuple[torch.Tensor, float]] = []  # predictions with their λ, the latest last
    corrected = predicted = x  # the state at sigma; what the corrector starts from, and what it is to improve
    exact, fresh = ReverseSde(1.0, 1.0, 0.0, 0.0), None  # the step that led here, and the noise that it added
    for index, (sigma, sigma_next) in enumerate(pairwise(safe)):
        prediction = denoise(x, sigma)
        denoised, now, ahead = prediction.denoised, half_log_snr(alpha, sigma), len(safe) - 2 - index
        history = [*history, (denoised, now)][-max(predictor_order, corrector_order) :]

        order = min(corrector_order, len(history), ahead + 1 if to_zero else len(history))
        if index == 0 or order == 0 or (sigma_next == 0 and not use_pece):
            corrected = x
        else:
            change = None if x is predicted else x - predicted
            before = half_log_snr(alpha, safe[index - 1])
            moved = _adams(exact, history[-order:], before, now, simple_order_2, corrects=True)
            corrected = corrected * exact.keep + moved
            corrected = corrected if fresh is None else corrected + fresh
            corrected = corrected if change is None else corrected + change
            if use_pece:
                denoised = denoise(corrected, sigma).denoised
                history[-1] = denoised, now

        x_next = denoised
        if sigma_next > 0:
            exact, later = reverse_sde(alpha, sigma, sigma_next, tau(sigma_next) ** 2), half_log_snr(alpha, sigma_next)
            used = history[-min(predictor_order, ahead if to_zero else predictor_order) :]
            x_next = corrected * exact.keep + _adams(exact, used, now, later, simple_order_2, corrects=False)
            fresh = None
            if exact.sigma_up > 0 and s_noise > 0:
                fresh = noise(sigma, sigma_next) * (exact.sigma_up * s_noise)
                x_next = x_next + fresh
        predicted = x_next
        step = Step(index, sigmas[index], sigma_next, x, prediction, x_next)
        yield step
        x = step.x


def sa_solver_pece(
    denoise: Denoiser,
    x: torch.Tensor,
    sigmas: tuple[float, ...],
    noise: Noise,
    /,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    sde_start_percent: float = 0.2,
    sde_end_percent: float = 0.8,
    predictor_order: int = 3,
    corrector_order: int = 4,
    simple_order_2: bool = False,
) -> Iterator[Step]:
    """`sa_solver` with `use_pece`: predict, evaluate, correct, evaluate."""
    return sa_solver(
        denoise,
        x,
        sigmas,
        noise,
        eta=eta,
        s_noise=s_noise,
        sde_start_percent=sde_start_percent,
        sde_end_percent=sde_end_percent,
        predictor_order=predictor_order,
        corrector_order=corrector_order,
        simple_order_2=simple_order_2,
        use_pece=True,
    )


def _adams(
    exact: ReverseSde,
    history: list[tuple[torch.Tensor, float]],
    start: float,
    end: float,
    simple_order_2: bool,
    *,
    corrects: bool,
) -> torch.Tensor:
    """What the predictions add in the step from λ `start` to `end`: the integral of the polynomial through them."""
    predictions, lambdas = zip(*history, strict=True)
    h = end - start
    if simple_order_2 and len(history) == 2:
        half = exact.alpha_next * exact.c / 2
        latest = half if corrects else exact.weight(1) - half * h / (lambdas[0] - start)
        return weighted_sum((exact.weight(1) - latest, latest), predictions)
    weights = exponential_lagrange([(lambda_ - start) / h for lambda_ in lambdas], exact.c)
    return weighted_sum((exact.alpha_next * weight for weight in weights), predictions)


def _tau(alpha: Alpha, eta: float, start_percent: float, end_percent: float) -> Callable[[float], float]:
    """τ at each sigma. A sampler knows α and not the model's timesteps: percents are those of Stable Diffusion where α
    is 1, and of an unshifted flow model elsewhere."""
    if eta == 0:
        return lambda sigma: 0.0
    if alpha(0.5) < 1:
        start, end = 1.0 - start_percent, 1.0 - end_percent
    else:
        rules = Parameterisation("eps", scaled_linear_sigmas())
        start, end = rules.percent_to_sigma(start_percent), rules.percent_to_sigma(end_percent)
    return lambda sigma: eta if start >= sigma >= end else 0.0
