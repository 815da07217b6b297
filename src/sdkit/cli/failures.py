"""What an exception becomes on the command line: an exit code, and lines for people instead of a traceback."""

from __future__ import annotations

from dataclasses import dataclass

from sdkit.errors import (
    Cancelled,
    GraphError,
    ImageError,
    ImageExistsError,
    ModelError,
    NodeError,
    PluginError,
    RequestError,
    SdkitError,
    SettingsError,
)
from sdkit.plugins.blame import blamed

FAILED, USAGE, FILES, PLUGIN, CANCELLED = 1, 2, 3, 4, 130

EXIT_CODES: dict[int, str] = {
    0: "done",
    FAILED: "something unexpected: a bug, no memory left, numbers that went wrong",
    USAGE: "wrong usage: an option, a value, a name, a setting",
    FILES: "a model or a file: missing, damaged, in the way",
    PLUGIN: "a plugin is at fault",
    CANCELLED: "cancelled with Ctrl-C; finished pictures are kept",
}
"""Exit code → what it means; shown by `sdkit --help`."""

_CODES: tuple[tuple[type[SdkitError], int], ...] = (
    (Cancelled, CANCELLED),
    (PluginError, PLUGIN),
    (ModelError, FILES),
    (ImageError, FILES),
    (RequestError, USAGE),
    (SettingsError, USAGE),
    (GraphError, USAGE),
)


@dataclass(frozen=True)
class Failure:
    """An exit code, the line that says what happened, and further lines: who was involved, and what to do."""

    code: int
    message: str
    notes: tuple[str, ...] = ()


def describe(error: BaseException) -> Failure:
    """What to tell a person of an exception, and which exit code it makes."""
    notes = tuple(getattr(error, "__notes__", ()))
    usage = _usage_message(error)
    if usage is not None:
        return Failure(USAGE, *usage)
    if isinstance(error, KeyboardInterrupt):
        return Failure(CANCELLED, "cancelled", notes)
    if isinstance(error, NodeError) and error.__cause__ is not None:
        cause = describe(error.__cause__)
        return Failure(cause.code, _in_options(error), tuple(dict.fromkeys((*notes, *cause.notes))))
    if isinstance(error, SdkitError):
        code = next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
        return Failure(code, _in_options(error), notes)
    what = type(error).__name__ + (f": {error}" if str(error) else "")
    owner, hook = blamed(error) or ("", "")
    if owner and not owner.startswith("sdkit."):
        return Failure(PLUGIN, f"plugin {owner!r} failed in {hook}: {what}", (*notes, AGAIN))
    return Failure(FAILED, what, (*notes, AGAIN))


AGAIN = "--debug shows the traceback"
"""The note on errors that are nobody's on purpose; not for those who have seen it."""


def _in_options(error: SdkitError) -> str:
    """The message, with the words of Python arguments replaced by the command line's."""
    message = str(error)
    if isinstance(error, (ImageExistsError, ModelError)):
        message = message.replace("overwrite it with overwrite=True", "overwrite it with --overwrite")
    return message.replace('dtype="float32"', "--dtype float32")


def _usage_message(error: BaseException) -> tuple[str, tuple[str, ...]] | None:
    """Typer's usage errors, as message and notes; None for other errors.

    Recognised by what they can do: older Typers raise click's classes, newer ones their own.
    """
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        return None
    context = getattr(error, "ctx", None)
    where = str(context.command_path) if context is not None else "sdkit"
    return str(format_message()).rstrip(), (f"`{where} --help` shows how it is used",)
