"""Nodes of V3's schema as declarations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from sdkit_comfy.packs.declarations import Declaration, Result, Slot
from sdkit_comfy.shims.comfy_api_io import ComfyNode, HiddenHolder


def is_v3(cls: object) -> bool:
    """Whether a class is one of V3's."""
    return isinstance(cls, type) and issubclass(cls, ComfyNode)


def declared_v3(cls: type, name: str | None = None) -> Declaration:
    """What a class of V3's says. `name`: where it is registered under another one than its schema has."""
    node = cast("Any", cls)
    schema = node.define_schema()
    schema.check()

    def make(hidden: Mapping[str, object]) -> Any:
        return type(
            cls.__name__, (cls,), {"hidden": HiddenHolder(hidden), "SCHEMA": schema, "__module__": cls.__module__}
        )

    return Declaration(
        name or schema.node_id,
        tuple(Slot(each.id, each.kind(), each.options(), not each.optional) for each in schema.inputs),
        tuple(
            Result(
                each.display_name or each.id or each.io_type, each.kind(), bool(each.is_output_list), each.tooltip or ""
            )
            for each in schema.outputs
        ),
        make=make,
        call=lambda clone: clone.execute,
        hidden={each.name: each.value for each in schema.hidden},
        hidden_as_arguments=False,
        once_per_node=False,
        title=schema.display_name or "",
        category=schema.category,
        summary=schema.description,
        is_output=schema.is_output_node,
        is_async=inspect.iscoroutinefunction(node.execute),
        takes_lists=schema.is_input_list,
        open_inputs=schema.accept_all_inputs,
        validate=_own(cls, "validate_inputs"),
        changes=_own(cls, "fingerprint_inputs"),
        needs=(lambda clone: clone.check_lazy_status) if _own(cls, "check_lazy_status") is not None else None,
    )


def _own(cls: type, name: str) -> Callable[..., Any] | None:
    """The class's function, if it is not the one that it inherits from ComfyNode."""
    own = next((each for each in cls.__mro__ if name in each.__dict__), ComfyNode)
    return None if own is ComfyNode else getattr(cls, name)
