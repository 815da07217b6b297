"""Pictures: out of files, into files, and to whoever looks on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sdkit import Workspace
from sdkit.errors import GraphError, ImageError, ImageExistsError
from sdkit.graph import CheckContext, Choices, NodeContext, node
from sdkit.images import GRAPH

if TYPE_CHECKING:
    from sdkit.builtin.nodes.sockets import Mask
    from sdkit.images import Image


def _picture_file(context: CheckContext, name: str | None) -> str:
    """What changes when the file does."""
    if name is None:
        return ""
    path = context.service(Workspace).inputs.find(name)
    stat = path.stat()
    return f"{path} {stat.st_size} {stat.st_mtime_ns}"


@node(category="pictures", outputs=("image", "mask"), changes=_picture_file)
def load_image(context: NodeContext, name: Annotated[str, Choices("inputs")]) -> tuple[Image, Mask]:
    """A picture from the workspace's input folders, and its mask: 1 where the file is transparent."""
    from sdkit.editing import load_masks
    from sdkit.images import read_image

    path = context.service(Workspace).inputs.find(name)
    return read_image(path), load_masks(path)[:1]


def _below_the_folder(context: CheckContext, prefix: str | None, **_: object) -> str | None:
    """What is wrong with a prefix."""
    try:
        if prefix is not None:
            context.service(Workspace).outputs.path(prefix)
    except ImageError as error:
        return f"prefix: {error}"
    return None


@node(category="pictures", check=_below_the_folder)
def save_image(
    context: NodeContext,
    image: Image,
    prefix: str = "sdkit",
    format: Literal["png", "jpeg", "webp"] = "png",  # noqa: A002 -- as in Image.save
    quality: Annotated[int, Field(ge=1, le=100)] = 95,
    metadata: bool = True,
) -> None:
    """Write a picture into the output folder: `prefix_00001.png`, or the next number that is free; a prefix may name
    folders. The file carries the record of the picture, and the graph, which `Workspace.load` reads out of it."""
    if metadata:
        image = _with_graph(image, context)
    suffix = ".jpg" if format == "jpeg" else f".{format}"
    for path in context.service(Workspace).outputs.free(prefix, suffix):
        try:
            saved = image.save(path, format=format, quality=quality, metadata=metadata)
        except ImageExistsError:  # somebody else was faster
            continue
        context.report("images", saved)
        return


@node(category="pictures")
def preview_image(context: NodeContext, image: Image) -> None:
    """Hand a picture to whoever runs the graph, in `result.ui`, without writing it."""
    context.report("images", image)


def _with_graph(image: Image, context: NodeContext) -> Image:
    try:
        text = context.graph.to_json(indent=None)
    except GraphError:  # it holds values that no file can hold, such as a picture given from Python
        return image
    return image.with_text(**{GRAPH: text})
