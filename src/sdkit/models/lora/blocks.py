"""Strengths by block of the U-Net: IN00, IN01 …, MID, OUT00 …, and BASE for whatever is in no block, the text encoders
with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sdkit.errors import RequestError, UnknownNameError

BASE, MIDDLE = "BASE", "MID"

_SIDES = {"input_blocks": "IN", "output_blocks": "OUT"}
_NAME = re.compile(r"(IN|OUT)(\d+)")


def block_of(weight: str) -> str:
    """The block that a weight is in: `unet.input_blocks.4.1.proj_in.weight` → IN04."""
    network, side, number, *_ = *weight.split("."), "", ""
    if network == "unet" and side in _SIDES:
        return f"{_SIDES[side]}{int(number):02d}"
    return MIDDLE if network == "unet" and side == "middle_block" else BASE


def block_factors(
    blocks: Mapping[str, float] | tuple[float, ...] | None, weights: Iterable[str]
) -> Mapping[str, float]:
    """The factor of every block of a model with these weights.

    `blocks`: factors by name; or as many as there are blocks with attention and BASE (12 for SDXL, 17 for SD1), or
    blocks at all and BASE (20 and 26), in the network's order, BASE first. Raises RequestError for other numbers,
    UnknownNameError for other names.
    """
    names = list(weights)
    every = sorted({block_of(name) for name in names} - {BASE}, key=_order)
    factors = dict.fromkeys([BASE, *every], 1.0)
    if blocks is None:
        return factors
    if isinstance(blocks, tuple):
        attending = {block_of(name) for name in names if ".transformer_blocks." in name} - {BASE}
        some = [BASE, *(block for block in every if block in attending)]
        if len(blocks) not in (len(some), len(every) + 1):
            raise RequestError(
                f"a LoRA's blocks are {len(blocks)} values, but this model has {len(some)} (BASE and the blocks with "
                f"attention: {', '.join(some[1:])}) or {len(every) + 1} (BASE and all blocks)"
            )
        return factors | dict(zip(some if len(blocks) == len(some) else factors, blocks, strict=True))
    for name, factor in blocks.items():
        block = _normal(name)
        if block not in factors:
            raise UnknownNameError("block of this model", name, factors)
        factors[block] = factor
    return factors


def _normal(name: str) -> str:
    upper = name.strip().upper()
    found = _NAME.fullmatch(upper)
    if found:
        return f"{found[1]}{int(found[2]):02d}"
    return MIDDLE if upper in ("M00", "MIDDLE") else upper


def _order(block: str) -> tuple[int, str]:
    return (0 if block.startswith("IN") else 1 if block == MIDDLE else 2), block
