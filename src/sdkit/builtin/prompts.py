"""The prompt syntaxes in the box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterPromptSyntax


@hookimpl
def register_prompt_syntaxes(register: RegisterPromptSyntax) -> None:
    """Plain text, and what other programs' users write."""
    register("plain", "sdkit.prompts:plain", summary="the text as it is, no character special")
    register(
        "comfy", "sdkit.prompts:comfy", summary="ComfyUI's weights: (red), ((red)), (red:1.3); escape with \\( \\)"
    )
    register(
        "a1111",
        "sdkit.prompts:a1111",
        summary="the web UI's: (red), (red:1.3), [red], [cat:dog:0.5], [cat|dog], BREAK, AND, <lora:name:0.8>",
    )
