"""Nodes that only the editor knows: what becomes of them when a workflow runs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sdkit.graph import NodeType
from sdkit_comfy.formats.layers import Role

_CORE: Mapping[str, Role] = MappingProxyType(
    {"Reroute": Role.REROUTE, "PrimitiveNode": Role.PRIMITIVE, "Note": Role.NOTE, "MarkdownNote": Role.NOTE}
)
_OF_PACKS: Mapping[str, Role] = MappingProxyType(
    {
        "Reroute (rgthree)": Role.REROUTE,
        "SetNode": Role.SET,
        "GetNode": Role.GET,
        "easy setNode": Role.SET,
        "easy getNode": Role.GET,
        "Label (rgthree)": Role.NOTE,
        "Bookmark (rgthree)": Role.NOTE,
        "Fast Muter (rgthree)": Role.NOTE,
        "Fast Bypasser (rgthree)": Role.NOTE,
        "Fast Groups Muter (rgthree)": Role.NOTE,
        "Fast Groups Bypasser (rgthree)": Role.NOTE,
        "Fast Actions Button (rgthree)": Role.NOTE,
        "Mute / Bypass Relay (rgthree)": Role.NOTE,
        "Mute / Bypass Repeater (rgthree)": Role.NOTE,
        "Node Collector (rgthree)": Role.NOTE,
        "Random Unmuter (rgthree)": Role.NOTE,
        "Note Plus (mtb)": Role.NOTE,
    }
)


def role(kind: str, types: Mapping[str, NodeType]) -> Role:
    """What becomes of nodes of this type; those of packs are real where somebody registered them."""
    return _CORE.get(kind) or (Role.REAL if kind in types else _OF_PACKS.get(kind, Role.REAL))
