"""From LoRAs that were matched with a model to the patches that apply them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from sdkit.models.lora.blocks import block_of
from sdkit.models.lora.matching import MatchedLora
from sdkit.models.lora.unmerged import Changes, changed, unmerged
from sdkit.types import Patch


@dataclass(frozen=True, eq=False)
class StackedLora:
    """A matched LoRA with its strengths: in the noise predictor, in the text encoders, and the factors of blocks.

    `merged`: new weights are computed once; else layers add to what they compute in every call. `sigmas`: where it
    counts, as in `Patch`.
    """

    match: MatchedLora
    strength: float = 1.0
    text_strength: float = 1.0
    blocks: tuple[tuple[str, float], ...] = ()
    merged: bool = True
    sigmas: tuple[float, float] | None = None

    def strength_of(self, weight: str) -> float:
        """How strongly a weight is changed."""
        whole = self.strength if weight.startswith("unet.") else self.text_strength
        return whole * dict(self.blocks).get(block_of(weight), 1.0)

    @property
    def key(self) -> tuple[object, ...]:
        """What it does, for comparing."""
        return *self.match.lora.key, len(self.match.targets), self.strength, self.text_strength, self.blocks


def lora_patches(stack: Sequence[StackedLora]) -> tuple[Patch, ...]:
    """The patches for a stack of LoRAs, as few as there can be: each weight is changed in the stack's order, and
    rounded once per patch.

    Where a LoRA counts in a part of a run only, its changes to text encoders count everywhere.
    """
    groups: dict[tuple[bool, tuple[float, float] | None], list[StackedLora]] = {}
    for lora in stack:
        if lora.sigmas is None:
            groups.setdefault((lora.merged, None), []).append(lora)
            continue
        groups.setdefault((lora.merged, None), []).append(replace(lora, strength=0.0, sigmas=None))
        if lora.sigmas[1] < lora.sigmas[0]:
            groups.setdefault((lora.merged, lora.sigmas), []).append(replace(lora, text_strength=0.0))
    patches = (_patch(loras, merged, sigmas) for (merged, sigmas), loras in groups.items())
    return tuple(patch for patch in patches if patch is not None)


def _patch(loras: Sequence[StackedLora], merged: bool, sigmas: tuple[float, float] | None) -> Patch | None:
    """One patch; None where nothing is changed. Weights of strength 0 are not touched."""
    changes: dict[str, Changes] = {}
    for lora in loras:
        for name, found in lora.match.targets.items():
            strength = lora.strength_of(name)
            if strength != 0:
                changes[name] = (*changes.get(name, ()), *((change, strength) for change in found))
    if not changes:
        return None
    return Patch(
        key=("lora", merged, tuple(lora.key for lora in loras)),
        targets=frozenset(changes),
        apply=functools.partial(_apply, changes),
        sigmas=sigmas,
        wrap=None if merged else _wrapper(changes),
    )


def _apply(changes: dict[str, Changes], name: str, weight: Tensor) -> Tensor:
    return changed(weight, changes[name])


def _wrapper(changes: dict[str, Changes]) -> Callable[[str, nn.Module], nn.Module | None]:
    def wrap(name: str, layer: nn.Module) -> nn.Module | None:
        return unmerged(layer, name.rpartition(".")[2], changes[name])

    return wrap
