"""A few kinds of nodes, for tests of what is said about graphs before they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sdkit.graph import ANY, Choices, Input, NodeType, Output, node, node_type

if TYPE_CHECKING:
    from nowhere import Clip, Latents, Model  # pyright: ignore[reportMissingImports]


@node(category="models", outputs=("model", "clip"))
def load(name: str = "embedded") -> tuple[Model, Clip]:
    """Load a model."""
    raise NotImplementedError(name)


@node(category="latents")
def empty(width: Annotated[int, Field(ge=8, le=4096, multiple_of=8, description="in pixels")] = 512) -> Latents:
    raise NotImplementedError(width)


@node(category="sampling")
def sample(
    model: Model,
    latents: Latents,
    seed: int = 0,
    steps: Annotated[int, Field(ge=1, le=1000)] = 20,
    denoise: Annotated[float, Field(gt=0, le=1)] = 1.0,
    sampler: Annotated[str, Choices("samplers")] = "euler",
    mode: Literal["fast", "exact"] = "fast",
    preview: bool = False,
) -> Latents:
    """Sample."""
    raise NotImplementedError(model, latents, seed, steps, denoise, sampler, mode, preview)


@node
def save(latents: Latents, name: str | None = None) -> None:
    raise NotImplementedError(latents, name)


def anything(**inputs: object) -> object:
    return inputs


TYPES = {each.name: each for each in map(node_type, (load, empty, sample, save))} | {
    "join": NodeType("join", anything, (), (Output("all", ANY),), open_inputs=True),
    "odd one": NodeType(
        "odd one",
        anything,
        (Input("a b", "int"), Input("class", "str", required=False), Input("id", "str", required=False, default="x")),
        (Output("out", "INT"), Output("out", ANY), Output("index", "int")),
    ),
}


def samplers(source: str) -> list[str]:
    assert source == "samplers"
    return ["euler", "euler_ancestral", "heun"]
