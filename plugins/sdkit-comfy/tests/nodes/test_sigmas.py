"""Nodes that make and cut sigmas."""

from __future__ import annotations

import pytest
import torch

from sdkit_comfy.nodes import schedulers

SIGMAS = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0])


def test_karras_is_the_formula() -> None:
    made = schedulers.karras(steps=3, sigma_max=16.0, sigma_min=1.0, rho=2.0)
    assert made.tolist() == pytest.approx([16.0, 6.25, 1.0, 0.0])
    assert made.dtype == torch.float32


def test_splitting_keeps_the_sigma_between() -> None:
    high, low = schedulers.split(sigmas=SIGMAS, step=1)
    assert (high.tolist(), low.tolist()) == ([8.0, 4.0], [4.0, 2.0, 1.0, 0.0])
    high, low = schedulers.split_denoise(sigmas=SIGMAS, denoise=0.25)
    assert (high.tolist(), low.tolist()) == ([8.0, 4.0, 2.0, 1.0], [1.0, 0.0])
    high, low = schedulers.split_denoise(sigmas=SIGMAS, denoise=0.0)
    assert (high.tolist(), low.tolist()) == ([], [0.0])


def test_flipping_begins_above_zero() -> None:
    assert schedulers.flip(sigmas=SIGMAS).tolist() == pytest.approx([0.0001, 1.0, 2.0, 4.0, 8.0])


def test_the_first_sigma_alone_is_set() -> None:
    assert schedulers.set_first(sigmas=SIGMAS, sigma=9.0).tolist() == [9.0, 4.0, 2.0, 1.0, 0.0]
    assert SIGMAS[0] == 8.0


def test_steps_between_two_sigmas_are_cut() -> None:
    made = schedulers.extend(sigmas=SIGMAS, steps=2, start_at_sigma=4.0, end_at_sigma=2.0)
    assert made.tolist() == pytest.approx([8.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.0])


def test_align_your_steps_leaves_the_first_ones_out() -> None:
    whole = schedulers.align_your_steps(model_type="SDXL", steps=10, denoise=1.0)
    assert whole[0] == pytest.approx(14.6146412293)
    assert torch.equal(schedulers.align_your_steps(model_type="SDXL", steps=10, denoise=0.5), whole[-6:])
    assert len(schedulers.align_your_steps(model_type="SD1", steps=10, denoise=0.0)) == 0
