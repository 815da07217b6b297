"""Patches: changes to a model's weights that make another model, and leave the first one as it is."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, eq=False)
class Patch:
    """A change to some of a model's weights: what `patch_model` returns, and `DiffusionModel.patched` takes.

    `key`: says what the patch does: two patches with equal keys are taken for the same one, and computed once. A file's
    hash and the strengths make a good key. `targets`: the names of the weights that it changes, as in
    `DiffusionModel.weights`. `apply(name, weight)` returns the new weight, of the same shape, dtype and device, and
    leaves `weight` alone; it computes in float32 and rounds once. `sigmas`: where it counts, `low < sigma <= high` of
    `(high, low)`; everywhere if None. `wrap(name, layer)`: for patches that are not to copy weights: a layer that takes
    the place of the one that has the weight; None where there is none, then `apply` is called.
    """

    key: Hashable
    targets: frozenset[str]
    apply: Callable[[str, torch.Tensor], torch.Tensor]
    sigmas: tuple[float, float] | None = None
    wrap: Callable[[str, nn.Module], nn.Module | None] | None = None
