"""The hooks that are told: what a plugin may change there, and that everybody is told, however a run ends."""

from __future__ import annotations

import pytest
import torch

import sdkit
from sdkit.errors import Cancelled
from sdkit.pipeline import Pipeline
from sdkit.testing import make_pipeline
from sdkit.types import Encoded, Event, Finished, ImagesDone, Result, Run, RunPlan, RunStarted, Step, StepDone
from tests.pipeline._pictures import PROMPT, paint, pixels, plugin


@pytest.mark.hook("prepare_run")
def test_prepare_run_changes_what_is_done() -> None:
    class Both:
        @sdkit.hookimpl
        def prepare_run(self, plan: RunPlan) -> None:
            plan.request = plan.request.replace(steps=3, sampler="heun")
            plan.seeds = [5, 6]
            plan.prompts = ["a red star", "a blue star"]
            plan.negative_prompts = ["", "dark"]
            plan.warnings.append("there are two now")

    result = make_pipeline(plugins=[Both])("a star", seed=1)
    plain = make_pipeline()
    assert torch.equal(result.images[0].pixels, paint(plain, "a red star", seed=5, steps=3, sampler="heun")[0])
    blue = paint(plain, "a blue star", seed=6, steps=3, sampler="heun", negative_prompt="dark")
    assert torch.equal(result.images[1].pixels, blue[0])
    assert (result.seeds, result.request.seeds, result.request.steps) == ((5, 6), (5, 6), 3)
    assert result.warnings == ("there are two now",)


def test_what_prepare_run_sets_to_none_becomes_the_default_again() -> None:
    def forget(plan: RunPlan) -> None:
        plan.request = plan.request.replace(steps=None, width=None, sampler=None)

    result = make_pipeline(plugins=[plugin("forgetful", prepare_run=forget)])("red", steps=2, width=64)
    assert (result.request.steps, result.request.width, result.request.sampler) == (6, 32, "euler")


@pytest.mark.hook("sample_step")
def test_sampling_goes_on_from_the_x_that_sample_step_leaves() -> None:
    class Push:
        def __init__(self, at: int) -> None:
            self.at = at

        @sdkit.hookimpl
        def sample_step(self, step: Step, run: Run) -> None:
            if step.index == self.at:
                step.x = step.x + 1.0

    def steps(*plugins: object) -> list[Step]:
        return [e.step for e in make_pipeline(plugins=plugins).stream(PROMPT, seed=7) if isinstance(e, StepDone)]

    plain, pushed = steps(), steps(Push(2))
    assert all(torch.equal(one.x, other.x) for one, other in zip(plain[:2], pushed[:2], strict=True))
    assert torch.equal(pushed[2].x, plain[2].x + 1.0)
    assert torch.equal(pushed[3].x_in, pushed[2].x)
    assert not torch.equal(pushed[-1].x, plain[-1].x)
    last = make_pipeline(plugins=[Push(5)])(PROMPT, seed=7).latents.tensor
    assert torch.equal(last, plain[-1].x + 1.0), "the last step's x is the result"


def test_sample_step_may_cancel() -> None:
    seen: list[int] = []

    def stop(step: Step, run: Run) -> None:
        seen.append(step.index)
        if step.index == 1:
            run.cancel.cancel()

    with pytest.raises(Cancelled):
        make_pipeline(plugins=[plugin("stopping", sample_step=stop)])(PROMPT)
    assert seen == [0, 1]


@pytest.mark.hook("progress")
def test_progress_is_told_every_event_of_the_stream() -> None:
    told: list[Event] = []

    class Bar:
        @sdkit.hookimpl
        def progress(self, event: Event) -> None:
            told.append(event)

    events = list(make_pipeline(plugins=[Bar]).stream(PROMPT, seed=7, count=3, batch_size=2, steps=2))
    kinds = [RunStarted, Encoded, StepDone, StepDone, ImagesDone]
    assert [type(event) for event in events] == [*kinds, *kinds, Finished]
    assert told == events


class Ends:
    """Remembers how runs ended."""

    def __init__(self) -> None:
        self.told: list[tuple[Run, Result | None, BaseException | None]] = []

    @sdkit.hookimpl
    def run_finished(self, run: Run, result: Result | None, error: BaseException | None) -> None:
        self.told.append((run, result, error))


