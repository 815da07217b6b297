"""The UI format's nodes inside of nodes → one flat set of nodes, linked by paths such as `5:3`.

A subgraph's definition stands once in `definitions.subgraphs`; nodes of its id as type are its instances. Inside, links
from node -10 are the instance's inputs, links to node -20 its outputs. An instance holds values for fields inside:
those that its inputs lead to, by position or by name, and those that `properties.proxyWidgets` lists as pairs of inner
node and field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from sdkit.errors import Fault, GraphError
from sdkit.graph import NodeType
from sdkit_comfy.formats import groups
from sdkit_comfy.formats.layers import (
    FlatNode,
    Layer,
    Mode,
    Role,
    Slot,
    Source,
    join,
    mode,
    output_types,
    read_layer,
    slots,
    socket,
)
from sdkit_comfy.formats.node_types import known_name
from sdkit_comfy.formats.strict_json import identity, is_object, items, mapping, parse, text
from sdkit_comfy.formats.virtual import role
from sdkit_comfy.formats.widgets import CONTROLS, SEEDS, node_values

MAX_NODES: Final = 50_000
"""So many nodes a workflow has at most, unfolded. Subgraphs in subgraphs double with every level."""
MAX_DEPTH: Final = 64

ENTRY: Final = "-10"
EXIT: Final = "-20"


@dataclass
class Flat:
    """The flat nodes by id, and what they are made with: `types` of nodes, `definitions` of subgraphs by their ids,
    `folded`: group nodes' by their names."""

    types: Mapping[str, NodeType]
    definitions: Mapping[str, Mapping[str, object]]
    folded: Mapping[str, object]
    faults: list[Fault]
    nodes: dict[str, FlatNode] = field(default_factory=dict[str, FlatNode])


def flatten(data: Mapping[str, object], types: Mapping[str, NodeType], faults: list[Fault]) -> dict[str, FlatNode]:
    """Every node of the workflow, also those inside of subgraphs and group nodes, by path."""
    folded = mapping(mapping(data.get("extra")).get("groupNodes"))
    flat = Flat(types, dict(_definitions(data, 0)), folded, faults)
    _unfold(data, "", (), Mode.ON, {}, flat)
    return flat.nodes


def _definitions(data: Mapping[str, object], depth: int) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The subgraphs' definitions by id, those inside of definitions, too."""
    for entry in items(mapping(data.get("definitions")).get("subgraphs")):
        definition = mapping(entry)
        if node_id := identity(definition.get("id")):
            yield node_id, definition
        if depth < MAX_DEPTH:
            yield from _definitions(definition, depth + 1)


def _unfold(
    data: Mapping[str, object],
    scope: str,
    inside: tuple[str, ...],
    outer: Mode,
    given: Mapping[tuple[str, str], object],
    flat: Flat,
) -> None:
    """Add the nodes of one level, which is inside of the definitions `inside`. `outer`: whether the node around takes
    part. `given`: values from outside for fields of nodes in here, by id and name."""
    layer = read_layer(data, scope, flat.faults)
    for node_id, entry in layer.nodes.items():
        if len(flat.nodes) >= MAX_NODES:
            flat.faults.append(Fault(scope, "", f"unfolded, the workflow has more than {MAX_NODES:,} nodes"))
            return
        node = _node(join(scope, node_id), entry, layer, scope, flat)
        node.mode = outer if outer is not Mode.ON else node.mode
        mine = {name: value for (owner, name), value in given.items() if owner == node_id}
        if (definition := flat.definitions.get(node.type)) is not None:
            _unfold_subgraph(node, entry, definition, inside, mine, flat)
        elif (name := groups.name_of(node.type)) in flat.folded:
            for each in groups.unfold(node, entry, mapping(flat.folded[name]), flat.types, flat.faults):
                flat.nodes[each.id] = each
        else:
            node.values = node_values(entry, node, flat.types) | mine
            flat.nodes[node.id] = node


def _node(path: str, entry: Mapping[str, object], layer: Layer, scope: str, flat: Flat) -> FlatNode:
    kind = known_name(text(entry.get("type")), flat.types)
    return FlatNode(
        path,
        kind,
        role(kind, flat.types),
        scope,
        text(entry.get("title")),
        mode(entry),
        slots(entry, layer, scope),
        output_types(entry),
        search_name=text(mapping(entry.get("properties")).get("Node name for S&R")) or kind,
    )


