"""Packs' nodes as nodes of sdkit."""

from __future__ import annotations

import inspect
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from sdkit.graph import CheckContext, NodeContext, NodeType
from sdkit_comfy.packs.calls import Call, during
from sdkit_comfy.packs.declarations import Declaration, signature
from sdkit_comfy.packs.hidden import hidden_values
from sdkit_comfy.packs.models import pack_value
from sdkit_comfy.packs.results import outputs_of
from sdkit_comfy.packs.sockets import comfy_of, fits_of, input_of, output_of, socket_of

_LOG = logging.getLogger(__name__)
_CONTEXT = "sdkit node context"
"""The argument that gets the context; no input of a pack is called so."""
_MOST_INSTANCES = 1000


def adapted(declaration: Declaration, pack: str, home: Path) -> NodeType:
    """The node as sdkit runs it. `home`: the pack's folder, or file."""
    node = _Node(declaration, pack, home)
    free = _validated(declaration)
    return NodeType(
        declaration.name,
        node.run_async if declaration.is_async else node.run,
        tuple(input_of(slot, free=slot.name in free or "" in free) for slot in declaration.slots),
        tuple(map(output_of, declaration.results)),
        title=declaration.title,
        category=declaration.category,
        summary=declaration.summary,
        is_output=declaration.is_output,
        context=_CONTEXT,
        changes=None if declaration.changes is None else node.changes,
        check=None if declaration.validate is None else node.check,
        needs=None if declaration.needs is None else node.needs,
        takes_lists=declaration.takes_lists,
        open_inputs=declaration.open_inputs,
        fits=node.fits,
    )


def _validated(declaration: Declaration) -> frozenset[str]:
    """The inputs that the pack checks itself; "" where it checks all."""
    described = signature(declaration.validate)
    if described is None:
        return frozenset()
    kinds = described.parameters
    return frozenset("" if each.kind is each.VAR_KEYWORD else name for name, each in kinds.items())


