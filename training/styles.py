"""How much of each pixel a shape covers: filled, drawn as an outline, or filled with stripes."""

from collections.abc import Callable, Mapping

from torch import Tensor

LINE = (4.0, 0.08)
"""An outline is this many pixels wide, and this many more for each pixel of the shape's radius."""
PERIOD = 16.0
"""Pixels from stripe to stripe: two cells of the latents, of which one is painted."""

Style = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Shares of coverage `[B, H, W]` in 0..1 from signed distances to the edge in pixels, negative inside `[B, H, W]`, the
pixels' rows `[B, H, 1]` and the shapes' radii in pixels `[B, 1, 1]`."""


def filled(distance: Tensor, rows: Tensor, radius: Tensor) -> Tensor:
    """All of the shape, its edge half a pixel soft on either side."""
    return (0.5 - distance).clamp(0, 1)


def outlined(distance: Tensor, rows: Tensor, radius: Tensor) -> Tensor:
    """A line along the inside of the edge; what is thinner than two lines stays full."""
    width = LINE[0] + LINE[1] * radius
    return (0.5 - distance).clamp(0, 1) * (0.5 + distance + width).clamp(0, 1)


def striped(distance: Tensor, rows: Tensor, radius: Tensor) -> Tensor:
    """Horizontal stripes, as wide as what is left out between them, at the same rows of every picture."""
    away = ((rows + PERIOD / 4) % PERIOD - PERIOD / 2).abs() - PERIOD / 4
    return (0.5 - distance).clamp(0, 1) * (0.5 - away).clamp(0, 1)


STYLES: Mapping[str, Style] = {"outline": outlined, "stripes": striped}
"""The styles that have a LoRA, by its name."""
