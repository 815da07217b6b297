"""Prompts that training never saw in any wording, and the score of a picture against what its prompt asked for."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmarks._tiny_analyse import Analyser, Reading
from training.world import COLOURS, POSITIONS, SIZES, Triple, make_split

TOO_CLOSE = 0.4
"""Object and background nearer than this (RGB distance in 0..1) are left out: gray on purple says little."""


@dataclass(frozen=True)
class Wanted:
    """One prompt, and what must be seen."""

    prompt: str
    background: str
    things: tuple[tuple[str, str], ...]
    size: str | None = None
    position: str | None = None


def distance(a: str, b: str) -> float:
    """Of two palette colours, in 0..sqrt(3)."""
    return (torch.tensor(COLOURS[a]) - torch.tensor(COLOURS[b])).float().norm().item() / 255


def unseen_prompts(singles: int = 160, pairs: int = 60, seed: int = 1) -> list[Wanted]:
    """Prompts from held-out (colour, shape, background) triples; of a pair, both are held out."""
    rng = random.Random(seed)
    held = [t for t in make_split() if distance(t[0], t[2]) >= TOO_CLOSE]
    wanted = [_single(rng, rng.choice(held)) for _ in range(singles)]
    grounds: dict[str, list[Triple]] = defaultdict(list)
    for triple in held:
        grounds[triple[2]].append(triple)
    while len(wanted) < singles + pairs:
        ground = rng.choice([g for g, triples in grounds.items() if len(triples) > 1])
        a, b = rng.sample(grounds[ground], 2)
        if a[0] == b[0] or distance(a[0], b[0]) >= TOO_CLOSE:
            prompt = f"a {a[0]} {a[1]} and a {b[0]} {b[1]} on a {ground} background"
            wanted.append(Wanted(prompt, ground, ((a[0], a[1]), (b[0], b[1]))))
    return wanted


def _single(rng: random.Random, triple: Triple) -> Wanted:
    colour, shape, ground = triple
    size = rng.choice((*SIZES, None))
    position = rng.choice((*POSITIONS, None, None))
    place = {None: "", "left": " on the left", "right": " on the right", "centre": " in the centre"}.get(
        position, f" at the {position}"
    )
    prompt = f"a {f'{size} ' if size else ''}{colour} {shape}{place} on a {ground} background"
    return Wanted(prompt, ground, ((colour, shape),), size, position)


@dataclass
class Tally:
    """Counts of pictures and of right ones, by what was judged."""

    right: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    total: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, name: str, right: bool) -> None:
        self.total[name] += 1
        self.right[name] += right

    def share(self, name: str) -> float:
        return self.right[name] / max(1, self.total[name])


def judge(tally: Tally, wanted: Wanted, seen: Reading) -> bool:
    """Count what the picture got right; returns whether everything is."""
    if len(wanted.things) == 2:
        everything = seen.background == wanted.background and sorted(
            (o.colour, o.shape or "") for o in seen.objects
        ) == sorted(wanted.things)
        tally.add("two objects", everything)
        tally.add("two: background", seen.background == wanted.background)
        tally.add("two: colours", sorted(o.colour for o in seen.objects) == sorted(c for c, _ in wanted.things))
        tally.add("two: shapes", sorted(o.shape or "" for o in seen.objects) == sorted(s for _, s in wanted.things))
        return everything
    thing = seen.objects[0] if seen.objects else None
    results = {
        "background": seen.background == wanted.background,
        "colour": thing is not None and thing.colour == wanted.things[0][0],
        "shape": thing is not None and thing.shape == wanted.things[0][1],
        "one object": len(seen.objects) == 1,
    }
    if wanted.size:
        results["size"] = thing is not None and (thing.radius < 0.25) == (wanted.size == "small")
    if wanted.position:
        results["position"] = thing is not None and _placed(wanted.position, thing.x, thing.y)
    for name, right in results.items():
        tally.add(name, right)
    tally.add(f"shape: {wanted.things[0][1]}", results["shape"])
    everything = all(results.values())
    tally.add("everything", everything)
    return everything


def _placed(position: str, x: float, y: float) -> bool:
    """Is the centre in the named third (give or take a twentieth of the side)?"""
    third, two = 1 / 3 + 0.05, 2 / 3 - 0.05
    middle = 1 / 3 - 0.05 <= x <= 2 / 3 + 0.05 and 1 / 3 - 0.05 <= y <= 2 / 3 + 0.05
    return {"left": x <= third, "right": x >= two, "top": y <= third, "bottom": y >= two, "centre": middle}[position]


def measure(
    draw: Callable[[str, Sequence[int]], Tensor], wanted: Sequence[Wanted], seeds: Sequence[int]
) -> tuple[Tally, list[tuple[Wanted, int]]]:
    """Draw every prompt with every seed (``draw(prompt, seeds) -> [B, 3, H, W]``) and count; also the failures."""
    analyser, tally, failed = Analyser(), Tally(), []
    for want in wanted:
        for seed, picture in zip(seeds, draw(want.prompt, seeds), strict=True):
            if not judge(tally, want, analyser(picture)):
                failed.append((want, seed))
    return tally, failed
