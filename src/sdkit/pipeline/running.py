"""One generation: batches in turn, each through its stages, as a stream of events. Owns the step loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import cast

import torch

from sdkit.errors import Cancelled, SamplingError
from sdkit.images import Image, PluginVersions
from sdkit.pipeline import stages
from sdkit.pipeline.planning import Plan, make_plan, transformed_prompts
from sdkit.plugins import Manager
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
    Step,
    StepDone,
)


@dataclass
class Generation:
    """Everything that belongs to one call of a pipeline: its plan, its clock, and what is finished so far."""

    manager: Manager
    plan: Plan
    cancel: CancelToken
    timings: dict[str, float] = field(default_factory=dict)
    images: list[Image] = field(default_factory=list)
    latents: list[torch.Tensor] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: Request, model: DiffusionModel, manager: Manager, cancel: CancelToken | None) -> Generation:
        """Plan a request. Raises before anything is computed if it cannot be done."""
        return cls(manager, make_plan(request, model, manager), cancel or CancelToken())

    def runs(self) -> Iterator[Run]:
        """The batches, with what plugins find in their stash."""
        prompts = transformed_prompts(self.plan, self.manager)
        for run in self.plan.runs(self.cancel, prompts):
            versions = {info.name: info.version for info in self.manager.infos if info.origin != "built-in"}
            run.stash.put(PluginVersions(versions))
            yield run

    def events(self) -> Iterator[Event]:
        """Do it all. Close the iterator to stop; what is finished by then has been yielded."""
        started = time.perf_counter()
        last: Run | None = None
        for run in self.runs():
            last = run
            yield from self._batch(run)
        assert last is not None
        self.timings["total"] = time.perf_counter() - started
        result = self._result()
        event = Finished(result)
        self.manager.tell("progress", event=event, run=last)
        yield event

    def _batch(self, run: Run) -> Iterator[Event]:
        plan, manager = self.plan, self.manager
        with self.finishing(run) as outcome:
            yield self._told(RunStarted(run.first, len(run.seeds), run.total, max(len(run.sigmas) - 1, 0)), run)
            self.cancel.check()
            with self.timed("encode"):
                conditioning = stages.encode(run, manager)
                run = outcome.run = stages.prepare(run, plan, manager)
            yield self._told(Encoded(conditioning), run)
            latents = yield from self.sampled(run, conditioning)
            self.cancel.check()
            with self.timed("decode"):
                images = stages.decode(latents, run, manager)
            self.images.extend(images)
            self.latents.append(latents.tensor)
            self.recovered.extend(run.recovered)
            outcome.result = self._result(images, latents)
            yield self._told(ImagesDone(run.first, images), run)

    def sampled(self, run: Run, conditioning: Conditioning) -> Iterator[Event]:
        """The step loop: yields an event per step and returns the latents."""
        if not run.sigmas:  # denoise 0: the initial image as it is
            assert run.init is not None
            return Latents(run.init.expand(run.shape), run.seeds, run)
        step: Step | None = None
        sampler, manager = self.plan.sampler.name, self.manager
        watched = manager.implements("sample_step")
        with closing(cast("_Closable", stages.sample(run, self.plan, conditioning, manager))) as steps:
            while True:
                self.cancel.check()
                with self.timed("sample"):
                    taken = next(steps, None)
                    if taken is None:
                        break
                    step = stages.check_step(taken, run, manager, sampler)
                    if watched:
                        before = step.x
                        manager.notify("sample_step", step=step, run=run)
                        if step.x is not before:
                            stages.check_x(step, run, "a plugin's sample_step", manager)
                yield self._told(StepDone(step.index, len(run.sigmas) - 1, step, self._preview(step, run)), run)
        if step is None:
            raise SamplingError(f"the sampler {sampler!r} yielded no step for {len(run.sigmas)} sigmas")
        if not bool(torch.isfinite(step.x).all()):  # on a GPU looked at once, here, so that no step waits for it
            raise stages.non_finite(step, f"the sampler {sampler!r} or what it called", manager)
        return Latents(step.x, run.seeds, run)

    def _preview(self, step: Step, run: Run):
        """A function that makes previews when, and if, somebody looks."""

        def preview() -> tuple[Image, ...]:
            try:
                made = self.manager.first("preview", step=step, run=run)
            except Exception as error:  # noqa: BLE001 - see the docstring
                self.manager.warn_once("preview", "preview", error)
                return ()
            return cast("tuple[Image, ...]", made) if isinstance(made, tuple) else ()

        return preview

    def _told(self, event: Event, run: Run) -> Event:
        self.manager.tell("progress", event=event, run=run)
        return event

    def _result(self, images: tuple[Image, ...] | None = None, latents: Latents | None = None) -> Result:
        """The whole generation's result, or one batch's."""
        seeds = tuple(self.plan.draft.seeds)
        return Result(
            request=self.plan.request,
            images=tuple(self.images) if images is None else images,
            seeds=seeds if latents is None else latents.seeds,
            latents=latents or Latents(torch.cat(self.latents), seeds),
            timings=dict(self.timings),
            warnings=tuple(self.plan.draft.warnings),
            recovered=tuple(self.recovered),
        )

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time that the body takes to a stage's."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings[stage] = self.timings.get(stage, 0.0) + time.perf_counter() - started

    @contextmanager
    def finishing(self, run: Run) -> Iterator[_Outcome]:
        """See to it that `run_finished` is called exactly once, however the body ends."""
        outcome = _Outcome(run)
        try:
            yield outcome
        except BaseException as error:
            told = None if isinstance(error, (Cancelled, GeneratorExit)) else error
            try:
                self.manager.notify("run_finished", run=outcome.run, result=None, error=told)
            except Exception as second:  # noqa: BLE001 - see the docstring
                error.add_note(f"then run_finished failed: {type(second).__name__}: {second}")
            raise
        self.manager.notify("run_finished", run=outcome.run, result=outcome.result, error=None)


@dataclass
class _Outcome:
    run: Run
    result: Result | None = None


class _Closable(Iterator[Step]):
    def close(self) -> None: ...
