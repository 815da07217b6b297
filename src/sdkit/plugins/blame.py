"""Who raised it: a note on every exception that comes out of a plugin, and functions that carry their owner."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

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
        if error is None or isinstance(error, (Cancelled, GeneratorExit, KeyboardInterrupt)):
            return
        if getattr(error, _BLAMED, None) is None:
            setattr(error, _BLAMED, (self.owner, self.hook))
            if not self.owner.startswith("sdkit."):
                where = f"hook {self.hook!r}" if self.hook.isidentifier() else self.hook  # "sampler 'euler'"
                error.add_note(f"raised by plugin {self.owner!r} in its {where}")


def blamed(error: BaseException) -> tuple[str, str] | None:
    """The plugin and the hook that an exception came out of; None if it came out of no plugin."""
    return getattr(error, _BLAMED, None)


@dataclass(frozen=True, eq=False, slots=True)
class Owned:
    """A function that a plugin gave, with its owner: what it raises carries the plugin's name, and what it returns is a
    `kind`, or HookResultError is raised."""

    owner: str
    hook: str
    function: Callable[..., object]
    kind: type[Any] = object

    def __call__(self, *arguments: Any) -> Any:
        with blame(self.owner, self.hook):
            answer = self.function(*arguments)
        if not isinstance(answer, self.kind):
            raise wrong_result(self.owner, self.hook, self.kind, answer)
        return answer

    def wrapping(self, inner: Callable[..., Any], kind: type[Any] = object) -> Owned:
        """What this plugin puts around `inner`, which returns a `kind` as `inner` does.

        Raises HookResultError if the plugin gives back something that cannot be called.
        """
        return Owned(self.owner, self.hook, self._around(inner), kind)

    def wrapping_iterator(
        self, inner: Callable[..., Iterator[Any]], kind: type[Any] = object
    ) -> Callable[..., Generator[Any]]:
        """Like `wrapping`, for generator functions: what is raised while iterating carries the name, too, and `kind` is
        that of the items."""
        return Owned(self.owner, self.hook, self._around(inner), kind).iterating()

    def iterating(self) -> Callable[..., Generator[Any]]:
        """The function as a generator function: the name is on whatever is raised while iterating or closing, and every
        item is of type `kind`."""
        owner, hook, function, kind = self.owner, self.hook, self.function, self.kind

        def guarded(*arguments: Any) -> Generator[Any]:
            with blame(owner, hook):
                made = function(*arguments)
            if not isinstance(made, Iterable):
                raise wrong_result(owner, hook, kind, made, verb="yield")
            inner = iter(cast("Iterable[object]", made))
            try:
                while True:
                    with blame(owner, hook):
                        item = next(inner, _DONE)
                    if item is _DONE:
                        return
                    if not isinstance(item, kind):
                        raise wrong_result(owner, hook, kind, item, verb="yield")
                    yield item
            finally:
                close = getattr(inner, "close", None)
                if close is not None:
                    with blame(owner, hook):
                        close()

        return guarded

    def _around(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        outer = self(inner)
        if not callable(outer):
            raise HookResultError(
                self.owner,
                f"plugin {self.owner!r}: what {self.hook} returns must give a function back, not {_shown(outer)}",
            )
        return outer


def wrong_result(owner: str, hook: str, kind: type[Any], came: object, *, verb: str = "return") -> HookResultError:
    """The error for a plugin that gave something else than it promised."""
    error = HookResultError(owner, f"plugin {owner!r}: {hook} must {verb} {kind.__name__}, not {_shown(came)}")
    setattr(error, _BLAMED, (owner, hook))  # so that it is not put down to the plugins that it passes through
    return error


def _shown(value: object) -> str:
    return "None" if value is None else type(value).__name__


_DONE = object()
