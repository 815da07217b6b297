"""What `sdkit generate` does with its request: checks, a model, and a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdkit.builtin.commands.fields import check_names
from sdkit.builtin.commands.job import Job, Wishes
from sdkit.builtin.commands.loading import find_plugins
from sdkit.builtin.commands.repeating import said_differences, said_missing
from sdkit.builtin.commands.watching import progress_bar
from sdkit.errors import RequestError
from sdkit.images import read_record
from sdkit.plugins import load_manager

if TYPE_CHECKING:
    from sdkit.builtin.commands.outputs import Target
    from sdkit.images import GenerationRecord
    from sdkit.request import Request


@dataclass(frozen=True)
class Wanted:
    """Which model, with which parts of other files, and where it is to compute: what `Pipeline.load` is given."""

    source: str | None
    unet: str | None
    vae: str | None
    text_encoders: tuple[str, ...]
    variant: str | None
    device: str
    dtype: str


def record_of(like: str | None, prompt: str | None) -> GenerationRecord | None:
    """The record in the picture that `--like` names; None without one, which needs a prompt. Raises RequestError."""
    if like is None:
        if prompt is None:
            raise RequestError('say what to draw: sdkit generate "a red circle on a blue background"')
        return None
    return read_record(like)


def make_pictures(
    request: Request,
    target: Target,
    wishes: Wishes,
    *,
    wanted: Wanted,
    plugins: Sequence[str],
    record: GenerationRecord | None,
) -> None:
    """Check all that can be checked without a model, load it, and run."""
    loaded = find_plugins(plugins)
    manager = load_manager(loaded)
    with said_missing(record, manager):
        check_names(request, manager)
    with progress_bar(quiet=wishes.quiet) as bar:
        job = Job(request, target, wishes, bar)
        job.plan(len(request.image_seeds()))
        from sdkit import Pipeline

        pipe = Pipeline.load(
            wanted.source,
            unet=wanted.unet,
            vae=wanted.vae,
            text_encoder=wanted.text_encoders,
            variant=wanted.variant,
            device=wanted.device,
            dtype=wanted.dtype,
            plugins=loaded,
        )
        job.notes = said_differences(record, pipe, bar)
        job.run(pipe)
