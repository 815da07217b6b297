"""Which descents a run is cut into: the bookkeeping of Restart, without any numbers sampled."""

import pytest

import sdkit_restart
from sdkit.errors import RequestError
from sdkit.testing import make_pipeline
from sdkit_restart.segments import Segment, pieces

SIGMAS = (10.0, 5.0, 2.0, 1.0, 0.5, 0.1, 0.0)


def test_a_segment_is_gone_over_again_where_the_run_is_nearest_to_t_min():
    found = pieces(SIGMAS, (Segment(3, 2, 0.6, 3.0),))
    middle = ((3 ** (1 / 7) + 0.5 ** (1 / 7)) / 2) ** 7  # Karras spacing of three points: the mean in σ^(1/7)
    again = (3.0, pytest.approx(middle), 0.5)
    assert found == [SIGMAS[:5], again, again, SIGMAS[4:]]


def test_no_segments_or_no_restarts_leave_the_run_whole():
    assert pieces(SIGMAS, ()) == [SIGMAS]
    assert pieces(SIGMAS, (Segment(3, 0, 0.6, 3.0),)) == [SIGMAS]


def test_several_segments_come_in_the_order_in_which_the_run_reaches_them():
    found = pieces(SIGMAS, (Segment(2, 1, 0.1, 0.5), Segment(2, 1, 2.0, 5.0), Segment(2, 1, 0.1, 1.0)))
    assert found == [SIGMAS[:3], (5.0, 2.0), SIGMAS[2:6], (0.5, 0.1), (1.0, 0.1), SIGMAS[5:]]


def test_a_run_that_ends_at_t_min_ends_with_a_restart():
    assert pieces((2.0, 1.0), (Segment(2, 1, 1.0, 1.5),)) == [(2.0, 1.0), (1.5, 1.0)]


def test_t_max_never_exceeds_where_the_run_began():
    assert pieces((0.8, 0.4, 0.0), (Segment(2, 1, 0.4, 2.0),)) == [(0.8, 0.4), (0.8, 0.4), (0.4, 0.0)]


@pytest.mark.parametrize("sigmas", [(10.0, 5.0, 0.0), (2.0, 0.0)], ids=["nothing near t_min", "one step"])
def test_a_segment_without_room_is_left_out(sigmas: tuple[float, ...]):
    assert pieces(sigmas, (Segment(4, 2, 0.1, 2.0),)) == [sigmas]


def test_the_published_imagenet_setting_costs_the_published_203_evaluations():
    """The paper's table of ImageNet-64 settings: 36 main steps, sigmas from 80 to 0.002, 203 evaluations."""
    segments = ((4, 1, 19.35, 40.79), (4, 1, 1.09, 1.92), (4, 5, 0.59, 1.09), (4, 5, 0.30, 0.59), (6, 6, 0.06, 0.30))
    main = [(80 ** (1 / 7) + (0.002 ** (1 / 7) - 80 ** (1 / 7)) * i / 35) ** 7 for i in range(36)]
    cut = pieces((*main, 0.0), tuple(Segment(*segment) for segment in segments))
    steps = sum(len(piece) - 1 for piece in cut)
    assert 2 * steps - 1 == 203


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([[10, 2, 2.0, 0.1]], "t_min must be below t_max, but 2 is not below 0.1"),
        ([[1, 2, 0.1, 2.0]], "greater than or equal to 2"),
        ([[10, 2, 0.0, 2.0]], "greater than 0"),
        ([[10, 2, 0.1]], "Field required"),
    ],
)
def test_impossible_segments_are_refused(segments: list[object], message: str):
    pipe = make_pipeline([sdkit_restart])
    with pytest.raises(RequestError, match=r"'sdkit_restart' \(restart\), option 'segments") as caught:
        pipe("a star", seed=0, options={"restart": {"segments": segments}})  # pyright: ignore[reportArgumentType]
    assert message in str(caught.value)
