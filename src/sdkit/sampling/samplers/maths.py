"""The maths that several samplers share, named once. Scalars are Python floats, tensors are never changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sdkit.errors import SamplingError
from sdkit.rounding import exp32, float32, log32

if TYPE_CHECKING:
    import torch

    from sdkit.sampling.alpha import Alpha
    from sdkit.types import Noise, Prediction


def unit_alpha(sigma: float) -> float:
    """The α of eps and v models, for samplers that know no other."""
    return 1.0


def to_d(x: torch.Tensor, sigma: float, denoised: torch.Tensor) -> torch.Tensor:
    """dx/dσ of the probability-flow ODE (Karras et al., arXiv:2206.00364, eq. 3); the same for every α(σ)."""
    return (x - denoised) / sigma


def ddim_step(x: torch.Tensor, denoised: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor:
    """From sigma to sigma_next as if `denoised` were the answer (Song et al., arXiv:2010.02502, eq. 12 without noise).

    Exact for a constant `denoised`; at sigma_next = 0 it is `denoised`, without rounding. It is Euler's step in σ, and
    the first-order exponential step in −log σ.
    """
    return denoised + (x - denoised) * (sigma_next / sigma)


class Ancestral(NamedTuple):
    """An ancestral step, taken apart: denoise to `sigma_down`, multiply by `scale`, add noise of std `sigma_up`."""

    sigma_down: float
    scale: float
    sigma_up: float


def ancestral_step(alpha: Alpha, sigma: float, sigma_next: float, eta: float) -> Ancestral:
    """How to step from sigma to sigma_next with a share `eta` of the noise renewed.

    At eta 1 sigma_down is σ_next²/σ, the step of ancestral sampling (arXiv:2006.11239, eq. 6–7, for α = 1). Between,
    the custom differs: eta scales the std of the new noise for α = 1, and the way down for flow models. Either way
    scale and sigma_up follow from what x at sigma_next must be: scale·α(σ_down) = α(σ_next), (scale·σ_down)² + σ_up² =
    σ_next².
    """
    if sigma_next == 0 or eta == 0:
        return Ancestral(sigma_next, 1.0, 0.0)
    if alpha(sigma_next) == 1.0:
        sigma_up = min(sigma_next, eta * sigma_next * math.sqrt(1 - (sigma_next / sigma) ** 2))
        return Ancestral(math.sqrt(sigma_next**2 - sigma_up**2), 1.0, sigma_up)
    sigma_down = sigma_next * max(0.0, 1 + (sigma_next / sigma - 1) * eta)
    scale = alpha(sigma_next) / alpha(sigma_down)
    return Ancestral(sigma_down, scale, math.sqrt(sigma_next**2 - (scale * sigma_down) ** 2))


def renoise(
    x: torch.Tensor, step: Ancestral, sigma: float, sigma_next: float, noise: Noise, s_noise: float
) -> torch.Tensor:
    """x at `step.sigma_down` brought back up to sigma_next with new noise; as it is where there is none to add."""
    if step.sigma_up == 0:
        return x
    return x * step.scale + noise(sigma, sigma_next) * (step.sigma_up * s_noise)


def ddim_noise(alpha: Alpha, sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """How much noise x is to keep in a step, and how much to get anew, as stds (Song et al., arXiv:2010.02502, eq. 16).

    x at sigma_next is then α·denoised + kept·(the noise in x) + renewed·(new noise); kept² + renewed² is sigma_next².
    At eta 0 nothing is renewed, at 1 as much as in ancestral sampling. The paper's √ᾱ and √(1 − ᾱ) are α and σ here,
    but for a common factor, on which nothing depends.
    """
    if sigma_next == 0 or eta == 0:
        return sigma_next, 0.0
    ratio = sigma_next * alpha(sigma) / (sigma * alpha(sigma_next))  # written so that α(sigma) may be 0
    renewed = min(sigma_next, eta * sigma_next * math.sqrt(1 - ratio**2))
    return math.sqrt(sigma_next**2 - renewed**2), renewed


class Churn(NamedTuple):
    """How much noise to add before each step (Karras et al., arXiv:2206.00364, algorithm 2); see `ChurnOptions`."""

    s_churn: float
    s_tmin: float
    s_tmax: float
    s_noise: float


def churn(
    churning: Churn, alpha: Alpha, x: torch.Tensor, sigma: float, steps: int, noise: Noise
) -> tuple[torch.Tensor, float]:
    """x and sigma with noise added: algorithm 2, lines 4–6; as they are where there is nothing to add.

    Deviation: x is rescaled where α is not 1, and sigma stays below the 1 of flow models.
    """
    gamma = min(churning.s_churn / steps, math.sqrt(2) - 1) if churning.s_tmin <= sigma <= churning.s_tmax else 0.0
    raised = sigma * (1 + gamma)
    if gamma == 0 or alpha(raised) <= 0:
        return x, sigma
    scale = alpha(raised) / alpha(sigma)
    added = math.sqrt(raised**2 - (scale * sigma) ** 2)
    return x * scale + noise(raised, sigma) * (churning.s_noise * added), raised


def half_log_snr(alpha: Alpha, sigma: float) -> float:
    """λ = log(α/σ), half the logarithm of the signal-to-noise ratio: the time in which exponential integrators step."""
    return math.log(alpha(sigma) / sigma)


def sigma_between(alpha: Alpha, sigma: float, sigma_next: float, r: float) -> float:
    """The sigma at the share `r` of the way in λ: sigma at 0, sigma_next at 1. For α = 1 and for α = 1 − σ."""
    if r == 1:
        return sigma_next
    middle = (1 - r) * half_log_snr(alpha, sigma) + r * half_log_snr(alpha, sigma_next)
    ratio = math.exp(-middle)  # σ/α
    return ratio if alpha(sigma) == 1.0 else ratio / (1 + ratio)


def sigma_between32(alpha: Alpha, sigma: float, sigma_next: float, r: float) -> float:
    """`sigma_between` as programs that compute in float32 have it: every operation is rounded.

    For sigmas at which Brownian noise is asked for: the trees of those programs tell sigmas apart by 1e-6, so their
    noise can be had for their sigmas only.
    """
    if r == 1:
        return sigma_next
    flow = alpha(sigma) != 1.0
    start, end = (-log32(float32(at / float32(1 - at)) if flow else at) for at in (sigma, sigma_next))
    middle = float32(start + float32(float32(r) * float32(end - start)))
    return float32(1 / float32(1 + exp32(middle))) if flow else exp32(-middle)


def finite_snr(alpha: Alpha, sigmas: tuple[float, ...]) -> tuple[float, ...]:
    """The sigmas to compute with where λ is needed: a first one at which α is 0, as 1 is for flow models, is lowered.

    There λ is −∞ and no step in it has a middle. x at 0.9999 is x at 1 but for 1e-4 of the clean latents, so x is taken
    to be that; the custom is the same share of the timesteps. Never as low as the next sigma. A step still starts at
    the sigma that was asked for: `Step.sigma` is to be taken from `sigmas`, all else from what this returns.
    """
    if not sigmas or alpha(sigmas[0]) > 0:
        return sigmas
    return (max(0.9999 * sigmas[0], sum(sigmas[:2]) / 2), *sigmas[1:])


def phi(k: int, z: float) -> float:
    """φ_k(z) = ∫₀¹ e^((1−u)z)·u^(k−1)/(k−1)! du for k ≥ 1: the weights of exponential integrators; φ_k(0) = 1/k!."""
    if abs(z) < 2:  # where the recursion would cancel
        term = total = 1 / math.factorial(k)
        for j in range(1, 30):
            term *= z / (k + j)
            total += term
        return total
    return math.expm1(z) / z if k == 1 else (phi(k - 1, z) - 1 / math.factorial(k - 1)) / z


class ReverseSde(NamedTuple):
    """A step of the reverse SDE, exact but for how the prediction D varies in it.

    x_next = `keep`·x + Σₖ `weight(k)`·hᵏ⁻¹·(dᵏ⁻¹D/dλᵏ⁻¹) + `sigma_up`·(unit noise), k = 1, 2, …, with h the step in λ.
    """

    keep: float
    alpha_next: float
    c: float
    sigma_up: float

    def weight(self, k: int) -> float:
        """What the prediction's (k − 1)-th derivative in λ, times hᵏ⁻¹, counts for."""
        return self.alpha_next * self.c * phi(k, -self.c)


