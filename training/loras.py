"""Stage ``loras``: small LoRAs for the shipped model, each trained on pictures with shapes in another style."""

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.func import functional_call
from tqdm import tqdm

from training.captions import caption
from training.fused import channels_last, fuse
from training.latents import encode
from training.render import Renderer
from training.shipped import shipped_networks
from training.state import Loop, load, save
from training.styles import STYLES
from training.tokens import Tokens
from training.unet import PlainAttention, alphas, encode_text, noised
from training.world import Scene, Thing, World, make_split

FINE = ("down_blocks.0.", "down_blocks.1.", "up_blocks.1.", "up_blocks.2.")
"""The levels of 16 and 8 latents a side. Those of 4 a side see the layout, which no style changes."""


@dataclass(frozen=True)
class LoraRecipe:
    """What decides the result, with the values of the shipped files.

    ``attention`` and ``convolutions``: the ranks in all attention projections, and in the residual blocks' kernels of
    the fine levels.
    """

    style: str
    steps: int = 700
    batch: int = 24
    rate: float = 6e-3
    warmup: int = 20
    attention: int = 4
    convolutions: int = 8
    scenes: int = 800
    pair_share: float = 0.25
    gamma: float = 5.0
    drop: float = 0.1
    seed: int = 15


class LowRank(nn.Module):
    """A change of one linear layer's or convolution's weight that begins as none: ``up @ down``."""

    def __init__(self, shape: torch.Size, rank: int) -> None:
        super().__init__()
        ones = (1,) * (len(shape) - 2)
        self.down = nn.Parameter(torch.randn(rank, *shape[1:]) / shape[1:].numel() ** 0.5)
        self.up = nn.Parameter(torch.zeros(shape[0], rank, *ones))

    def forward(self) -> Tensor:
        """The change, in the weight's shape."""
        return (self.up.flatten(1) @ self.down.flatten(1)).view(-1, *self.down.shape[1:])


class UNetLora(nn.Module):
    """The changes of one LoRA, by the weights' names in diffusers' U-Net."""

    def __init__(self, weights: Mapping[str, Tensor], recipe: LoraRecipe) -> None:
        super().__init__()
        ranks = {name: rank_of(name, recipe) for name in weights}
        self.names = [name for name, rank in ranks.items() if rank]
        self.layers = nn.ModuleList(LowRank(weights[name].shape, ranks[name]) for name in self.names)

    def changed(self, weights: Mapping[str, Tensor], strength: float = 1.0) -> dict[str, Tensor]:
        """New weights for the layers that it changes; their gradients reach it."""
        return {name: weights[name] + strength * layer() for name, layer in zip(self.names, self.layers, strict=True)}

    def file(self) -> dict[str, Tensor]:
        """kohya's names and tensors, in fp16."""
        tensors: dict[str, Tensor] = {}
        for name, layer in zip(self.names, self.layers, strict=True):
            assert isinstance(layer, LowRank)
            stem = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
            tensors[f"{stem}.lora_down.weight"] = layer.down.detach().half().contiguous()
            tensors[f"{stem}.lora_up.weight"] = layer.up.detach().half().contiguous()
            tensors[f"{stem}.alpha"] = torch.tensor(float(len(layer.down)), dtype=torch.float16)
        return tensors


def rank_of(name: str, recipe: LoraRecipe) -> int:
    """The rank of a weight's change; 0 leaves it as it is."""
    if ".attn" in name and name.endswith((".to_q.weight", ".to_k.weight", ".to_v.weight", ".to_out.0.weight")):
        return recipe.attention
    if name.startswith(FINE) and name.endswith((".conv1.weight", ".conv2.weight")):
        return recipe.convolutions
    return 0


def styled_latents(folder: Path, vae: AutoencoderKL, recipe: LoraRecipe) -> tuple[Tensor, list[Scene]]:
    """Latents ``[N, 4, 16, 16]`` of random scenes in the recipe's style, encoded once into ``lora-STYLE-cache.pt``."""
    path = folder / f"lora-{recipe.style}-cache.pt"
    if not path.exists():
        fuse(channels_last(vae), folder)
        world, render = World(frozenset(make_split())), Renderer(STYLES[recipe.style])
        rng = random.Random(f"{recipe.style} {recipe.seed}")
        scenes = [world.scene(rng, recipe.pair_share) for _ in range(recipe.scenes)]
        parts = [scenes[start : start + 8] for start in range(0, len(scenes), 8)]
        latents = [encode(vae, render(part)).bfloat16() for part in tqdm(parts, desc=f"{recipe.style} cache")]
        save(path, {"latents": torch.cat(latents), "scenes": json.dumps([asdict(scene) for scene in scenes])})
    state = load(path)
    listed = json.loads(state["scenes"])
    return state["latents"], [Scene(tuple(Thing(**t) for t in s["things"]), s["background"]) for s in listed]


