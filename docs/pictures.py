"""Makes the pictures that README and docs show: the gallery here, and beside each example the one that it makes.

`python docs/pictures.py` from anywhere; takes some minutes, most of them for the samplers' pictures, which
sampler_pictures.py makes. Run it again when the model in the box, an example or a sampler changes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import sampler_pictures
from PIL import Image as pillow

import sdkit
from sdkit.images import contact_sheet

ROOT = Path(__file__).parents[1]
GALLERY = (
    "a red circle on a blue background",
    "a large yellow star on a purple background",
    "a small green heart on a white background",
    "a pink stick figure on a black background",
    "an orange cross on the left on a gray background",
    "a black ring on an orange background",
    "a blue diamond at the top on a pink background",
    "a white triangle on a brown background",
    "a purple square and a yellow circle on a white background",
    "a large green ring on a red background",
    "a brown heart on the right on a yellow background",
    "a red star and a blue square on a white background",
)


def main() -> None:
    """Make them all."""
    make_gallery(ROOT / "docs" / "pictures" / "gallery.png")
    sampler_pictures.main(())
    for example in sorted(ROOT.glob("examples/[0-9][0-9]_*.py")):
        run_example(example)


def make_gallery(path: Path) -> None:
    """A contact sheet of the model's world."""
    pipe = sdkit.Pipeline.load()
    images = [pipe(prompt, seed=7).images[0] for prompt in GALLERY]
    contact_sheet(images, columns=6).save(path, overwrite=True, metadata=False)
    shrink(path)


def run_example(example: Path) -> None:
    """Run an example in an empty folder, and keep its picture beside it."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SDKIT_PLUGINS": "none"}
        subprocess.run([sys.executable, str(example)], cwd=folder, check=True, env=environment)
        made = Path(folder) / f"{example.stem}.png"
        target = example.with_suffix(".png")
        target.write_bytes(made.read_bytes())
    shrink(target)


def shrink(path: Path) -> None:
    """Store a picture with a palette: these are flat colours, and the repository keeps every version."""
    with pillow.open(path) as picture:
        small = picture.convert("RGB").quantize(colors=128, dither=pillow.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
