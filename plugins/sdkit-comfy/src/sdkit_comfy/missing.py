"""What ComfyUI's nodes ask for and sdkit cannot do yet."""

from __future__ import annotations

from sdkit.errors import SdkitError


class NotAvailableError(SdkitError):
    """A node asks for a technique that sdkit does not have yet.

    Caught by: programs that run workflows of other people.

    What to do: leave the node out (mute or bypass it), or use another technique; the message names it.
    """


def not_available(technique: str) -> NotAvailableError:
    """The error for a technique."""
    return NotAvailableError(
        f"{technique} is not available yet: sdkit reads and checks such workflows, but cannot run this part of them. "
        "Bypass the node, or take it out"
    )
