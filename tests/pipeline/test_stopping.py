"""Stopping: within one step, from wherever; the plugins are told once; the pipeline paints as before."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch

import sdkit
from sdkit.errors import Cancelled, RequestError
from sdkit.pipeline import Pipeline
from sdkit.testing import ToyModel, make_pipeline
from sdkit.types import (
    CallPatches,
    CancelToken,
    Denoiser,
    Embedding,
    Event,
    Finished,
    ImagesDone,
    Noise,
    Result,
    Run,
    Step,
    StepDone,
)
from tests.pipeline._pictures import PROMPT, paint


class Ends:
    """Remembers how runs ended."""

    def __init__(self) -> None:
        self.told: list[tuple[Result | None, BaseException | None]] = []

    @sdkit.hookimpl
    def run_finished(self, run: Run, result: Result | None, error: BaseException | None) -> None:
        self.told.append((result, error))


class Slow(ToyModel):
    """Counts its evaluations, says when one begins, and takes a moment for each."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.begun = threading.Event()

    def predict(
        self, x: torch.Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None
    ) -> torch.Tensor:
        self.begun.set()
        time.sleep(self.seconds)
        return super().predict(x, timestep, embedding, patches)


def many(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
    """A sampler of one step with a thousand evaluations."""
    prediction = denoise(x, sigmas[0])
    for _ in range(999):
        prediction = denoise(x, sigmas[0])
    yield Step(0, sigmas[0], sigmas[-1], x, prediction, prediction.denoised)


class Many:
    """Registers it."""

    @sdkit.hookimpl
    def register_samplers(self, register: Callable[..., None]) -> None:
        register("many", many)


def usable(pipe: Pipeline, ends: Ends) -> bool:
    """Told once, of neither a result nor an error; and it paints what it should."""
    told, ends.told = ends.told, []
    return told == [(None, None)] and torch.equal(paint(pipe), paint(make_pipeline()))


@pytest.mark.parametrize("events", [1, 2, 3, 5])
def test_close_stops_where_the_stream_is(events: int) -> None:
    ends, model = Ends(), ToyModel()
    pipe = make_pipeline(plugins=[ends], model=model)
    stream = pipe.stream(PROMPT, count=8)
    for _ in range(events):
        next(stream)
    stream.close()
    assert model.evaluations == max(0, events - 2), "RunStarted, Encoded, then one evaluation a step"
    assert usable(pipe, ends)


def test_a_stream_that_is_forgotten_is_closed() -> None:
    ends = Ends()
    pipe = make_pipeline(plugins=[ends])
    for event in pipe.stream(PROMPT):
        if isinstance(event, StepDone):
            break
    assert usable(pipe, ends)


def test_a_stream_that_is_never_begun_computes_nothing() -> None:
    ends, model = Ends(), ToyModel()
    make_pipeline(plugins=[ends], model=model).stream(PROMPT).close()
    assert (ends.told, model.evaluations, model.texts_encoded) == ([], 0, 0)


def test_an_error_of_the_consumer_closes_the_stream() -> None:
    ends = Ends()
    pipe = make_pipeline(plugins=[ends])

    def consume() -> None:
        for event in pipe.stream(PROMPT):
            if isinstance(event, StepDone):
                raise KeyError("mine")

    with pytest.raises(KeyError):
        consume()
    assert usable(pipe, ends)


def test_a_token_stops_a_call_from_another_thread_within_one_evaluation() -> None:
    ends, model, token = Ends(), Slow(0.01), CancelToken()
    pipe = make_pipeline(plugins=[ends], model=model)
    seen: list[int] = []

    def cancel() -> None:
        model.begun.wait(60)
        token.cancel()
        seen.append(model.evaluations)

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Cancelled):
        pipe(PROMPT, steps=1000, cancel=token)
    thread.join()
    assert model.evaluations <= seen[0] + 1
    assert usable(pipe, ends)


def test_a_token_stops_inside_a_step_of_many_evaluations() -> None:
    ends, model, token = Ends(), Slow(), CancelToken()
    pipe = make_pipeline(plugins=[ends, Many], model=model)
    thread = threading.Thread(target=lambda: (model.begun.wait(60), token.cancel()))
    model.seconds = 0.002
    thread.start()
    with pytest.raises(Cancelled):
        pipe(PROMPT, sampler="many", cancel=token)
    thread.join()
    assert model.evaluations < 900
    model.seconds = 0.0
    assert usable(pipe, ends)


