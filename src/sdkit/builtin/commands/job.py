"""Running a request on the command line: each batch's pictures are on disk before the next one begins."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sdkit.builtin.commands.tables import show_json
from sdkit.builtin.commands.watching import Bar, cancelling_on_interrupt
from sdkit.errors import Cancelled
from sdkit.types import CancelToken, Finished, ImagesDone, Result, RunStarted

if TYPE_CHECKING:
    from sdkit import Pipeline
    from sdkit.builtin.commands.outputs import Target
    from sdkit.images import Image
    from sdkit.request import Request


@dataclass(frozen=True)
class Wishes:
    """What the command line wants besides the pictures: a contact sheet, JSON, silence."""

    sheet: bool
    as_json: bool
    quiet: bool


@dataclass
class Job:
    """One request on its way: what has been written so far."""

    request: Request
    target: Target
    wishes: Wishes
    bar: Bar
    notes: Sequence[str] = ()
    """What the caller should know before anything runs; part of the JSON."""
    files: tuple[Path, ...] = ()
    written: list[tuple[Path, Image]] = field(default_factory=list["tuple[Path, Image]"])
    total: int = 0
    sheet: Path | None = None
    result: Result | None = None

    def plan(self, count: int) -> None:
        """Decide on the files for so many pictures. Raises ImageError where one cannot be written."""
        files = self.target.files(count)
        self.target.check((*files, self.target.sheet(files)) if self.wishes.sheet else files)
        self.files, self.total = files, count

    def run(self, pipe: Pipeline) -> None:
        """Make the pictures and write them. However it ends, what was finished is kept, and said to be."""
        started = time.perf_counter()
        token = CancelToken()
        with self._reporting(started), cancelling_on_interrupt(token):
            for event in pipe.stream(self.request, cancel=token):
                self.bar.update(event)
                if isinstance(event, RunStarted) and event.total != self.total:
                    self.plan(event.total)  # a plugin makes more pictures of it, or fewer
                elif isinstance(event, ImagesDone):
                    self._write(event)
                elif isinstance(event, Finished):
                    self.result = event.result
            if self.wishes.sheet:
                self._write_sheet()

    def _write(self, event: ImagesDone) -> None:
        options = self.request.output
        for index, image in enumerate(event.images, event.first):
            wanted = self.files[index]
            path = self.target.write(image, wanted, quality=options.quality, metadata=options.metadata)
            if path != wanted:
                self.bar.note(f"warning: {wanted} was made by somebody else meanwhile; written to {path} instead")
            self.written.append((path, image))
            self._line(path)

    def _write_sheet(self) -> None:
        from sdkit.images import contact_sheet

        images = [image for _, image in self.written]
        sheet = contact_sheet(images, captions=[f"seed {image.seed}" for image in images])
        self.sheet = self.target.write(
            sheet, self.target.sheet(self.files), quality=self.request.output.quality, metadata=False
        )
        self._line(self.sheet)

    def _line(self, path: Path) -> None:
        if not (self.wishes.as_json or self.wishes.quiet):
            self.bar.line(typer.format_filename(path))

    @contextmanager
    def _reporting(self, started: float) -> Generator[None]:
        try:
            yield
        except BaseException as error:
            self.bar.stop()
            count = f"{len(self.written)} of {self.total} pictures"
            kept = f"{count} were finished and are kept" if self.written else "no picture was finished"
            if isinstance(error, Cancelled):
                error.args = (f"cancelled; {kept}",)
            elif self.written:
                error.add_note(kept)
            if self.wishes.as_json and self.written:
                show_json(self._as_json())
            raise
        self.bar.stop()
        self._report(time.perf_counter() - started)

    def _report(self, seconds: float) -> None:
        assert self.result is not None
        for warning in self.result.warnings:
            self.bar.note(f"warning: {warning}")
        for mended in self.result.recovered:
            self.bar.note(f"warning: {mended}")
        if self.wishes.as_json:
            show_json(self._as_json())
        elif not self.wishes.quiet:
            count = f"{len(self.written)} picture" + ("s" if len(self.written) > 1 else "")
            seeds = ", ".join(str(image.seed) for _, image in self.written[:8]) + (
                " …" if len(self.written) > 8 else ""
            )
            self.bar.note(f"{count} in {seconds:.1f} s, seed {seeds}")

    def _as_json(self) -> dict[str, object]:
        result = self.result
        return {
            "finished": result is not None,
            "pictures": [
                {
                    "file": str(path),
                    "seed": image.seed,
                    "width": image.width,
                    "height": image.height,
                    "prompt": image.prompt,
                    "negative_prompt": image.negative_prompt,
                }
                for path, image in self.written
            ],
            "grid": str(self.sheet) if self.sheet else None,
            "request": (result.request if result else self.request).model_dump(mode="json"),
            "timings": dict(result.timings) if result else {},
            "warnings": list(result.warnings) if result else [],
            "recovered": list(result.recovered) if result else [],
            "differences": list(self.notes),
        }
