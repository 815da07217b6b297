"""Resizing latents on arcs: bilinear, but between two vectors of channels the direction turns and the length blends.

A straight line between two latents passes closer to zero than either, which decodes to grey; an arc does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F


def bislerp(latents: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """`[B, C, h, w]` → `[B, C, height, width]`: first along rows, then along columns.

    Spherical linear interpolation (Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985) of the
    directions; lengths are interpolated linearly. Where two neighbours point the same way (cosine above 1 − 1e-5) the
    result is the first of them, its length included; where they are opposite, the straight line. Both are ComfyUI's
    choices, and so are the neighbours, which are found by resizing a ramp.
    """
    # The channels of a pixel lie side by side: near opposite vectors the arc magnifies rounding, so what is summed in
    # which order shows.
    vectors = latents.float().movedim(1, -1).contiguous()
    vectors = _along(_along(vectors, 2, width), 1, height)
    return vectors.movedim(-1, 1).to(latents.dtype)


def vector_length(vectors: torch.Tensor, dim: int) -> torch.Tensor:
    """The Euclidean length of the vectors along a dimension, which stays, with size 1."""
    # Torch does not type it.
    norm = cast("Callable[..., torch.Tensor]", torch.linalg.vector_norm)
    return norm(vectors, dim=dim, keepdim=True)


def _along(vectors: torch.Tensor, dim: int, length: int) -> torch.Tensor:
    share, low, high = _neighbours(vectors.shape[dim], length, vectors.device)
    shape = [1, 1, 1, 1]
    shape[dim] = length
    return _turn(vectors.index_select(dim, low), vectors.index_select(dim, high), share.reshape(shape))


def _neighbours(old: int, new: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """For each of `new` places along `old` pixels: how far it is from the lower neighbour to the upper one, and both
    their numbers.

    The upper one is found by a ramp of its own and is not lower + 1: where the place is an integer but for rounding,
    the two differ, and ComfyUI's numbers come from this way.
    """
    ramp = torch.arange(old, dtype=torch.float32, device=device)
    ramps = torch.stack([ramp, (ramp + 1).clamp(max=old - 1)])[:, None, None]
    places = F.interpolate(ramps, size=(1, new), mode="bilinear").reshape(2, new)
    return places[0] - places[0].floor(), places[0].long(), places[1].long()


def _turn(first: torch.Tensor, second: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """From `first` (share 0) to `second` (share 1), `[B, H, W, C]`; a vector is the channels of a pixel."""
    first_length, second_length = vector_length(first, -1), vector_length(second, -1)
    # A vector of length 0 has no direction: 0/0 becomes 0.
    first_way = torch.where(first_length == 0, 0.0, first / first_length)
    second_way = torch.where(second_length == 0, 0.0, second / second_length)
    cosine = (first_way * second_way).sum(-1, keepdim=True)
    angle = torch.acos(cosine)
    span = torch.sin(angle)
    way = (torch.sin((1 - share) * angle) / span) * first_way + (torch.sin(share * angle) / span) * second_way
    turned = way * (first_length * (1 - share) + second_length * share)
    straight = first * (1 - share) + second * share
    turned = torch.where(cosine < 1e-5 - 1, straight, turned)
    return torch.where(cosine > 1 - 1e-5, first, turned)
