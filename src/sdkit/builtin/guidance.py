"""The guidance in the box: classifier-free guidance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterGuidance


@hookimpl
def register_guidance(register: RegisterGuidance) -> None:
    """Classifier-free guidance."""
    register("cfg", "sdkit.sampling.guidance:cfg", summary="away from the negative prompt, towards the prompt")
