"""Prompt syntaxes: from what people type to a `Prompt` of weighted segments. Pure Python."""

from sdkit.prompts.comfy import comfy
from sdkit.prompts.plain import PromptSyntax, plain

__all__ = ["PromptSyntax", "comfy", "plain"]