def train_lora(folder: Path, recipe: LoraRecipe) -> None:
    """Train one, or go on from ``folder/lora-STYLE.pt``. The model itself stays as shipped."""
    torch.manual_seed(recipe.seed)
    clip, vae, unet = shipped_networks()
    latents, scenes = styled_latents(folder, vae, recipe)
    weights = dict(channels_last(unet).named_parameters())
    lora = UNetLora(weights, recipe)
    weights = {name: weights[name] for name in lora.names}
    unet.set_attn_processor(PlainAttention())
    model = fuse(cast("nn.Module", unet), folder).to(torch.bfloat16)
    for module in model.modules():
        if isinstance(module, nn.GroupNorm | nn.LayerNorm):
            module.float()
    optimizer = torch.optim.AdamW(lora.parameters(), recipe.rate, betas=(0.9, 0.99), weight_decay=0.0)
    parts = {"lora": lora, "optimizer": optimizer}
    loop = Loop(
        f"lora-{recipe.style}",
        folder,
        recipe.steps,
        lambda step: {**{name: part.state_dict() for name, part in parts.items()}, "recipe": asdict(recipe)},
        every=50,
        log_every=25,
    )
    if (folder / f"{loop.name}.pt").exists():
        state = load(folder / f"{loop.name}.pt")
        for name, part in parts.items():
            part.load_state_dict(state[name])
        loop.step = state["step"]
    tokens, power = Tokens(), alphas()
    for step in loop:
        rng = random.Random(f"{recipe.seed} {step}")
        drawn = rng.sample(range(len(scenes)), recipe.batch)
        texts = ["" if rng.random() < recipe.drop else caption(rng, scenes[index]).text for index in drawn]
        text = encode_text(clip, tokens(texts)).bfloat16()
        noisy, noise, times = noised(latents[drawn].float(), step, recipe.seed, power)
        noisy = noisy.bfloat16().contiguous(memory_format=torch.channels_last)
        changed = {name: weight.bfloat16() for name, weight in lora.changed(weights).items()}
        guess = functional_call(model, changed, (noisy, times, text)).sample
        ratio = power[times] / (1 - power[times])
        error = F.mse_loss(guess.float(), noise, reduction="none").mean((1, 2, 3))
        loss = (error * (recipe.gamma / ratio).clamp(max=1)).mean()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(lora.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, recipe)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loop.add(loss=loss.item(), plain=error.mean().item(), norm=norm.item())


def rate_at(step: int, recipe: LoraRecipe) -> float:
    """Warm-up, then linearly to zero."""
    return recipe.rate * min((step + 1) / recipe.warmup, 1 - step / recipe.steps)


def load_lora(folder: Path, style: str) -> UNetLora:
    """The LoRA of a finished (or running) stage."""
    state = load(folder / f"lora-{style}.pt")
    lora = UNetLora(dict(shipped_networks()[2].named_parameters()), LoraRecipe(**state["recipe"]))
    lora.load_state_dict(state["lora"])
    return lora


def write_lora(path: Path, lora: UNetLora, recipe: LoraRecipe) -> int:
    """Write the file as kohya's trainer does and return its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(lora.file(), path, metadata=lora_card(recipe))
    path.chmod(0o644)  # safetensors writes for the owner only
    return path.stat().st_size


def lora_card(recipe: LoraRecipe) -> dict[str, str]:
    """Header fields after kohya's trainer and sai_model_spec 1.0.0; nothing needs them to load the file."""
    return {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(recipe.attention),
        "ss_network_alpha": str(float(recipe.attention)),
        "ss_network_args": json.dumps({"conv_dim": str(recipe.convolutions), "conv_alpha": str(recipe.convolutions)}),
        "ss_base_model_version": "sd_v1",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.title": f"sdkit tiny: {recipe.style}",
        "modelspec.author": "The sdkit authors",
        "modelspec.license": "CC0-1.0",
        "modelspec.prediction_type": "epsilon",
    }
