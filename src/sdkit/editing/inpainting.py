"""What of a picture and its mask is encoded where a part is to be painted anew."""

from __future__ import annotations

import torch

from sdkit.editing.batches import repeat_to
from sdkit.editing.checks import as_masks, check_images, check_least
from sdkit.editing.cropping import GREY
from sdkit.editing.morphology import highest
from sdkit.editing.scaling import FACTOR, resize
from sdkit.errors import RequestError


def grey_out(images: torch.Tensor, masks: torch.Tensor, multiple: int = FACTOR) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures `[B, H, W, C]` with grey where the mask, `[B' , H', W']`, is above ½, and the mask in their size.

    Both are cut, around the middle, to sides that are multiples of `multiple`: `[B, H″, W″, C]` and `[B', 1, H″, W″]`.
    The mask is resized bilinearly and keeps its greys. This is what models made for inpainting are shown.
    """
    check_images(images)
    planes = as_masks(masks)[:, None].to(images.device)
    height, width = (side // multiple * multiple for side in images.shape[1:3])
    if not height or not width:
        raise RequestError(f"pictures have at least {multiple}x{multiple} pixels to be encoded: {list(images.shape)}")
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    mask = resize(planes, images.shape[2], images.shape[1])[:, :, top : top + height, left : left + width].clone()
    pixels = images[:, top : top + height, left : left + width].clone()
    keep = repeat_to((1 - mask.round())[:, 0, :, :, None], len(images))
    # In ComfyUI's order, because it rounds: (p − ½)·1 + ½ is not always p.
    pixels[..., :3] = (pixels[..., :3] - GREY) * keep + GREY
    return pixels, mask


def prepare_inpaint(
    images: torch.Tensor, masks: torch.Tensor, grow_by: int = 6, multiple: int = FACTOR
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `grey_out` makes of pictures, and the mask of what may change: 0 or 1, grown, `[B', 1, H″, W″]`.

    `grow_by`: over how many pixels the mask grows, so that the seam is painted anew, too; a pixel changes where the
    mask is above ½ anywhere from ⌈(n − 1)/2⌉ pixels before it to ⌊(n − 1)/2⌋ after it. 0 and 1 grow nothing.
    """
    check_least("grow_by", grow_by, 0)
    pixels, mask = grey_out(images, masks, multiple)
    before = grow_by // 2
    return pixels, highest(mask.round(), before, max(0, grow_by - 1 - before)).clamp(0, 1)