class _Node:
    """One node of a pack. Like ComfyUI it has an object per node of the graph, which lives on from run to run."""

    def __init__(self, declaration: Declaration, pack: str, home: Path) -> None:
        self._is: Final = declaration
        self._pack: Final = pack
        self._home: Final = home
        self._raw: Final = frozenset(slot.name for slot in declaration.slots if slot.options.get("rawLink"))
        self._fits: Final = fits_of(declaration)
        described = signature(declaration.validate)
        self._asks_types: Final = described is not None and "input_types" in described.parameters
        self._instances: Final[OrderedDict[tuple[int, str], Any]] = OrderedDict()
        self._lock: Final = threading.Lock()

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, **inputs: object) -> object:
        """Call the pack's function."""
        context = cast("NodeContext", inputs.pop(_CONTEXT))
        with during(Call(self._pack, context, home=self._home)):
            function, arguments = self._prepared(inputs, context)
            return outputs_of(self._is, function(**arguments), context)

    async def run_async(self, **inputs: object) -> object:
        """Call the pack's coroutine function."""
        context = cast("NodeContext", inputs.pop(_CONTEXT))
        with during(Call(self._pack, context, home=self._home)):
            function, arguments = self._prepared(inputs, context)
            return outputs_of(self._is, await cast("Coroutine[Any, Any, Any]", function(**arguments)), context)

    def _prepared(
        self, inputs: Mapping[str, object], context: NodeContext
    ) -> tuple[Callable[..., Any], dict[str, object]]:
        arguments = {name: self._arrived(name, value, context) for name, value in inputs.items()}
        hidden = hidden_values(self._is.hidden, context)
        if self._is.hidden_as_arguments:
            arguments |= {name: [each] if self._is.takes_lists else each for name, each in hidden.items()}
        instance = self._instance(context) if self._is.once_per_node else self._is.make(hidden)
        return self._is.call(instance), arguments

    def _arrived(self, name: str, value: object, context: NodeContext) -> object:
        if name in self._raw and name in context.links:
            link = [*context.links[name]]
            return [link] if self._is.takes_lists else link
        if self._is.takes_lists and isinstance(value, list):
            return [pack_value(each, self._pack) for each in cast("list[object]", value)]
        return pack_value(value, self._pack)

    def _instance(self, context: NodeContext) -> Any:
        key = (id(context.services), context.node)
        with self._lock:
            found = self._instances.pop(key, None)
            if found is None:
                found = self._is.make({})
            self._instances[key] = found
            while len(self._instances) > _MOST_INSTANCES:
                self._instances.popitem(last=False)
            return found

    # ── what the session asks besides ────────────────────────────────────────────────────────────────────────────────

    def needs(self, **inputs: object) -> Sequence[str]:
        """The lazy inputs that the pack wants now."""
        assert self._is.needs is not None
        with during(Call(self._pack, home=self._home)):
            function = self._is.needs(self._is.make({}))
            given = self._given(function, inputs, keep=True)
            told = cast("object", function(**given))
        if not isinstance(told, list | tuple):
            return ()
        known = {*inputs, *(slot.name for slot in self._is.slots)}
        return [each for each in cast("Sequence[object]", told) if isinstance(each, str) and each in known]

    def changes(self, sdkit_context: CheckContext, **inputs: object) -> object:
        """What `IS_CHANGED` returns. Where it fails, the node runs every time, as in ComfyUI."""
        assert self._is.changes is not None
        with during(Call(self._pack, services=sdkit_context.services, home=self._home)):
            try:
                return cast("object", self._is.changes(**self._given(self._is.changes, inputs, keep=False)))
            except Exception as error:  # noqa: BLE001 -- a pack's; told in the log
                _LOG.warning("pack %r: what says whether %s changed failed: %s", self._pack, self._is.name, error)
                return float("nan")

    def check(self, sdkit_context: CheckContext, **inputs: object) -> str | None:
        """What `VALIDATE_INPUTS` says."""
        if self._asks_types:  # of links, which `fits` tells it
            inputs = {**inputs, "input_types": _Types(self._declared_types())}
        return self._validated(inputs, sdkit_context.services)

    @property
    def fits(self) -> Callable[[str, str], bool] | None:
        """Whether a link fits, where the pack has a say in it."""
        if not self._asks_types:
            return self._fits
        return self._validates

    def _validates(self, output_type: str, input_type: str) -> bool:
        if self._fits is not None and self._fits(output_type, input_type):
            return True
        names = [slot.name for slot in self._is.slots if socket_of(slot.kind) == input_type]
        types = _Types(self._declared_types(), {name: comfy_of(output_type) for name in names})
        return bool(names) and self._validated({"input_types": types}) is None

    def _declared_types(self) -> Mapping[str, object]:
        return {slot.name: slot.kind for slot in self._is.slots}

    def _validated(self, inputs: Mapping[str, object], services: Mapping[type, object] | None = None) -> str | None:
        assert self._is.validate is not None
        with during(Call(self._pack, services=services, home=self._home)):
            said = self._is.validate(**self._given(self._is.validate, inputs, keep=False))
        if said is True or said is None:
            return None
        return said if isinstance(said, str) else "the pack's own check says no"

    def _given(self, function: Callable[..., Any], inputs: Mapping[str, object], *, keep: bool) -> dict[str, object]:
        """Those of the inputs that a function takes. `keep`: also those that have no value, which are links; without
        it only where the function cannot do without."""
        described = signature(function)
        if described is None:
            return dict(inputs)
        parameters = described.parameters
        every = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
        given = {
            name: value
            for name, value in inputs.items()
            if (name in parameters or every) and (keep or value is not None)
        }
        for name, each in parameters.items():
            plain = each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}
            if plain and name not in given and each.default is inspect.Parameter.empty:
                given[name] = None
        return given


class _Types(dict[str, object]):
    """Types of links by input; of others, what is declared."""

    def __init__(self, declared: Mapping[str, object], types: Mapping[str, object] | None = None) -> None:
        super().__init__(types or {})
        self._declared = declared

    def __missing__(self, name: str) -> object:
        return self._declared[name]