def test_a_token_that_is_set_already_lets_nothing_begin() -> None:
    ends, model, token = Ends(), ToyModel(), CancelToken()
    token.cancel()
    pipe = make_pipeline(plugins=[ends], model=model)
    with pytest.raises(Cancelled, match="the run was cancelled"):
        pipe(PROMPT, cancel=token)
    assert (model.evaluations, model.texts_encoded) == (0, 0)
    assert usable(pipe, ends)


def test_a_token_counts_for_every_run_that_holds_it_and_for_its_children() -> None:
    parent = CancelToken()
    child = CancelToken(parent)
    child.cancel()
    assert (parent.cancelled, child.cancelled) == (False, True)
    other = CancelToken(parent)
    parent.cancel()
    assert other.cancelled
    with pytest.raises(Cancelled):
        other.check()


def test_finished_batches_stay_when_a_later_one_is_stopped() -> None:
    ends = Ends()
    pipe = make_pipeline(plugins=[ends])
    kept: list[torch.Tensor] = []
    token = CancelToken()

    def consume() -> None:
        for event in pipe.stream(PROMPT, seed=7, count=4, batch_size=2, cancel=token):
            if isinstance(event, ImagesDone):
                kept.extend(image.pixels for image in event.images)
                token.cancel()

    with pytest.raises(Cancelled):
        consume()
    assert torch.equal(torch.stack(kept), paint(make_pipeline(), count=2))
    assert [result is not None for result, _ in ends.told] == [True, False]


# ── asyncio ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_astream_yields_what_stream_does_and_leaves_the_loop_free() -> None:
    pipe = make_pipeline(model=Slow(0.005))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    async def main() -> list[Event]:
        ticking = asyncio.create_task(tick())
        events = [event async for event in pipe.astream(PROMPT, seed=7)]
        ticking.cancel()
        return events

    events = asyncio.run(main())
    assert [type(event) for event in events] == [type(event) for event in make_pipeline().stream(PROMPT)]
    last = events[-1]
    assert isinstance(last, Finished)
    assert torch.equal(last.result.images[0].pixels, paint(make_pipeline())[0])
    assert ticks > 5


def test_cancelling_the_task_stops_within_one_step_and_leaves_the_callers_token_alone() -> None:
    ends, model, token = Ends(), Slow(0.02), CancelToken()
    pipe = make_pipeline(plugins=[ends], model=model)

    async def consume() -> None:
        async for _ in pipe.astream(PROMPT, steps=1000, cancel=token):
            pass

    async def main() -> int:
        task = asyncio.create_task(consume())
        await asyncio.to_thread(model.begun.wait, 60)
        task.cancel()
        so_far = model.evaluations
        with pytest.raises(asyncio.CancelledError):
            await task
        return so_far

    so_far = asyncio.run(main())
    assert model.evaluations <= so_far + 2
    assert not token.cancelled
    model.seconds = 0.0
    assert usable(pipe, ends)


def test_aclose_stops() -> None:
    ends, model = Ends(), ToyModel()
    pipe = make_pipeline(plugins=[ends], model=model)

    async def main() -> None:
        stream = pipe.astream(PROMPT)
        async for event in stream:
            if isinstance(event, StepDone):
                break
        await stream.aclose()

    asyncio.run(main())
    assert model.evaluations == 1
    assert usable(pipe, ends)


def test_the_end_of_the_loop_stops_a_stream_that_nobody_awaits_any_more() -> None:
    ends, model = Ends(), Slow(0.02)
    pipe = make_pipeline(plugins=[ends], model=model)

    async def consume() -> None:
        async for _ in pipe.astream(PROMPT, steps=1000):
            pass

    async def main() -> None:
        task = asyncio.create_task(consume())
        await asyncio.to_thread(model.begun.wait, 60)
        assert not task.done()

    asyncio.run(main())  # cancels what is left
    assert model.evaluations < 50
    model.seconds = 0.0
    assert usable(pipe, ends)


def test_a_callers_token_stops_astream() -> None:
    ends, token = Ends(), CancelToken()
    pipe = make_pipeline(plugins=[ends])

    async def main() -> None:
        async for event in pipe.astream(PROMPT, cancel=token):
            if isinstance(event, StepDone):
                token.cancel()

    with pytest.raises(Cancelled):
        asyncio.run(main())
    assert usable(pipe, ends)


def test_astream_raises_what_a_run_raises() -> None:
    async def main() -> None:
        async for _ in make_pipeline().astream(PROMPT, width=130):
            pass

    with pytest.raises(RequestError, match="width is 130"):
        asyncio.run(main())