def reverse_sde(alpha: Alpha, sigma: float, sigma_next: float, eta: float) -> ReverseSde:
    """The step from sigma to sigma_next, above 0, of the SDE whose noise is √eta times that of the plain reverse SDE.

    eta 0 is the probability-flow ODE, 1 the reverse of the forward process. The solution is that of SA-Solver (Xue et
    al., arXiv:2309.05019) for constant τ² = eta; for eta 1 it is DPM-Solver++'s (Lu et al., arXiv:2211.01095).
    """
    h = half_log_snr(alpha, sigma_next) - half_log_snr(alpha, sigma)
    keep = sigma_next / sigma * math.exp(-eta * h)
    return ReverseSde(keep, alpha(sigma_next), (1 + eta) * h, sigma_next * math.sqrt(-math.expm1(-2 * eta * h)))


def uncond_of(prediction: Prediction, sampler: str) -> torch.Tensor:
    """What the negative branch predicted, which CFG++ samplers need. Raises SamplingError where it did not run."""
    if prediction.uncond is None:
        raise SamplingError(
            f"sampler {sampler!r} needs what the negative branch predicts, and the guidance did not evaluate that "
            "branch (prediction.uncond is None). Use a guidance that does, such as cfg, register the sampler with "
            f"uncond=True, or choose {sampler.removesuffix('_cfg_pp')!r}."
        )
    return prediction.uncond


