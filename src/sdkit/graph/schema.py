"""What a kind of node is: its inputs, its outputs, and the function behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

ANY = "*"
"""The socket type that fits every other."""

WIDGETS = frozenset({"int", "float", "str", "bool"})
"""The types whose values may be written into a graph; values of all others come over links only. An input with
`choices` may be written, too, whatever its type."""


class Unset(Enum):
    """The default of an input that has none."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class Ref(NamedTuple):
    """A link: output number `output` of the node with this id."""

    node: str
    output: int = 0


@dataclass(frozen=True)
class Choices:
    """A list of choices that is not known before the run: the name of what to ask the session's `choices` for, such as
    "samplers" or "models.loras". `open`: other values may be right, too (a model's path or hash), so that the node's
    own `check` decides; the list is for editors."""

    source: str
    open: bool = False


@dataclass(frozen=True)
class Lazy:
    """In an annotation: the input is computed only if the node's `needs` asks for it."""


@dataclass(frozen=True)
class Socket:
    """In an annotation: the socket type, where it is not the name of the Python type."""

    type: str


@dataclass(frozen=True)
class LinkOnly:
    """In an annotation: the value may not be written into the graph, it comes over a link."""


@dataclass(frozen=True)
class Multiline:
    """In an annotation: a text of several lines, for editors."""


@dataclass(frozen=True)
class Input:
    """One input. `type`: a socket type, compared by name; several are separated by commas; `ANY` takes all.

    `required`: whether it must be given; one that is not and has no default is left out of the call. `ge`, `le`: bounds
    of numbers. `multiple_of`: what they are a multiple of. `step`: what editors step by; any number is right.
    `choices`: what it may be. `lazy`: it is computed only if the node's `needs` asks for it. `link_only`: a value may
    not be written into the graph, although the type would allow it. `multiline`: for editors.
    """

    name: str
    type: str
    required: bool = True
    default: object = UNSET
    ge: float | None = None
    le: float | None = None
    step: float | None = None
    choices: tuple[object, ...] | Choices | None = None
    lazy: bool = False
    link_only: bool = False
    multiline: bool = False
    doc: str = ""
    multiple_of: float | None = None

    @property
    def types(self) -> tuple[str, ...]:
        """The socket types that it takes."""
        return tuple(part.strip() for part in self.type.split(","))


@dataclass(frozen=True)
class Output:
    """One output. `is_list`: it is a list, whose elements go one by one into the nodes behind it."""

    name: str
    type: str
    is_list: bool = False
    doc: str = ""


@dataclass(frozen=True)
class NodeType:
    """A kind of node.

    `function` is called with the inputs by name and returns the value of the only output, a tuple of all outputs, a
    `Blocked`, an `Expansion`, or, where it is a coroutine function, an awaitable of these.
    `is_output`: it does something to the world (saves, shows), so that a run computes it without being asked to.
    `context`: the argument that gets the `NodeContext`. `changes`: called with the inputs that are written in the
    graph, those over links None; what it returns belongs to the node's signature: a file's hash, the time for a node
    that is never cached. `check`: called in the same way before anything runs; returns what is wrong, or None. Of
    both, a parameter that is annotated `CheckContext` gets one: the node's id, and the session's services.
    `needs`: called with the inputs known so far (lazy ones that were not computed: None); returns the names of lazy
    inputs to compute now. `takes_lists`: every input comes as a list, and the function is called once instead of once
    per element. `open_inputs`: it takes further inputs than those declared. `fits`: whether an output's type may go
    into an input's, where names alone do not say it. `version`: raised when the function computes something else.
    """

    name: str
    function: Callable[..., object]
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    title: str = ""
    category: str = ""
    summary: str = ""
    is_output: bool = False
    context: str | None = None
    changes: Callable[..., object] | None = None
    check: Callable[..., str | None] | None = None
    needs: Callable[..., Sequence[str]] | None = None
    takes_lists: bool = False
    open_inputs: bool = False
    fits: Callable[[str, str], bool] | None = None
    version: int = 1

    def input(self, name: str) -> Input | None:
        """The input of this name."""
        return next((each for each in self.inputs if each.name == name), None)


def fits(output_type: str, input_type: str) -> bool:
    """Whether an output of one socket type may go into an input of the other, going by their names.

    Equal names, `ANY` on either side, one of several names separated by commas, and int where a float is wanted.
    """
    if output_type == input_type or ANY in (output_type, input_type):
        return True
    given = {part.strip() for part in output_type.split(",")}
    taken = {part.strip() for part in input_type.split(",")}
    return not given.isdisjoint(taken) or ANY in given | taken or ("int" in given and "float" in taken)
