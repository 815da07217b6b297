"""`sdkit samplers --compare`: which sampler comes how near to the answer, and for how many evaluations."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

from sdkit.builtin.commands.measuring import (
    REFERENCE,
    Measurement,
    cases_of,
    measure,
    noiseless_options,
    pareto_front,
    why_not,
)
from sdkit.builtin.commands.models import find_model
from sdkit.builtin.commands.plotting import check_plot, draw_comparison, save
from sdkit.builtin.commands.tables import show_json, show_table
from sdkit.builtin.commands.watching import cancelling_on_interrupt
from sdkit.errors import Cancelled, RequestError
from sdkit.names import choose
from sdkit.types import CancelToken

if TYPE_CHECKING:
    from sdkit.builtin.commands.comparison import Comparison
    from sdkit.plugins import Manager, SamplerEntry


@dataclass
class _Found:
    """What was measured so far."""

    comparison: Comparison
    left_out: Mapping[str, str]
    total: int
    model: str = ""
    measured: list[Measurement] = field(default_factory=list[Measurement])

    def report(self) -> None:
        """Say it, and draw it where that is wanted."""
        front = pareto_front(self.measured)
        wish = self.comparison
        if wish.plot is not None and self.measured:
            save(draw_comparison(self.measured, f"{self.model}, schedule {wish.schedule}"), wish.plot)
        if wish.as_json:
            show_json(self._as_json(front))
            return
        for budget in sorted({_budget(one) for one in self.measured}):
            alike = sorted((one for one in self.measured if _budget(one) == budget), key=lambda one: one.error)
            rows = [
                (one.case.label, str(one.case.steps), str(one.evaluations), f"{one.error:.2g}", "*" * (one in front))
                for one in alike
            ]
            show_table(
                f"up to {budget} evaluations of the network",
                ("sampler", "steps", "evaluations", "error", "front"),
                rows,
            )
        typer.echo(
            f"error: distance from where {REFERENCE} comes in {wish.reference_steps} steps, relative; "
            "*: nothing is nearer for as few evaluations"
        )
        for reason in dict.fromkeys(self.left_out.values()):
            names = [name for name, why in self.left_out.items() if why == reason]
            typer.echo(f"not measured, since {reason}: {', '.join(names)}")
        if wish.plot is not None and self.measured:
            typer.echo(typer.format_filename(wish.plot))

    def _as_json(self, front: Sequence[Measurement]) -> dict[str, object]:
        wish = self.comparison
        return {
            "finished": len(self.measured) == self.total,
            "model": self.model,
            "prompt": wish.prompt,
            "request": dict(wish.fields()),
            "reference": {"sampler": REFERENCE, "steps": wish.reference_steps},
            "measured": [
                {
                    "sampler": one.case.sampler,
                    "options": dict(one.case.options),
                    "steps": one.case.steps,
                    "evaluations": one.evaluations,
                    "error": one.error,
                    "front": one in front,
                }
                for one in self.measured
            ],
            "left_out": dict(self.left_out),
            "plot": str(wish.plot) if wish.plot and self.measured else None,
        }


def compare_samplers(
    wish: Comparison, manager: Manager, *, model: str | None, device: str, plugins: Sequence[object]
) -> None:
    """Measure and show. However it ends, what was measured is shown.

    Raises RequestError or UnknownNameError before a model is loaded, Cancelled after Ctrl-C.
    """
    entries, left_out = _chosen(wish, manager)
    _ = manager.schedules[wish.schedule]
    if wish.plot is not None:
        check_plot(wish.plot, overwrite=wish.overwrite)
    cases = [case for entry in entries for case in cases_of(entry, wish.steps)]
    expected = wish.reference_steps + sum(case.steps * manager.samplers[case.sampler].evaluations for case in cases)
    found = _Found(wish, left_out, len(cases))
    token = CancelToken()
    with _counting(expected, quiet=wish.quiet or wish.as_json) as advance, cancelling_on_interrupt(token):
        from sdkit import Pipeline

        pipe = Pipeline.load(str(find_model(model) or model) if model else None, device=device, plugins=plugins)
        found.model = pipe.model.name

        def before_evaluation() -> None:
            token.check()
            advance()

        measuring = measure(
            pipe,
            cases,
            wish.prompt,
            reference_steps=wish.reference_steps,
            before_evaluation=before_evaluation,
            **wish.fields(),
        )
        failure = _collect(measuring, found)
    if found.measured or failure is None:
        found.report()
    if isinstance(failure, Cancelled):
        raise Cancelled(f"cancelled; {len(found.measured)} of {found.total} measurements were made") from None
    if failure is not None:
        raise failure


def _chosen(wish: Comparison, manager: Manager) -> tuple[list[SamplerEntry], dict[str, str]]:
    """The samplers to measure; and those that are left out, with the reason."""
    if wish.samplers:
        named = [
            manager.samplers[choose(name, None, samplers=manager.samplers, schedules=()).sampler or name]
            for name in wish.samplers
        ]
        for entry in named:
            if reason := why_not(entry):
                raise RequestError(f"sampler {entry.name!r} cannot be measured: {reason}")
        return list(dict.fromkeys(named)), {}
    left_out = {name: reason for name, entry in manager.samplers.items() if (reason := why_not(entry))}
    if not wish.noiseless:
        noisy = [name for name, entry in manager.samplers.items() if noiseless_options(entry) and name not in left_out]
        left_out |= dict.fromkeys(noisy, "they add noise (--noiseless turns it off)")
    return [entry for name, entry in manager.samplers.items() if name not in left_out], left_out


def _collect(measuring: Iterator[Measurement], found: _Found) -> Exception | None:
    """Add the measurements as they come; what ended them early, or None."""
    try:
        for one in measuring:
            found.measured.append(one)
    except Exception as error:  # noqa: BLE001 - it is raised again, when what was measured is safe
        return error
    return None


def _budget(one: Measurement) -> int:
    """The power of two that its evaluations stay within: what costs about as much."""
    return 2 ** math.ceil(math.log2(one.evaluations))


@contextmanager
def _counting(total: float, *, quiet: bool) -> Generator[Callable[[], None]]:
    """A bar on standard error that each call advances; none if `quiet`, or where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("measuring"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("measuring", total=total)
        yield lambda: progress.advance(task)
