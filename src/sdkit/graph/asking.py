"""What a node's `check` and `changes` are told beside the inputs, where they want to know."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sdkit.graph.annotations import evaluated, names_of
from sdkit.graph.values import offered

if TYPE_CHECKING:
    from sdkit.graph.graph import Graph

ServiceT = TypeVar("ServiceT")


@dataclass(frozen=True, eq=False)
class CheckContext:
    """What a node's `check` or `changes` knows beside its inputs; it gets one where a parameter is annotated so.

    `node`: the node's id. `graph`: the graph that it is in, as far as the run needs it.
    """

    node: str
    graph: Graph
    services: Mapping[type, object]

    def service(self, kind: type[ServiceT]) -> ServiceT:
        """What the session offers under this type. Raises SdkitError, which names what there is."""
        return offered(self.services, kind, self.node)


def context_parameter(function: Callable[..., object] | None) -> str | None:
    """The name of the parameter that wants a `CheckContext`; None where there is none."""
    if function is None:
        return None
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some built-in functions tell nothing
        return None
    names = names_of(function)
    for parameter in parameters:
        if getattr(evaluated(parameter.annotation, names), "__name__", "") == CheckContext.__name__:
            return parameter.name
    return None
