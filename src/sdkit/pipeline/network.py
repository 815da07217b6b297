"""What plugins patch inside the noise predictor: asked for once per run, carried along with every call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch

from sdkit.plugins.blame import Owned
from sdkit.types import AttentionPatch, BlockPatch, NetworkPatches

if TYPE_CHECKING:
    from sdkit.plugins import Manager
    from sdkit.types import Evaluate, Run

P = TypeVar("P", AttentionPatch, BlockPatch)


def network_patches(run: Run, manager: Manager) -> NetworkPatches | None:
    """The patches of a run, the nearest plugin's last; None where there are none."""
    attention = manager.owned_answers("attention_patches", AttentionPatch, run=run)
    blocks = manager.owned_answers("block_patches", BlockPatch, run=run)
    patches = NetworkPatches(
        tuple(_owned(patch, owner, "attention_patches") for owner, patch in attention),
        tuple(_owned(patch, owner, "block_patches") for owner, patch in blocks),
    )
    return patches or None


class Evaluator:
    """A `PatchableEvaluate`: `make(patches)` gives the evaluation with these and no other patches."""

    def __init__(self, make: Callable[[NetworkPatches | None], Evaluate], patches: NetworkPatches | None) -> None:
        self._make = make
        self._patches = patches
        self._evaluate = make(patches)

    def __call__(self, x: torch.Tensor, sigma: float, names: tuple[str, ...], /) -> dict[str, torch.Tensor]:
        return self._evaluate(x, sigma, names)

    def patched(self, patches: NetworkPatches) -> Evaluate:
        """The same with these patches around the run's own."""
        return self._make((self._patches or NetworkPatches()) + patches)


def _owned(patch: P, owner: str, hook: str) -> P:
    """A patch whose functions carry their plugin's name, and give what they promise."""
    functions = {field.name: cast("Callable[..., Any] | None", getattr(patch, field.name)) for field in fields(patch)}
    return replace(
        patch,
        **{
            name: Owned(owner, hook, function, tuple if name == "output" else torch.Tensor)
            for name, function in functions.items()
            if function is not None
        },
    )
