"""The nodes of a run, which grow when a node is expanded to a graph."""

from __future__ import annotations

import contextvars
from collections import ChainMap, Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sdkit.errors import GraphError
from sdkit.graph.asking import CheckContext
from sdkit.graph.calling import Slots, check_expansion, joined, listed, spread
from sdkit.graph.graph import GraphNode
from sdkit.graph.handles import NodeHandle
from sdkit.graph.jobs import Expanded, Job, Jobs, State
from sdkit.graph.planning import Kind, Link, Nonces, Plan, Step, arrange, sign
from sdkit.graph.schema import Ref
from sdkit.graph.signatures import NoSignatureError, canonical
from sdkit.graph.values import Expansion

if TYPE_CHECKING:
    from sdkit.graph.graph import Graph


class Added(NamedTuple):
    """What came with an expansion: ids of its nodes; which of its outputs are links, and where to; its output nodes."""

    ids: tuple[str, ...]
    outputs: Mapping[int, Ref]
    effects: tuple[str, ...]


class Nodes:
    """Nodes, steps and signatures of a run by id. `added`: ids that came with expansions. `failed`: errors of `changes`
    functions, by id; they are told when the node would run."""

    def __init__(
        self,
        plan: Plan,
        graph: Graph,
        kind_of: Callable[[str, Graph], Kind],
        context: contextvars.Context,
        services: Mapping[type, object],
    ) -> None:
        self._graph: Final = graph
        self._kind_of: Final = kind_of
        self._context: Final = context
        self._services: Final = services
        self._nonces: Final = Nonces()
        self._counts: Final[Counter[str]] = Counter()
        self._dynamic: Final[dict[str, GraphNode]] = {}
        self._shared = True
        self._steps: Mapping[str, Step] = plan.steps
        self.all: Final[Mapping[str, GraphNode]] = ChainMap(self._dynamic, graph.nodes)
        self.added: Final[set[str]] = set()
        self.failed: Final[dict[str, Exception]] = {}
        if plan.signatures is not None:
            self.signatures: Mapping[str, bytes] = plan.signatures
        else:
            known: dict[str, bytes] = {}
            sign(plan.steps.values(), known, self._changes, self._nonces)
            self.signatures = known

    def step(self, node_id: str) -> Step:
        """The step of the node."""
        return self._steps[node_id]

    def links(self, step: Step) -> Mapping[str, Ref]:
        """Where the step's inputs come from."""
        return {link.name: Ref(link.node, link.output) for link in step.links}

    def _changes(self, step: Step) -> bytes:
        function = step.kind.type.changes
        assert function is not None
        try:
            given = dict.fromkeys(link.name for link in step.links) | step.values
            if step.kind.asks is not None:
                given[step.kind.asks] = CheckContext(step.id, self._graph, self._services)
            told = self._context.run(function, **given)
            return b"c" + canonical(told)
        except NoSignatureError:
            return self._nonces(step)
        except Exception as error:  # noqa: BLE001 -- told when the node would run, so that all others do
            self.failed[step.id] = error
            return self._nonces(step)

    def add(
        self, parent: Step, signature: bytes, call: int, expansion: Expansion, own: Mapping[int, tuple[object, Link]]
    ) -> Added:
        """Take in what `parent` expanded to in its call of this number. `own`: by Python's id, the values that the
        parent was given over links: where the expansion has them as written values, they become these links, so that
        their signatures are known and nobody holds them longer than needed."""
        local = expansion.graph.nodes
        prefix = self._prefix(parent.root, local)
        names = {prefix + node_id: node_id for node_id in local}

        kinds: dict[str, Kind] = {}
        for node in local.values():
            if node.type not in kinds:
                kinds[node.type] = self._kind_of(node.type, expansion.graph)

        def moved(value: object) -> object:
            if isinstance(value, NodeHandle):
                value = value.out
            if isinstance(value, Ref):
                return Ref(prefix + value.node, value.output) if value.node in local else value
            found = own.get(id(value))
            if found is None or _has_signature(value):
                return value
            return Ref(found[1].node, found[1].output)

        def make(node_id: str, node: GraphNode) -> Step:
            if node_id not in names:
                return Step(node_id, node, self._kind_of(node.type, self._graph), node_id)
            place = b"x%b%d;" % (signature, call) + canonical(names[node_id])
            return Step(node_id, node, kinds[node.type], parent.root, lambda name: place + canonical(name))

        for node_id, node in local.items():
            self._dynamic[prefix + node_id] = GraphNode(
                node.type, {name: moved(value) for name, value in node.inputs.items()}, node.title
            )
        links = {index: ref for index, value in enumerate(expansion.outputs) if isinstance(ref := moved(value), Ref)}
        effects = tuple(prefix + node_id for node_id, node in local.items() if kinds[node.type].type.is_output)
        roots = [*(ref.node for ref in links.values()), *effects]
        steps = arrange(self.all, roots, make, self._steps)
        self._take(steps)
        for step in steps.values():
            for link in step.links:
                self._check_output(link.node, link.output)
        for ref in links.values():
            self._check_output(ref.node, ref.output)
        return Added(tuple(node_id for node_id in steps if node_id in names), links, effects)

    def _take(self, steps: Mapping[str, Step]) -> None:
        if self._shared:  # so far they are the plan's, which other runs use, too
            self._steps, self.signatures, self._shared = dict(self._steps), dict(self.signatures), False
        assert isinstance(self._steps, dict)
        assert isinstance(self.signatures, dict)
        self._steps.update(steps)
        self.added.update(steps)
        sign(steps.values(), self.signatures, self._changes, self._nonces)

    def _check_output(self, node_id: str, output: int) -> None:
        step = self._steps[node_id]
        if not 0 <= output < step.kind.width:
            raise GraphError(
                f"node {node_id} ({step.kind.type.name}) has {step.kind.width} outputs; there is no output {output}"
            )

    def _prefix(self, root: str, local: Mapping[str, GraphNode]) -> str:
        while True:
            self._counts[root] += 1
            prefix = f"{root}/{self._counts[root]}."
            if not any(prefix + node_id in self.all for node_id in local):
                return prefix


