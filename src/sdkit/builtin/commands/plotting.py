"""Plots of measurements, by matplotlib, which is an extra of the package and imported only here."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sdkit.builtin.commands.measuring import Measurement, pareto_front
from sdkit.errors import ImageError, ImageExistsError, RequestError

Points: TypeAlias = Sequence[tuple[float, float]]
Figure: TypeAlias = Any
Axes: TypeAlias = Any
"""matplotlib's; it is not there for everybody, and partly typed."""

FORMATS = (".png", ".svg", ".pdf")
COLOURS = ("#1f77b4", "#d95f02", "#2a9d4a", "#c2185b", "#7b52c7", "#8c5a2b", "#0097a7", "#a07800", "#5b6770", "#e53935")
MARKERS = "osD^vP"
SAME = 0.005
"""Curves whose errors differ by less than this share are one curve: euler's and ddim's."""


def check_plot(path: Path, *, overwrite: bool) -> None:
    """Whether a plot can be drawn and written there, before anything is computed.

    Raises RequestError without matplotlib or for another ending than png, svg, pdf, ImageError or ImageExistsError for
    the file.
    """
    if path.suffix.lower() not in FORMATS:
        raise RequestError(f"a plot is written as {', '.join(FORMATS)}, so it cannot be called {path.name!r}")
    if importlib.util.find_spec("matplotlib") is None:
        raise RequestError('plots need matplotlib: pip install "sdkit-core[plot]"; or leave out -o')
    if path.exists() and not overwrite:
        raise ImageExistsError(
            f"{str(path)!r} exists already; choose another name with -o, or overwrite it with --overwrite"
        )
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ImageError(
            f"cannot write a plot to {str(path)!r}: {'it is a folder' if path.is_dir() else 'no such folder'}"
        )


def draw_comparison(measured: Sequence[Measurement], title: str = "") -> Figure:
    """Error over evaluations, a curve per sampler, the Pareto front behind them. Both axes are logarithmic."""
    figure, axes = log_axes(title, "evaluations of the network", "distance from the answer, relative")
    front = pareto_front(measured)
    axes.plot(
        [one.evaluations for one in front],
        [one.error for one in front],
        color="#f2c14e",
        linewidth=9,
        alpha=0.45,
        solid_capstyle="round",
        zorder=0,
        label="Pareto front: nothing is nearer for as little",
    )
    curves: dict[str, list[tuple[float, float]]] = {}
    for one in measured:
        curves.setdefault(one.case.label, []).append((one.evaluations, one.error))
    draw_curves(axes, curves)
    axes.legend(loc="upper right", frameon=False)
    return figure


def log_axes(title: str, x: str, y: str, *, size: tuple[float, float] = (8.5, 6.2)) -> tuple[Figure, Axes]:
    """An empty figure with two logarithmic axes; labels of powers of two below, room for names at the right."""
    from matplotlib import figure as figures
    from matplotlib.ticker import LogLocator, NullLocator

    figure: Figure = figures.Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y, title=title)
    axes.xaxis.set_major_locator(LogLocator(base=2))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(which="major", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def draw_curves(axes: Axes, curves: Mapping[str, Points]) -> None:
    """The curves, each with its name at the right, in its colour; curves that are the same share a line and a label."""
    merged = dict(_merged(curves))
    for index, points in enumerate(merged.values()):
        axes.plot(
            *zip(*points, strict=True),
            color=COLOURS[index % len(COLOURS)],
            marker=MARKERS[index % len(MARKERS)],
            markersize=4,
            linewidth=1.2,
            zorder=2,
        )
    right = max(x for points in merged.values() for x, _ in points)
    low, high = axes.get_ylim()
    height = math.log(high / low)
    ends = [math.log(points[-1][1] / low) / height for points in merged.values()]
    for index, ((label, points), place) in enumerate(zip(merged.items(), spread(ends, 0.034), strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        axes.annotate(
            label,
            xy=points[-1],
            xytext=(1.06, place),
            textcoords=axes.transAxes,
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "relpos": (0, 0.5)},
        )
    axes.set_xlim(right=right * 1.05)
    axes.set_ylim(low, high)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """The places moved apart until neighbours are at least `gap` from each other, in the same order, as little as that
    takes: too close ones are pushed away from the middle of their group."""
    groups = [[place] for place in sorted(places)]
    index = 0
    while index < len(groups) - 1:  # a group is spread evenly around its mean; groups that then touch become one
        low, high = groups[index], groups[index + 1]
        if _centre(high) - _centre(low) < gap * (len(low) + len(high)) / 2 - 1e-12:
            groups[index : index + 2] = [low + high]
            index = max(index - 1, 0)
        else:
            index += 1
    spread_out = [_centre(group) + gap * (i - (len(group) - 1) / 2) for group in groups for i in range(len(group))]
    order = sorted(range(len(places)), key=lambda i: places[i])
    return [place for _, place in sorted(zip(order, spread_out, strict=True))]


def save(figure: Figure, path: Path) -> None:
    """Write the figure; the same figure gives the same file. Raises ImageError."""
    from matplotlib import rc_context  # pyright: ignore[reportUnknownVariableType] - partly typed

    try:
        with rc_context({"svg.hashsalt": "sdkit"}):
            figure.savefig(path, dpi=144, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise ImageError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def _merged(curves: Mapping[str, Points]) -> Iterator[tuple[str, Points]]:
    """The curves without repetitions, under the names of all that are the same."""
    names: list[tuple[list[str], Points]] = []
    for label, points in curves.items():
        same = next((known for known, other in names if _same(points, other)), None)
        if same is None:
            names.append(([label], points))
        else:
            same.append(label)
    for labels, points in names:
        yield ", ".join(labels), points


def _same(one: Points, other: Points) -> bool:
    return len(one) == len(other) and all(
        x == u and math.isclose(y, v, rel_tol=SAME) for (x, y), (u, v) in zip(one, other, strict=True)
    )


def _centre(group: Sequence[float]) -> float:
    return sum(group) / len(group)