def _unfold_subgraph(
    node: FlatNode,
    entry: Mapping[str, object],
    definition: Mapping[str, object],
    inside: tuple[str, ...],
    given: Mapping[str, object],
    flat: Flat,
) -> None:
    """Add the instance as what leads out of the subgraph, another node as what leads into it, and the nodes inside."""
    if node.type in inside or len(inside) >= MAX_DEPTH:
        title = text(definition.get("name")) or node.type
        flat.faults.append(Fault(node.id, "", f"the subgraph {title!r} contains itself", type=title))
        return
    layer = read_layer(definition, node.id, [])
    declared = [mapping(each) for each in items(definition.get("inputs"))]
    node.slots = list(_declared_slots(declared, node.slots))
    node.role = Role.EXIT
    node.outputs = [socket(mapping(each).get("type")) for each in items(definition.get("outputs"))] or node.outputs
    exit_id = identity(mapping(definition.get("outputNode")).get("id")) or EXIT
    entry_id = identity(mapping(definition.get("inputNode")).get("id")) or ENTRY
    node.exits = [
        None if (link := layer.into(exit_id, number)) is None else Source(join(node.id, link.source), link.source_slot)
        for number in range(len(node.outputs))
    ]
    names = [slot.name for slot in node.slots]
    promoted = _promoted(layer, entry_id, len(names), flat)
    own, inner = _values(entry, names, promoted)
    entrance = FlatNode(
        join(node.id, entry_id), node.type, Role.ENTRY, node.id, slots=node.slots, values=own | dict(given)
    )
    flat.nodes[node.id] = node
    flat.nodes[entrance.id] = entrance
    for node_id, name in _pairs(mapping(entry.get("properties"))):  # what the level above shows of a field in this one
        if name in given and name not in names:
            inner[node_id, name] = given[name]
    muted = node.mode if node.mode is not Mode.ON else Mode.ON
    _unfold(definition, node.id, (*inside, node.type), muted, inner, flat)


def _declared_slots(declared: list[Mapping[str, object]], present: list[Slot]) -> Iterator[Slot]:
    """A slot for each input that the subgraph declares, with the link of the instance's input of that name: instances
    may list fewer, and in another order."""
    waiting = list(present)
    for each in declared:
        name, kind = text(each.get("name")), socket(each.get("type"))
        found = next((slot for slot in waiting if (slot.name, slot.type) == (name, kind)), None) or next(
            (slot for slot in waiting if slot.name == name), None
        )
        if found is not None:
            waiting.remove(found)
        yield Slot(name, kind, name, None if found is None else found.source)
    if not declared:
        yield from waiting


def _promoted(layer: Layer, entry_id: str, count: int, flat: Flat) -> dict[int, list[tuple[str, str]]]:
    """The inputs that lead to fields inside, by number: the inner nodes and fields, the first of which has the value
    that the instance shows."""
    found: dict[int, list[tuple[str, str]]] = {}
    for link in layer.links.values():
        target = layer.nodes.get(link.target)
        if link.source != entry_id or target is None or not 0 <= link.source_slot < count:
            continue
        entries = [mapping(each) for each in items(target.get("inputs"))]
        if not 0 <= link.target_slot < len(entries):
            continue
        slot = entries[link.target_slot]
        if slot.get("widget"):
            name = text(mapping(slot.get("widget")).get("name"))
            if text(target.get("type")) in flat.definitions:
                name = text(slot.get("name"))
            found.setdefault(link.source_slot, []).append((link.target, name or text(slot.get("name"))))
    return found


def _values(
    entry: Mapping[str, object], names: list[str], promoted: Mapping[int, list[tuple[str, str]]]
) -> tuple[dict[str, object], dict[tuple[str, str], object]]:
    """The instance's values: those of its inputs by name, and those of fields inside by node and name."""
    own: dict[str, object] = {}
    inner: dict[tuple[str, str], object] = {}
    properties = mapping(entry.get("properties"))
    values = entry.get("widgets_values")
    proxies = _pairs(properties)
    if is_object(values):
        own |= {name: value for name, value in values.items() if name in names}
    elif proxies:
        if len(items(values)) != len(proxies):  # some files leave the fields behind seeds out
            proxies = [each for each in proxies if each[1] != "control_after_generate"]
        for (node_id, name), value in zip(proxies, items(values), strict=False):
            if node_id == "-1":
                own[name] = value
            elif name != "control_after_generate":
                inner[node_id, name] = value
    else:
        own |= dict(_by_input(items(values), names, promoted))
    own |= {name: value for name, value in mapping(entry.get("widgets_values_named")).items() if name in names}
    own = {name: value for name, value in own.items() if value is not None}
    inner = {pair: value for pair, value in inner.items() if value is not None}
    for each in items(properties.get("proxyWidgetErrorQuarantine")):
        match items(mapping(each).get("originalEntry")):
            case ["-1", str(name), *_] if "hostValue" in mapping(each):
                own[name] = mapping(each)["hostValue"]
            case _:
                pass
    return own, inner


def _by_input(
    values: object, names: list[str], promoted: Mapping[int, list[tuple[str, str]]]
) -> Iterator[tuple[str, object]]:
    """One value for each input that leads to a field; where there are more, those behind seeds are the editor's own."""
    left = list(items(values))
    spare = len(left) > len(promoted)
    for number in sorted(promoted):
        if not left:
            return
        yield names[number], left.pop(0)
        if spare and left and promoted[number][0][1] in SEEDS and isinstance(left[0], str) and left[0] in CONTROLS:
            left.pop(0)


def _pairs(properties: Mapping[str, object]) -> list[tuple[str, str]]:
    """The inner nodes and fields in `proxyWidgets`; early versions kept the list as text."""
    found = properties.get("proxyWidgets")
    if isinstance(found, str):
        try:
            found = parse(found, "proxyWidgets")
        except GraphError:
            return []
    pairs = [items(each) for each in items(found)]
    return [(identity(pair[0]), text(pair[1])) for pair in pairs if len(pair) >= 2]
