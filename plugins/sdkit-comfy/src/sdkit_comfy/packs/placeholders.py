"""What stands for a part of ComfyUI that a pack imports and sdkit does not have, until the pack uses it."""

from __future__ import annotations

from typing import Any, NoReturn

from sdkit_comfy.packs.errors import NotProvidedAttribute, NotProvidedError, not_provided


class Missing:
    """Something that is not there: it may be imported, named in annotations and asked about, and raises when used.

    Packs import at the top of a file what only a few of their nodes need; the others are to work.
    """

    __slots__ = ("_pack", "_path")

    def __init__(self, pack: str, path: str) -> None:
        object.__setattr__(self, "_pack", pack)
        object.__setattr__(self, "_path", path)

    def __getattr__(self, name: str) -> Missing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(self._pack, f"{self._path}.{name}")

    def __setattr__(self, name: str, value: object) -> None:
        raise NotProvidedAttribute(not_provided(self._pack, f"{self._path}.{name}"))

    def _fail(self, *_: object, **__: object) -> NoReturn:
        raise NotProvidedError(not_provided(self._pack, self._path))

    __call__ = __getitem__ = __setitem__ = __iter__ = __len__ = __enter__ = __add__ = __radd__ = __contains__ = _fail

    def __or__(self, other: object) -> Missing:
        return self

    __ror__ = __or__

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __subclasscheck__(self, subclass: type) -> bool:
        return False

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        """What a class that is derived from it inherits: that it cannot be made."""
        missing = self

        def init(instance: object, *_: Any, **__: Any) -> None:
            missing._fail()

        return (type("NotProvided", (), {"__init__": init, "__module__": __name__}),)

    def __repr__(self) -> str:
        return f"<{self._path}, which sdkit does not provide>"
