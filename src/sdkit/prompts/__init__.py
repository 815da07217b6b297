"""Prompt syntaxes: from what people type to a `Prompt` of weighted segments. Pure Python."""

from sdkit.prompts.a1111 import a1111
from sdkit.prompts.comfy import comfy
from sdkit.prompts.plain import PromptSyntax, plain
from sdkit.prompts.steps import Span, at_step, spans

__all__ = ["PromptSyntax", "Span", "a1111", "at_step", "comfy", "plain", "spans"]
