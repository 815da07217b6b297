"""``python -m training [STAGE ...]``: make the embedded model, all of it or single stages; resumes where it stopped."""

import argparse
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from training.clip import ClipRecipe, load_clip, train_clip
from training.export import write
from training.latents import CacheRecipe, build_cache, folded_vae
from training.loras import LoraRecipe, load_lora, train_lora, write_lora
from training.parallel import run_parallel
from training.state import state_folder
from training.styles import STYLES
from training.unet import UNetRecipe, load_unet, train_unet
from training.vae import VaeRecipe, train_vae

STAGES = ("clip", "vae", "cache", "unet", "export", "loras")
RECIPES = (ClipRecipe(), VaeRecipe(), CacheRecipe(), UNetRecipe())
LORAS = Path("examples/loras")


def run(stage: str, folder: Path, out: Path, processes: int, threads: int) -> None:
    """One stage, with the recipe of the shipped file; a finished stage returns at once."""
    clip, vae, cache, unet = RECIPES
    match stage:
        case "clip":
            train_clip(folder, clip)
        case "vae":
            run_parallel(partial(train_vae, folder, vae), processes, threads)
        case "cache":
            folded_vae(folder)  # measures the whitening before two processes would
            run_parallel(partial(build_cache, folder, cache), processes, threads)
        case "unet":
            run_parallel(partial(train_unet, folder, unet), processes, threads)
        case "loras":
            for recipe in map(LoraRecipe, STYLES):
                train_lora(folder, recipe)
                size = write_lora(LORAS / f"{recipe.style}.safetensors", load_lora(folder, recipe.style), recipe)
                print(f"{recipe.style}: {size / 1e3:.0f} kB")
        case _:
            recipe = {type(part).__name__: asdict(part) for part in RECIPES}
            size = write(out, load_clip(folder), folded_vae(folder), load_unet(folder), recipe)
            print(f"{out}: {size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"of {', '.join(STAGES)}; none means all of them")
    parser.add_argument("--state", type=Path, help="folder of caches, checkpoints and logs [SDKIT_TINY_STATE]")
    parser.add_argument("--out", type=Path, default=Path("src/sdkit/weights/tiny.safetensors"))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="cores to use [all]")
    parser.add_argument("--processes", type=int, default=2, help="processes that share each batch [2]")
    options = parser.parse_args()
    if unknown := set(options.stages) - set(STAGES):
        parser.error(f"no stage is called {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    torch.set_num_threads(options.threads)
    folder = options.state or state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for stage in options.stages or STAGES:
        run(stage, folder, options.out, options.processes, options.threads)


if __name__ == "__main__":
    main()
