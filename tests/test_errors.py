"""The error tree is the one that its docstring draws, and each class tells who catches it and what to do."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from sdkit import errors
from sdkit.errors import NonFiniteError, PluginError, SdkitError, UnknownNameError, nearest

CLASSES = {
    name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, BaseException)
}


def drawn() -> dict[str, str]:
    """Each class and its parent, as the module's docstring draws them."""
    stack: list[tuple[int, str]] = []
    parents: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line)
        if not found:
            continue
        depth, name = len(found[1]), found[2]
        while stack and stack[-1][0] >= depth:
            stack.pop()
        parents[name] = stack[-1][1] if stack else "Exception"
        stack.append((depth, name))
    return parents


def test_the_tree_is_as_drawn() -> None:
    assert drawn() == {name: kind.__bases__[0].__name__ for name, kind in CLASSES.items()}
    assert len(CLASSES) >= 20


@pytest.mark.parametrize("name", CLASSES)
def test_second_parents_are_as_drawn(name: str) -> None:
    line = next(line for line in (errors.__doc__ or "").splitlines() if re.search(rf"\b{name}\b", line))
    said = re.search(r"\(also an? (\w+)\)", line)
    others = [base.__name__ for base in CLASSES[name].__bases__[1:]]
    assert others == ([said[1]] if said else [])


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_says_who_catches_it_and_what_to_do(name: str) -> None:
    text = inspect.cleandoc(CLASSES[name].__doc__ or "")
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    assert paragraphs[0].endswith("."), "it begins with what happened"
    for label in ("Caught by: ", "What to do: "):
        (said,) = [paragraph for paragraph in paragraphs if paragraph.startswith(label)]
        assert len(said) > len(label) + 5
        assert said.endswith(".")


def test_unknown_names_suggest_the_nearest() -> None:
    error = UnknownNameError("sampler", "eular", ["heun", "euler_ancestral", "euler"])
    assert str(error) == "There is no sampler named 'eular'. Did you mean 'euler'?"
    assert (error.kind, error.name, error.known) == ("sampler", "eular", ("euler", "euler_ancestral", "heun"))
    assert error.nearest == ("euler",)
    assert isinstance(error, ValueError)


def test_unknown_names_without_a_near_one_list_what_there_is() -> None:
    assert str(UnknownNameError("schedule", "zzz", ["normal", "karras"])) == (
        "There is no schedule named 'zzz'. Known: karras, normal."
    )
    assert str(UnknownNameError("guidance", "x", [], hint="Load a plugin.")) == (
        "There is no guidance named 'x'. No guidance is registered at all. Load a plugin."
    )


def test_nearest_ignores_case_and_gives_at_most_three() -> None:
    assert nearest("EULER", ["Euler", "heun"]) == ("Euler",)
    assert len(nearest("dpmpp", ["dpmpp1", "dpmpp2", "dpmpp3", "dpmpp4"])) == 3
    assert nearest("dpmpp_2s", ["heun", "dpmpp_2m", "dpmpp_sde"])[0] == "dpmpp_2m"
    assert nearest("", ["a"]) == ()


def test_attributes_and_messages() -> None:
    error = NonFiniteError("NaN at step 3", step=3, sigma=1.5)
    assert (str(error), error.step, error.sigma) == ("NaN at step 3", 3, 1.5)
    plugin = PluginError("wildcards", "it broke")
    assert (str(plugin), plugin.plugin) == ("it broke", "wildcards")
    for name in ("ModelNotFoundError", "ImageExistsError"):
        assert str(CLASSES[name]("no such thing")) == "no such thing"
        assert isinstance(CLASSES[name]("x"), OSError)


@pytest.mark.parametrize("name", CLASSES)
def test_errors_travel_to_other_processes(name: str) -> None:
    made: dict[str, SdkitError] = {"UnknownNameError": UnknownNameError("sampler", "eular", ["euler"])}
    made["NonFiniteError"] = NonFiniteError("x", step=3, sigma=1.5)
    error = made.get(name) or (
        CLASSES[name]("wildcards", "broke") if issubclass(CLASSES[name], PluginError) else CLASSES[name]("message")
    )
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
