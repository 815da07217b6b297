"""Keeping what was made last."""

from __future__ import annotations

import threading

import pytest

from sdkit.models.recent import Recent


def test_a_thing_is_made_once_and_the_oldest_goes_first() -> None:
    kept: Recent[str] = Recent(most=2)
    assert [kept.get(key, lambda key=key: key.upper()) for key in "abab"] == ["A", "B", "A", "B"]
    assert kept.made == 2
    kept.get("a", lambda: "again")
    kept.get("c", lambda: "C")  # b was used before a
    assert (kept.get("a", lambda: "again"), kept.made) == ("A", 3)
    assert kept.get("b", lambda: "again") == "again"


def test_large_things_make_room_before_they_are_made_and_the_last_is_kept_whatever_its_size() -> None:
    kept: Recent[str] = Recent(most=9, most_bytes=10)
    kept.get("a", lambda: "A", size=6)
    kept.get("b", lambda: "B", size=4)
    kept.get("c", lambda: "C", size=50)
    assert kept.get("c", lambda: "again", size=50) == "C"
    assert kept.get("a", lambda: "again", size=6) == "again"


def test_what_fails_is_tried_again() -> None:
    kept: Recent[str] = Recent(most=2)

    def fail() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.get("a", fail)
    assert kept.get("a", lambda: "A") == "A"
    kept.clear()
    assert kept.get("a", lambda: "again") == "again"


def test_threads_that_want_the_same_wait_for_it_and_others_do_not() -> None:
    kept: Recent[str] = Recent(most=4)
    started, go_on = threading.Event(), threading.Event()

    def slowly() -> str:
        started.set()
        assert go_on.wait(10)
        return "slow"

    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(kept.get("a", slowly))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    assert kept.get("b", lambda: "quick") == "quick"
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert found == ["slow"] * 3
    assert kept.made == 2
