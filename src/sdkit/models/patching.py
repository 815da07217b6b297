"""Models made from other models by patches: they share every weight that no patch changes.

Nothing is swapped and nothing is put back: the first model stays as it is, so runs with different patches do not see
each other, and "afterwards" needs no care. Only the modules on the way to a changed weight exist twice, without their
weights.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar, cast

import torch
from torch import nn

from sdkit.errors import ModelError, nearest
from sdkit.types import Patch

M = TypeVar("M", bound=nn.Module)

MOST_BYTES = 2 * 2**30
"""How much the kept derived models may hold together; the latest is kept whatever its size."""
MOST_MODELS = 8


@torch.no_grad()
def patched_module(module: M, network: str, patches: Sequence[Patch]) -> M:
    """A module that computes with the patched weights, and shares all others with `module`, which stays as it is.

    `network`: what stands before its weights' names in the patches' targets: "unet". Weights are changed by the patches
    in turn; layers that compute patches as they go are put around them afterwards.
    """
    tree = _Tree(module)
    for patch in sorted(patches, key=lambda patch: patch.wrap is not None):
        for name in _targets(patch, network):
            path, _, leaf = name.removeprefix(f"{network}.").rpartition(".")
            wrapped = None if patch.wrap is None else patch.wrap(name, tree.layer(path))
            if wrapped is None:
                tree.change(path, leaf, functools.partial(patch.apply, name))
            else:
                tree.put(path, wrapped)
    return tree.root


def touches(patches: Sequence[Patch], network: str) -> bool:
    """Whether any of the patches changes this network."""
    return any(_targets(patch, network) for patch in patches)


def check_targets(patches: Sequence[Patch], weights: Mapping[str, object], model: str) -> None:
    """Raise ModelError where a patch names a weight that the model does not have."""
    for patch in patches:
        for name in sorted(patch.targets):
            if name not in weights:
                near = nearest(name, weights)
                advice = f"Did you mean {near[0]!r}?" if near else "`model.weights` lists them."
                raise ModelError(f"a patch changes {name!r}, which {model!r} does not have. {advice}")


def copied_bytes(patches: Sequence[Patch], weights: Mapping[str, tuple[int, ...]], width: int) -> int:
    """How much memory the weights take that the patches make, `width` bytes a number."""
    names = {name for patch in patches if patch.wrap is None for name in patch.targets}
    return width * sum(_product(weights[name]) for name in names)


class _Tree(Generic[M]):
    """A copy of a tree of modules, made as far as it is asked for; the rest is shared."""

    def __init__(self, root: M) -> None:
        self.root = _twin(root)
        self._made: dict[str, nn.Module] = {"": self.root}

    def layer(self, path: str) -> nn.Module:
        """What is at the path now; not to be changed."""
        return self.root.get_submodule(path)

    def put(self, path: str, layer: nn.Module) -> None:
        """Put another layer there."""
        parent, _, name = path.rpartition(".")
        _inside(self._own(parent), "_modules")[name] = layer
        self._made[path] = layer

    def change(self, path: str, leaf: str, changed: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Give the module at the path another weight of the name `leaf`."""
        module = self._own(path)
        buffers = _inside(module, "_buffers")
        if leaf in buffers:
            buffers[leaf] = changed(module.get_buffer(leaf))
        else:
            new = nn.Parameter(changed(module.get_parameter(leaf)), requires_grad=False)
            _inside(module, "_parameters")[leaf] = new

    def _own(self, path: str) -> nn.Module:
        if path not in self._made:
            parent, _, name = path.rpartition(".")
            owner = self._own(parent)
            self._made[path] = _inside(owner, "_modules")[name] = _twin(owner.get_submodule(name))
        return self._made[path]


def _twin(module: M) -> M:
    """A module with the same weights and children, to which others can be given."""
    twin = copy.copy(module)
    for name in ("_parameters", "_buffers", "_modules"):
        twin.__dict__[name] = dict(_inside(module, name))
    return twin


def _inside(module: nn.Module, name: str) -> dict[str, object]:
    """One of the dictionaries of a module; torch's own setters would check, and could not share."""
    return cast("dict[str, object]", module.__dict__[name])


def _targets(patch: Patch, network: str) -> list[str]:
    return sorted(name for name in patch.targets if name.startswith(f"{network}."))


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product
