"""Puts a white frame around every picture. `sdkit.hookspecs` lists everything else that a plugin can do."""

from collections.abc import Callable
from dataclasses import replace

import sdkit
from sdkit.types import Run


@sdkit.hookimpl
def finish_image(run: Run) -> Callable[[sdkit.Image], sdkit.Image]:
    """Called once per run; what it returns is called with each finished picture."""

    def frame(image: sdkit.Image) -> sdkit.Image:
        width = max(1, image.width // 16)
        pixels = image.pixels.clone()  # [3, H, W], 0…1
        pixels[:, :width], pixels[:, -width:], pixels[:, :, :width], pixels[:, :, -width:] = 1, 1, 1, 1
        return replace(image, pixels=pixels)

    return frame
