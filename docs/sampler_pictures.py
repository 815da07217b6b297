"""Makes the pictures of docs/samplers.md, in docs/pictures: what each sampler draws, and how well it solves its ODE.

`python docs/sampler_pictures.py` makes all of them in a few minutes on two cores, `… schedules orders` those named.
`python docs/pictures.py` makes these, too.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

import sdkit
from sdkit.builtin.commands.measuring import cases_of, measure, noiseless_options, why_not
from sdkit.builtin.commands.plotting import COLOURS, draw_comparison, draw_curves, log_axes, save
from sdkit.request import RequestFields
from sdkit.testing import GaussianDenoiser
from sdkit.testing.denoisers import karras_sigmas
from sdkit.types import ScheduleParams

FOLDER = Path(__file__).parent / "pictures"
PROMPT, SEED = "an orange cross on a black background", 12
STEPS = (4, 8, 16, 32)
CFG_PP_SCALE = 1.5
"""What CFG++ is made for; at the model's own scale, 4, its pictures are burnt."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "single_step": ("euler", "ddim", "heun", "heunpp2", "dpm_2", "exp_heun_2_x0", "dpm_fast", "dpm_adaptive"),
    "multistep": (
        "dpmpp_2m",
        "res_multistep",
        "deis",
        "uni_pc",
        "uni_pc_bh2",
        "lms",
        "ipndm",
        "ipndm_v",
        "gradient_estimation",
    ),
    "ancestral": (
        "euler_ancestral",
        "dpm_2_ancestral",
        "dpmpp_2s_ancestral",
        "res_multistep_ancestral",
        "ddpm",
        "lcm",
        "tcd",
    ),
    "sde": (
        "dpmpp_sde",
        "dpmpp_2m_sde",
        "dpmpp_2m_sde_heun",
        "dpmpp_3m_sde",
        "er_sde",
        "seeds_2",
        "seeds_3",
        "exp_heun_2_x0_sde",
        "sa_solver",
        "sa_solver_pece",
    ),
    "cfg_pp": (
        "euler_cfg_pp",
        "euler_ancestral_cfg_pp",
        "dpmpp_2m_cfg_pp",
        "dpmpp_2s_ancestral_cfg_pp",
        "res_multistep_cfg_pp",
        "res_multistep_ancestral_cfg_pp",
        "gradient_estimation_cfg_pp",
    ),
}
"""The sheets, and which samplers are on which; a test knows whether any is missing."""
TURBO = "sd_turbo"
"""A schedule of ten steps at most."""


def main(wanted: Sequence[str]) -> None:
    """Make the pictures that are named; all of them, if none is."""
    makers: dict[str, Callable[[], None]] = {
        "schedules": draw_schedules,
        "orders": draw_orders,
        "pareto": draw_pareto,
        "schedule_sheet": draw_schedule_sheet,
        **{kind: _sheet_of(kind) for kind in KINDS},
    }
    for name in wanted or makers:
        makers[name]()
        print(name)


# ── sheets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sheet_of(kind: str) -> Callable[[], None]:
    def draw() -> None:
        scale: RequestFields = {"guidance_scale": CFG_PP_SCALE} if kind == "cfg_pp" else {}
        draw_sheet(FOLDER / f"samplers_{kind}.png", {name: {"sampler": name, **scale} for name in KINDS[kind]}, STEPS)

    return draw


def draw_schedule_sheet() -> None:
    """One sampler on every schedule."""
    schedules = sdkit.Pipeline.load().schedules
    draw_sheet(FOLDER / "schedule_sheet.png", {name: {"schedule": name} for name in schedules}, (4, 6, 8, 16))


