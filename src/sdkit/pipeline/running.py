"""One generation: batches in turn, each through its stages, as a stream of events. Owns the step loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import torch

from sdkit.errors import Cancelled, SamplingError
from sdkit.images import Image, PluginVersions
from sdkit.models.embeddings import TextualInversions
from sdkit.pipeline import stages
from sdkit.pipeline.at_rest import at_rest
from sdkit.pipeline.planning import Plan, make_plan, transformed_prompts
from sdkit.plugins import Manager
from sdkit.plugins.blame import blamed
from sdkit.request import Request
from sdkit.types import (
    CancelToken,
    Conditioning,
    DiffusionModel,
    Encoded,
    Event,
    Finished,
    ImagesDone,
    Latents,
    Result,
    Run,
    RunStarted,
    Stash,
    Step,
    StepDone,
)


@dataclass(frozen=True)
class _Batch:
    """What a run made."""

    run: Run
    latents: torch.Tensor
    images: tuple[Image, ...]


@dataclass
class Generation:
    """Everything that belongs to one call of a pipeline: its plan, its clock, and what is finished so far."""

    manager: Manager
    plan: Plan
    cancel: CancelToken
    inversions: TextualInversions | None = None
    timings: dict[str, float] = field(default_factory=dict[str, float])
    batches: list[_Batch] = field(default_factory=list[_Batch])

    @classmethod
    def of(
        cls,
        request: Request,
        model: DiffusionModel,
        manager: Manager,
        cancel: CancelToken | None,
        latents: Latents | None = None,
        inversions: TextualInversions | None = None,
        mask: torch.Tensor | None = None,
    ) -> Generation:
        """Plan a request. Raises before anything is computed if it cannot be done."""
        return cls(manager, make_plan(request, model, manager, latents, mask), cancel or CancelToken(), inversions)

    def runs(self, batch_size: int, prompted: Callable[[Run], Run] | None = None) -> Iterator[Run]:
        """The batches, with what plugins find in their stash. `prompted`: puts other prompts into a run, before plugins
        that go by them change its model."""
        prompts = transformed_prompts(self.plan, self.manager)
        for planned in self.plan.runs(self.cancel, prompts, batch_size):
            run = replace(planned, stash=self._stash())
            yield self._patched(run if prompted is None else prompted(run))

    def _patched(self, run: Run) -> Run:
        """The run with a model of its own where plugins change weights."""
        started = time.perf_counter()
        patched = stages.patch(run, self.manager)
        if patched is not run:
            self.timings["patch"] = self.timings.get("patch", 0.0) + time.perf_counter() - started
        return patched

    def events(self) -> Generator[Event]:
        """Do it all. Close the iterator to stop; what is finished by then has been yielded."""
        started = time.perf_counter()
        for run in self.runs(min(self.plan.request.batch_size, self.plan.batch_limit)):
            yield from self._batch(run)
        self.timings["total"] = time.perf_counter() - started
        yield self._told(Finished(self._result(self.batches)), self.batches[-1].run)

    def _batch(self, run: Run) -> Generator[Event]:
        plan, manager = self.plan, self.manager
        with self.finishing(run) as outcome:
            yield self._told(RunStarted(run.first, len(run.seeds), run.total, max(len(run.sigmas) - 1, 0)), run)
            self.cancel.check()
            with self.timed("encode"):
                conditioning = stages.encode(run, manager, self.inversions)
                run = outcome.run = stages.prepare(run, plan, manager)
            yield self._told(Encoded(conditioning), run)
            latents = yield from self.sampled(run, conditioning)
            self.cancel.check()
            with self.timed("decode"):
                images = stages.decode(latents, run, manager)
            self.batches.append(_Batch(run, latents.tensor, images))
            outcome.result = self._result(self.batches[-1:])
            yield self._told(ImagesDone(run.first, images), run)

    def sampled(self, run: Run, conditioning: Conditioning) -> Generator[Event, None, Latents]:
        """The step loop: yields an event per step and returns the latents."""
        if not run.sigmas:  # denoise 0, or a range without steps: what there was to start from, as it is
            return Latents(stages.unsampled(run), run.seeds, run)
        step: Step | None = None
        manager, walker = self.manager, f"the sampler {self.plan.sampler.name!r} or what it called"
        watched = manager.implements("sample_step")
        with closing(stages.sample(run, self.plan, conditioning, manager)) as steps:
            while True:
                self.cancel.check()
                with self.timed("sample"):
                    taken = next(steps, None)
                    if taken is None:
                        break
                    step = taken
                    stages.check_x(step, run, walker, manager)
                    if watched:
                        before = step.x
                        manager.notify("sample_step", step=step, run=run)
                        if step.x is not before:
                            stages.check_x(step, run, "a plugin's sample_step", manager)
                yield self._told(StepDone(step.index, len(run.sigmas) - 1, step, self._preview(step, run)), run)
        if step is None:
            raise SamplingError(f"the sampler {self.plan.sampler.name!r} yielded no step for {len(run.sigmas)} sigmas")
        if not bool(torch.isfinite(step.x).all()):  # on a GPU looked at once, here, so that no step waits for it
            raise stages.non_finite(step, walker, manager)
        return Latents(stages.finish(step.x, run), run.seeds, run)

    def _preview(self, step: Step, run: Run) -> Callable[[], tuple[Image, ...]]:
        """A function that makes previews when, and if, somebody looks."""

        def preview() -> tuple[Image, ...]:
            try:
                made = cast("tuple[Image, ...] | None", self.manager.ask("preview", tuple, step=step, run=run))
            except Exception as error:  # noqa: BLE001 - a preview is never worth a run
                self.manager.warn_once((blamed(error) or ("sdkit", ""))[0], "preview", error)
                return ()
            return made or ()

        return preview

    def _told(self, event: Event, run: Run) -> Event:
        self.manager.tell("progress", event=event, run=run)
        return event

    def _stash(self) -> Stash:
        """A stash with what the built-in plugins find in it."""
        stash = Stash()
        stash.put(PluginVersions(self.manager.recorded))
        stash.put(self.manager)
        return stash

    def _result(self, batches: Sequence[_Batch]) -> Result:
        """The result of some batches: the whole generation's, or one run's."""
        latents = self.joined([Latents(batch.latents, batch.run.seeds, batch.run) for batch in batches])
        assert latents.run is not None
        return Result(
            request=self.plan.request,
            images=tuple(image for batch in batches for image in batch.images),
            seeds=latents.seeds,
            latents=latents,
            timings=dict(self.timings),
            warnings=tuple(self.plan.draft.warnings),
            recovered=tuple(latents.run.recovered),
        )

    def joined(self, parts: Sequence[Latents]) -> Latents:
        """The latents of several runs as one run's, which is over."""
        runs = [part.run for part in parts if part.run is not None]
        if len(parts) == 1:
            return replace(parts[0], run=at_rest(runs[0]))
        inits = [run.init for run in runs if run.init is not None]
        run = replace(
            at_rest(runs[0]),
            seeds=tuple(seed for run in runs for seed in run.seeds),
            prompts=tuple(prompt for run in runs for prompt in run.prompts),
            negative_prompts=tuple(prompt for run in runs for prompt in run.negative_prompts),
            init=torch.cat(inits) if inits and len({id(init) for init in inits}) > 1 else runs[0].init,
            noise=torch.cat([run.noise for run in runs if run.noise is not None]),
            stash=self._stash(),
            recovered=[how for run in runs for how in run.recovered],
        )
        return Latents(torch.cat([part.tensor for part in parts]), run.seeds, run)

    @contextmanager
    def timed(self, stage: str) -> Generator[None]:
        """Add the time that the body takes to a stage's."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings[stage] = self.timings.get(stage, 0.0) + time.perf_counter() - started

    @contextmanager
    def finishing(self, run: Run) -> Generator[Outcome]:
        """See to it that `run_finished` is called exactly once, however the body ends."""
        outcome = Outcome(run)
        try:
            yield outcome
        except GeneratorExit:  # closed; whoever stopped looking after the last picture got all of it
            self.manager.notify("run_finished", run=outcome.run, result=outcome.result, error=None)
            raise
        except BaseException as error:
            told = None if isinstance(error, Cancelled) else error
            try:
                self.manager.notify("run_finished", run=outcome.run, result=None, error=told)
            except Exception as second:  # noqa: BLE001 - see the hook's docstring
                error.add_note(f"then run_finished failed: {type(second).__name__}: {second}")
            raise
        self.manager.notify("run_finished", run=outcome.run, result=outcome.result, error=None)


@dataclass
class Outcome:
    """How far a run came."""

    run: Run
    result: Result | None = None
