"""How much of a merge goes into each block of the U-Net, as people write it.

The blocks are those of the original layout: IN00, IN01 …, M00, OUT00 …; 25 in Stable Diffusion 1 and 2, 19 in SDXL.
A list has a number for each of them, or one more in front, BASE, for all that is no U-Net. The layers that prepare the
timestep and SDXL's sizes count to the first block, the last convolution to the last one: the merge-block-weighted
script of A1111's web UI, whose lists are handed around, does so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sdkit.errors import RequestError, UnknownNameError

BASE, MIDDLE = "BASE", "M00"

_NAME = re.compile(r"(BASE|IN|MID|M|OUT)(\d*)")


@dataclass(frozen=True)
class MergeBlocks:
    """Weights by block, in order: IN00 … M00 … OUT00 …; `base` is for the text encoders, None where it was not said."""

    weights: Mapping[str, float]
    base: float | None = None

    def of(self, name: str) -> float:
        """The weight for a weight of the U-Net, by its name within it: `input_blocks.4.1.proj_in.weight`."""
        return self.weights[block_of(name, tuple(self.weights))]


def parse_blocks(text: str, blocks: Collection[str], default: float) -> MergeBlocks:
    """What a list says, numbers in the order of blocks or `NAME=number`, separated by commas, blanks or new lines.

    Blocks that a list of names leaves out get `default`. Raises RequestError for another count of numbers or what is no
    number, UnknownNameError for other names.
    """
    entries = [entry for entry in re.split(r"[\s,;]+", text) if entry]
    if not any("=" in entry for entry in entries):
        return blocks_of([_number(entry, entry) for entry in entries], blocks)
    weights = dict.fromkeys(blocks, default)
    base: float | None = None
    for entry in entries:
        name, _, value = entry.partition("=")
        block = _normal(name)
        if block == BASE:
            base = _number(value, entry)
        elif block in weights:
            weights[block] = _number(value, entry)
        else:
            raise UnknownNameError("block of this model", name, [BASE, *blocks])
    return MergeBlocks(weights, base)


def blocks_of(numbers: Collection[float], blocks: Collection[str]) -> MergeBlocks:
    """A list of numbers, with BASE in front if there is one more than blocks. Raises RequestError for other counts."""
    values = tuple(numbers)
    if len(values) == len(blocks) + 1:
        return MergeBlocks(dict(zip(blocks, values[1:], strict=True)), values[0])
    if len(values) != len(blocks):
        raise RequestError(
            f"a merge of these models has {len(blocks)} weights for blocks ({', '.join(blocks)}), or {len(blocks) + 1} "
            f"with BASE in front; {len(values)} are given"
        )
    return MergeBlocks(dict(zip(blocks, values, strict=True)))


def unet_blocks(names: Collection[str]) -> tuple[str, ...]:
    """The blocks of a U-Net whose weights have these names within it, in order."""
    counts = {
        side: 1 + max((int(name.split(".")[1]) for name in names if name.startswith(f"{side}_blocks.")), default=-1)
        for side in ("input", "output")
    }
    middle = (MIDDLE,) if any(name.startswith("middle_block.") for name in names) else ()
    inputs, outputs = (tuple(f"{tag}{number:02d}" for number in range(counts[side])) for side, tag in _SIDES)
    return (*inputs, *middle, *outputs)


_SIDES = (("input", "IN"), ("output", "OUT"))


def block_of(name: str, blocks: tuple[str, ...]) -> str:
    """The block that a weight of the U-Net counts to."""
    part, number, *_ = *name.split("."), ""
    if part in ("input_blocks", "output_blocks"):
        return f"{'IN' if part == 'input_blocks' else 'OUT'}{int(number):02d}"
    if part == "middle_block":
        return MIDDLE
    return blocks[-1] if part == "out" else blocks[0]


def _normal(name: str) -> str:
    found = _NAME.fullmatch(name.strip().upper())
    if found is None:
        return name
    if found[1] in ("M", "MID"):
        return MIDDLE
    return BASE if found[1] == "BASE" else f"{found[1]}{int(found[2] or 0):02d}"


def _number(text: str, entry: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RequestError(f"the weight of a block is a number, not {entry!r}") from None