def lagrange(nodes: Sequence[float], at: float) -> tuple[float, ...]:
    """The weights by which values at distinct `nodes` become the value of their interpolating polynomial at `at`."""
    return tuple(
        math.prod((at - other) / (node - other) for k, other in enumerate(nodes) if k != j)
        for j, node in enumerate(nodes)
    )


_GAUSS = (
    (-0.9061798459386640, 0.2369268850561891),
    (-0.5384693101056831, 0.4786286704993665),
    (0.0, 0.5688888888888889),
    (0.5384693101056831, 0.4786286704993665),
    (0.9061798459386640, 0.2369268850561891),
)
"""Nodes and weights of five-point Gauss–Legendre quadrature on (−1, 1), exact for polynomials up to degree 9."""


def quadrature(start: float, end: float) -> tuple[tuple[float, float], ...]:
    """Five points between, and their weights, such that Σ weight·f(point) is ∫f: exact for polynomials to degree 9."""
    middle, half = (start + end) / 2, (end - start) / 2
    return tuple((middle + half * node, half * weight) for node, weight in _GAUSS)


def integrated_lagrange(nodes: Sequence[float], end: float) -> tuple[float, ...]:
    """The weights by which values at `nodes` (up to ten) become ∫ of their interpolating polynomial, from `nodes[0]` to
    `end`."""
    pieces = [[weight * share for share in lagrange(nodes, at)] for at, weight in quadrature(nodes[0], end)]
    return tuple(map(math.fsum, zip(*pieces, strict=True)))


def exponential_lagrange(nodes: Sequence[float], h: float) -> tuple[float, ...]:
    """The weights by which values at distinct `nodes` become ∫₀¹ h·e^(−(1−u)h)·(their interpolating polynomial)(u) du.

    What exponential integrators add to e^(−h)·x when they predict data: nodes are places in a step of length h in λ, in
    parts of it, 0 where it starts and 1 where it ends.
    """
    return tuple(
        h * math.fsum(c * math.factorial(power) * phi(power + 1, -h) for power, c in enumerate(polynomial))
        for polynomial in (lagrange_coefficients(nodes, j) for j in range(len(nodes)))
    )


def lagrange_coefficients(nodes: Sequence[float], j: int) -> list[float]:
    """The coefficients, lowest first, of the polynomial that is 1 at node j and 0 at all others."""
    polynomial = [1.0]
    for k, node in enumerate(nodes):
        if k != j:
            raised, kept = [0.0, *polynomial], [*(node * c for c in polynomial), 0.0]
            polynomial = [(a - b) / (nodes[j] - node) for a, b in zip(raised, kept, strict=True)]
    return polynomial


def weighted_sum(weights: Iterable[float], tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """Σ weight·tensor over pairs; there must be one at least."""
    first, *rest = (tensor * weight for weight, tensor in zip(weights, tensors, strict=True))
    return sum(rest, first)
