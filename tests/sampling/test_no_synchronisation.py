"""Samplers never wait for the device within a step: they run on tensors that have no values to wait for.

Tensors on the device `meta` have a shape and a dtype and nothing else: asking one for a number, for whether it is true,
for its indices or for a copy on the CPU raises. What `meta` would let through, making tensors from Python's numbers,
which copies from the CPU and waits for that, is refused as well.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Literal

import pytest
import torch
from pydantic import BaseModel
from torch.overrides import TorchFunctionMode

from sdkit.plugins import SamplerEntry
from sdkit.sampling import alpha_of, with_alpha
from sdkit.testing import make_pipeline
from sdkit.types import Denoiser, Noise, Prediction, Step

SHAPE = (2, 4, 8, 8)
EPS, FLOW = (14.6, 6.0, 2.5, 1.1, 0.5, 0.2, 0.03, 0.0), (1.0, 0.9, 0.75, 0.6, 0.4, 0.2, 0.05, 0.0)
FLOATS = {
    "eta": (0.0, 0.5, 1.0),
    "s_churn": (10.0,),
    "s_noise": (0.9,),
    "noise_clip_std": (2.0,),
    "s_noise_end": (0.5,),
}
"""Other values of options that are numbers, which make samplers do more."""

SAMPLERS = {name: entry for name, entry in make_pipeline().samplers.items() if not entry.adaptive}


class NoTensorsFromNumbers(TorchFunctionMode):
    """Refuses to make tensors of Python's numbers, unless for the CPU itself."""

    REFUSED = (torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy, torch.Tensor.new_tensor)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        stays = (kwargs or {}).get("device") == "cpu"  # said to be made where it is made anyway: coefficients
        assert stays or func not in self.REFUSED, f"{func.__name__} copies from the CPU and waits; use Python's floats"
        return func(*args, **(kwargs or {}))


def model(flow: bool) -> Denoiser:
    def denoise(x: torch.Tensor, sigma: float, /) -> Prediction:
        assert type(sigma) is float
        return Prediction(denoised=x * 0.5, cond=x * 0.4, uncond=x * 0.3)

    return with_alpha(denoise, lambda sigma: 1.0 - sigma if flow else 1.0)


def draw(sigma: float, sigma_next: float, /) -> torch.Tensor:
    return torch.empty(SHAPE, device="meta")


def run(sampler: Callable[..., Iterator[Step]], flow: bool, options: Mapping[str, Any]) -> int:
    """Sample on `meta`, changing x after one step as a plugin may; returns how many steps there were."""
    count = 0
    with NoTensorsFromNumbers():
        x = torch.empty(SHAPE, device="meta")
        for step in sampler(model(flow), x, FLOW if flow else EPS, draw, **options):
            assert step.x.shape == SHAPE
            assert step.x.device.type == "meta"
            if count == 2:
                step.x = step.x + 1.0
            count += 1
    return count


def variants(options: type[BaseModel] | None) -> list[dict[str, Any]]:
    """No options; then each option that chooses a way, with each value that it can have."""
    found: list[dict[str, Any]] = [{}]
    for name, field in (options.model_fields if options else {}).items():
        values: tuple[Any, ...] = FLOATS.get(name, ())
        if typing.get_origin(field.annotation) is Literal:
            values = typing.get_args(field.annotation)
        elif field.annotation is bool:
            values = (True, False)
        elif field.annotation is int:
            values = (1, 2, 3, 4)
        found += [{name: value} for value in values]
    return found


def accepted(entry: SamplerEntry, options: Mapping[str, Any]) -> bool:
    from sdkit.errors import RequestError

    try:
        entry.check_options(options)
    except RequestError:
        return False
    return True


@pytest.mark.parametrize("flow", [False, True], ids=["eps", "flow"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_step_never_waits_for_the_device(name: str, flow: bool):
    entry = SAMPLERS[name]
    for options in variants(entry.options):
        if accepted(entry, options):
            assert run(entry.load(), flow, entry.check_options(options)) >= 1


def test_only_samplers_that_choose_their_own_steps_are_left_out():
    """They must look at how far off they are."""
    assert set(make_pipeline().samplers) - set(SAMPLERS) == {"dpm_adaptive"}


# ── the test can fail ────────────────────────────────────────────────────────────────────────────────────────────────


def waiting(wait: Callable[[torch.Tensor], object]) -> Callable[..., Iterator[Step]]:
    def sampler(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], noise: Noise, /) -> Iterator[Step]:
        assert alpha_of(denoise)(0.0) == 1.0
        for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
            prediction = denoise(x, sigma)
            wait(x)
            yield Step(index, sigma, sigma_next, x, prediction, prediction.denoised)

    return sampler


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.mean().item(),
        lambda x: float(x.max()),
        lambda x: bool((x > 0).any()),
        lambda x: x.cpu(),
        lambda x: x.tolist(),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: torch.tensor(2.0, device=x.device),
        lambda x: x.new_tensor([1.0, 2.0]),
        lambda x: x * torch.ones(8),
    ],
    ids=["item", "float", "bool", "cpu", "tolist", "mask", "nonzero", "tensor", "new_tensor", "mixed devices"],
)
def test_a_sampler_that_waits_is_found(wait: Callable[[torch.Tensor], object]):
    with pytest.raises((RuntimeError, NotImplementedError, AssertionError)):
        run(waiting(wait), False, {})


def test_a_sampler_that_does_not_wait_passes():
    assert run(waiting(lambda x: x.mean() * 2.0), False, {}) == len(EPS) - 1
