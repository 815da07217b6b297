"""What the tests of pipeline and hooks make pictures with."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Unpack

import torch

import sdkit
from sdkit.pipeline import Pipeline
from sdkit.request import RequestFields
from sdkit.types import Result

PROMPT = "a red circle"


def pixels(result: Result) -> torch.Tensor:
    """All pictures of a result, `[B, 3, H, W]`."""
    return torch.stack([image.pixels for image in result.images])


def paint(pipe: Pipeline, prompt: str = PROMPT, **fields: Unpack[RequestFields]) -> torch.Tensor:
    """The pixels of a run; its seed is 7 unless said otherwise."""
    return pixels(pipe(prompt, **seeded(fields)))


def seeded(fields: RequestFields) -> RequestFields:
    """The fields with seed 7, unless they say otherwise."""
    if "seeds" in fields:
        return fields
    return {"seed": 7, **fields}


def plugin(name: str, **hooks: Callable[..., object]) -> SimpleNamespace:
    """A plugin made of functions."""
    return SimpleNamespace(name=name, **{hook: sdkit.hookimpl(function) for hook, function in hooks.items()})
