"""``python -m training [STAGE ...]``: make the embedded model, all of it or single stages; resumes where it stopped."""

import argparse
import os
from dataclasses import asdict
from pathlib import Path

import torch

from training.clip import ClipRecipe, load_clip, train_clip
from training.export import write
from training.latents import CacheRecipe, build_cache, folded_vae
from training.state import state_folder
from training.unet import UNetRecipe, load_unet, train_unet
from training.vae import VaeRecipe, train_vae

STAGES = ("clip", "vae", "cache", "unet", "export")
RECIPES = (ClipRecipe(), VaeRecipe(), CacheRecipe(), UNetRecipe())


def run(stage: str, folder: Path, out: Path) -> None:
    """One stage, with the recipe of the shipped file; a finished stage returns at once."""
    clip, vae, cache, unet = RECIPES
    match stage:
        case "clip":
            train_clip(folder, clip)
        case "vae":
            train_vae(folder, vae)
        case "cache":
            build_cache(folder, cache)
        case "unet":
            train_unet(folder, unet)
        case _:
            recipe = {type(part).__name__: asdict(part) for part in RECIPES}
            size = write(out, load_clip(folder), folded_vae(folder), load_unet(folder), recipe)
            print(f"{out}: {size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"of {', '.join(STAGES)}; none means all of them")
    parser.add_argument("--state", type=Path, help="folder of caches, checkpoints and logs [SDKIT_TINY_STATE]")
    parser.add_argument("--out", type=Path, default=Path("src/sdkit/weights/tiny.safetensors"))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    if unknown := set(options.stages) - set(STAGES):
        parser.error(f"no stage is called {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    torch.set_num_threads(options.threads)
    folder = options.state or state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for stage in options.stages or STAGES:
        run(stage, folder, options.out)


if __name__ == "__main__":
    main()
