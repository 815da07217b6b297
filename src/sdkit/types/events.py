"""What a stream yields, in this order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdkit.images import Image
from sdkit.types.runs import Result

if TYPE_CHECKING:
    from sdkit.types.conditioning import Conditioning
    from sdkit.types.sampling import Step


@dataclass(frozen=True, eq=False)
class RunStarted:
    """A batch begins: `images` pictures from index `first`, `steps` steps each."""

    first: int
    images: int
    total: int
    steps: int


@dataclass(frozen=True, eq=False)
class Encoded:
    """The prompts are encoded; sampling begins."""

    conditioning: Conditioning


@dataclass(frozen=True, eq=False)
class StepDone:
    """A step is taken: `index` of `steps` counts from 0. `preview()` makes a small picture per image, only if
    called."""

    index: int
    steps: int
    step: Step
    preview: Callable[[], tuple[Image, ...]]


@dataclass(frozen=True, eq=False)
class ImagesDone:
    """A batch is decoded: these pictures are final."""

    first: int
    images: tuple[Image, ...]


@dataclass(frozen=True, eq=False)
class Finished:
    """Everything is done; always the last event."""

    result: Result


Event = RunStarted | Encoded | StepDone | ImagesDone | Finished
