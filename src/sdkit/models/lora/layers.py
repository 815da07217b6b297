"""LoRA formats: from the tensors of a file to what they change, under the names that the file has for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from sdkit.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

    from sdkit.models.lora.changes import Change


@dataclass(frozen=True, eq=False)
class LoraLayer:
    """A change to one weight or bias of one module.

    `module`: the module's name as the file writes it, prefix included: `lora_unet_mid_block_resnets_0_conv1`,
    `unet.mid_block.resnets.0.conv1`; which module of a model that is, `WeightNames` knows. `keys`: of the file, all
    that it was made from. `change`: None where one of the tensors is missing; then `missing` names their keys.
    """

    module: str
    keys: tuple[str, ...]
    change: Change | None
    parameter: Literal["weight", "bias"] = "weight"
    missing: tuple[str, ...] = ()


class LoraFormat(Protocol):
    """What `register_lora_formats` takes. A file may hold layers of several formats: each takes what it knows."""

    def matches(self, keys: Collection[str], metadata: Mapping[str, str]) -> bool:
        """Whether there is something of this format among the keys."""
        ...

    def convert(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Sequence[LoraLayer]:
        """The layers of this format; keys of others are left alone. Tensors are read from the file when they are
        looked up, and must not be changed."""
        ...


def by_module(keys: Iterable[str], suffixes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Keys by module and suffix: `{"lora_unet_…": {".lora_up.weight": key, ".alpha": key}}`; keys with no such suffix
    are left out."""
    found: dict[str, dict[str, str]] = {}
    for key in keys:
        for suffix in suffixes:
            if key.endswith(suffix):
                found.setdefault(key.removesuffix(suffix), {})[suffix] = key
                break
    return found


def scale_of(alpha: Tensor | None, down: Tensor) -> float:
    """alpha/rank, where `down` is the factor that has the rank first; 1 without alpha.

    Raises CheckpointError where alpha is not one number.
    """
    if alpha is None or down.ndim == 0:
        return 1.0
    if alpha.numel() != 1:
        raise CheckpointError(
            f"a LoRA's alpha is one number, and here it has the shape {list(alpha.shape)}; the file is damaged, or no "
            "LoRA"
        )
    return float(alpha) / max(1, down.shape[0])


def with_magnitude(change: Change, magnitude: Tensor | None) -> Change:
    """The change, as DoRA if there is a magnitude."""
    from sdkit.models.lora.changes import Decomposed

    return change if magnitude is None else Decomposed(change, magnitude)
