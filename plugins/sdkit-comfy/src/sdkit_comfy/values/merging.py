"""Changes to a model's weights, in the order in which nodes made them: LoRAs, and other models mixed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

import torch

from sdkit.errors import ModelError
from sdkit.hookspecs import hookimpl
from sdkit.models import LatentDiffusion
from sdkit.plugins import Manager
from sdkit.types import LoraSpec, Patch
from sdkit_comfy.values.loras import patches_of

if TYPE_CHECKING:
    from sdkit import Pipeline
    from sdkit.types import DiffusionModel, Run

Amounts: TypeAlias = tuple[float, float]
"""How much of the model's own weight, and how much of the other's."""


@dataclass(frozen=True, eq=False)
class Mixed:
    """Another model's weights mixed in: own·a + other·b for `(a, b) = amounts(name)`, names as in the original layout.

    `changes`: those of the other model. `part`: what is mixed: "unet" or "text".
    """

    pipe: Pipeline
    changes: tuple[Change, ...]
    amounts: Callable[[str], Amounts]
    part: str


Change: TypeAlias = "LoraSpec | Mixed"


def at_once(changes: Sequence[Change]) -> tuple[tuple[LoraSpec, ...], tuple[object, ...]]:
    """The changes as a request's LoRAs, and as plugins, where they are more than LoRAs."""
    loras = tuple(change for change in changes if isinstance(change, LoraSpec))
    return (loras, ()) if len(loras) == len(changes) else ((), (Changes(tuple(changes)),))


class Changes:
    """A plugin for one run: patches its model by a list of changes, each applied to what came of those before."""

    def __init__(self, changes: tuple[Change, ...]) -> None:
        self._changes = changes

    @hookimpl
    def patch_model(self, run: Run, model: DiffusionModel) -> tuple[Patch, ...]:
        """The patches in their order."""
        return tuple(_patches(self._changes, run, model))


def _patches(changes: Sequence[Change], run: Run, model: DiffusionModel) -> Iterator[Patch]:
    for are_loras, group in groupby(changes, key=lambda change: isinstance(change, LoraSpec)):
        if are_loras:
            loras = tuple(change for change in group if isinstance(change, LoraSpec))
            yield from patches_of(loras, model, run.stash.get(Manager))
        else:
            yield from (_mixed(change, run, model) for change in group if isinstance(change, Mixed))


def _mixed(change: Mixed, run: Run, model: DiffusionModel) -> Patch:
    other = change.pipe.model
    patches = tuple(_patches(change.changes, run, other))
    weights = _weights(other, patches)
    names = [
        name
        for name, shape in model.weights.items()
        if name.startswith("unet.") == (change.part == "unet") and other.weights.get(name) == shape
    ]
    amounts = {name: change.amounts(name.partition(".")[2]) for name in names}

    def apply(name: str, weight: torch.Tensor) -> torch.Tensor:
        own, more = amounts[name]
        return (weight.float() * own + weights(name).to(weight.device, torch.float32) * more).to(weight.dtype)

    key = (
        "mixed",
        other.fingerprint() or id(other),
        tuple(patch.key for patch in patches),
        tuple(amounts.items()),
    )
    return Patch(key=key, targets=frozenset(names), apply=apply)


def _weights(model: DiffusionModel, patches: Sequence[Patch]) -> Callable[[str], torch.Tensor]:
    """A model's weights by name; read one by one from its file, where nothing changed them."""
    if not isinstance(model, LatentDiffusion):
        raise ModelError(f"sdkit does not know how to mix in a model like {model.name!r}")
    if not patches:
        sources = model.sources
        return lambda name: sources[name][0].tensor(sources[name][1])
    changed = model.patched(patches)
    states: dict[str, Mapping[str, torch.Tensor]] = {}

    def weight(name: str) -> torch.Tensor:
        network, _, inner = name.partition(".")
        if network not in states:
            states[network] = changed.networks.parts[network]().state_dict()
        return states[network][inner]

    return weight