@pytest.mark.hook("run_finished")
def test_run_finished_is_told_each_batch_once_with_its_own_result() -> None:
    ends = Ends()
    whole = make_pipeline(plugins=[ends])(PROMPT, seed=7, count=3, batch_size=2)
    assert [run.first for run, _, _ in ends.told] == [0, 2]
    results = [result for _, result, _ in ends.told]
    assert results[0] is not None
    assert results[1] is not None
    assert [result.seeds for result in results if result] == [(7, 8), (9,)]
    assert torch.equal(torch.cat([pixels(results[0]), pixels(results[1])]), pixels(whole))
    assert all(error is None for _, _, error in ends.told)
    assert ends.told[0][0].noise is not None, "the run as it was sampled, not as it was planned"


def test_run_finished_is_told_the_error_once() -> None:
    ends, error = Ends(), ValueError("no")

    def fail(step: Step) -> None:
        raise error

    with pytest.raises(ValueError, match="no"):
        make_pipeline(plugins=[ends, plugin("failing", sample_step=fail)])(PROMPT)
    assert [(result, came) for _, result, came in ends.told] == [(None, error)]


def test_whoever_stops_looking_after_the_pictures_got_a_whole_run() -> None:
    ends = Ends()
    stream = make_pipeline(plugins=[ends]).stream(PROMPT, seed=7)
    for event in stream:
        if isinstance(event, ImagesDone):
            break
    stream.close()
    ((_, result, error),) = ends.told
    assert result is not None
    assert torch.equal(pixels(result), paint(make_pipeline()))
    assert error is None


def test_an_error_in_run_finished_is_raised_where_there_is_no_other() -> None:
    def fail() -> None:
        raise OSError("disk full")

    pipe = make_pipeline(plugins=[plugin("writer", run_finished=fail)])
    with pytest.raises(OSError, match="disk full"):
        pipe(PROMPT)
    stream = pipe.stream(PROMPT)
    next(stream)
    with pytest.raises(OSError, match="disk full"):
        stream.close()


def test_an_error_in_run_finished_never_hides_the_runs_own() -> None:
    def fail() -> None:
        raise OSError("disk full")

    def fail_earlier() -> None:
        raise ValueError("first")

    pipe = make_pipeline(plugins=[plugin("writer", run_finished=fail), plugin("failing", sample_step=fail_earlier)])
    with pytest.raises(ValueError, match="first") as caught:
        pipe(PROMPT)
    assert caught.value.__notes__ == [
        "raised by plugin 'failing' in its hook 'sample_step'",
        "then run_finished failed: OSError: disk full",
    ]


def test_everybody_is_told_before_the_first_error_is_raised() -> None:
    ends = Ends()

    def fail() -> None:
        raise OSError("disk full")

    pipe = make_pipeline(plugins=[ends, plugin("writer", run_finished=fail)])  # the writer is nearer, so told first
    with pytest.raises(OSError, match="disk full"):
        pipe(PROMPT)
    assert len(ends.told) == 1


@pytest.mark.parametrize("stage", ["encode", "sample", "decode", "encode_image", "add_noise"])
def test_stages_by_hand_finish_their_runs_too(stage: str) -> None:
    ends = Ends()
    plain, pipe = make_pipeline(), make_pipeline(plugins=[ends])
    cond = plain.encode(PROMPT)
    latents = plain.sample(cond, seed=7)
    image = plain.decode(latents)[0]
    calls = {
        "encode": lambda: pipe.encode(PROMPT),
        "sample": lambda: pipe.sample(cond, seed=7),
        "decode": lambda: pipe.decode(latents.tensor),
        "encode_image": lambda: pipe.encode_image(image),
        "add_noise": lambda: pipe.add_noise(latents, 1.0),
    }
    calls[stage]()
    assert [(result, error) for _, result, error in ends.told] == [(None, None)]


def test_the_pipeline_is_told_nothing_by_hooks_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Ends(), Ends()
    one: Pipeline = make_pipeline(plugins=[first])
    other = make_pipeline(plugins=[second], model=one.model)
    one(PROMPT)
    assert (len(first.told), len(second.told)) == (1, 0)
    other(PROMPT)
    assert (len(first.told), len(second.told)) == (1, 1)
