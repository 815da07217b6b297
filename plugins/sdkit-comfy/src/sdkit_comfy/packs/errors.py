"""What goes wrong with packs."""

from __future__ import annotations

from sdkit.errors import SdkitError


class PackError(SdkitError):
    """A pack cannot be loaded; nothing of it is registered. The pack's own error is the cause.

    Caught by: programs that load packs of other people.

    What to do: the message names the pack and the cause: a package to install, or something that sdkit does not
    provide. Or do not enable the pack.
    """


class NotProvidedError(SdkitError):
    """A pack uses a part of ComfyUI that sdkit does not provide.

    Caught by: programs that run packs of other people.

    What to do: leave out the node that needs it; the message names the pack and the attribute.
    """


class NotProvidedAttribute(NotProvidedError, AttributeError):
    """The same where an attribute was asked for, so that `hasattr` says no."""


class NotProvidedModule(NotProvidedError, ImportError):
    """The same where an import asked for it, so that `except ImportError` goes on without."""


def not_provided(pack: str, path: str) -> str:
    """The message for one attribute, by its whole name."""
    return f"pack {pack!r} uses {path}, which sdkit does not provide"
