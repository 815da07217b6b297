"""Scenes to words: many wordings, parts left out, and a record of what a caption says."""

import random
from dataclasses import dataclass

from training.world import COLOURS, POSITIONS, SHAPES, SIZES, Scene, Thing

_SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}
_SHAPE_WORDS = {
    "circle": ("circle", "disc", "disk"),
    "cross": ("cross", "plus"),
    "diamond": ("diamond", "rhombus"),
    "stick figure": ("stick figure", "stick man", "stickman", "stick person"),
}
_PLACE_WORDS = {
    "left": ("on the left", "at the left", "on the left side"),
    "right": ("on the right", "at the right", "on the right side"),
    "top": ("at the top", "on top", "near the top"),
    "bottom": ("at the bottom", "near the bottom"),
    "centre": ("in the centre", "in the center", "in the middle"),
}
_GROUNDS = (
    "on a {} background",
    "on a {} background",
    "on a {} background",
    "on {}",
    "with a {} background",
    "against a {} background",
    "{} background",
)
_OPENINGS = ("picture of", "a picture of", "an image of", "a drawing of", "a photo of", "image of")


@dataclass(frozen=True, slots=True)
class Caption:
    """A wording and what it says: indices into the world's lists, -1 where it is silent.

    ``said``: (objects - 1, colour, shape, background, size, position, second colour, second shape).
    """

    text: str
    said: tuple[int, ...]


FIELDS = ("count", "colour", "shape", "background", "size", "position", "second colour", "second shape")
CHOICES = (2, len(COLOURS), len(SHAPES), len(COLOURS), len(SIZES), len(POSITIONS), len(COLOURS), len(SHAPES))


def truth(scene: Scene) -> tuple[int, ...]:
    """What is true of the scene, in the order of ``FIELDS``; -1 where no word of the world applies."""
    said = _said(scene, *([True] * 4))
    return (*said[:5], POSITIONS.index(scene.things[0].positions[0]) if said[0] == 0 else -1, *said[6:])


def plain(scene: Scene, size: bool = True, position: bool = True) -> str:
    """The full caption in the standard wording."""
    words = []
    for thing in scene.things:
        of_size = f"{thing.size} " if size and thing.size and len(scene.things) == 1 else ""
        words.append(f"a {of_size}{thing.colour} {thing.shape}")
    text = " and ".join(words)
    if position and len(scene.things) == 1:
        text += " " + _PLACE_WORDS[scene.things[0].positions[0]][0]
    return f"{text} on a {scene.background} background"


def caption(rng: random.Random, scene: Scene, full: float = 0.3) -> Caption:
    """A random wording; with probability ``full`` the standard wording with nothing left out."""
    whole = rng.random() < full
    pair = len(scene.things) > 1
    with_ground = whole or rng.random() > 0.12
    with_colour = whole or rng.random() > 0.06
    with_shape = whole or not with_colour or rng.random() > 0.04
    with_size = not pair and scene.things[0].size is not None and rng.random() < 0.6
    place = rng.choice(scene.things[0].positions) if not pair and rng.random() < 0.6 else None

    subjects = []
    for thing in scene.things:
        subjects.append(_subject(rng, thing, whole, with_colour, with_shape, with_size))
    text = (" and " if whole or rng.random() < 0.85 else rng.choice((" next to ", ", ", " with "))).join(subjects)
    tail = []
    if place:
        tail.append(_PLACE_WORDS[place][0] if whole else rng.choice(_PLACE_WORDS[place]))
    if with_ground:
        ground = _GROUNDS[0] if whole else rng.choice(_GROUNDS)
        comma = "" if ground.startswith(("on", "with", "against")) and rng.random() < 0.9 else ", "
        tail.append(comma + _an(rng, ground.format(_colour(rng, scene.background))))
    if len(tail) == 2 and not whole and rng.random() < 0.15:
        tail.reverse()
    text = " ".join([text, *tail]).replace(" ,", ",")
    if not whole and rng.random() < 0.25:
        text = f"{rng.choice(_OPENINGS)} {text}"
    said = _said(scene, with_colour, with_shape, with_ground, with_size)
    return Caption(text, (*said[:5], POSITIONS.index(place) if place else -1, *said[6:]))


def _subject(
    rng: random.Random, thing: Thing, whole: bool, with_colour: bool, with_shape: bool, with_size: bool
) -> str:
    words = [] if not whole and rng.random() < 0.15 else ["a" if whole or rng.random() < 0.85 else "one"]
    if with_size and thing.size:
        words.append(thing.size if whole else rng.choice(_SIZE_WORDS[thing.size]))
    if with_colour:
        words.append(_colour(rng, thing.colour))
    names = _SHAPE_WORDS.get(thing.shape, (thing.shape,))
    name = names[0] if whole or rng.random() < 0.8 else rng.choice(names)
    words.append(name if with_shape else rng.choice(("shape", "thing", "object")))
    return _an(rng, " ".join(words))


def _said(scene: Scene, colour: bool, shape: bool, ground: bool, size: bool) -> tuple[int, ...]:
    first, second = scene.things[0], scene.things[1] if len(scene.things) > 1 else None
    names = list(COLOURS)
    return (
        len(scene.things) - 1,
        names.index(first.colour) if colour else -1,
        SHAPES.index(first.shape) if shape else -1,
        names.index(scene.background) if ground else -1,
        SIZES.index(first.size) if size and first.size and not second else -1,
        -1,
        names.index(second.colour) if second and colour else -1,
        SHAPES.index(second.shape) if second and shape else -1,
    )


def _colour(rng: random.Random, name: str) -> str:
    return "grey" if name == "gray" and rng.random() < 0.5 else name


def _an(rng: random.Random, text: str) -> str:
    """Correct ``a orange`` to ``an orange`` half of the time: both are typed."""
    return text.replace("a orange", "an orange") if rng.random() < 0.5 else text