def expand(job: Job, results: Sequence[object], nodes: Nodes, jobs: Jobs) -> list[Job]:
    """Take in the expansions among what a job's calls returned. The jobs that it has to wait for then, each as often as
    it is used."""
    kind, step = job.step.kind, job.step
    job.pieces, job.inner = [], []
    own = {
        id(value): (value, link)
        for link, source in zip(step.links, job.sources, strict=True)
        if source.state is State.DONE
        for value in [source.outputs[link.output]]
    } | {id(copy): (copy, link) for copy, link in job.lent}
    demanded: list[Job] = []
    for call, result in enumerate(results):
        if not isinstance(result, Expansion):
            job.pieces.append(spread(kind, result))
            continue
        check_expansion(kind, result)
        added = nodes.add(step, job.signature, call, result, own)
        jobs.signatures = nodes.signatures
        sources: dict[int, tuple[Job, int]] = {}
        for number, ref in added.outputs.items():
            sources[number] = jobs.reach(ref.node), ref.output
            demanded.append(sources[number][0])
        demanded.extend(jobs.reach(node_id) for node_id in added.effects)
        job.pieces.append(Expanded(result, sources))
        job.inner.extend(inner for node_id in added.ids if (inner := jobs.by_id.get(node_id)) is not None)
    for each in demanded:
        each.uses += 1
    return demanded


def outputs_of(job: Job) -> Slots:
    """The outputs of a job that was expanded, once all that it waits for is done."""
    kind = job.step.kind
    assert job.pieces is not None
    pieces = [each.values() if isinstance(each, Expanded) else each for each in job.pieces]
    if kind.lists:
        pieces = [listed(kind, each) for each in pieces]
    return joined(kind, pieces) if job.many else pieces[0]


def _has_signature(value: object) -> bool:
    try:
        canonical(value)
    except NoSignatureError:
        return False
    return True
