"""Arithmetic on latents `[B, C, h, w]`.

The second operand becomes as large as the first one where it is not: cut to its aspect ratio around the middle,
resized, and repeated from the start, or cut, to as many.
"""

from __future__ import annotations

import torch

from sdkit.editing.batches import repeat_to
from sdkit.editing.bislerp import vector_length
from sdkit.editing.checks import check_batches, check_latents
from sdkit.editing.scaling import ScaleMethod, resize
from sdkit.errors import RequestError


def match_latents(latents: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Latents in the size of others (bilinear, around the middle) and on their device; may be `latents` itself.

    Raises RequestError if the two have different numbers of channels.
    """
    return _fitted(latents, like, "bilinear")


def add_latents(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """first + second."""
    return first + _operand(second, first)


def subtract_latents(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """first − second."""
    return first - _operand(second, first)


def multiply_latents(latents: torch.Tensor, factor: float) -> torch.Tensor:
    """latents · factor."""
    check_latents(latents)
    return latents * factor


def interpolate_latents(first: torch.Tensor, second: torch.Tensor, ratio: float) -> torch.Tensor:
    """Between `second` (ratio 0) and `first` (ratio 1), without getting paler: `[B, C, h, w]`.

    For each pixel the directions of the two vectors of channels are mixed, and so, apart, are their lengths. A vector
    of length 0 has no direction, and the mixture of opposite ones neither: it is 0.
    """
    second = _operand(second, first)
    first_length, second_length = vector_length(first, 1), vector_length(second, 1)
    mixed = _direction(first, first_length) * ratio + _direction(second, second_length) * (1 - ratio)
    return _direction(mixed, vector_length(mixed, 1)) * (first_length * ratio + second_length * (1 - ratio))


def blend_latents(first: torch.Tensor, second: torch.Tensor, factor: float = 0.5) -> torch.Tensor:
    """first · factor + second · (1 − factor): on the straight line. Another size is resized bicubically."""
    fitted = _fitted(second, first, "bicubic")
    check_batches(first, fitted, "latents to blend")
    return first * factor + fitted * (1 - factor)


def _operand(second: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    return repeat_to(match_latents(second, first), len(first))


def _fitted(latents: torch.Tensor, like: torch.Tensor, method: ScaleMethod) -> torch.Tensor:
    check_latents(like, "first")
    check_latents(latents, "second")
    if latents.shape[1] != like.shape[1]:
        raise RequestError(
            f"latents of {like.shape[1]} channels, {list(like.shape)}, and of {latents.shape[1]}, "
            f"{list(latents.shape)}, do not go together: they are of different model families"
        )
    latents = latents.to(like.device)
    if latents.shape[2:] == like.shape[2:]:
        return latents
    return resize(latents, like.shape[3], like.shape[2], method, "center")


def _direction(latents: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    return torch.nan_to_num(latents / length)
