"""How noisy the latents are at each training timestep."""

from __future__ import annotations


def scaled_linear_sigmas(steps: int = 1000, first: float = 0.00085, last: float = 0.012) -> tuple[float, ...]:
    """Stable Diffusion's noise standard deviations, ascending: √β is linear from √first to √last (arXiv:2112.10752).

    With ᾱ the running product of 1 − β, latents at a timestep are √ᾱ·(clean + σ·noise), so σ = √((1 − ᾱ)/ᾱ).
    """
    sigmas: list[float] = []
    product = 1.0
    for step in range(steps):
        root = first**0.5 + (last**0.5 - first**0.5) * step / (steps - 1)
        product *= 1.0 - root * root
        sigmas.append(((1.0 - product) / product) ** 0.5)
    return tuple(sigmas)
