"""Stage ``unet``: epsilon prediction on cached latents, the text re-worded and encoded anew at every step."""

import copy
import math
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers.models.clip.modeling_clip import CLIPModel

from training.captions import caption
from training.clip import load_clip
from training.fused import channels_last
from training.latents import load_cache
from training.mixed import WorkingCopy
from training.optim import MuonAdam
from training.parallel import Exchange
from training.state import Loop, average, load
from training.tokens import Tokens


@dataclass(frozen=True)
class UNetRecipe:
    """What decides the result, with the values of the shipped file."""

    widths: tuple[int, ...] = (64, 128, 128)
    attention: tuple[bool, ...] = (False, False, True)
    layers: int = 1
    cross: int = 128
    steps: int = 5800
    batch: int = 64
    rate: float = 2e-3
    warmup: int = 200
    tail: float = 0.35
    gamma: float = 5.0
    drop: float = 0.1
    pairs_from: float = 0.05
    pairs_to: float = 0.45
    pairs_grow: int = 3000
    decay: float = 0.998
    seed: int = 14


def build_unet(recipe: UNetRecipe) -> UNet2DConditionModel:
    """SD1's U-Net, smaller: 8 heads, 32 groups, convolutional projections, one transformer block per attention."""
    down = tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in recipe.attention)
    up = tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(recipe.attention))
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=recipe.widths,
        down_block_types=down,
        up_block_types=up,
        layers_per_block=recipe.layers,
        cross_attention_dim=recipe.cross,
        attention_head_dim=8,  # what diffusers calls the dimension is, for SD1, the number of heads
        norm_num_groups=32,
    )


def zero_ends(unet: UNet2DConditionModel) -> None:
    """Start every residual branch, and the output, at zero, as the original code does."""
    for name, module in unet.named_modules():
        if isinstance(module, ResnetBlock2D):
            nn.init.zeros_(module.conv2.weight)
        elif name.endswith("proj_out") or name == "conv_out":
            nn.init.zeros_(module.weight)


def alphas() -> Tensor:
    """Cumulative signal power of SD's scaled-linear schedule, ``[1000]``."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


class PlainAttention(AttnProcessor):
    """Attention as two batched products: backwards much faster on a CPU than the fused one."""

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: object
    ) -> Tensor:
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        batch, count, _width = hidden_states.shape
        q, k, v = (
            layer(x).view(batch, x.shape[1], attn.heads, -1).transpose(1, 2)
            for layer, x in ((attn.to_q, hidden_states), (attn.to_k, source), (attn.to_v, source))
        )
        weights = ((q * attn.scale) @ k.transpose(-1, -2)).softmax(-1, dtype=torch.float32)
        return attn.to_out[0]((weights.to(v.dtype) @ v).transpose(1, 2).reshape(batch, count, -1))


def rate_at(step: int, recipe: UNetRecipe) -> float:
    """Warm-up, constant, then a tail that falls to zero as 1 - sqrt."""
    start = recipe.steps * (1 - recipe.tail)
    falling = max(0.0, (step - start) / (recipe.steps - start))
    return recipe.rate * min(1.0, (step + 1) / recipe.warmup) * (1 - math.sqrt(falling))


class Batches:
    """Draws latents and freshly worded captions; the share of two-object scenes grows with the step."""

    def __init__(self, folder: Path, recipe: UNetRecipe, rank: int, count: int) -> None:
        self.recipe, self.rank, self.size, self.tokens = recipe, rank, recipe.batch // count, Tokens()
        self.pools = [load_cache(folder, "singles"), load_cache(folder, "pairs")]

    def __call__(self, step: int) -> tuple[Tensor, list[str]]:
        recipe, rng = self.recipe, random.Random(f"{self.recipe.seed} {step} {self.rank}")
        grown = min(1.0, step / recipe.pairs_grow)
        share = recipe.pairs_from + (recipe.pairs_to - recipe.pairs_from) * grown
        latents, texts = [], []
        for _ in range(self.size):
            pool, scenes = self.pools[rng.random() < share]
            index = rng.randrange(len(scenes))
            latents.append(pool[index])
            texts.append("" if rng.random() < recipe.drop else caption(rng, scenes[index]).text)
        return torch.stack(latents).float(), texts


def encode_text(clip: CLIPModel, ids: Tensor) -> Tensor:
    """What the U-Net attends to: the last hidden states after the final norm, ``[B, 77, width]``."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        return clip.text_model(input_ids=ids).last_hidden_state


def noised(latents: Tensor, step: int, seed: int, power: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy latents, the noise and the timesteps (stratified over the batch)."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    count = len(latents)
    even = (torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) / count
    times = (even * 1000).long().clamp(max=999)
    noise = torch.randn(latents.shape, generator=generator)
    signal = power[times][:, None, None, None]
    return signal.sqrt() * latents + (1 - signal).sqrt() * noise, noise, times


def train_unet(folder: Path, recipe: UNetRecipe, exchange: Exchange) -> None:
    """Train, or go on from ``folder/unet.pt``. ``exchange`` knows which share of every batch is ours."""
    torch.manual_seed(recipe.seed)
    rank, count = exchange.rank, exchange.count
    unet = build_unet(recipe)
    zero_ends(unet)
    ema = copy.deepcopy(unet).requires_grad_(False)
    channels_last(ema)
    unet.set_attn_processor(PlainAttention())
    working = WorkingCopy(unet, folder, exchange)
    clip, batches, power = load_clip(folder), Batches(folder, recipe, rank, count), alphas()
    optimizer = MuonAdam(unet, recipe.rate, exchange)
    parts = {"model": unet, "ema": ema, "optimizer": optimizer}
    loop = Loop(
        "unet",
        folder,
        recipe.steps,
        lambda step: {
            **{key: part.state_dict() for key, part in parts.items()},
            "recipe": asdict(recipe),
        },
        log_every=100,
        every=250,
        quiet=rank > 0,
    )
    if (folder / "unet.pt").exists():
        state = load(folder / "unet.pt")
        for key, part in parts.items():
            part.load_state_dict(state[key])
        loop.step = state["step"]
        working.refresh()
    for step in loop:
        latents, texts = batches(step)
        text = encode_text(clip, batches.tokens(texts))
        noisy, noise, times = noised(latents, step * count + rank, recipe.seed, power)
        noisy = noisy.bfloat16().contiguous(memory_format=torch.channels_last)
        guess = working.model(noisy, times, text.bfloat16()).sample
        ratio = power[times] / (1 - power[times])
        error = F.mse_loss(guess.float(), noise, reduction="none").mean((1, 2, 3))
        loss = (error * (recipe.gamma / ratio).clamp(max=1)).mean()
        loss.backward()
        norm = working.collect()
        optimizer.step(rate_at(step, recipe))
        working.refresh()
        average(ema, unet, min(recipe.decay, (1 + step) / (10 + step)))
        loop.add(loss=loss.item(), plain=error.mean().item(), norm=norm)


def load_unet(folder: Path, name: str = "unet") -> UNet2DConditionModel:
    """The averaged U-Net of a finished (or running) stage, in fp32."""
    state = load(folder / f"{name}.pt")
    unet = build_unet(UNetRecipe(**state["recipe"]))
    unet.load_state_dict(state["ema"])
    return unet.eval().requires_grad_(False)
