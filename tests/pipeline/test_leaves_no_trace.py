"""What a run must not touch: global random states, grad mode, other people's context, memory."""

from __future__ import annotations

import contextvars
import random
import resource
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch

from sdkit.images import Image
from sdkit.pipeline import Pipeline
from sdkit.request import RequestFields
from sdkit.testing import make_pipeline, random_checkpoint
from sdkit.types import StepDone
from tests.pipeline._pictures import PROMPT

PICTURE = Image(torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)))


def global_states() -> tuple[object, ...]:
    _, keys, *rest = np.random.get_state(legacy=True)
    return torch.get_rng_state().tolist(), random.getstate(), np.asarray(keys).tolist(), tuple(rest)


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "heun", "dpmpp_2m"])
def test_no_global_random_state_is_touched(sampler: str) -> None:
    pipe = make_pipeline()
    before = global_states()
    result = pipe(PROMPT, sampler=sampler, init_image=PICTURE, denoise=0.5, count=2)  # no seed: that is drawn, too
    pipe.add_noise(result.latents, 1.0)
    pipe.similarity(PROMPT, result.images[0])
    assert global_states() == before


def test_global_random_state_changes_nothing() -> None:
    pipe = make_pipeline()
    pictures: list[torch.Tensor] = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        random.seed(seed)
        pictures.append(pipe(PROMPT, seed=7, sampler="euler_ancestral").images[0].pixels)
    assert torch.equal(*pictures)


def test_nothing_is_held_while_a_stream_waits() -> None:
    """Grad and inference mode, autocast and context variables are the consumer's own at every event."""
    variable = contextvars.ContextVar("variable", default="outside")
    pipe = make_pipeline()
    for event in pipe.stream(PROMPT, count=2, batch_size=1):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        assert not torch.is_autocast_enabled("cpu")
        assert variable.get() == "outside"
        assert dict(contextvars.copy_context()).keys() <= {variable, *_context_before}
        if isinstance(event, StepDone):
            assert not event.step.x.is_inference()
            assert not event.step.x.requires_grad
            variable.set("outside")


_context_before = dict(contextvars.copy_context()).keys()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_mode_changes_nothing(mode: Callable[[], AbstractContextManager[object]]) -> None:
    plain = make_pipeline()(PROMPT, seed=7).images[0].pixels
    with mode():
        assert torch.equal(make_pipeline()(PROMPT, seed=7).images[0].pixels, plain)


# ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────

MEGABYTE = 2**20
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def resident() -> int:
    """Bytes of memory in use now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def growth(pipe: Pipeline, runs: int, **fields: object) -> float:
    """By how many megabytes `runs` runs after a warm-up of ten made this process larger."""

    def run(seed: int) -> None:
        request: RequestFields = {"seed": seed, **fields}  # pyright: ignore[reportAssignmentType]
        pipe(f"{PROMPT} number {seed}", **request)
        stream = pipe.stream(PROMPT, **request)
        next(stream)
        next(stream)
        stream.close()

    for seed in range(10):
        run(seed)
    before = resident()
    for seed in range(runs):
        run(seed)
    return (resident() - before) / MEGABYTE


@needs_proc
def test_200_runs_grow_memory_by_at_most_5_megabytes() -> None:
    assert growth(make_pipeline(), 200, width=128, height=128, steps=2) <= 5


@needs_proc
@pytest.mark.slow
def test_200_runs_of_real_networks_grow_memory_by_at_most_5_megabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDKIT_PLUGINS", "none")
    path = random_checkpoint(tmp_path / "random.safetensors")
    assert growth(Pipeline.load(path), 200, width=64, height=64, steps=1) <= 5
