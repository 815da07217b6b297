"""Putting one picture, or latents, onto another at some place."""

from __future__ import annotations

import torch

from sdkit.editing.batches import match_channels, repeat_to
from sdkit.editing.checks import as_masks, check_batches, check_images, check_latents, check_least
from sdkit.editing.scaling import FACTOR, resize
from sdkit.errors import RequestError


def composite_images(
    destination: torch.Tensor,
    source: torch.Tensor,
    x: int = 0,
    y: int = 0,
    mask: torch.Tensor | None = None,
    *,
    resize_source: bool = False,
) -> torch.Tensor:
    """Pictures `[B, H, W, C]` with `source` on them, its corner at `x`, `y`; a new batch, as large as `destination`.

    `source`: `[B', H', W', C']`, repeated or cut to B; C' becomes C by an alpha of 1 or by dropping alpha. What is
    outside of the destination is left out. `mask`: `[B″, H″, W″]`, how much of the source shows, resized (bilinearly)
    to the source. `resize_source`: the source is made (bilinearly) as large as the destination first.
    """
    check_images(destination, "destination")
    check_images(source, "source")
    onto, from_ = destination.movedim(-1, 1), match_channels(source, destination.shape[3]).movedim(-1, 1)
    return _pasted(onto, from_, x, y, mask, resize_source=resize_source).movedim(1, -1)


def composite_latents(
    destination: torch.Tensor,
    source: torch.Tensor,
    x: int = 0,
    y: int = 0,
    mask: torch.Tensor | None = None,
    *,
    resize_source: bool = False,
) -> torch.Tensor:
    """Latents `[B, C, h, w]` with `source` on them; as `composite_images`, but `x` and `y` count pixels of the picture,
    8 per latent pixel, rounded down."""
    _check_pair(destination, source)
    return _pasted(destination, source, x // FACTOR, y // FACTOR, mask, resize_source=resize_source)


def composite_latents_feathered(
    destination: torch.Tensor, source: torch.Tensor, x: int = 0, y: int = 0, feather: int = 0
) -> torch.Tensor:
    """Latents `[B, C, h, w]` with `source`, `[B or 1, C, h', w']`, on them, fading in over `feather`; a new batch.

    `x`, `y`, `feather`: in pixels of the picture, 8 per latent pixel, rounded down. At feather n the k-th row or column
    from a side, from 1, counts k/n; sides that lie on the destination's own do not fade. In corners the factors of the
    sides are multiplied.
    """
    _check_pair(destination, source)
    check_batches(destination, source, "latents to put together")
    for what, number in (("x", x), ("y", y), ("feather", feather)):
        check_least(what, number, 0)
    left, top, feather = x // FACTOR, y // FACTOR, feather // FACTOR
    result = repeat_to(destination, max(len(destination), len(source))).clone()
    height, width = result.shape[2:]
    visible = source[:, :, : max(0, height - top), : max(0, width - left)].to(result)
    region = result[:, :, top : top + visible.shape[2], left : left + visible.shape[3]]
    rows = _ramp(visible.shape[2], feather, before=top != 0, after=top + visible.shape[2] < height)
    columns = _ramp(visible.shape[3], feather, before=left != 0, after=left + visible.shape[3] < width)
    weight = (rows[:, None] * columns[None, :]).to(result)
    region.copy_(visible * weight + region * (1 - weight))
    return result


def _pasted(
    destination: torch.Tensor,
    source: torch.Tensor,
    left: int,
    top: int,
    mask: torch.Tensor | None,
    *,
    resize_source: bool,
) -> torch.Tensor:
    """`[B, C, H, W]` with `source` at `left`, `top`, which may be negative."""
    result = destination.clone()
    height, width = result.shape[2:]
    source = source.to(result)
    if resize_source:
        source = resize(source, width, height)
    source = repeat_to(source, len(result))
    weight = torch.ones_like(source[:, :1])
    if mask is not None:
        resized = resize(as_masks(mask, "mask")[:, None].to(result), source.shape[3], source.shape[2])
        weight = repeat_to(resized, len(result))
    rows = slice(max(0, -top), max(0, height - top))  # what of the source is inside
    columns = slice(max(0, -left), max(0, width - left))
    source, weight = source[:, :, rows, columns], weight[:, :, rows, columns]
    top, left = max(0, top), max(0, left)
    region = result[:, :, top : top + source.shape[2], left : left + source.shape[3]]
    region.copy_(weight * source + (1 - weight) * region)
    return result


def _ramp(length: int, feather: int, *, before: bool, after: bool) -> torch.Tensor:
    """The weight of each of `length` rows, `[length]`, float64."""
    weight = torch.ones(length, dtype=torch.float64)
    steps = min(feather, length)
    rising = torch.arange(1, steps + 1, dtype=torch.float64) / max(feather, 1)
    if before:
        weight[:steps] *= rising
    if after:
        weight[length - steps :] *= rising.flip(0)
    return weight


def _check_pair(destination: torch.Tensor, source: torch.Tensor) -> None:
    check_latents(destination, "destination")
    check_latents(source, "source")
    if destination.shape[1] != source.shape[1]:
        raise RequestError(
            f"latents of {source.shape[1]} channels, {list(source.shape)}, cannot be put onto latents of "
            f"{destination.shape[1]}, {list(destination.shape)}: they are of different model families"
        )
