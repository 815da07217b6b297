"""The small world: which scenes exist, how one is drawn at random, and which are held out of training."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "orange": (245, 145, 30),
    "yellow": (245, 220, 50),
    "green": (50, 160, 70),
    "blue": (45, 90, 215),
    "purple": (130, 60, 170),
    "pink": (245, 150, 190),
    "brown": (130, 80, 45),
    "black": (20, 20, 20),
    "white": (250, 250, 250),
    "gray": (128, 128, 128),
}
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "diamond", "stick figure")
SIZES = ("small", "large")
POSITIONS = ("left", "right", "top", "bottom", "centre")

Size = Literal["small", "large"]
Triple = tuple[str, str, str]
"""(colour, shape, background): the unit of the train / held-out split."""

SMALL = (0.12, 0.20)
LARGE = (0.30, 0.42)
PAIR = (0.14, 0.21)
MARGIN = 0.02
POSES = 256


@dataclass(frozen=True, slots=True)
class Thing:
    """One flat shape. ``x``, ``y``, ``radius`` are fractions of the picture's side; ``angle`` is in radians."""

    colour: str
    shape: str
    x: float
    y: float
    radius: float
    angle: float
    pose: int

    @property
    def size(self) -> Size | None:
        """The size word that is true of it, if any."""
        if self.radius <= SMALL[1]:
            return "small"
        return "large" if self.radius >= LARGE[0] else None

    @property
    def positions(self) -> tuple[str, ...]:
        """Every position word that is true of its centre (thirds of the picture)."""
        third = 1 / 3
        found = []
        if self.x <= third:
            found.append("left")
        if self.x >= 2 * third:
            found.append("right")
        if self.y <= third:
            found.append("top")
        if self.y >= 2 * third:
            found.append("bottom")
        return tuple(found) or ("centre",)


@dataclass(frozen=True, slots=True)
class Scene:
    """One or two things on a flat background; of two, the first stands to the left."""

    things: tuple[Thing, ...]
    background: str

    @property
    def triples(self) -> tuple[Triple, ...]:
        return tuple((thing.colour, thing.shape, self.background) for thing in self.things)


def all_triples() -> Iterator[Triple]:
    """Every (colour, shape, background) whose object can be seen."""
    return (t for t in product(COLOURS, SHAPES, COLOURS) if t[0] != t[2])


def make_split(seed: int = 20, share: float = 0.15) -> list[Triple]:
    """The held-out triples: for each shape the same share, and never so many that a colour pair disappears."""
    rng = random.Random(seed)
    held: list[Triple] = []
    for shape in SHAPES:
        candidates = [t for t in all_triples() if t[1] == shape]
        held += rng.sample(candidates, round(share * len(candidates)))
    return sorted(held)


def write_split(path: Path, seed: int = 20, share: float = 0.15) -> None:
    """Write the split as JSON; a test regenerates it and compares."""
    held = [" | ".join(t) for t in make_split(seed, share)]
    path.write_text(json.dumps({"seed": seed, "share": share, "held_out": held}, indent=1) + "\n")


def _place(rng: random.Random, radius: float, position: str | None) -> tuple[float, float]:
    """A centre in the named third (anywhere for None), the object kept on the canvas as far as it can be."""
    low, high = radius + MARGIN, 1 - radius - MARGIN
    near = (min(low, 0.32), 0.32)
    far = (0.68, max(high, 0.68))
    middle = (max(0.36, min(low, 0.5)), min(0.64, max(high, 0.5)))
    free = (low, high) if low < high else (0.5, 0.5)
    x = {"left": near, "right": far, "centre": middle}.get(position or "", free)
    y = {"top": near, "bottom": far, "centre": middle}.get(position or "", free)
    return rng.uniform(*x), rng.uniform(*y)


class World:
    """Draws random scenes; with ``held_out`` given, never one that contains such a triple."""

    def __init__(self, held_out: frozenset[Triple] = frozenset()) -> None:
        self.held_out = held_out

    def allowed(self, scene: Scene) -> bool:
        return self.held_out.isdisjoint(scene.triples) and all(
            thing.colour != scene.background for thing in scene.things
        )

    def scene(self, rng: random.Random, pair_share: float = 0.0) -> Scene:
        """A random scene, of two objects with probability ``pair_share``."""
        count = 2 if rng.random() < pair_share else 1
        while True:
            background, *colours = rng.choices(list(COLOURS), k=1 + count)
            looks = [(colour, rng.choice(SHAPES)) for colour in colours]
            if len(set(looks)) < count:
                continue
            if count == 2:
                scene = place_pair(rng, looks, background)
            else:
                size = rng.choice((*SIZES, None))
                position = rng.choice((*POSITIONS, None, None))
                scene = place_one(rng, looks[0], background, size, position)
            if self.allowed(scene):
                return scene

    def near_miss(self, rng: random.Random, scene: Scene) -> Scene:
        """The same scene with one attribute of one object, or the background, changed."""
        while True:
            which = rng.randrange(len(scene.things))
            thing = scene.things[which]
            kind = rng.choice(("colour", "shape", "background", "place"))
            if kind == "background":
                changed = replace(scene, background=rng.choice(list(COLOURS)))
            elif kind == "place" and len(scene.things) == 1:
                look = (thing.colour, thing.shape)
                changed = place_one(rng, look, scene.background, rng.choice(SIZES), rng.choice(POSITIONS))
            else:
                new = (
                    replace(thing, shape=rng.choice(SHAPES))
                    if kind == "shape"
                    else replace(thing, colour=rng.choice(list(COLOURS)))
                )
                changed = replace(scene, things=tuple(new if i == which else t for i, t in enumerate(scene.things)))
            looks = {(t.colour, t.shape) for t in changed.things}
            if changed != scene and len(looks) == len(changed.things) and self.allowed(changed):
                return changed


def place_one(
    rng: random.Random, look: tuple[str, str], background: str, size: str | None, position: str | None
) -> Scene:
    """One object of the given look, size word and position word."""
    radius = rng.uniform(*{"small": SMALL, "large": LARGE}.get(size or "", (SMALL[0], LARGE[1])))
    x, y = _place(rng, radius, position)
    return Scene((_thing(rng, look, x, y, radius),), background)


def place_pair(rng: random.Random, looks: list[tuple[str, str]], background: str) -> Scene:
    """Two objects side by side, the first on the left."""
    line = rng.uniform(0.46, 0.54)
    things = []
    for index, look in enumerate(looks):
        radius = rng.uniform(*PAIR)
        near, far = radius + MARGIN, line - radius - 0.01
        if index:
            near, far = line + radius + 0.01, 1 - radius - MARGIN
        x = rng.uniform(near, max(near, far))
        things.append(_thing(rng, look, x, rng.uniform(0.3, 0.7), radius))
    return Scene(tuple(things), background)


def _thing(rng: random.Random, look: tuple[str, str], x: float, y: float, radius: float) -> Thing:
    return Thing(look[0], look[1], x, y, radius, rng.uniform(-0.21, 0.21), rng.randrange(POSES))
