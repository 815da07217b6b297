"""How a node's function is called: once, or once per element of lists; and what becomes of what it returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import AsyncGeneratorType, GeneratorType
from typing import cast

from sdkit.graph.describing import describe
from sdkit.graph.planning import Kind
from sdkit.graph.values import Blocked, Expansion, Many

Slots = tuple[object, ...]
"""One value per output."""


def slices(kind: Kind, values: dict[str, object]) -> tuple[list[dict[str, object]], bool]:
    """The inputs of every call, and whether they are many: one per element where an input is `Many`.

    Several lists: the longest counts, and shorter ones repeat their last element; an empty one means no call at all.
    Where the node takes lists there is one call, with everything as a list.
    """
    if kind.type.takes_lists:
        return [{name: [*each] if type(each) is Many else [each] for name, each in values.items()}], False
    lists = {name: each for name, each in values.items() if type(each) is Many}
    if not lists:
        return [values], False
    if not all(lists.values()):
        return [], True
    longest = max(map(len, lists.values()))
    calls: list[dict[str, object]] = []
    for index in range(longest):
        call = dict(values)
        for name, each in lists.items():
            call[name] = each[min(index, len(each) - 1)]
        calls.append(call)
    return calls, True


def blocking(kind: Kind, call: Mapping[str, object]) -> Blocked | None:
    """The value that keeps this call from happening; one with a message before one without."""
    found: Blocked | None = None
    for value in call.values():
        each: object = value
        if kind.type.takes_lists:
            each = next((one for one in cast("list[object]", value) if type(one) is Blocked), None)
        if isinstance(each, Blocked) and (found is None or found.message is None):
            found = each
    return found


def to_compute(
    kind: Kind, calls: Sequence[Mapping[str, object]], lazy: Collection[str], run: Callable[..., object]
) -> Iterable[str]:
    """The `lazy` inputs that `needs` asks for, each once. `run` calls a function in the run's context. TypeError where
    it asks for something that is no input of the node."""
    needs = kind.type.needs
    assert needs is not None
    named: dict[str, None] = {}
    for call in calls:
        asked = run(needs, **call) if blocking(kind, call) is None else ()
        if isinstance(asked, str):
            raise TypeError(f"its `needs` returned the text {asked!r}, not a list of inputs' names")
        named.update(dict.fromkeys(cast("Iterable[str]", asked or ())))
    for name in named:
        if name not in lazy and kind.type.input(name) is None and not kind.type.open_inputs:
            known = ", ".join(lazy) or "none"
            raise TypeError(f"it needs {name!r}, which is not one of its inputs (lazy ones that are linked: {known})")
    return [name for name in named if name in lazy]


def spread(kind: Kind, result: object) -> Slots:
    """One value per output, from what the function returned. TypeError where their number or kind is another."""
    width = kind.width
    if isinstance(result, Blocked):
        slots: Slots = (result,) * width
    elif width == 1:
        slots = (result,)
    elif width == 0:
        return ()
    elif isinstance(result, tuple | list) and len(cast("Sequence[object]", result)) == width:
        slots = tuple(cast("Sequence[object]", result))
    else:
        names = ", ".join(each.name for each in kind.type.outputs)
        count = len(cast("Sequence[object]", result)) if isinstance(result, tuple | list) else 1
        shown = describe(cast("object", result))
        raise TypeError(f"it has {width} outputs ({names}), but returned {count} value{'s' * (count != 1)}: {shown}")
    return listed(kind, slots) if kind.lists else slots


def listed(kind: Kind, slots: Slots) -> Slots:
    """The values, with those of list outputs as `Many`."""
    made: list[object] = []
    for output, value in zip(kind.type.outputs, slots, strict=True):
        if not output.is_list or isinstance(value, Many):
            made.append(value)
        elif isinstance(value, Blocked):
            made.append(Many((value,)))
        elif isinstance(value, list | tuple):
            made.append(Many(cast("Sequence[object]", value)))
        else:
            raise TypeError(f"its output {output.name!r} is a list, but it returned {describe(value)}")
    return tuple(made)


def joined(kind: Kind, pieces: Sequence[Slots]) -> Slots:
    """The outputs of many calls: lists of the calls' values; where these are lists themselves, one after the other."""
    made: list[object] = []
    for output in range(kind.width):
        values: list[object] = []
        for piece in pieces:
            value = piece[output]
            if type(value) is Many:
                values.extend(value)
            else:
                values.append(value)
        made.append(Many(values))
    return tuple(made)


def check_lasting(kind: Kind, outputs: Slots) -> None:
    """TypeError for generators: the first reader would leave nothing of them to others, and to the next run."""
    for output, value in zip(kind.type.outputs, outputs, strict=True):
        if isinstance(value, GeneratorType | AsyncGeneratorType):
            raise TypeError(
                f"its output {output.name!r} is a generator, which can be read only once; return a list of what it "
                "yields"
            )


def check_expansion(kind: Kind, expansion: Expansion) -> None:
    """TypeError where the expansion does not have the node's number of outputs."""
    if len(expansion.outputs) != kind.width:
        raise TypeError(
            f"it has {kind.width} outputs, but the expansion that it returned names {len(expansion.outputs)}"
        )
