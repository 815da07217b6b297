"""The maths that several samplers share, named once. Scalars are Python floats, tensors are never changed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

    from sdkit.sampling.alpha import Alpha
    from sdkit.types import Noise


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
