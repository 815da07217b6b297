"""Pictures from files and into files."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import torch
from PIL import Image as pillow
from pydantic import Field

from sdkit import Workspace, node
from sdkit.editing import MaskChannel, load_images, load_masks, masks_to_images, to_pictures, to_pillow
from sdkit.errors import ImageError
from sdkit.graph import CheckContext, Choices, NodeContext
from sdkit.images import png_text
from sdkit_comfy.formats import text_chunks
from sdkit_comfy.places import find_file, save_files
from sdkit_comfy.sockets import IMAGE, MASK

logger = logging.getLogger("sdkit")

Picture = Annotated[str, Choices("inputs", open=True)]
Rate = Annotated[float, Field(ge=0.01, le=1000)]
METHODS = {"default": 4, "fastest": 0, "slowest": 6}
_MODEL, _MAKE = 0x0110, 0x010F


def _is_there(*, context: CheckContext, image: str | None, **others: object) -> str | None:
    return _fault(context, image, "input")


def _is_in_outputs(*, context: CheckContext, image: str | None) -> str | None:
    return _fault(context, image, "output")


def _content(*, context: CheckContext, image: str | None, **others: object) -> str:
    return "" if image is None else _hash(find_file(context.service(Workspace), image))


def _output_content(*, context: CheckContext, image: str | None) -> str:
    return "" if image is None else _hash(find_file(context.service(Workspace), image, "output"))


@node(name="LoadImage", category="image", check=_is_there, changes=_content)
def load_image(*, context: NodeContext, image: Picture) -> tuple[IMAGE, MASK]:
    """A picture from a file, and the mask of where it is transparent."""
    return load_images(find_file(context.service(Workspace), image))


@node(name="LoadImageOutput", category="image", check=_is_in_outputs, changes=_output_content)
def load_image_output(*, context: NodeContext, image: str) -> tuple[IMAGE, MASK]:
    """A picture from the folder that graphs save into."""
    return load_images(find_file(context.service(Workspace), image, "output"))


@node(name="LoadImageMask", category="mask", check=_is_there, changes=_content)
def load_image_mask(*, context: NodeContext, image: Picture, channel: MaskChannel = "alpha") -> MASK:
    """One channel of a picture from a file as a mask."""
    return load_masks(find_file(context.service(Workspace), image), channel)


@node(name="SaveImage", category="image", outputs="images", is_output=True)
def save_image(*, context: NodeContext, images: IMAGE, filename_prefix: str = "ComfyUI") -> IMAGE:
    """Save pictures as PNG, with the workflow in them; they are passed on."""
    texts = workflow_texts(context)
    _save(context, filename_prefix, ".png", images, (_png(each, texts) for each in to_pillow(images)))
    return images


@node(name="SaveAnimatedPNG", category="image/animation")
def save_animated_png(
    *,
    context: NodeContext,
    images: IMAGE,
    filename_prefix: str = "ComfyUI",
    fps: Rate = 6.0,
    compress_level: Annotated[int, Field(ge=0, le=9)] = 4,
) -> None:
    """Save pictures as the frames of one animated PNG."""
    first, *others = to_pillow(images)
    file = io.BytesIO()
    first.save(
        file,
        "PNG",
        pnginfo=png_text(workflow_texts(context)),
        compress_level=compress_level,
        save_all=True,
        append_images=others,
        duration=int(1000 / fps),
    )
    _save(context, filename_prefix, ".png", images, [file.getvalue()])


@node(name="SaveAnimatedWEBP", category="image/animation")
def save_animated_webp(
    *,
    context: NodeContext,
    images: IMAGE,
    filename_prefix: str = "ComfyUI",
    fps: Rate = 6.0,
    lossless: bool = True,
    quality: Annotated[int, Field(ge=0, le=100)] = 80,
    method: Literal["default", "fastest", "slowest"] = "default",
) -> None:
    """Save pictures as the frames of one animated WebP."""
    first, *others = to_pillow(images)
    exif = first.getexif()
    for tag, (keyword, text) in zip((_MODEL, _MAKE), workflow_texts(context).items(), strict=False):
        exif[tag] = f"{keyword}:{text}"
    file = io.BytesIO()
    first.save(
        file,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=int(1000 / fps),
        exif=exif,
        lossless=lossless,
        quality=quality,
        method=METHODS[method],
    )
    _save(context, filename_prefix, ".webp", images, [file.getvalue()])


@node(name="PreviewImage", category="image", outputs="images", is_output=True)
def preview_image(*, context: NodeContext, images: IMAGE) -> IMAGE:
    """Show pictures without saving them; they are passed on."""
    _show(context, images)
    return images


@node(name="MaskPreview", category="mask", outputs="mask", is_output=True)
def mask_preview(*, context: NodeContext, mask: MASK) -> MASK:
    """Show masks without saving them; they are passed on."""
    _show(context, masks_to_images(mask))
    return mask


@node(name="ImageCompare", category="image")
def image_compare(*, context: NodeContext, image_a: IMAGE | None = None, image_b: IMAGE | None = None) -> None:
    """Show two batches of pictures, one after the other."""
    for images in (image_a, image_b):
        if images is not None:
            _show(context, images)


def workflow_texts(context: NodeContext) -> dict[str, str]:
    """What a file carries of the graph that made it: `prompt` and `workflow`. Nothing, with a warning, if the graph has
    values in it that JSON cannot hold."""
    try:
        return text_chunks(context.graph, context.service(Workspace).types)
    except (TypeError, ValueError) as error:
        logger.warning("node %s saves its files without the workflow: %s", context.node, error)
        return {}


def _png(picture: pillow.Image, texts: Mapping[str, str]) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=png_text(texts), compress_level=4)
    return file.getvalue()


def _save(context: NodeContext, prefix: str, suffix: str, images: torch.Tensor, files: Iterable[bytes]) -> None:
    size = (images.shape[2], images.shape[1])
    for path in save_files(context.service(Workspace), prefix, suffix, files, context.graph, size):
        context.report("images", path)


def _show(context: NodeContext, images: torch.Tensor) -> None:
    for picture in to_pictures(images):
        context.report("images", picture)


def _fault(context: CheckContext, image: str | None, default: str) -> str | None:
    if image is None:
        return None
    try:
        find_file(context.service(Workspace), image, default)
    except ImageError as error:
        return str(error)
    return None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
