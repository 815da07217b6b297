"""Stage ``cache``: whitened latents of many random scenes, rendered and encoded once."""

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor
from tqdm import tqdm

from training.export import LATENT_SCALE, fold_whitening
from training.fused import channels_last, fuse
from training.parallel import Exchange
from training.render import Renderer
from training.state import load, save
from training.vae import load_vae, posterior
from training.world import Scene, Thing, World, make_split


@dataclass(frozen=True)
class CacheRecipe:
    """What decides the cached scenes; ``pairs`` of them hold two objects."""

    singles: int = 7_000
    pairs: int = 5_000
    batch: int = 8
    statistics: int = 512
    seed: int = 13


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Pictures 0..1 to the latents that the U-Net sees, ``[B, 4, H/8, W/8]`` (the posterior's mean, scaled)."""
    target = (pictures * 2 - 1).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        return posterior(vae, target).mean.float() * LATENT_SCALE


def folded_vae(folder: Path) -> AutoencoderKL:
    """The trained autoencoder with its whitening folded in; measures that on the first call, into ``whitening.pt``."""
    vae = load_vae(folder)
    path = folder / "whitening.pt"
    if not path.exists():
        raw = torch.cat([encode(vae, p) for p in _pictures(CacheRecipe()).split(32)]) / LATENT_SCALE
        flat = raw.permute(1, 0, 2, 3).flatten(1)
        values, vectors = torch.linalg.eigh(flat.cov())
        save(path, {"mean": flat.mean(1), "whiten": vectors @ torch.diag(values.rsqrt()) @ vectors.T, "values": values})
    state = load(path)
    fold_whitening(vae, state["mean"], state["whiten"])
    return vae


def _pictures(recipe: CacheRecipe) -> Tensor:
    rng, world = random.Random(f"statistics {recipe.seed}"), World(frozenset(make_split()))
    return Renderer()([world.scene(rng, 0.35) for _ in range(recipe.statistics)])


def build_cache(folder: Path, recipe: CacheRecipe, exchange: Exchange) -> None:
    """Write ``cache-singles.pt`` and ``cache-pairs.pt``: latents ``[N, 4, 16, 16]`` in bf16 and their scenes as JSON.

    Of several processes, each makes the files whose turn it is.
    """
    vae = fuse(channels_last(folded_vae(folder)), folder)
    world, render = World(frozenset(make_split())), Renderer()
    for name, wanted, share in (("singles", recipe.singles, 0.0), ("pairs", recipe.pairs, 1.0))[
        exchange.rank :: exchange.count
    ]:
        path = folder / f"cache-{name}.pt"
        if path.exists():
            continue
        rng = random.Random(f"{name} {recipe.seed}")
        scenes = [world.scene(rng, share) for _ in range(wanted)]
        latents = torch.empty(wanted, 4, 16, 16, dtype=torch.bfloat16)
        for start in tqdm(range(0, wanted, recipe.batch), desc=f"cache {name}", mininterval=5):
            part = slice(start, start + recipe.batch)
            latents[part] = encode(vae, render(scenes[part])).bfloat16()
        save(path, {"latents": latents, "scenes": json.dumps([asdict(scene) for scene in scenes])})


def load_cache(folder: Path, name: str) -> tuple[Tensor, list[Scene]]:
    """Latents and scenes of one half of the cache."""
    state = load(folder / f"cache-{name}.pt")
    scenes = [
        Scene(tuple(Thing(**thing) for thing in scene["things"]), scene["background"])
        for scene in json.loads(state["scenes"])
    ]
    return state["latents"], scenes
