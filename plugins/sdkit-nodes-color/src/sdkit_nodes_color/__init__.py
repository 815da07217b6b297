"""Colour nodes for sdkit's graphs. A small package to copy: nodes are typed functions, and this registers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit import hookimpl

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterNode

__version__ = "0.1.0"

NODES = ("adjust_color", "tone_curve", "white_balance", "split_tone", "apply_lut", "match_color")


@hookimpl
def register_nodes(register: RegisterNode) -> None:
    """Named by strings: the functions are imported when a graph first has one of them."""
    for name in NODES:
        register(name, f"sdkit_nodes_color.nodes:{name}")
