"""What `sdkit samplers --compare` is asked for: its options, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from sdkit.builtin.commands.measuring import REFERENCE
from sdkit.errors import RequestError

if TYPE_CHECKING:
    from sdkit.request import RequestFields

_PANEL = "With --compare"

Compare: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--compare",
        help="Measure how far each sampler is from the answer, over evaluations of the network; or only those named.",
    ),
]
Samplers: TypeAlias = Annotated[
    list[str] | None, typer.Option("--sampler", help="Only this one. Repeatable.", rich_help_panel=_PANEL)
]
StepCounts: TypeAlias = Annotated[
    str, typer.Option("--steps", help="Numbers of steps.", metavar="N,N,…", rich_help_panel=_PANEL)
]
Schedule: TypeAlias = Annotated[str, typer.Option(help="Name of the schedule.", rich_help_panel=_PANEL)]
PromptText: TypeAlias = Annotated[str, typer.Option("--prompt", help="What to draw.", rich_help_panel=_PANEL)]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", "-s", help="Of the noise.", rich_help_panel=_PANEL)]
Count: TypeAlias = Annotated[
    int, typer.Option("--count", "-c", min=1, help="Pictures whose errors are taken together.", rich_help_panel=_PANEL)
]
GuidanceScale: TypeAlias = Annotated[
    float | None, typer.Option("--guidance-scale", "-g", help="The model's own by default.", rich_help_panel=_PANEL)
]
Size: TypeAlias = Annotated[
    str | None, typer.Option("--size", metavar="WxH", help="The model's own by default.", rich_help_panel=_PANEL)
]
Noiseless: TypeAlias = Annotated[
    bool,
    typer.Option("--noiseless", help="Also samplers that add noise, with their noise off.", rich_help_panel=_PANEL),
]
ReferenceSteps: TypeAlias = Annotated[
    int, typer.Option(min=2, max=1000, help=f"Steps of {REFERENCE} to the answer.", rich_help_panel=_PANEL)
]
ModelName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="FILE|NAME",
        help="As for `sdkit generate`; the model in the box if left out.",
        rich_help_panel=_PANEL,
    ),
]
Device: TypeAlias = Annotated[str, typer.Option(help="auto, cpu, cuda, mps …", rich_help_panel=_PANEL)]
Plot: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", help="Draw it: a .png, .svg or .pdf file.", rich_help_panel=_PANEL)
]
Overwrite: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Overwrite the file if it is there.", rich_help_panel=_PANEL)
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.", rich_help_panel=_PANEL)]


@dataclass(frozen=True)
class Comparison:
    """What the command line asks for."""

    samplers: Sequence[str]
    steps: tuple[int, ...]
    schedule: str
    prompt: str
    seed: int
    count: int
    guidance_scale: float | None
    size: tuple[int, int] | None
    noiseless: bool
    reference_steps: int
    plot: Path | None
    overwrite: bool
    as_json: bool
    quiet: bool

    def fields(self) -> RequestFields:
        """Those of the request."""
        fields: RequestFields = {"schedule": self.schedule, "seed": self.seed, "count": self.count}
        if self.guidance_scale is not None:
            fields["guidance_scale"] = self.guidance_scale
        if self.size is not None:
            fields["width"], fields["height"] = self.size
        return fields


def parse_counts(text: str) -> tuple[int, ...]:
    """`4,8,16` → numbers of steps, ascending. Raises RequestError."""
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1:
        raise RequestError(f"--steps takes numbers of steps with commas between, such as 4,8,16, not {text!r}")
    return tuple(counts)
