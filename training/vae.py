"""Stage ``vae``: an autoencoder with SD1's layout, 8x smaller latents, trained on crops and then on whole pictures."""

import copy
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor

from training.fused import channels_last, fuse
from training.optim import MuonAdam, share_gradients
from training.parallel import Exchange
from training.render import SIDE, Renderer
from training.state import Loop, average, load, warm_cosine
from training.world import World


@dataclass(frozen=True)
class VaeRecipe:
    """What decides the result, with the values of the shipped file."""

    widths: tuple[int, ...] = (64, 64, 64, 64)
    layers: int = 1
    steps: int = 1200
    batch: int = 16
    crop: int = 64
    whole_from: int = 1000
    whole_batch: int = 6
    rate: float = 2e-3
    kl: float = 1e-4
    edge: float = 0.5
    pair_share: float = 0.4
    noise: float = 0.05
    seed: int = 11


def build_vae(recipe: VaeRecipe) -> AutoencoderKL:
    depth = len(recipe.widths)
    options: dict[str, Any] = {
        "block_out_channels": recipe.widths,
        "layers_per_block": recipe.layers,
        "down_block_types": ("DownEncoderBlock2D",) * depth,
        "up_block_types": ("UpDecoderBlock2D",) * depth,
        "latent_channels": 4,
        "norm_num_groups": 32,
        "sample_size": SIDE,
    }
    return AutoencoderKL(**options)


def posterior(vae: AutoencoderKL, pixels: Tensor) -> DiagonalGaussianDistribution:
    """Pixels in -1..1 to the distribution of their latents, not scaled."""
    return cast("Any", vae).encode(pixels).latent_dist


def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Latents, not scaled, to pixels in -1..1."""
    return cast("Any", vae).decode(latents).sample


def zero_branches(model: torch.nn.Module) -> None:
    """Start every residual branch at zero, so that training begins with a shallow network."""
    for module in model.modules():
        if isinstance(module, ResnetBlock2D):
            torch.nn.init.zeros_(module.conv2.weight)


def train_vae(folder: Path, recipe: VaeRecipe, exchange: Exchange) -> None:
    """Train, or go on from ``folder/vae.pt``. The loss is L1 + MSE + L1 of the gradients + a small KL.

    ``exchange`` knows which share of every batch is ours.
    """
    torch.manual_seed(recipe.seed)
    rank, count = exchange.rank, exchange.count
    model = channels_last(build_vae(recipe))
    zero_branches(model)
    ema = copy.deepcopy(model).requires_grad_(False)
    fuse(model, folder)
    optimizer = MuonAdam(model, recipe.rate, exchange)
    loop = Loop(
        "vae", folder, recipe.steps, lambda step: _state(model, ema, optimizer, recipe), every=200, quiet=rank > 0
    )
    if (folder / "vae.pt").exists():
        state = load(folder / "vae.pt")
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        loop.step = state["step"]
    world, render = World(), Renderer()
    for step in loop:
        rng = random.Random(f"{recipe.seed} {step} {rank}")
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step * count + rank)
        whole = step >= recipe.whole_from
        batch = (recipe.whole_batch if whole else recipe.batch) // count
        scenes = [world.scene(rng, recipe.pair_share) for _ in range(batch)]
        if whole:
            pictures = render(scenes)
        else:
            window = torch.randint(0, SIDE - recipe.crop + 1, (len(scenes), 2), generator=generator)
            pictures = render(scenes, window=window, crop=recipe.crop)
        target = (pictures * 2 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            latent = posterior(model, target)
            z = latent.mean + latent.std * torch.randn(latent.mean.shape, generator=generator)
            z = z + recipe.noise * torch.randn(z.shape, generator=generator)
            output = decode(model, z)
        parts = reconstruction(output.float(), target)
        kl = latent.kl().mean() / z[0].numel()
        loss = parts["l1"] + parts["mse"] + recipe.edge * parts["edge"] + recipe.kl * kl
        loss.backward()
        share_gradients(model.parameters(), exchange)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(recipe.rate * warm_cosine(step, recipe.steps, 100))
        average(ema, model, min(0.995, (1 + step) / (10 + step)))
        loop.add(**{key: value.item() for key, value in parts.items()}, kl=kl.item(), norm=norm.item())


def reconstruction(output: Tensor, target: Tensor) -> dict[str, Tensor]:
    """The parts of the reconstruction loss: absolute, squared, and absolute difference of neighbouring pixels."""
    error = output - target
    across = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return {"l1": error.abs().mean(), "mse": F.mse_loss(output, target), "edge": across}


def load_vae(folder: Path) -> AutoencoderKL:
    """The averaged autoencoder of a finished (or running) stage, in fp32."""
    state = load(folder / "vae.pt")
    model = build_vae(VaeRecipe(**state["recipe"]))
    model.load_state_dict(state["ema"])
    return model.eval().requires_grad_(False)


def _state(model: AutoencoderKL, ema: AutoencoderKL, optimizer: MuonAdam, recipe: VaeRecipe) -> dict[str, object]:
    return {
        "model": model.state_dict(),
        "ema": ema.state_dict(),
        "optimizer": optimizer.state_dict(),
        "recipe": asdict(recipe),
    }
