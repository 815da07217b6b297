"""Group nodes, which the editor had before subgraphs: `extra.groupNodes` holds their insides by name.

A node of type `workflow>NAME` (earlier `workflow/NAME`) has the inputs, outputs and fields of the nodes inside that are
not linked in there, one node after another; fields that were turned into inputs come after all others. Names that occur
twice begin with the inner node's title.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from sdkit.errors import Fault
from sdkit.graph import Input, NodeType
from sdkit_comfy.formats.layers import FlatNode, Role, Slot, Source, join, output_types, socket
from sdkit_comfy.formats.node_types import known_name
from sdkit_comfy.formats.strict_json import is_object, items, mapping, text, whole
from sdkit_comfy.formats.virtual import role
from sdkit_comfy.formats.widgets import field as unknown_field
from sdkit_comfy.formats.widgets import fields_of, node_values, values_of_fields

_PREFIXES: Final = ("workflow>", "workflow/")


def name_of(kind: str) -> str:
    """The name of the group node that a type stands for; "" if it is another type."""
    return next((kind.removeprefix(prefix) for prefix in _PREFIXES if kind.startswith(prefix)), "")


@dataclass
class _Face:
    """What a group node shows of its insides: `inputs` and `fields` as number of the inner node and name, each with
    the name that the group node gives it, and `outputs` as inner node and output."""

    inputs: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    fields: list[tuple[int, Input, str]] = field(default_factory=list[tuple[int, Input, str]])
    outputs: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


@dataclass
class _Inside:
    """The nodes inside, without the slots' links, and the links: (node, input) ← (node, output)."""

    entries: list[Mapping[str, object]]
    nodes: list[FlatNode]
    links: dict[tuple[int, int], tuple[int, int]]
    read: set[tuple[int, int]]
    external: set[tuple[int, int]]
    config: Mapping[str, object]

    def shown(self, node: int, side: str, name: str) -> Mapping[str, object]:
        """What the group's editor was told about an input or output: a name, whether it is visible."""
        return mapping(mapping(mapping(self.config.get(str(node))).get(side)).get(name))


def unfold(
    node: FlatNode,
    entry: Mapping[str, object],
    definition: Mapping[str, object],
    types: Mapping[str, NodeType],
    faults: list[Fault],
) -> Iterator[FlatNode]:
    """The group node itself, as what leads to its insides, and the nodes inside: `5:0`, `5:1`, …"""
    inside = _inside(node, definition, types)
    if not inside.nodes:
        faults.append(Fault(node.id, "", "there is nothing in the group node", type=node.type))
    face = _face(inside, types)
    for (number, place), (source, output) in inside.links.items():
        if place < len(inside.nodes[number].slots):
            inside.nodes[number].slots[place].source = Source(inside.nodes[source].id, output)
    for place, (number, name, shown) in enumerate(face.inputs):
        outer = next((slot for slot in node.slots if slot.name == shown), None)
        if outer is None and place < len(node.slots):
            outer = node.slots[place]
        inner = next(slot for slot in inside.nodes[number].slots if slot.name == name)
        inner.source = None if outer is None else outer.source
    for number, name, value in _given(entry, face):
        inside.nodes[number].values[name] = value
    node.role = Role.EXIT
    node.exits = [Source(inside.nodes[number].id, output) for number, output in face.outputs]
    yield node
    yield from inside.nodes


def _inside(node: FlatNode, definition: Mapping[str, object], types: Mapping[str, NodeType]) -> _Inside:
    entries = [mapping(each) for each in items(definition.get("nodes"))]
    nodes: list[FlatNode] = []
    for number, each in enumerate(entries):
        kind = known_name(text(each.get("type")), types)
        found = FlatNode(
            join(node.id, str(number)), kind, role(kind, types), node.id, text(each.get("title")), node.mode
        )
        found.slots = [
            Slot(text(slot.get("name")), socket(slot.get("type")), text(mapping(slot.get("widget")).get("name")))
            for slot in map(mapping, items(each.get("inputs")))
        ]
        found.outputs = output_types(each)
        found.values = node_values(each, found, types)
        nodes.append(found)
    links: dict[tuple[int, int], tuple[int, int]] = {}
    for link in items(definition.get("links")):
        parts = [whole(part) for part in items(link)[:4]]
        if len(parts) == 4 and parts[0] is not None and parts[2] is not None:
            source, target = parts[0], parts[2]
            if 0 <= source < len(nodes) and 0 <= target < len(nodes):
                links[target, parts[3] or 0] = (source, parts[1] or 0)
    external = {
        (whole(each[0]) or 0, whole(each[1]) or 0)
        for each in map(items, items(definition.get("external")))
        if len(each) >= 2
    }
    return _Inside(entries, nodes, links, set(links.values()), external, mapping(definition.get("config")))


