"""Transparency: alpha channels and masks, and the operators of Porter and Duff.

ComfyUI's masks are 1 where a picture is *transparent*: mask = 1 − alpha.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch

from sdkit.editing.batches import repeat_to
from sdkit.editing.checks import as_masks, check_choice, check_images
from sdkit.editing.scaling import Crop, ScaleMethod, resize
from sdkit.errors import RequestError

PorterDuffMode = Literal[
    "ADD", "CLEAR", "DARKEN", "DST", "DST_ATOP", "DST_IN", "DST_OUT", "DST_OVER", "LIGHTEN", "MULTIPLY", "OVERLAY",
    "SCREEN", "SRC", "SRC_ATOP", "SRC_IN", "SRC_OUT", "SRC_OVER", "XOR",
]  # fmt: skip
"""How source and destination are put together, by ComfyUI's names (which are Android's)."""


def join_alpha(images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Pictures `[B, H, W, 3]` and masks `[B', H', W']` → `[max(B, B'), H, W, 4]`; alpha is 1 − mask.

    The masks are resized bilinearly; the shorter batch is repeated from its start. An alpha that the pictures have is
    replaced.
    """
    check_images(images)
    planes = as_masks(masks)
    count = max(len(images), len(planes))
    alpha = 1 - resize(planes[:, None].to(images.device), images.shape[2], images.shape[1])
    return torch.cat((repeat_to(images, count)[..., :3], repeat_to(alpha, count).movedim(1, -1)), dim=-1)


def split_alpha(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures `[B, H, W, C]` → their colours, `[B, H, W, 3]`, and masks `[B, H, W]`, 1 − alpha; 0 without alpha."""
    check_images(images)
    alpha = images[..., 3] if images.shape[3] == 4 else torch.ones_like(images[..., 0])
    return images[..., :3].clone(), 1 - alpha


def porter_duff(
    source: torch.Tensor,
    source_mask: torch.Tensor,
    destination: torch.Tensor,
    destination_mask: torch.Tensor,
    mode: PorterDuffMode = "DST",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two batches of pictures `[B, H, W, C]` with their masks `[B, H, W]`, put together: pictures and masks.

    Porter and Duff, "Compositing digital images" (SIGGRAPH 1984), and, with Android's formulas, ADD, DARKEN, LIGHTEN,
    MULTIPLY, SCREEN and OVERLAY. Computed on premultiplied colours; results are not premultiplied, and black where
    alpha is below 1e-5. As many pictures as the shortest of the four has; the destination's size, the others are cut
    around their middles and resized bicubically.
    """
    check_choice("Porter-Duff mode", mode, get_args(PorterDuffMode))
    check_images(source, "source")
    check_images(destination, "destination")
    if source.shape[3] != destination.shape[3]:
        raise RequestError(
            f"source and destination have as many channels as each other, not {source.shape[3]} and "
            f"{destination.shape[3]}: split_alpha takes alpha off"
        )
    source_plane, destination_plane = as_masks(source_mask, "source mask"), as_masks(destination_mask)
    count = min(len(source), len(source_plane), len(destination), len(destination_plane))
    size = (destination.shape[2], destination.shape[1])
    below = destination[:count].movedim(-1, 1)
    above = _fit(source[:count].movedim(-1, 1).to(below), *size)
    above_alpha = 1 - _fit(source_plane[:count, None].to(below), *size)
    below_alpha = 1 - _fit(destination_plane[:count, None].to(below), *size)
    colour, alpha = _OPERATORS[mode](above * above_alpha, above_alpha, below * below_alpha, below_alpha)
    plain = torch.where(alpha > 1e-5, colour / alpha, torch.zeros_like(colour)).clamp(0, 1)
    return plain.movedim(1, -1), 1 - alpha[:, 0]


def _fit(pixels: torch.Tensor, width: int, height: int) -> torch.Tensor:
    method: ScaleMethod = "bicubic"
    crop: Crop = "center"
    return pixels if pixels.shape[-2:] == (height, width) else resize(pixels, width, height, method, crop)


def _overlay(s: torch.Tensor, sa: torch.Tensor, d: torch.Tensor, da: torch.Tensor) -> torch.Tensor:
    return torch.where(2 * d < da, 2 * s * d, sa * da - 2 * (da - s) * (sa - d))


def _union(sa: torch.Tensor, da: torch.Tensor) -> torch.Tensor:
    return sa + da - sa * da


def _outside(s: torch.Tensor, sa: torch.Tensor, d: torch.Tensor, da: torch.Tensor) -> torch.Tensor:
    """What shows of each where the other one is not."""
    return (1 - da) * s + (1 - sa) * d


_Operator = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]

_OPERATORS: dict[PorterDuffMode, _Operator] = {
    # Premultiplied source and its alpha, premultiplied destination and its alpha → the same of the result.
    "ADD": lambda s, sa, d, da: ((s + d).clamp(0, 1), (sa + da).clamp(0, 1)),
    "CLEAR": lambda s, sa, d, da: (torch.zeros_like(d), torch.zeros_like(da)),
    "DARKEN": lambda s, sa, d, da: (_outside(s, sa, d, da) + torch.minimum(s, d), _union(sa, da)),
    "DST": lambda s, sa, d, da: (d, da),
    "DST_ATOP": lambda s, sa, d, da: (sa * d + (1 - da) * s, sa),
    "DST_IN": lambda s, sa, d, da: (d * sa, sa * da),
    "DST_OUT": lambda s, sa, d, da: ((1 - sa) * d, (1 - sa) * da),
    "DST_OVER": lambda s, sa, d, da: (d + (1 - da) * s, da + (1 - da) * sa),
    "LIGHTEN": lambda s, sa, d, da: (_outside(s, sa, d, da) + torch.maximum(s, d), _union(sa, da)),
    "MULTIPLY": lambda s, sa, d, da: (s * d, sa * da),
    "OVERLAY": lambda s, sa, d, da: (_overlay(s, sa, d, da), _union(sa, da)),
    "SCREEN": lambda s, sa, d, da: (s + d - s * d, _union(sa, da)),
    "SRC": lambda s, sa, d, da: (s, sa),
    "SRC_ATOP": lambda s, sa, d, da: (da * s + (1 - sa) * d, da),
    "SRC_IN": lambda s, sa, d, da: (s * da, sa * da),
    "SRC_OUT": lambda s, sa, d, da: ((1 - da) * s, (1 - da) * sa),
    "SRC_OVER": lambda s, sa, d, da: (s + (1 - sa) * d, sa + (1 - sa) * da),
    "XOR": lambda s, sa, d, da: (_outside(s, sa, d, da), (1 - da) * sa + (1 - sa) * da),
}
