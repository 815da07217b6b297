"""Node types are made from functions: every part of a signature says one thing, and what says nothing is refused."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

import pytest
from pydantic import Field

import sdkit
from sdkit.errors import GraphError
from sdkit.graph import (
    ANY,
    UNSET,
    Choices,
    Expansion,
    Input,
    Lazy,
    LinkOnly,
    Multiline,
    NodeContext,
    Output,
    Socket,
    is_node,
    node,
    node_type,
)

if TYPE_CHECKING:
    import subprocess as elsewhere  # what the annotations below name is there for type checkers only

    from sdkit.images import Image
    from sdkit.types import Latents

Anything = TypeVar("Anything")


def inputs(function: Any) -> dict[str, Input]:
    return {each.name: each for each in node_type(function).inputs}


def test_a_marked_function_stays_a_function() -> None:
    @sdkit.node
    def double(number: int) -> int:
        """Twice the number.

        More about it.
        """
        return 2 * number

    assert double(21) == 42
    assert is_node(double)
    made = node_type(double)
    assert made is node_type(double), "it is made once"
    assert (made.name, made.title, made.summary, made.is_output) == ("double", "Double", "Twice the number.", False)
    assert made.inputs == (Input("number", "int"),)
    assert made.outputs == (Output("int", "int"),)
    assert made.function is double


def test_options_reach_the_node_type() -> None:
    def changes(**_: object) -> int:
        return 1

    def check(**_: object) -> None:
        return None

    @node(
        name="pack.blend", title="Blend!", category="image", outputs="blended", is_output=True, changes=changes,
        check=check, needs=lambda **_: (), takes_lists=True, version=3,
    )  # fmt: skip
    def blend(image: list[Image]) -> Image:
        return image[0]

    made = node_type(blend)
    assert (made.name, made.title, made.category, made.version) == ("pack.blend", "Blend!", "image", 3)
    assert (made.changes, made.check, made.takes_lists, made.is_output) == (changes, check, True, True)
    assert made.needs is not None
    assert made.inputs == (Input("image", "Image"),)
    assert made.outputs == (Output("blended", "Image"),)


def test_functions_need_not_be_marked() -> None:
    def plain(number: int) -> None: ...

    assert not is_node(plain)
    assert node_type(plain).is_output, "what returns nothing is run for its own sake"


def test_names_for_type_checkers_only_are_socket_types() -> None:
    def made(a: Image, b: elsewhere.Popen, c: Image | None, d: Annotated[Latents, Lazy()], e: Image | Latents) -> Image:
        return a

    found = inputs(made)
    assert {name: each.type for name, each in found.items()} == {
        "a": "Image", "b": "Popen", "c": "Image", "d": "Latents", "e": "Image,Latents",
    }  # fmt: skip
    assert (found["c"].required, found["c"].default) == (False, None)
    assert (found["d"].lazy, found["d"].required) == (True, True)
    assert node_type(made).outputs == (Output("image", "Image"),)


def test_annotations_are_read_one_by_one() -> None:
    def made(
        width: Annotated[int, Field(ge=8, le=4096, multiple_of=8, description="in pixels")] = 512,
        cfg: Annotated[float, Field(gt=0, lt=2)] = 1.0,
        above: Annotated[int, Field(gt=0, lt=10)] = 1,
        mode: Literal["a", "b"] = "b",
        depth: Literal[1, 2, None] = None,
        sampler: Annotated[str, Choices("samplers")] = "euler",
        pixels: Annotated[object, Socket("IMAGE")] = None,
        text: Annotated[str, Multiline(), "What to draw."] = "",
        area: Annotated[str, Field(json_schema_extra={"multiline": True})] = "",
        seed: Annotated[int, LinkOnly()] = 0,
        value: Any = 1,
        other: Anything = 2,  # pyright: ignore[reportInvalidTypeVarUse]
        ratio: int | float = 1,
    ) -> None: ...

    found = inputs(made)
    assert found["width"] == Input("width", "int", False, 512, 8, 4096, 8, doc="in pixels", multiple_of=8)
    assert (found["cfg"].ge, found["cfg"].le) == (5e-324, 1.9999999999999998)
    assert (found["above"].ge, found["above"].le) == (1, 9)
    assert found["mode"] == Input("mode", "str", False, "b", choices=("a", "b"))
    assert found["depth"] == Input("depth", "int", False, None, choices=(1, 2))
    assert found["sampler"].choices == Choices("samplers")
    assert found["pixels"].type == "IMAGE"
    assert (found["text"].multiline, found["text"].doc) == (True, "What to draw.")
    assert found["area"].multiline
    assert found["seed"].link_only
    assert (found["value"].type, found["other"].type, found["ratio"].type) == (ANY, ANY, "int,float")


def test_an_input_without_default_is_required_unless_it_may_be_none() -> None:
    def made(a: int, b: int | None, c: int = 3) -> None: ...

    assert [(each.required, each.default) for each in node_type(made).inputs] == [
        (True, UNSET), (False, None), (False, 3),
    ]  # fmt: skip


def test_the_context_is_no_input() -> None:
    def made(number: int, context: NodeContext) -> int:
        return number

    assert node_type(made).context == "context"
    assert [each.name for each in node_type(made).inputs] == ["number"]


class Parts(NamedTuple):
    image: Image
    masks: list[elsewhere.Popen]


@node(outputs=("image", "mask"))
def split() -> tuple[Image, Annotated[elsewhere.Popen, Socket("MASK"), "Where it is."]]:
    raise NotImplementedError


def into_parts() -> Parts:
    raise NotImplementedError


def unnamed() -> tuple[Image, Image, int]:
    raise NotImplementedError


def expanding() -> tuple[int, str] | Expansion:
    raise NotImplementedError


async def waiting() -> Annotated[float, "Seconds."]:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (split, (Output("image", "Image"), Output("mask", "MASK", doc="Where it is."))),
        (into_parts, (Output("image", "Image"), Output("masks", "Popen", is_list=True))),
        (unnamed, (Output("image", "Image"), Output("image_2", "Image"), Output("int", "int"))),
        (expanding, (Output("int", "int"), Output("str", "str"))),
        (waiting, (Output("float", "float", doc="Seconds."),)),
    ],
)
def test_outputs(function: Any, expected: tuple[Output, ...]) -> None:
    assert node_type(function).outputs == expected


def test_a_wrapper_is_a_node_of_its_own() -> None:
    @node(title="Twice")
    def double(number: int) -> int:
        return 2 * number

    @functools.wraps(double)
    def counted(*arguments: int, **named: int) -> int:
        return double(*arguments, **named)

    assert node_type(counted).function is counted
    assert node_type(counted).title == "Twice"
    assert [each.name for each in node_type(counted).inputs] == ["number"]


def test_what_cannot_be_a_node_says_why() -> None:
    def refused(function: Any) -> str:
        with pytest.raises(GraphError) as caught:
            node_type(function)
        return str(caught.value)

    def many(*images: Image) -> None: ...
    def named(**images: Image) -> None: ...
    def positional(image: Image, /) -> None: ...
    def bare(image) -> None: ...
    def no_return(image: Image): ...
    def low(steps: Annotated[int, Field(ge=1)] = 0) -> None: ...
    def choice(mode: Literal["fast", "exact"] = "exat") -> None: ...  # pyright: ignore[reportArgumentType]
    def true(count: int = True) -> None: ...
    def in_default(steps: int = Field(20, ge=1)) -> None: ...
    def pattern(name: Annotated[str, Field(pattern="x")]) -> None: ...
    def text_bound(name: Annotated[str, Field(ge=1)]) -> None: ...
    def nothing_left(steps: Annotated[int, Field(ge=5, le=1)]) -> None: ...
    def listed(images: list[Image]) -> None: ...
    def own(id: int) -> None: ...  # noqa: A002
    def syntax(a: int) -> None: ...

    syntax.__annotations__["a"] = "int["

    def endless() -> tuple[int, ...]: ...

    assert refused(many) == (
        f"node 'many' ({__name__}), parameter 'images': the inputs of a node are counted; name each (a NodeType with "
        "open_inputs takes any)"
    )
    assert "the inputs of a node are counted" in refused(named)
    assert "parameter 'image': inputs are given by name; take the '/' out" in refused(positional)
    assert "parameter 'image': it has no annotation" in refused(bare)
    assert "what it returns: it has no annotation; write -> None" in refused(no_return)
    assert refused(low).endswith("parameter 'steps': its default is 0, must be at least 1")
    assert refused(choice).endswith("its default is 'exat', which is not one of the choices; did you mean 'exact'?")
    assert refused(true).endswith("its default is True, must be a whole number")
    assert refused(in_default).endswith("Field goes into the annotation: steps: Annotated[int, Field(…)] = …")
    assert "is not checked for inputs of nodes; they know ge, gt, le, lt and multiple_of" in refused(pattern)
    assert refused(text_bound).endswith("bounds are for numbers, this is str")
    assert refused(nothing_left).endswith("at least 5 and at most 1 leaves nothing")
    assert "say @node(takes_lists=True) to get the whole list" in refused(listed)
    assert "annotate it list[…]" in refused(node(takes_lists=True)(own_list))
    assert "Graph.add means the node's own by that name" in refused(own)
    assert "the annotation 'int[' cannot be evaluated" in refused(syntax)
    assert "a node has a fixed number of outputs" in refused(endless)
    assert refused(node(outputs="a")(two)).endswith("2 outputs are annotated, but 1 named: a")
    assert refused(node(outputs=("a", "a"))(two)).endswith("two outputs have the same name: a, a")
    assert "is no function" in refused(int)


def own_list(image: Image) -> None: ...


def two() -> tuple[int, str]:
    raise NotImplementedError