def draw_sheet(path: Path, rows: Mapping[str, RequestFields], steps: Sequence[int]) -> None:
    """A row per entry, a column per number of steps; what has no picture there stays empty."""
    pipe = sdkit.Pipeline.load()
    cell, header = 112, 26
    gutter = 16 + math.ceil(max(_font(13).getlength(name) for name in rows))
    sheet = pillow.new("RGB", (gutter + cell * len(steps), header + cell * len(rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for column, count in enumerate(steps):
        middle = gutter + cell * column + cell / 2
        pen.text((middle, header / 2), f"{count} steps", fill="black", font=_font(13), anchor="mm")
    for row, (name, fields) in enumerate(rows.items()):
        top = header + cell * row
        pen.text((gutter - 8, top + cell / 2), name, fill="black", font=_font(13), anchor="rm")
        adaptive = pipe.samplers[fields.get("sampler") or "euler"].adaptive
        for column, count in enumerate(steps):
            if (adaptive and column) or (fields.get("schedule") == TURBO and count > 10):
                continue
            chosen: RequestFields = {"seed": SEED, "steps": count, "schedule": "karras", **fields}
            picture = pipe(PROMPT, **chosen).images[0].to_pil().convert("RGB").resize((cell - 2, cell - 2))
            sheet.paste(picture, (gutter + cell * column + 1, top + 1))
        if adaptive:
            pen.text((gutter + cell + 8, top + cell / 2), "chooses its own steps", "#666666", _font(13), anchor="lm")
    sheet.quantize(colors=64, dither=pillow.Dither.NONE).save(path, optimize=True)


def _font(size: int) -> Any:
    return ImageFont.load_default(size=size)


# ── plots ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def draw_pareto() -> None:
    """Error over evaluations of the model in the box, four pictures together."""
    pipe = sdkit.Pipeline.load()
    cases = [
        case
        for entry in (pipe.samplers[name] for name in noise_free(pipe))
        for case in cases_of(entry, STEPS if entry.evaluations > 1 else (*STEPS, 64))
    ]
    measured = list(measure(pipe, cases, PROMPT, seed=SEED, count=4, schedule="karras"))
    save(draw_comparison(measured, "The model in the box on karras"), FOLDER / "pareto.svg")


def noise_free(pipe: sdkit.Pipeline) -> list[str]:
    """The samplers that add no noise unless told to, and have an answer to approach."""
    return [name for name, entry in pipe.samplers.items() if not why_not(entry) and not noiseless_options(entry)]


def draw_orders() -> None:
    """How the error falls with the steps where the answer is known: Gaussian data."""
    pipe = sdkit.Pipeline.load()
    quiet = set(noise_free(pipe))
    names = [name for name, entry in pipe.samplers.items() if not why_not(entry) and not entry.adaptive]
    for path, chosen in (
        ("orders", [name for name in names if name in quiet]),
        ("orders_noiseless", [name for name in names if name not in quiet]),
    ):
        figure, axes = log_axes("", "steps", "error, relative", size=(8.5, 6.4))
        curves = {name: errors(pipe.samplers[name]) for name in chosen}
        start = 0.2 * min(error for points in curves.values() for steps, error in points if steps == 20)
        for order in (1, 2, 3):
            points = [(n, start * (n / 5) ** -order) for n in (5, 20)]
            axes.plot(*zip(*points, strict=True), color="#888888", linewidth=1)
            axes.annotate(f"order {order}", points[1], (4, 0), textcoords="offset points", color="#666666", va="center")
        axes.set_xticks([x for x, _ in next(iter(curves.values()))])
        draw_curves(axes, curves)
        save(figure, FOLDER / f"{path}.svg")


def errors(entry: Any) -> list[tuple[float, float]]:
    """A sampler's relative error for Gaussian data in more and more steps from sigma 10 to 0.1, noise turned off."""
    denoise = GaussianDenoiser(0.6, 0.8)
    x = 10 * torch.randn(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    answer = denoise.path(x, 10.0, 0.1)
    options: dict[str, Any] = dict(noiseless_options(entry) or {})
    if "denoise_to_zero" in entry.options.model_fields if entry.options else False:
        options["denoise_to_zero"] = True
    made: list[tuple[float, float]] = []
    for steps in (5, 10, 20, 40, 80, 160, 320, 640):
        *_, last = entry.load()(denoise, x, karras_sigmas(10.0, 0.1, steps), lambda *_: x, **options)
        made.append((steps, float((last.x - answer).norm() / answer.norm())))
    return made


def draw_schedules() -> None:
    """σ over the step on a logarithmic axis, a panel per schedule, the others in grey behind."""
    from matplotlib import figure as figures

    pipe = sdkit.Pipeline.load()
    table = pipe.model.spec.sigmas
    params = ScheduleParams(table, table[0], table[-1], family=pipe.model.spec.family)
    lines = {
        name: entry.load()(10 if name == TURBO else 20, params, **entry.check_options({}))[:-1]
        for name, entry in pipe.schedules.items()
    }
    columns = 5
    down = -(-len(lines) // columns)
    figure: Any = figures.Figure(figsize=(9, 1.9 * down), layout="constrained")
    panels = list(figure.subplots(down, columns, sharex=True, sharey=True).flat)
    for index, (name, sigmas) in enumerate(lines.items()):
        axes = panels[index]
        for other in lines.values():
            axes.plot(range(len(other)), other, color="#dddddd", linewidth=0.8)
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(range(len(sigmas)), sigmas, color=colour, marker="o", markersize=3, linewidth=1.4)
        axes.set_yscale("log")
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(lines) :]:
        axes.set_visible(False)
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("σ", fontsize=9)
    path = FOLDER / "schedules.png"  # as curves it would be 300 kB
    save(figure, path)
    with pillow.open(path) as picture:
        small = picture.convert("RGB").quantize(colors=128, dither=pillow.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
