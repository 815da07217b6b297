"""Pictures put onto others, and transparency."""

from __future__ import annotations

from sdkit import node
from sdkit.editing import PorterDuffMode, composite_images, join_alpha, porter_duff, split_alpha
from sdkit_comfy.ranges import Place
from sdkit_comfy.sockets import IMAGE, MASK


@node(name="ImageCompositeMasked", category="image")
def image_composite_masked(
    *,
    destination: IMAGE,
    source: IMAGE,
    x: Place = 0,
    y: Place = 0,
    resize_source: bool = False,
    mask: MASK | None = None,
) -> IMAGE:
    """A picture on another one, where a mask lets it through."""
    return composite_images(destination, source, x, y, mask, resize_source=resize_source)


@node(name="PorterDuffImageComposite", category="mask/compositing")
def porter_duff_image_composite(
    *,
    source: IMAGE,
    source_alpha: MASK,
    destination: IMAGE,
    destination_alpha: MASK,
    mode: PorterDuffMode = "DST",
) -> tuple[IMAGE, MASK]:
    """Two pictures with transparency, put together by one of Porter and Duff's operators."""
    return porter_duff(source, source_alpha, destination, destination_alpha, mode)


@node(name="JoinImageWithAlpha", category="mask/compositing")
def join_image_with_alpha(*, image: IMAGE, alpha: MASK) -> IMAGE:
    """Pictures that are transparent where a mask is."""
    return join_alpha(image, alpha)


@node(name="SplitImageWithAlpha", category="mask/compositing")
def split_image_with_alpha(*, image: IMAGE) -> tuple[IMAGE, MASK]:
    """The colours of pictures, and the mask of where they are transparent."""
    return split_alpha(image)
