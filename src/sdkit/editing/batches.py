"""Batches: as many as needed, some of them, several together, in other sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from sdkit.editing.checks import check_images, check_least
from sdkit.editing.scaling import resize
from sdkit.errors import RequestError


def repeat_to(batch: torch.Tensor, count: int) -> torch.Tensor:
    """`count` of `[B, …]`: the first ones where there are more, from the start again where there are fewer.

    May be a view of `batch`, or `batch` itself.
    """
    check_least("count", count, 1)
    if len(batch) == 0:
        raise RequestError(f"an empty batch, {list(batch.shape)}, cannot become {count}")
    rounds = -(-count // len(batch))
    if rounds > 1:
        batch = batch.repeat(rounds, *[1] * (batch.ndim - 1))
    return batch[:count]


def match_channels(images: torch.Tensor, channels: int) -> torch.Tensor:
    """Pictures `[B, H, W, C]` with as many channels: one more is an alpha of 1, those too many go. May be a view."""
    check_images(images)
    have = images.shape[3]
    if channels > have + 1:
        raise RequestError(f"pictures of {have} channels cannot become {channels}; only alpha can be added")
    if channels == have + 1:
        return torch.cat((images, torch.ones_like(images[..., :1])), dim=-1)
    return images[..., :channels]


def stack_images(batches: Sequence[torch.Tensor]) -> torch.Tensor:
    """All pictures of some batches `[B, H, W, C]` as one, in the first one's size.

    The others are cut to its aspect ratio around their middles and resized bilinearly. Where some have alpha, the
    others get an alpha of 1. Raises RequestError for no batches.
    """
    if not batches:
        raise RequestError("no pictures to make a batch of; give at least one")
    for number, images in enumerate(batches):
        check_images(images, f"batch {number}")
    channels = max(images.shape[3] for images in batches)
    height, width = batches[0].shape[1:3]
    fitting: list[torch.Tensor] = []
    for images in batches:
        full = match_channels(images, channels)
        if full.shape[1:3] != (height, width):
            full = resize(full.movedim(-1, 1), width, height, "bilinear", "center").movedim(1, -1)
        fitting.append(full.to(batches[0].device))
    return torch.cat(fitting)


def pick_images(images: torch.Tensor, index: int, length: int = 1) -> torch.Tensor:
    """`length` pictures of `[B, H, W, C]` from number `index` on; never past the last one, and at least that one."""
    check_images(images)
    check_least("index", index, 0)
    check_least("length", length, 1)
    index = min(index, len(images) - 1)
    return images[index : index + length].clone()


def repeat_images(images: torch.Tensor, amount: int) -> torch.Tensor:
    """The whole batch `[B, H, W, C]`, `amount` times one after the other."""
    check_images(images)
    check_least("amount", amount, 1)
    return images.repeat(amount, 1, 1, 1)


def rebatch_images(batches: Iterable[torch.Tensor], size: int) -> list[torch.Tensor]:
    """The pictures of some batches in batches of `size`, the last one perhaps smaller.

    Only pictures of one shape can be in one batch; RequestError says which are not.
    """
    check_least("batch size", size, 1)
    pictures: list[torch.Tensor] = []
    for number, images in enumerate(batches):
        check_images(images, f"batch {number}")
        pictures.extend(images[i : i + 1] for i in range(len(images)))
    rebatched: list[torch.Tensor] = []
    for start in range(0, len(pictures), size):
        part = pictures[start : start + size]
        shapes = sorted({tuple(picture.shape[1:]) for picture in part})
        if len(shapes) > 1:
            raise RequestError(
                f"pictures {start}…{start + len(part) - 1} are to be one batch, but have several shapes "
                f"[H, W, C]: {', '.join(str(list(shape)) for shape in shapes)}. Scale them first"
            )
        rebatched.append(torch.cat(part))
    return rebatched
