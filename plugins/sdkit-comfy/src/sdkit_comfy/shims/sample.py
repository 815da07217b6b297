"""`comfy.sample`: sampling latents that are there as tensors."""

from __future__ import annotations

from typing import Any

import torch

from sdkit.graph import NodeContext
from sdkit_comfy.packs.calls import current
from sdkit_comfy.packs.errors import NotProvidedError, not_provided
from sdkit_comfy.shims.nodes import run_node


def prepare_noise(latent_image: torch.Tensor, seed: int, noise_inds: Any = None) -> torch.Tensor:
    """The noise of a seed, as ComfyUI draws it: on the CPU, for all pictures in a row, or for those of `noise_inds`."""
    generator = torch.Generator().manual_seed(seed)
    if noise_inds is None:
        return torch.randn(latent_image.shape, dtype=torch.float32, generator=generator)
    wanted = [int(each) for each in noise_inds]
    drawn = [
        torch.randn((1, *latent_image.shape[1:]), dtype=torch.float32, generator=generator)
        for _ in range(max(wanted) + 1)
    ]
    return torch.cat([drawn[each] for each in wanted])


def fix_empty_latent_channels(model: Any, latent_image: torch.Tensor, *_: Any) -> torch.Tensor:
    """Latents are of the right shape already."""
    return latent_image


def sample(
    model: Any,
    noise: torch.Tensor,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent_image: torch.Tensor,
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
    noise_mask: torch.Tensor | None = None,
    sigmas: Any = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> torch.Tensor:
    """Sample; the noise must be that of the seed."""
    _check_noise(noise, latent_image, seed)
    latent: dict[str, Any] = {"samples": latent_image}
    if noise_mask is not None:
        latent["noise_mask"] = noise_mask
    return run_sampler(
        model, seed or 0, steps, cfg, sampler_name, scheduler, positive, negative, latent, denoise,
        disable_noise or not bool(noise.any()), start_step, last_step, force_full_denoise,
    )["samples"]  # fmt: skip


def run_sampler(
    model: Any,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent: dict[str, Any],
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
) -> dict[str, Any]:
    """By the two sampler nodes, whichever has what is asked for."""
    shared: dict[str, Any] = {
        "model": model, "steps": steps, "cfg": cfg, "sampler_name": sampler_name, "scheduler": scheduler,
        "positive": positive, "negative": negative, "latent_image": latent,
    }  # fmt: skip
    if start_step is None and last_step is None and not disable_noise:
        return run_node("KSampler", seed=seed, denoise=denoise, **shared)[0]
    if denoise < 1.0:
        raise NotProvidedError(
            not_provided(current().pack, "comfy.sample.sample with denoise below 1 and a part of steps")
        )
    return run_node(
        "KSamplerAdvanced",
        add_noise="disable" if disable_noise else "enable",
        noise_seed=seed,
        start_at_step=start_step or 0,
        end_at_step=10_000 if last_step is None else last_step,
        return_with_leftover_noise="disable" if force_full_denoise or last_step is None else "enable",
        **shared,
    )[0]


def sample_custom(
    model: Any,
    noise: torch.Tensor,
    cfg: float,
    sampler: Any,
    sigmas: torch.Tensor,
    positive: Any,
    negative: Any,
    latent_image: torch.Tensor,
    noise_mask: torch.Tensor | None = None,
    callback: Any = None,
    disable_pbar: bool = False,
    seed: int | None = None,
) -> torch.Tensor:
    """Sample by a SAMPLER and sigmas; the noise must be that of the seed, or none."""
    _check_noise(noise, latent_image, seed)
    latent: dict[str, Any] = {"samples": latent_image}
    if noise_mask is not None:
        latent["noise_mask"] = noise_mask
    return run_node(
        "SamplerCustom", model=model, add_noise=bool(noise.any()), noise_seed=seed or 0, cfg=cfg, positive=positive,
        negative=negative, sampler=sampler, sigmas=sigmas, latent_image=latent,
    )[0]["samples"]  # fmt: skip


def _check_noise(noise: torch.Tensor, latent: torch.Tensor, seed: int | None) -> None:
    if noise.any() and not (seed is not None and torch.equal(noise.cpu(), _own_noise(latent, seed))):
        raise NotProvidedError(not_provided(current().pack, "comfy.sample with noise that is not its seed's"))


def _own_noise(latent: torch.Tensor, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(latent.shape, dtype=torch.float32, generator=generator)


def node_context() -> NodeContext | None:
    """The run that is going on."""
    return current().context
