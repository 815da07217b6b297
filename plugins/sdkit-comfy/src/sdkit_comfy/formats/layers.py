"""ComfyUI's UI format, one level of it: nodes with their slots, and links; read without trusting its shape.

::

    {"nodes": [{"id": 3, "type": "KSampler", "mode": 0, "inputs": [{"name": "model", "type": "MODEL", "link": 1}],
                "outputs": [{"name": "LATENT", "type": "LATENT", "links": [7]}], "widgets_values": [7, "fixed", …]}],
     "links": [[1, 4, 0, 3, 0, "MODEL"]], "version": 0.4}

Links are arrays `[id, from, from slot, to, to slot, type]`, or, in version 1 and inside subgraphs, objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from sdkit.errors import Fault
from sdkit_comfy.formats.strict_json import identity, is_object, items, mapping, text, whole

ANY = "*"


class Source(NamedTuple):
    """Where a link comes from: a node of the flat graph by its id, and the number of its output."""

    node: str
    slot: int


@dataclass
class Slot:
    """One input of a node: its name and socket type, the field that it stands for, if any, and what is linked to it."""

    name: str
    type: str = ANY
    widget: str = ""
    source: Source | None = None


class Mode(Enum):
    """Whether a node takes part."""

    ON = "on"
    MUTED = "muted"
    BYPASSED = "bypassed"


class Role(Enum):
    """What becomes of a node in the graph that runs. Only real ones are in it; what reads the others is linked past
    them: through a reroute, into a subgraph (its exit), out of it (its entry), from a name that was set to where it is
    taken, or gets the value that a primitive holds. Notes are nothing."""

    REAL = "real"
    REROUTE = "reroute"
    SET = "set"
    GET = "get"
    PRIMITIVE = "primitive"
    ENTRY = "entry"
    EXIT = "exit"
    NOTE = "note"


@dataclass
class FlatNode:
    """A node of a workflow whose subgraphs are unfolded: `id` is the path to it, such as `5:3`.

    `scope`: the path of the subgraph that it is in. `outputs`: their socket types. `values`: of its fields, by name.
    `exits`: of a subgraph, what its outputs are linked to inside. `search_name`: what names of files call it.
    """

    id: str
    type: str
    role: Role
    scope: str = ""
    title: str = ""
    mode: Mode = Mode.ON
    slots: list[Slot] = field(default_factory=list[Slot])
    outputs: list[str] = field(default_factory=list[str])
    values: dict[str, object] = field(default_factory=dict[str, object])
    exits: list[Source | None] = field(default_factory=list[Source | None])
    search_name: str = ""


class Link(NamedTuple):
    """A link as the file has it: node ids as texts."""

    id: int
    source: str
    source_slot: int
    target: str
    target_slot: int
    type: str


@dataclass(frozen=True)
class Layer:
    """The nodes of one level by their ids, and its links by theirs."""

    nodes: Mapping[str, Mapping[str, object]]
    links: Mapping[int, Link]

    def into(self, target: str, slot: int) -> Link | None:
        """The first link that goes into this slot."""
        return next((link for link in self.links.values() if link.target == target and link.target_slot == slot), None)


def read_layer(data: Mapping[str, object], scope: str, faults: list[Fault]) -> Layer:
    """One level of a workflow; `scope` is the path of the node that it is inside of, "" for the outermost."""
    nodes: dict[str, Mapping[str, object]] = {}
    for number, entry in enumerate(items(data.get("nodes"))):
        node = mapping(entry)
        node_id, kind = identity(node.get("id")), text(node.get("type")).strip()
        path = join(scope, node_id)
        if not node:
            continue
        if not node_id:
            faults.append(Fault("", "", f"entry {number} of its nodes{_within(scope)} has no id"))
        elif not kind:
            faults.append(Fault(path, "", "it has no type, which says what kind of node it is"))
        elif node_id in nodes:
            faults.append(Fault(path, "", f"the id {node_id!r} is given to more than one node", type=kind))
        else:
            nodes[node_id] = node
    return Layer(nodes, {link.id: link for link in _links(data.get("links"))})


def slots(node: Mapping[str, object], layer: Layer, scope: str) -> list[Slot]:
    """The node's inputs. A link that is not in the file, or comes from a node that is not, is none: the editor drops
    it, too."""
    found: list[Slot] = []
    for entry in items(node.get("inputs")):
        slot = mapping(entry)
        link = layer.links.get(number) if (number := whole(slot.get("link"))) is not None else None
        source = None if link is None else Source(join(scope, link.source), link.source_slot)
        widget = slot.get("widget")
        name = text(slot.get("name"))
        found.append(Slot(name, socket(slot.get("type")), text(mapping(widget).get("name")) if widget else "", source))
    return found


def output_types(node: Mapping[str, object]) -> list[str]:
    """The socket types of the node's outputs."""
    return [socket(mapping(entry).get("type")) for entry in items(node.get("outputs"))]


def mode(node: Mapping[str, object]) -> Mode:
    """Whether the node takes part; modes that are for triggers count as on."""
    return {2: Mode.MUTED, 4: Mode.BYPASSED}.get(whole(node.get("mode")) or 0, Mode.ON)


def socket(value: object) -> str:
    """A socket type; numbers and empty ones, which stand for events and for anything, fit all."""
    if isinstance(value, str) and value:
        return value
    return ",".join(text(each) for each in items(value)) or ANY


def join(scope: str, node_id: str) -> str:
    """The path of a node inside of another: `5` and `3` are `5:3`."""
    return f"{scope}:{node_id}" if scope else node_id


def _within(scope: str) -> str:
    return f" in the subgraph of node {scope}" if scope else ""


def _links(data: object) -> Iterator[Link]:
    entries = [*data.values()] if is_object(data) else items(data)
    for entry in entries:
        link = mapping(entry)
        parts = (
            [link.get(name) for name in ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")]
            if link
            else [*items(entry)[:6]]
        )
        parts += [None] * (6 - len(parts))
        number, slot = whole(parts[0]), whole(parts[2])
        if number is not None and slot is not None and identity(parts[1]):
            yield Link(number, identity(parts[1]), slot, identity(parts[3]), whole(parts[4]) or 0, socket(parts[5]))
