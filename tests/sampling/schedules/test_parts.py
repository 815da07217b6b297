"""Cutting and joining sigmas."""

from __future__ import annotations

import pytest

from sdkit.errors import RequestError
from sdkit.sampling import flip_sigmas, join_sigmas, split_sigmas, split_sigmas_at, step_range

SIGMAS = (16.0, 8.0, 4.0, 2.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("start", "end", "leftover", "expected"),
    [
        (0, None, False, SIGMAS),
        (0, 5, False, SIGMAS),
        (0, 10000, True, SIGMAS),
        (0, 3, True, (16.0, 8.0, 4.0, 2.0)),
        (0, 3, False, (16.0, 8.0, 4.0, 0.0)),
        (3, None, False, (2.0, 1.0, 0.0)),
        (1, 3, False, (8.0, 4.0, 0.0)),
        (4, 5, False, (1.0, 0.0)),
        (5, None, False, ()),
        (99, None, False, ()),
        (3, 3, True, ()),
        (4, 2, False, ()),
        (0, 0, False, ()),
    ],
)
def test_step_range(start: int, end: int | None, leftover: bool, expected: tuple[float, ...]) -> None:
    assert step_range(SIGMAS, start, end, leftover_noise=leftover) == expected


def test_step_range_keeps_the_last_sigma_where_no_step_is_left_out() -> None:
    assert step_range((8.0, 4.0, 2.0), 0, 2) == (8.0, 4.0, 2.0)
    assert step_range((8.0, 4.0, 2.0), 0, 1) == (8.0, 0.0)


def test_step_range_of_nothing() -> None:
    assert step_range((), 0, 5) == ()


def test_step_range_refuses_negative_steps() -> None:
    with pytest.raises(RequestError, match="start_step is -1; steps are counted from 0"):
        step_range(SIGMAS, -1)
    with pytest.raises(RequestError, match="end_step is -3"):
        step_range(SIGMAS, 0, -3)


@pytest.mark.parametrize("step", range(6))
def test_what_is_split_can_be_joined(step: int) -> None:
    high, low = split_sigmas(SIGMAS, step)
    assert high == SIGMAS[: step + 1]
    assert low == SIGMAS[step:]
    assert join_sigmas(high, low) == SIGMAS


@pytest.mark.parametrize("step", [-1, 6])
def test_split_names_the_possible_steps(step: int) -> None:
    with pytest.raises(RequestError, match=f"5 steps cannot be split at step {step}; use 0 to 5"):
        split_sigmas(SIGMAS, step)


@pytest.mark.parametrize(("denoise", "step"), [(0.0, 5), (0.4, 3), (0.5, 3), (0.7, 1), (1.0, 0)])
def test_split_by_share(denoise: float, step: int) -> None:
    """Half of five steps are two, for halves are rounded to even."""
    assert split_sigmas_at(SIGMAS, denoise) == split_sigmas(SIGMAS, step)


def test_split_by_share_refuses_what_is_none() -> None:
    with pytest.raises(RequestError, match=r"from 0 to 1, not 1\.5"):
        split_sigmas_at(SIGMAS, 1.5)


def test_join_refuses_what_does_not_meet() -> None:
    with pytest.raises(RequestError, match="the first part ends at 4, the second begins at 3; they must have that one"):
        join_sigmas((8.0, 4.0), (3.0, 0.0))


def test_join_allows_for_rounding_and_empty_parts() -> None:
    assert join_sigmas((8.0, 4.0), (4.000001, 0.0)) == (8.0, 4.0, 0.0)
    assert join_sigmas((), SIGMAS) == join_sigmas(SIGMAS, ()) == SIGMAS


def test_flip_begins_a_little_above_0() -> None:
    assert flip_sigmas(SIGMAS) == (0.0001, 1.0, 2.0, 4.0, 8.0, 16.0)
    assert flip_sigmas((3.0, 1.0)) == (1.0, 3.0)
    assert flip_sigmas(()) == ()
