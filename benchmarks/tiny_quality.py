"""How well the embedded model draws what it is asked for, measured through the public API.

``python benchmarks/tiny_quality.py`` prints a table; ``--card`` also writes it into the model card. The prompts are
made of (colour, shape, background) triples that training never saw, drawn with the default sampler and guidance.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

import sdkit
from benchmarks._tiny_analyse import Analyser
from benchmarks._tiny_prompts import Tally, Wanted, measure, unseen_prompts
from sdkit.images import Image
from training.captions import plain
from training.render import Renderer
from training.world import World, make_split

CARD = Path(sdkit.__file__).parent / "weights" / "MODEL_CARD.md"
START, END = "<!-- measured: start -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Row:
    """One line of the table: what, how much, the bar it has to reach and the one aimed at."""

    name: str
    value: float
    bar: float | None = None
    aim: float | None = None
    unit: str = "%"
    lower: bool = False

    def __str__(self) -> str:
        def show(value: float | None) -> str:
            return "" if value is None else f"{100 * value:.1f} %" if self.unit == "%" else f"{value:.2f} {self.unit}"

        sign = "≤" if self.lower else "≥"
        marks = (f"{sign} {show(mark)}" if mark is not None else "" for mark in (self.bar, self.aim))
        return f"| {self.name} | {show(self.value)} | {' | '.join(marks)} |"

    @property
    def missed(self) -> bool:
        return self.bar is not None and (self.value > self.bar if self.lower else self.value < self.bar)


def attributes(tally: Tally) -> list[Row]:
    """Shares of pictures in which each attribute is right."""
    bars = {
        "background": (0.95, 0.97),
        "colour": (0.90, 0.95),
        "shape": (0.80, 0.90),
        "position": (0.80, 0.90),
        "size": (0.80, 0.90),
        "everything": (None, None),
        "two objects": (0.45, 0.70),
    }
    names = {"everything": "all of these at once", "two objects": "two objects, all attributes of both"}
    rows = [Row(names.get(name, name), tally.share(name), *marks) for name, marks in bars.items()]
    shapes = sorted(name for name in tally.total if name.startswith("shape: "))
    return rows + [Row(name, tally.share(name)) for name in shapes]


def retrieval(pipe: sdkit.Pipeline, rounds: int = 4, count: int = 64) -> float:
    """Share of full captions of rendered, held-out scenes whose own picture scores highest among ``count``."""
    held, rng, world, render = frozenset(make_split()), random.Random("retrieval benchmark"), World(), Renderer()
    right = 0.0
    for _ in range(rounds):
        scenes = {}
        while len(scenes) < count:
            scene = world.scene(rng, 0.25)
            if held.issuperset(scene.triples):
                scenes.setdefault(plain(scene), scene)
        scores = torch.as_tensor(pipe.similarity(list(scenes), [Image(p) for p in render(list(scenes.values()))]))
        right += (scores.argmax(1) == torch.arange(count)).float().mean().item()
    return right / rounds


def warm_share(pipe: sdkit.Pipeline, negative: str, count: int = 32) -> float:
    """Share of ``count`` circles of no particular colour that come out red or one of its neighbours."""
    result = pipe("a circle on a white background", seeds=list(range(count)), negative_prompt=negative)
    read = Analyser()
    colours = [seen.colour for image in result.images for seen in read(image.pixels).objects[:1]]
    return sum(colour in ("red", "orange", "brown", "pink") for colour in colours) / count


def seconds_a_picture(pipe: sdkit.Pipeline) -> float:
    """Wall time of 20 guided steps, decoding included; the median of five."""
    times = []
    for seed in range(6):
        begun = time.perf_counter()
        pipe("a red circle on a blue background", seed=seed, steps=20)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def table(pipe: sdkit.Pipeline, prompts: Sequence[Wanted], seeds: Sequence[int]) -> list[Row]:
    """Every measurement of the model card."""

    def draw(prompt: str, seeds: Sequence[int]) -> Tensor:
        return torch.stack([image.pixels for image in pipe(prompt, seeds=list(seeds)).images])

    def unguided(prompt: str, seeds: Sequence[int]) -> Tensor:
        return torch.stack([image.pixels for image in pipe(prompt, seeds=list(seeds), guidance_scale=1.0).images])

    rows = attributes(measure(draw, prompts, seeds)[0])
    some = [wanted for wanted in prompts if len(wanted.things) == 1][:40]
    rows.append(Row("all at once, at guidance 1 (40 prompts)", measure(unguided, some, seeds)[0].share("everything")))
    rows.append(Row("no colour asked for: warm colours drawn", warm_share(pipe, "")))
    rows.append(Row("the same with the negative prompt `red`", warm_share(pipe, "red")))
    rows.append(Row("text to image, top 1 of 64", retrieval(pipe), 0.90))
    rows.append(Row("20 guided steps and decoding", seconds_a_picture(pipe), 1.5, unit="s", lower=True))
    return rows


def write_card(path: Path, lines: Sequence[str]) -> None:
    """Put the table between the model card's two marks."""
    head, rest = path.read_text(encoding="utf-8").split(START)
    path.write_text("\n".join([head + START, *lines, END + rest.split(END)[1]]), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a checkpoint file; the embedded model if not given")
    parser.add_argument("--prompts", type=int, default=220, help="how many prompts, about a quarter with two objects")
    parser.add_argument("--seeds", type=int, default=3, help="pictures of each prompt")
    parser.add_argument("--card", action="store_true", help="write the table into the model card")
    options = parser.parse_args()
    pairs = round(options.prompts * 3 / 11)
    rows = table(
        sdkit.Pipeline.load(options.model, device="cpu"),
        unseen_prompts(options.prompts - pairs, pairs),
        range(options.seeds),
    )
    count = f"{options.prompts} prompts × {options.seeds} seeds"
    lines = [f"| {count} | measured | bar | aim |", "| --- | --- | --- | --- |", *map(str, rows)]
    print("\n".join(lines))
    if options.card:
        write_card(CARD, lines)
    return int(any(row.missed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