def _face(inside: _Inside, types: Mapping[str, NodeType]) -> _Face:
    """What the group node shows, in the order in which the editor numbers it."""
    face = _Face()
    seen: dict[str, int] = {}
    shown = [number for number, node in enumerate(inside.nodes) if _is_shown(number, node, inside)]
    for number in shown:
        node = inside.nodes[number]
        converted = {slot.name for slot in node.slots if slot.widget}
        for each in _fields(node, types):
            if each.name not in converted:
                face.fields.append((number, each, _name(number, each.name, inside, seen)))
        for place, slot in enumerate(node.slots):
            if not slot.widget and (number, place) not in inside.links:
                name = _name(number, slot.name, inside, seen)
                if inside.shown(number, "input", slot.name).get("visible") is not False:
                    face.inputs.append((number, slot.name, name))
        for output in range(len(node.outputs)):
            hidden = (number, output) in inside.read and (number, output) not in inside.external
            if inside.shown(number, "output", str(output)).get("visible", not hidden) is not False:
                face.outputs.append((number, output))
    for number in shown:
        node = inside.nodes[number]
        known = {each.name: each for each in _fields(node, types)}
        for place, slot in enumerate(node.slots):
            if slot.widget and (number, place) not in inside.links:
                name = _name(number, slot.name, inside, seen)
                face.inputs.append((number, slot.name, name))
                face.fields.append((number, known.get(slot.name) or unknown_field(slot.name), name))
    return face


def _is_shown(number: int, node: FlatNode, inside: _Inside) -> bool:
    """Whether the group node shows anything of it: not of notes, nor of reroutes that are used only inside."""
    read = any(source == number for source, _ in inside.read)
    if node.role is Role.PRIMITIVE:
        return read
    if node.role is Role.REROUTE:
        return not (read and (number, 0) in inside.links and (number, 0) not in inside.external)
    return node.role is Role.REAL


def _fields(node: FlatNode, types: Mapping[str, NodeType]) -> list[Input]:
    if node.role is Role.PRIMITIVE:
        return [unknown_field("value")]
    known = types.get(node.type)
    return fields_of(known) if known is not None else [unknown_field(name) for name in node.values]


def _name(number: int, name: str, inside: _Inside, seen: dict[str, int]) -> str:
    """The name that the group node gives to an input of a node inside."""
    node, entry = inside.nodes[number], inside.entries[number]
    labels = [text(slot.get("label")) for slot in map(mapping, items(entry.get("inputs"))) if slot.get("name") == name]
    shown = text(inside.shown(number, "input", name).get("name")) or next(iter(labels), "") or name
    key = shown
    if (node.role is Role.PRIMITIVE and node.title) or shown in seen:
        prefix = f"{node.title or node.type} "
        key = shown = f"{prefix}{name}"
        if shown in seen:
            shown = f"{prefix}{seen[shown]} {name}"
    seen[key] = seen.get(key, 1) + 1
    return shown


def _given(entry: Mapping[str, object], face: _Face) -> Iterator[tuple[int, str, object]]:
    """The group node's own values, for the fields inside."""
    values = entry.get("widgets_values")
    if is_object(values):
        yield from ((number, each.name, values[name]) for number, each, name in face.fields if name in values)
        return
    found = values_of_fields(items(values), [each for _, each, _ in face.fields])
    yield from ((number, each.name, value) for (number, each, _), value in zip(face.fields, found, strict=False))
