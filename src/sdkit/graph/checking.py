"""What is wrong with a graph, all of it at once, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from sdkit.errors import Fault, nearest
from sdkit.graph.asking import CheckContext
from sdkit.graph.describing import told
from sdkit.graph.graph import Graph, GraphNode
from sdkit.graph.linking import Known, KnownTypes, Links
from sdkit.graph.ordering import cycle_faults
from sdkit.graph.schema import Choices, Input, NodeType, Ref
from sdkit.graph.written import expected, problem, shown, written_inputs

LONGEST_NAME = 200
"""So many characters of a type's name."""


def check(
    graph: Graph,
    types: Mapping[str, NodeType],
    choices: Callable[[str], Sequence[object]] | None = None,
    *,
    origin: Callable[[str], str] | None = None,
    services: Mapping[type, object] | None = None,
) -> tuple[Fault, ...]:
    """Every fault of the graph, in the order of its nodes, cycles last; none if it can run.

    `types`: the kinds of nodes there are. `choices`: asked, once for each source, for what inputs with `Choices` may
    be; without it, they may be anything. `origin`: asked for a hint where to get an unknown type of node; "" if it does
    not know. `services`: what the nodes' own checks get from their `CheckContext`.
    """
    return (*node_faults(graph, types, choices, origin=origin, services=services), *cycle_faults(graph))


def node_faults(
    graph: Graph,
    types: Mapping[str, NodeType],
    choices: Callable[[str], Sequence[object]] | None = None,
    *,
    origin: Callable[[str], str] | None = None,
    services: Mapping[type, object] | None = None,
) -> tuple[Fault, ...]:
    """What `check` finds node by node, thus all but cycles."""
    return _Check(graph, types, choices, origin, services or {}).faults()


class _Check:
    """One check, with what it needs to look up only once."""

    def __init__(
        self,
        graph: Graph,
        types: Mapping[str, NodeType],
        choices: Callable[[str], Sequence[object]] | None,
        origin: Callable[[str], str] | None,
        services: Mapping[type, object],
    ) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.types = types
        self.ask_choices = choices
        self.origin = origin
        self.services = services
        self.known_type = KnownTypes(graph, types).find
        self.links = Links(graph, self.known_type)
        self.asked: dict[str, Sequence[object]] = {}
        self.near_types: dict[str, tuple[str, ...]] = {}

    def faults(self) -> tuple[Fault, ...]:
        found: list[Fault] = []
        for node_id, node in self.nodes.items():
            known = self.known_type(node.type)
            if known is None:
                found.append(self.unknown_type(node_id, node))
                links = (self.links.fault(node_id, node, name, ref) for name, ref in node.links())
                found.extend(each for each in links if each is not None)
            else:
                own = self.node(node_id, node, known)
                if not own and known.type.check is not None:
                    own = self.own_check(node_id, node, known)
                found.extend(own)
        return tuple(found)

    def node(self, node_id: str, node: GraphNode, known: Known) -> Sequence[Fault]:
        """The node's inputs in the order in which they are declared, then those that it does not have."""
        given = node.inputs
        found: list[Fault | None] = []
        taken = 0
        for name, declared, fine in known.inputs:
            if name not in given:
                if declared.required:
                    found.append(self.missing(node_id, node, declared))
                continue
            taken += 1
            value = given[name]
            if isinstance(value, Ref):
                found.append(self.links.fault(node_id, node, name, value, known.type, declared))
            else:
                bounds = fine.get(type(value))
                if bounds is None or (bounds and not bounds[0] <= cast("float", value) <= bounds[1]):
                    found.append(self.value(node_id, node, declared, value))
        if taken < len(given):
            for name, value in given.items():
                if name not in known.names:
                    found.append(self.undeclared(node_id, node, known.type, name, value))
        return [each for each in found if each is not None]

    def value(self, node_id: str, node: GraphNode, declared: Input, value: object) -> Fault | None:
        """What is wrong with a value that is written."""
        choices = declared.choices
        known = self.choices_of(choices.source) if isinstance(choices, Choices) else None
        found = problem(declared, value, known)
        if found is None:
            return None
        message = f"{declared.name} {found.message}" + (f"; {found.hint}" if found.hint else "")
        return Fault(node_id, declared.name, message, node.type, found.expected, shown(value), found.hint)

    def choices_of(self, source: str) -> Sequence[object] | None:
        if self.ask_choices is None:
            return None
        if source not in self.asked:
            self.asked[source] = self.ask_choices(source)
        return self.asked[source]

    def missing(self, node_id: str, node: GraphNode, declared: Input) -> Fault:
        choices = self.choices_of(declared.choices.source) if isinstance(declared.choices, Choices) else None
        wanted = expected(declared, choices)
        hint = self.links.who_has(declared, node_id)
        message = f"{declared.name} is missing, it takes {wanted}{'; ' if hint else ''}{hint}"
        return Fault(node_id, declared.name, message, node.type, wanted, "nothing", hint)

    def undeclared(self, node_id: str, node: GraphNode, node_type: NodeType, name: str, value: object) -> Fault | None:
        if node_type.open_inputs:
            return self.links.fault(node_id, node, name, value) if isinstance(value, Ref) else None
        names = [each.name for each in node_type.inputs]
        near = nearest(name, names)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)}" if names else "it has none"
        return Fault(node_id, name, f"there is no input {name!r}; {hint}", node.type, "", "", hint)

    def unknown_type(self, node_id: str, node: GraphNode) -> Fault:
        near = self.near_types.get(node.type)
        if near is None:
            near = self.near_types[node.type] = nearest(
                node.type[:100], dict.fromkeys([*self.types, *self.graph.types])
            )
        hint = "" if self.origin is None else self.origin(node.type)
        named = repr(node.type if len(node.type) <= LONGEST_NAME else node.type[:LONGEST_NAME] + "…")
        hint = hint or ("did you mean " + " or ".join(repr(each) for each in near) + "?" if near else "")
        message = f"there is no node type {named}{'; ' if hint else ''}{hint}"
        return Fault(node_id, "", message, "", "", node.type, hint)

    def own_check(self, node_id: str, node: GraphNode, known: Known) -> Sequence[Fault]:
        """What the node itself says of its inputs. A check that breaks is a fault of this node, and hides no other."""
        assert known.type.check is not None
        try:
            given = written_inputs(node, known.type)
            if known.context is not None:
                given[known.context] = CheckContext(node_id, self.graph, self.services)
            said = known.type.check(**given)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is reported
            said = f"its own check of the inputs failed: {told(error)}"
        return () if said is None else (Fault(node_id, "", said, node.type),)
