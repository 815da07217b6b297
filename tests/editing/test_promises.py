"""What every operation promises: inputs stay as they are, and results share no memory with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
import torch

from sdkit import editing
from sdkit.editing import LatentBatch

IMAGES, OTHERS = torch.rand(2, 16, 16, 3), torch.rand(2, 16, 16, 3)
MASKS, OTHER_MASKS = torch.rand(2, 16, 16), torch.rand(2, 16, 16)
LATENTS, OTHER_LATENTS = torch.rand(2, 4, 16, 16), torch.rand(2, 4, 16, 16)
BATCH = LatentBatch(LATENTS, torch.rand(2, 1, 128, 128), (0, 1))
ALPHA = torch.rand(2, 16, 16, 4)

# As near to doing nothing as can be: that is where a result would be the input itself.
CALLS: dict[str, Callable[[], object]] = {
    "add_latents": lambda: editing.add_latents(LATENTS, OTHER_LATENTS),
    "blend_images": lambda: editing.blend_images(IMAGES, OTHERS, 1.0),
    "blend_latents": lambda: editing.blend_latents(LATENTS, OTHER_LATENTS, 1.0),
    "blur_images": lambda: editing.blur_images(IMAGES, 0),
    "canny": lambda: editing.canny(IMAGES),
    "colour_to_masks": lambda: editing.colour_to_masks(IMAGES, 0),
    "combine_masks": lambda: editing.combine_masks(MASKS, OTHER_MASKS, 16, 16, "add"),
    "composite_images": lambda: editing.composite_images(IMAGES, OTHERS),
    "composite_latents": lambda: editing.composite_latents(LATENTS, OTHER_LATENTS),
    "composite_latents_feathered": lambda: editing.composite_latents_feathered(LATENTS, OTHER_LATENTS),
    "crop_images": lambda: editing.crop_images(IMAGES, 0, 0, 16, 16),
    "crop_latents": lambda: editing.crop_latents(LATENTS, 0, 0, 128, 128),
    "crop_masks": lambda: editing.crop_masks(MASKS, 0, 0, 16, 16),
    "feather_masks": lambda: editing.feather_masks(MASKS),
    "flip_images": lambda: editing.flip_images(IMAGES, "vertically"),
    "flip_latents": lambda: editing.flip_latents(LATENTS, "vertically"),
    "frame_images": lambda: (editing.frame_images(IMAGES, 16, 16), editing.frame_images(IMAGES, 9, 9)),
    "from_pictures": lambda: editing.from_pictures(editing.to_pictures(IMAGES)),
    "from_uint8": lambda: editing.from_uint8(editing.to_uint8(IMAGES)),
    "grey_out": lambda: editing.grey_out(IMAGES, MASKS),
    "grow_masks": lambda: (editing.grow_masks(MASKS, 0), editing.grow_masks(MASKS, 0, tapered=False)),
    "images_to_masks": lambda: editing.images_to_masks(IMAGES),
    "interpolate_latents": lambda: editing.interpolate_latents(LATENTS, OTHER_LATENTS, 1.0),
    "invert_images": lambda: editing.invert_images(ALPHA),
    "invert_masks": lambda: editing.invert_masks(MASKS),
    "join_alpha": lambda: editing.join_alpha(IMAGES, MASKS),
    "join_latents": lambda: editing.join_latents([BATCH]),
    "load_images": lambda: editing.load_images(editing.to_pillow(IMAGES)[0]),
    "load_masks": lambda: editing.load_masks(editing.to_pillow(IMAGES)[0]),
    "masks_to_images": lambda: editing.masks_to_images(MASKS),
    "morph_images": lambda: (editing.morph_images(IMAGES, "erode", 1), editing.morph_images(IMAGES, "dilate", 1)),
    "multiply_latents": lambda: editing.multiply_latents(LATENTS, 1.0),
    "noise_mask_for": lambda: editing.noise_mask_for(BATCH.noise_mask, LATENTS),  # pyright: ignore[reportArgumentType]
    "pad_for_outpaint": lambda: editing.pad_for_outpaint(IMAGES, 0, 0, 0, 0),
    "pick_images": lambda: editing.pick_images(IMAGES, 0, 2),
    "pick_latents": lambda: editing.pick_latents(BATCH, 0, 2),
    "porter_duff": lambda: editing.porter_duff(IMAGES, MASKS, OTHERS, OTHER_MASKS, "DST"),
    "prepare_inpaint": lambda: editing.prepare_inpaint(IMAGES, MASKS, 0),
    "quantise_images": lambda: editing.quantise_images(ALPHA),
    "rebatch_images": lambda: editing.rebatch_images([IMAGES], 1),
    "rebatch_latents": lambda: editing.rebatch_latents([BATCH], 2),
    "repeat_images": lambda: editing.repeat_images(IMAGES, 1),
    "repeat_latents": lambda: editing.repeat_latents(BATCH, 1),
    "resize": lambda: (
        [editing.resize(LATENTS, 16, 16, method) for method in ("nearest-exact", "bilinear", "area")]
        + [editing.resize(LATENTS, 16, 16, method) for method in ("bicubic", "lanczos", "bislerp")]
    ),
    "rotate_images": lambda: editing.rotate_images(IMAGES, 0),
    "rotate_latents": lambda: editing.rotate_latents(LATENTS, 0),
    "scale_images": lambda: (editing.scale_images(IMAGES, 0, 0), editing.scale_images(IMAGES, 16, 16)),
    "scale_images_by": lambda: editing.scale_images_by(IMAGES, 1.0),
    "scale_images_to_pixels": lambda: editing.scale_images_to_pixels(IMAGES, 256 / 1024**2),
    "scale_images_to_side": lambda: editing.scale_images_to_side(IMAGES, 16),
    "scale_latents": lambda: (editing.scale_latents(LATENTS, 0, 0), editing.scale_latents(LATENTS, 128, 128)),
    "scale_latents_by": lambda: editing.scale_latents_by(LATENTS, 1.0),
    "scale_masks": lambda: editing.scale_masks(MASKS, 16, 16),
    "sharpen_images": lambda: editing.sharpen_images(IMAGES, 0),
    "split_alpha": lambda: (editing.split_alpha(ALPHA), editing.split_alpha(IMAGES)),
    "stack_images": lambda: editing.stack_images([IMAGES]),
    "stitch_images": lambda: editing.stitch_images(IMAGES, OTHERS),
    "subtract_latents": lambda: editing.subtract_latents(LATENTS, OTHER_LATENTS),
    "threshold_masks": lambda: editing.threshold_masks(MASKS),
    "to_pictures": lambda: [picture.pixels for picture in editing.to_pictures(IMAGES)],
    "to_uint8": lambda: editing.to_uint8(IMAGES),
    "with_noise_mask": lambda: editing.with_noise_mask(BATCH, MASKS).noise_mask,
}
MAKE_NEW = {"empty_images", "empty_latents", "solid_masks", "to_pillow"}
"""They have no input, or a result that is no tensor."""
SHARE = {"match_channels": "a view", "match_latents": "itself", "repeat_to": "a view", "share_noise": "same tensors"}
"""They may, and their docstrings say so."""


def tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, LatentBatch):
        yield from tensors([getattr(value, field.name) for field in dataclasses.fields(value)])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)


@pytest.mark.parametrize("name", CALLS)
def test_inputs_are_neither_changed_nor_shared(name: str) -> None:
    inputs = list(tensors([IMAGES, OTHERS, MASKS, OTHER_MASKS, BATCH, OTHER_LATENTS, ALPHA]))
    versions = [tensor._version for tensor in inputs]
    owned = {tensor.untyped_storage().data_ptr() for tensor in inputs}
    results = list(tensors(CALLS[name]()))
    assert results
    assert [tensor._version for tensor in inputs] == versions
    assert not owned & {tensor.untyped_storage().data_ptr() for tensor in results}
    written = {tensor.untyped_storage().data_ptr() for tensor in results}
    assert len(written) == len(results), "two results share memory"


def test_every_function_is_held_to_it() -> None:
    functions = {name for name in editing.__all__ if name[0].islower()}
    assert functions == set(CALLS) | MAKE_NEW | set(SHARE)
    for name, words in SHARE.items():
        said = " ".join((getattr(editing, name).__doc__ or "").split())
        assert words in said, f"{name} does not say that its result may share memory with its input"
