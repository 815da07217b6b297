"""Plots of measurements: what is drawn where, by matplotlib's own account of it."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdkit.builtin.commands.measuring import Case, Measurement
from sdkit.builtin.commands.plotting import check_plot, draw_comparison, save, spread
from sdkit.errors import ImageError, ImageExistsError, RequestError

MEASURED = [
    Measurement(Case(name, steps), evaluations, error)
    for name, steps, evaluations, error in (
        ("euler", 4, 4, 0.4),
        ("euler", 8, 8, 0.2),
        ("ddim", 4, 4, 0.4),
        ("ddim", 8, 8, 0.2001),
        ("heun", 4, 7, 0.1),
        ("heun", 8, 15, 0.3),
    )
]


def test_curves_front_and_names() -> None:
    axes: Any = draw_comparison(MEASURED, "toy").axes[0]
    lines = [list(zip(*line.get_data(), strict=True)) for line in axes.lines]
    assert lines == [[(4, 0.4), (7, 0.1)], [(4, 0.4), (8, 0.2)], [(7, 0.1), (15, 0.3)]]
    assert sorted(text.get_text() for text in axes.texts) == ["euler, ddim", "heun"]
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_title()) == ("log", "log", "toy")


def test_names_are_apart_and_in_the_order_of_the_curves_ends() -> None:
    many = [Measurement(Case(f"s{i:02}", n), n, 0.1 + 0.001 * i / n) for i in range(20) for n in (4, 8)]
    axes: Any = draw_comparison(many).axes[0]
    places = [text.xyann[1] for text in axes.texts]
    gaps = [b - a for a, b in itertools.pairwise(places)]
    assert min(gaps) > 0.03


def test_spread() -> None:
    assert spread([0.1, 0.5, 0.9], 0.2) == [0.1, 0.5, 0.9]
    assert spread([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    assert spread([0.9, 0.5, 0.52, 0.1], 0.2) == pytest.approx([0.9, 0.41, 0.61, 0.1])
    assert spread([0.5, 0.3, 0.5, 0.5], 0.2) == pytest.approx([0.35, 0.15, 0.55, 0.75])  # one push leads to the next
    assert spread([], 0.2) == []


def test_files(tmp_path: Path) -> None:
    figure = draw_comparison(MEASURED)
    save(figure, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 1000
    for name in ("a.svg", "b.svg"):
        save(draw_comparison(MEASURED), tmp_path / name)
    assert (tmp_path / "a.svg").read_text("utf-8") == (tmp_path / "b.svg").read_text("utf-8")


def test_what_cannot_be_written_is_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_plot(tmp_path / "a.svg", overwrite=False)
    (tmp_path / "a.svg").touch()
    check_plot(tmp_path / "a.svg", overwrite=True)
    with pytest.raises(ImageExistsError, match=r"a\.svg' exists already; .* --overwrite"):
        check_plot(tmp_path / "a.svg", overwrite=False)
    with pytest.raises(RequestError, match=r"\.png, \.svg, \.pdf, so it cannot be called 'a\.gif'"):
        check_plot(tmp_path / "a.gif", overwrite=False)
    with pytest.raises(ImageError, match="no such folder"):
        check_plot(tmp_path / "nowhere" / "a.png", overwrite=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RequestError, match=r'pip install "sdkit-core\[plot\]"'):
        check_plot(tmp_path / "b.svg", overwrite=False)
