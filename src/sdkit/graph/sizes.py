"""How many bytes values take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Protocol, cast

from sdkit.graph.watching import parts


class _Storage(Protocol):
    def data_ptr(self) -> int: ...
    def nbytes(self) -> int: ...


class _Tensor(Protocol):
    def element_size(self) -> int: ...
    def nelement(self) -> int: ...


def sizes_of(value: object) -> Iterator[tuple[object, int]]:
    """The bytes of everything in a value, each with a key that is equal for what is shared."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        storage = _attribute(each, "untyped_storage")
        nbytes = _attribute(each, "nbytes")
        if callable(storage):
            memory = cast("_Storage", storage())
            yield (memory.data_ptr(), str(getattr(each, "device", ""))), memory.nbytes()
        elif isinstance(nbytes, int):
            yield id(each), nbytes
        elif callable(_attribute(each, "element_size")) and callable(_attribute(each, "nelement")):
            tensor = cast("_Tensor", each)
            yield id(each), tensor.element_size() * tensor.nelement()
        else:
            held = parts(each)
            for name in ("parameters", "buffers"):
                if not held and callable(_attribute(each, name)):
                    waiting.extend(getattr(each, name)())
            waiting.extend(held)
            yield id(each), sys.getsizeof(each)


def _attribute(value: object, name: str) -> object:
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 -- a property may raise anything; then it is not what is looked for here
        return None
