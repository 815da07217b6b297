"""Templates → texts: one, as a seed chooses, or every one that there is."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from sdkit.errors import RequestError
from sdkit_wildcards.lists import Lists
from sdkit_wildcards.syntax import Option, Part, Template, Wildcard, parse

MAX_NESTING = 20


def expand(text: str, seed: int, lists: Lists) -> str:
    """The text that this seed chooses. The same for the same text, seed and lists, wherever and whenever.

    Raises RequestError for unknown wildcards, braces that do not match, and lists that name each other in circles.
    """
    return _one(parse(text), random.Random(f"{seed} {text}"), lists, ())


def expansions(text: str, lists: Lists) -> Iterator[str]:
    """Every text that can be chosen, the last choice changing first. Lazy: there may be very many."""
    return _every(parse(text), lists, ())


def _one(template: Template, rng: random.Random, lists: Lists, path: tuple[str, ...]) -> str:
    texts: list[str] = []
    for part in template:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Wildcard):
            [option] = _pick(_options(part, lists, path), 1, rng)
            texts.append(_one(option.template, rng, lists, (*path, part.name)))
        else:
            picked = _pick(part.options, part.count, rng)
            texts.append(part.separator.join(_one(option.template, rng, lists, path) for option in picked))
    return "".join(texts)


def _pick(options: Sequence[Option], count: int, rng: random.Random) -> list[Option]:
    """Different options by weight, in the order in which they are written."""
    left = list(range(len(options)))
    for _ in range(count):
        left.remove(rng.choices(left, [options[index].weight for index in left])[0])
    return [option for index, option in enumerate(options) if index not in left]


def _every(template: Template, lists: Lists, path: tuple[str, ...]) -> Iterator[str]:
    def texts_of(part: Part) -> Callable[[], Iterator[str]]:
        if isinstance(part, str):
            return lambda: iter((part,))
        if isinstance(part, Wildcard):
            return lambda: itertools.chain.from_iterable(
                _every(option.template, lists, (*path, part.name)) for option in _options(part, lists, path)
            )
        return lambda: itertools.chain.from_iterable(
            _products([lambda option=option: _every(option.template, lists, path) for option in picked], part.separator)
            for picked in itertools.combinations(part.options, part.count)
        )

    return _products([texts_of(part) for part in template], "")


def _products(parts: Sequence[Callable[[], Iterator[str]]], separator: str) -> Iterator[str]:
    """Every way to join one text of each part: `itertools.product`, which would list every part first, made lazy."""
    if not parts:
        yield ""
        return
    open_ = [parts[0]()]
    chosen: list[str] = []
    while open_:
        text = next(open_[-1], None)
        if text is None:
            open_.pop()
            chosen = chosen[:-1]
        elif len(open_) == len(parts):
            yield separator.join((*chosen, text))
        else:
            chosen.append(text)
            open_.append(parts[len(open_)]())


def _options(wildcard: Wildcard, lists: Lists, path: tuple[str, ...]) -> tuple[Option, ...]:
    if len(path) >= MAX_NESTING:
        circle = " → ".join((*path[-4:], wildcard.name))
        raise RequestError(f"wildcards are nested more than {MAX_NESTING} deep, likely in a circle: … → {circle} → …")
    return lists.options(wildcard.name)
