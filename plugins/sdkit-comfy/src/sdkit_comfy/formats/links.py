"""Where an input's value comes from, once everything that only the editor knows is out of the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sdkit.errors import Fault
from sdkit.graph import Ref
from sdkit_comfy.formats.layers import ANY, FlatNode, Mode, Role, Slot, Source


class Literal(NamedTuple):
    """A value that a primitive node or a subgraph's field holds, in place of a link."""

    value: object


def resolve(slot: Slot, reader: FlatNode, nodes: Mapping[str, FlatNode], faults: list[Fault]) -> Ref | Literal | None:
    """What the slot gets: a real node's output, a value, or nothing: it is not linked, or to what does not take part.

    Past a bypassed node it goes on with the node's input of the type that the slot wants: the one with the output's
    number if it fits, else the first of exactly that type, else the first that fits.
    """
    source, seen = slot.source, set[Source]()
    while source is not None:
        node = nodes.get(source.node)
        if source in seen:
            fault = f"what is linked to {slot.name!r} goes round in a circle, through {_path(seen)}"
            faults.append(Fault(reader.id, slot.name, fault, type=reader.type))
            return None
        if node is None:
            return None
        seen.add(source)
        if node.mode is Mode.BYPASSED and node.role is not Role.ENTRY:
            passed = _past(node, source.slot, slot.type)
            source = None if passed is None else passed.source
            continue
        match node.role:
            case Role.REAL:
                return Ref(node.id, source.slot) if node.mode is Mode.ON else None
            case Role.REROUTE | Role.SET:
                source = node.slots[0].source if node.slots else None
            case Role.GET:
                setter = _setter(node, nodes)
                source = None if setter is None else Source(setter.id, 0)
            case Role.EXIT if node.mode is Mode.ON and 0 <= source.slot < len(node.exits):
                source = node.exits[source.slot]
            case Role.ENTRY if 0 <= source.slot < len(node.slots):
                outer = node.slots[source.slot]
                if outer.source is None:
                    return Literal(node.values[outer.name]) if outer.name in node.values else None
                source = outer.source
            case Role.PRIMITIVE:
                return next((Literal(value) for value in node.values.values()), None)
            case _:
                return None
    return None


def _past(node: FlatNode, output: int, wanted: str) -> Slot | None:
    """The input that stands in for an output of a bypassed node."""
    if not node.slots:
        return None
    if wanted == ANY:
        return node.slots[output] if 0 <= output < len(node.slots) else node.slots[0]
    made = node.outputs[output] if 0 <= output < len(node.outputs) else ANY
    same = node.slots[output : output + 1]
    exact = [each for each in node.slots if each.type == wanted]
    return next(iter([*_fitting(same, made, wanted), *exact, *_fitting(node.slots, made, wanted)]), None)


def _fitting(slots: Sequence[Slot], made: str, wanted: str) -> list[Slot]:
    return [each for each in slots if _connects(each.type, made) and _connects(each.type, wanted)]


def _connects(one: str, other: str) -> bool:
    """Whether sockets of these types may be linked: same names whatever the case, one of a list, or anything."""
    ones, others = ({part.strip() for part in each.lower().split(",")} for each in (one, other))
    return ANY in ones or ANY in others or not ones.isdisjoint(others)


def _setter(getter: FlatNode, nodes: Mapping[str, FlatNode]) -> FlatNode | None:
    """The node that sets what this one gets: in the same subgraph, or in one around it."""
    wanted = next(iter(getter.values.values()), None)
    setters = {
        each.scope: each
        for each in nodes.values()
        if each.role is Role.SET and next(iter(each.values.values()), None) == wanted
    }
    scope = getter.scope
    while scope and scope not in setters:
        scope = scope.rpartition(":")[0]
    return setters.get(scope)


def _path(seen: set[Source]) -> str:
    return ", ".join(sorted({each.node for each in seen}))
