"""Latents with what travels with them: the mask of what is to change, and which noise belongs to which picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from sdkit.editing.batches import repeat_to
from sdkit.editing.checks import as_masks, check_latents, check_least
from sdkit.editing.latent_maths import match_latents
from sdkit.editing.scaling import FACTOR, resize
from sdkit.errors import RequestError


@dataclass(frozen=True, eq=False)
class LatentBatch:
    """Some latents. `samples`: `[B, C, h, w]`.

    `noise_mask`: `[B', 1, H, W]`, 1 where they are to change, of any size, usually the picture's; B' < B is repeated
    from the start. `batch_index`: which place in a batch's noise each has, B numbers; None is 0, 1, 2 …
    """

    samples: torch.Tensor
    noise_mask: torch.Tensor | None = None
    batch_index: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_latents(self.samples)
        if self.batch_index is not None and len(self.batch_index) != len(self.samples):
            raise RequestError(f"{len(self.samples)} latents have as many numbers, not {len(self.batch_index)}")

    def numbers(self, first: int = 0) -> tuple[int, ...]:
        """`batch_index`, or, without one, the numbers from `first` on."""
        return tuple(range(first, first + len(self.samples))) if self.batch_index is None else self.batch_index


def with_noise_mask(latents: LatentBatch, masks: torch.Tensor) -> LatentBatch:
    """The same tensors with a mask of what is to change, `[B, H, W]`, 1 where it is, copied; its size is kept."""
    return replace(latents, noise_mask=as_masks(masks)[:, None].clone())


def noise_mask_for(noise_mask: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
    """A mask `[B', 1, H, W]` or `[B', H, W]` at the size of latents `[B, C, h, w]`: `[B, 1, h, w]`, bilinear."""
    check_latents(samples)
    resized = resize(as_masks(noise_mask)[:, None].to(samples.device), samples.shape[3], samples.shape[2])
    return repeat_to(resized, len(samples))


def pick_latents(latents: LatentBatch, index: int, length: int = 1) -> LatentBatch:
    """`length` latents from number `index` on (−1 is the last): never past the last one, and at least one.

    They keep their masks and their noise.
    """
    check_least("length", length, 1)
    count = len(latents.samples)
    start = max(0, min(index + count if index < 0 else index, count - 1))
    chosen = slice(start, min(start + length, count))
    mask = latents.noise_mask
    if mask is not None:
        mask = (mask if len(mask) == 1 else repeat_to(mask, count)[chosen]).clone()
    return LatentBatch(latents.samples[chosen].clone(), mask, latents.numbers()[chosen])


def repeat_latents(latents: LatentBatch, amount: int) -> LatentBatch:
    """The whole batch, `amount` times one after the other.

    Numbers, where there are any, go on behind their span, so that every repeat has noise of its own. One mask for all
    stays one.
    """
    check_least("amount", amount, 1)
    mask, numbers = latents.noise_mask, latents.batch_index
    if mask is not None:
        mask = mask.repeat(amount if len(mask) > 1 else 1, 1, 1, 1)
    if numbers is not None:
        span = max(numbers) - min(numbers) + 1
        numbers = tuple(number + turn * span for turn in range(amount) for number in numbers)
    return LatentBatch(latents.samples.repeat(amount, 1, 1, 1), mask, numbers)


def join_latents(batches: Sequence[LatentBatch]) -> LatentBatch:
    """All latents of some batches as one, in the first one's size and with its mask; the numbers stay.

    The others are cut to its aspect ratio around their middles and resized bilinearly.
    """
    if not batches:
        raise RequestError("no latents to make a batch of; give at least one")
    first = batches[0]
    samples = torch.cat([match_latents(batch.samples, first.samples) for batch in batches])
    mask = None if first.noise_mask is None else first.noise_mask.clone()
    return LatentBatch(samples, mask, tuple(number for batch in batches for number in batch.numbers()))


def share_noise(latents: LatentBatch, *, shared: bool = True) -> LatentBatch:
    """The latents all with the noise of the first one, or (`shared=False`) each with that of its place; the same
    tensors, only other numbers."""
    numbers = latents.numbers()[:1] * len(latents.samples) if shared else None
    return replace(latents, batch_index=numbers)


def rebatch_latents(batches: Iterable[LatentBatch], size: int) -> list[LatentBatch]:
    """The latents of some batches in batches of `size`; one ends early where the latents' size changes, and at the end.

    Latents without numbers get those of their place in all. Latents without a mask get one of ones beside others that
    have one; a mask that is all ones goes. Masks keep their size if all of a run have the same, else they become the
    picture's, 8 pixels per latent pixel.
    """
    check_least("batch size", size, 1)
    runs: list[list[LatentBatch]] = []
    seen = 0
    for batch in batches:
        numbered = replace(batch, batch_index=batch.numbers(seen))
        seen += len(batch.samples)
        if runs and runs[-1][0].samples.shape[1:] == batch.samples.shape[1:]:
            runs[-1].append(numbered)
        else:
            runs.append([numbered])
    return [part for run in runs for part in _split(run, size)]


def _split(run: list[LatentBatch], size: int) -> list[LatentBatch]:
    samples = torch.cat([batch.samples for batch in run])
    numbers = [number for batch in run for number in batch.numbers()]
    masks = [_full_mask(batch) for batch in run]
    if len({mask.shape[2:] for mask in masks}) > 1:
        height, width = (side * FACTOR for side in samples.shape[2:])
        masks = [resize(mask, width, height) for mask in masks]
    mask = torch.cat(masks)
    parts: list[LatentBatch] = []
    for start in range(0, len(samples), size):
        part = slice(start, start + size)
        kept = None if bool((mask[part] == 1).all()) else mask[part].clone()
        parts.append(LatentBatch(samples[part].clone(), kept, tuple(numbers[part])))
    return parts


def _full_mask(batch: LatentBatch) -> torch.Tensor:
    """One mask for each of the latents, `[B, 1, H, W]`."""
    count, _, height, width = batch.samples.shape
    if batch.noise_mask is None:
        return torch.ones(count, 1, height * FACTOR, width * FACTOR, device=batch.samples.device)
    return repeat_to(batch.noise_mask, count)
