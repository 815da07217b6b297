"""An image depends on its own seed, never on its neighbours, the batch size, or the thread that makes it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from sdkit.request import Request, RequestFields
from sdkit.testing import ToyModel, make_pipeline
from tests.pipeline._pictures import PROMPT, paint

SAMPLERS = list(make_pipeline().samplers)
SEEDS = (3, 2**64 - 1, 3, 0, 8)


@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_image_i_of_a_batch_is_the_image_of_its_seed_alone(sampler: str, prediction) -> None:
    """Bit for bit here. With real networks kernels differ by batch, and rounding with them: see the tests of models."""
    pipe = make_pipeline(model=ToyModel(prediction=prediction))
    together = paint(pipe, sampler=sampler, seeds=SEEDS, batch_size=5)
    for index, seed in enumerate(SEEDS):
        assert torch.equal(together[index], paint(pipe, sampler=sampler, seed=seed)[0])
    assert torch.equal(together[0], together[2])
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("batch_size", [1, 2, 4, 256])
def test_the_batch_size_changes_nothing(batch_size: int) -> None:
    model = ToyModel()
    pictures = paint(make_pipeline(model=model), seeds=SEEDS, batch_size=batch_size, sampler="euler_ancestral")
    assert torch.equal(pictures, paint(make_pipeline(), seeds=SEEDS, batch_size=5, sampler="euler_ancestral"))
    assert model.evaluations == 6 * -(-5 // batch_size)
    assert model.rows == 6 * 5 * 2, "two branches per picture and step"


def test_seeds_count_up_and_wrap() -> None:
    assert Request(seed=5, count=3).image_seeds() == (5, 6, 7)
    assert Request(seed=2**64 - 1, count=2).image_seeds() == (2**64 - 1, 0)
    result = make_pipeline()(PROMPT, seed=5, count=2)
    assert result.seeds == (5, 6)
    assert [image.seed for image in result.images] == [5, 6]


def test_without_a_seed_every_call_has_another_and_says_which() -> None:
    pipe = make_pipeline()
    first, second = pipe(PROMPT), pipe(PROMPT)
    assert first.seeds != second.seeds
    assert torch.equal(paint(pipe, seed=first.seeds[0])[0], first.images[0].pixels)


def test_every_prompt_is_encoded_once_per_batch() -> None:
    model = ToyModel()
    make_pipeline(model=model)(PROMPT, count=4)
    assert model.texts_encoded == 2


def test_no_guidance_evaluates_one_branch() -> None:
    model = ToyModel()
    make_pipeline(model=model)(PROMPT, count=4, guidance_scale=1.0)
    assert model.rows == 6 * 4


def test_eight_threads_on_one_pipeline_give_the_images_of_one() -> None:
    jobs: list[RequestFields] = [
        {
            "negative_prompt": f"word{index}",
            "sampler": SAMPLERS[index % len(SAMPLERS)],
            "width": 32 + 8 * index,
            "steps": 3 + index,
            "count": 1 + index % 3,
            "seed": index,
        }
        for index in range(8)
    ]
    pipe = make_pipeline()
    alone = [paint(pipe, f"prompt {index}", **job) for index, job in enumerate(jobs)]
    barrier = threading.Barrier(8)

    def work(index: int) -> list[torch.Tensor]:
        barrier.wait()
        return [paint(pipe, f"prompt {index}", **jobs[index]) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(work, range(8)))
    for index, pictures in enumerate(made):
        assert all(torch.equal(picture, alone[index]) for picture in pictures), f"thread {index}"


def test_streams_may_interleave_in_one_thread() -> None:
    pipe = make_pipeline()
    streams = [pipe.stream(f"prompt {index}", seed=index, sampler="euler_ancestral") for index in range(3)]
    ends: list[list[object]] = [[], [], []]
    going = True
    while going:
        going = False
        for stream, end in zip(streams, ends, strict=True):
            if (event := next(stream, None)) is not None:
                end[:], going = [event], True
    for index, (last,) in enumerate(ends):
        picture = last.result.images[0].pixels  # pyright: ignore[reportAttributeAccessIssue] - Finished comes last
        assert torch.equal(picture, paint(pipe, f"prompt {index}", seed=index, sampler="euler_ancestral")[0])
