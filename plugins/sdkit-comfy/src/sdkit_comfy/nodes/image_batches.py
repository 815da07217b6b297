"""Batches of pictures: joined, split, repeated."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from sdkit import node
from sdkit.editing import pick_images, rebatch_images, repeat_images, stack_images
from sdkit.errors import RequestError
from sdkit.graph import Input, NodeType, Output
from sdkit_comfy.ranges import Many
from sdkit_comfy.sockets import IMAGE


@node(name="ImageBatch", category="image")
def image_batch(*, image1: IMAGE, image2: IMAGE) -> IMAGE:
    """The pictures of both, in the first one's size."""
    return stack_images((image1, image2))


def _batch_images(**images: Any) -> Any:
    found = [images[name] for name in sorted(images, key=_number) if images[name] is not None]
    if not found:
        raise RequestError("BatchImagesNode has no pictures; link at least one")
    return stack_images(found)


def _number(name: str) -> int:
    digits = "".join(letter for letter in name if letter.isdigit())
    return int(digits) if digits else 0


BATCH_IMAGES = NodeType(
    name="BatchImagesNode",
    function=_batch_images,
    inputs=(Input("images.image0", "IMAGE", required=False), Input("images.image1", "IMAGE", required=False)),
    outputs=(Output("image", "IMAGE"),),
    title="Batch Images",
    category="image",
    summary="The pictures of all, in the first one's size.",
    open_inputs=True,
)
"""Takes as many batches as are linked: `images.image0`, `images.image1`, …"""


@node(name="ImageFromBatch", category="image/batch")
def image_from_batch(
    *, image: IMAGE, batch_index: Annotated[int, Field(ge=-4096, le=4095)] = 0, length: Many = 1
) -> IMAGE:
    """Some of the pictures, from this number on; −1 is the last."""
    return pick_images(image, batch_index if batch_index >= 0 else max(0, len(image) + batch_index), length)


@node(name="RepeatImageBatch", category="image/batch")
def repeat_image_batch(*, image: IMAGE, amount: Many = 1) -> IMAGE:
    """All pictures, so many times one after the other."""
    return repeat_images(image, amount)


@node(name="RebatchImages", category="image/batch", takes_lists=True)
def rebatch(*, images: list[IMAGE], batch_size: list[Many]) -> list[IMAGE]:
    """The pictures of a list of batches in batches of another size."""
    return rebatch_images(images, batch_size[0])
