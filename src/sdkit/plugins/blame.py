"""Who raised it: a note on every exception that comes out of a plugin, and functions that carry their owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from sdkit.errors import Cancelled, HookResultError

_BLAMED = "__sdkit_blamed__"


class blame:  # noqa: N801 - used as a function
    """A context manager that notes plugin and hook on an exception, unless an inner one did already.

    A class instead of `contextlib.contextmanager`: it is entered at every model evaluation, and costs a tenth.
    Built-in plugins (`sdkit.…`) mark the exception as theirs, without a note: their messages speak for themselves.
    """

    __slots__ = ("hook", "owner")

    def __init__(self, owner: str, hook: str) -> None:
        self.owner = owner
        self.hook = hook

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None or isinstance(error, (Cancelled, GeneratorExit, KeyboardInterrupt, StopIteration)):
            return
        if getattr(error, _BLAMED, None) is None:
            setattr(error, _BLAMED, (self.owner, self.hook))
            if not self.owner.startswith("sdkit."):
                error.add_note(f"raised by plugin {self.owner!r} in its hook {self.hook!r}")


def blamed(error: BaseException) -> tuple[str, str] | None:
    """The plugin and the hook that an exception came out of; None if it came out of no plugin."""
    return getattr(error, _BLAMED, None)


@dataclass(frozen=True, eq=False)
class Owned:
    """A function that a plugin's factory hook returned, with its owner."""

    owner: str
    hook: str
    function: Callable[..., object]

    def __call__(self, *arguments: Any) -> Any:
        with blame(self.owner, self.hook):
            return self.function(*arguments)

    def wrapping(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        """What this plugin puts around `inner`, such that whatever it raises when called carries the plugin's name.

        Raises HookResultError if the plugin gives back something that cannot be called.
        """
        owner, hook, outer = self.owner, self.hook, self._around(inner)

        def guarded(*arguments: Any) -> Any:
            with blame(owner, hook):
                return outer(*arguments)

        return guarded

    def wrapping_iterator(self, inner: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """Like `wrapping`, for generator functions: what is raised while iterating carries the name, too."""
        return self.guarding_iterator(self._around(inner))

    def guarding_iterator(self, function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """`function`, a generator function of this plugin's, with the name on whatever it raises."""
        owner, hook = self.owner, self.hook

        def guarded(*arguments: Any) -> Iterator[Any]:
            with blame(owner, hook):
                inner = iter(function(*arguments))
            try:
                while True:
                    with blame(owner, hook):
                        item = next(inner, _DONE)
                    if item is _DONE:
                        return
                    yield item
            finally:
                close = getattr(inner, "close", None)
                if close is not None:
                    close()

        return guarded

    def _around(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        outer = self(inner)
        if not callable(outer):
            raise HookResultError(
                self.owner,
                f"plugin {self.owner!r}: what {self.hook} returns must give a function back, not {type(outer).__name__}",
            )
        return outer


_DONE = object()
