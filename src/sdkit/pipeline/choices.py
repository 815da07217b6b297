"""What inputs of nodes may be whose choices are known only when a graph is checked: registered names, model files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from sdkit.errors import UnknownNameError
from sdkit.models import KINDS
from sdkit.models.library.kinds import CHECKPOINTS
from sdkit.models.loading import EMBEDDED

if TYPE_CHECKING:
    from sdkit.models import Kind, Library
    from sdkit.pipeline.places import Inputs
    from sdkit.plugins import Manager, Registry

REGISTRIES = ("samplers", "schedules", "guidance", "noise_sources", "prompt_syntaxes")
MODELS = "models."
INPUTS = "inputs"


class Names(Sequence[str]):
    """A list of names that knows more names than it lists: `in` asks `knows`, and listing asks `names`, each time."""

    def __init__(self, names: Callable[[], Iterable[str]], knows: Callable[[str], bool]) -> None:
        self._names = names
        self._knows = knows

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and self._knows(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return sum(1 for _ in self._names())

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return tuple(self._names())[index]

    def __repr__(self) -> str:
        return f"Names({', '.join(self._names())})"


def choices_of(source: str, manager: Manager, library: Library, inputs: Inputs) -> Names:
    """What an input may be whose choices have this name: "samplers", "schedules", "guidance", "noise_sources",
    "prompt_syntaxes", "inputs", "models.loras" … Raises UnknownNameError.

    Registered names may be given by their aliases, too. A model may be given as `Library.get` has it: by name with or
    without suffix, or by hash; the model in the box is among the checkpoints. "inputs" are the pictures there are.
    """
    if source in REGISTRIES:
        return _registered(getattr(manager, "syntaxes" if source == "prompt_syntaxes" else source))
    if source == INPUTS:
        return Names(inputs.names, lambda name: inputs.get(name) is not None)
    for kind in KINDS:
        if source == MODELS + kind:
            return _models(library, kind)
    raise UnknownNameError("list of choices", source, [*REGISTRIES, INPUTS, *(MODELS + kind for kind in KINDS)])


def _registered(registry: Registry[Any]) -> Names:
    return Names(lambda: registry, lambda name: name in registry)


def _models(library: Library, kind: Kind) -> Names:
    own = [EMBEDDED] if kind == CHECKPOINTS else []
    return Names(
        lambda: dict.fromkeys([*(file.name for file in library.list(kind)), *own]),
        lambda name: name in own or library.get(kind, name) is not None,
    )
