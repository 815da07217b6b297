"""Image: what it accepts, how it rounds, how it is resized."""

from __future__ import annotations

import pickle

import pytest
import torch
from PIL import Image as PILImage

from sdkit import images
from sdkit.errors import ImageError
from sdkit.images import Image, read_image


def test_public_names() -> None:
    assert images.__all__ == [
        "GRAPH",
        "SUFFIXES",
        "Format",
        "GenerationRecord",
        "Image",
        "PluginVersions",
        "contact_sheet",
        "differences",
        "installed_versions",
        "mask_to_latents",
        "open_picture",
        "picture_bytes",
        "png_text",
        "read_image",
        "read_mask",
        "read_record",
        "read_text",
        "read_texts",
        "resize_mask_to_latents",
        "to_text_chunks",
    ]
    assert all(hasattr(images, name) for name in images.__all__)


def test_pixels_are_clipped_and_rounded_to_the_nearest() -> None:
    values = torch.tensor([-0.5, 0.0, 0.4 / 255, 0.6 / 255, 0.5, 254.6 / 255, 1.0, 7.0])
    image = Image(values.expand(3, 1, 8).contiguous())
    assert image.to_uint8()[0, :, 0].tolist() == [0, 0, 0, 1, 128, 255, 255, 255]


def test_every_8_bit_value_survives_the_way_through_floats() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).reshape(16, 16)
    picture = PILImage.fromarray(torch.stack((ramp, ramp.T, ramp.flip(0)), dim=2).numpy())
    image = Image.from_pil(picture)
    assert image.pixels.shape == (3, 16, 16)
    assert image.to_pil().tobytes() == picture.tobytes()


def test_channels_rows_and_columns_are_where_they_belong() -> None:
    pixels = torch.zeros(3, 2, 4)
    pixels[1, 0, 3] = 1  # green, top right
    picture = Image(pixels).to_pil()
    assert picture.size == (4, 2)
    assert picture.getpixel((3, 0)) == (0, 255, 0)
    assert (Image(pixels).width, Image(pixels).height) == (4, 2)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (8, 8, 3), (1, 8, 8), (3, 0, 8)])
def test_other_shapes_are_refused_with_the_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"\[3, H, W\].*these are \[" + ", ".join(map(str, shape))):
        Image(torch.zeros(shape))


def test_other_dtypes_are_refused_with_the_remedy() -> None:
    with pytest.raises(ImageError, match=r"torch\.float16 on cpu: use `pixels\.float\(\)\.cpu\(\)`"):
        Image(torch.zeros(3, 8, 8, dtype=torch.float16))


def test_nan_is_not_written_as_black() -> None:
    pixels = torch.zeros(3, 8, 8)
    pixels[0, 3, 3] = float("nan")
    with pytest.raises(ImageError, match="8x8 pixels has NaN in it"):
        Image(pixels).to_png()


def test_with_text_adds_and_replaces_and_leaves_the_original() -> None:
    image = Image(torch.zeros(3, 8, 8), text={"a": "1", "b": "2"}, seed=5, prompt="p", negative_prompt="n")
    more = image.with_text(b="3", self="4")
    assert more.text == {"a": "1", "b": "3", "self": "4"}
    assert image.text == {"a": "1", "b": "2"}
    assert (more.seed, more.prompt, more.negative_prompt) == (5, "p", "n")


def test_it_travels_to_other_processes() -> None:
    image = Image(torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0)), text={"a": "b"}, seed=3)
    copy = pickle.loads(pickle.dumps(image))
    assert torch.equal(copy.pixels, image.pixels)
    assert (copy.text, copy.seed) == ({"a": "b"}, 3)


def test_notebooks_get_a_png_without_text() -> None:
    shown = read_image(Image(torch.ones(3, 8, 8), text={"sdkit": "secret"})._repr_png_())
    assert shown.text == {}
    assert shown.pixels.min() == 1
    assert repr(Image(torch.ones(3, 8, 16), seed=4)) == "<Image 16x8, seed=4>"


def test_fit_crops_the_middle_of_what_is_hardly_larger() -> None:
    pixels = torch.rand(3, 21, 19, generator=torch.Generator().manual_seed(0))
    fitted = Image(pixels, seed=1).fit(16, 16)
    assert torch.equal(fitted.pixels, pixels[:, 2:18, 1:17])
    assert fitted.seed == 1


def test_fit_scales_until_the_size_is_covered_and_keeps_proportions() -> None:
    pixels = torch.zeros(3, 32, 96)
    pixels[:, :, 48:] = 1  # black left half, white right half
    fitted = Image(pixels).fit(16, 16)
    assert fitted.pixels.shape == (3, 16, 16)
    assert fitted.pixels[0, 8, 6] < 0.01
    assert fitted.pixels[0, 8, 9] > 0.99
    stripe = torch.zeros(3, 32, 96)
    stripe[:, :, 40:56] = 1
    assert abs(Image(stripe).fit(16, 16).pixels.mean() - 0.5) < 0.02, "half of the middle third, nothing squeezed"
    enlarged = Image(pixels).fit(192, 64).pixels
    assert enlarged.shape == (3, 64, 192)
    assert (enlarged.min(), enlarged.max()) == (0, 1), "bicubic overshoot is clipped"
    with pytest.raises(ImageError, match="not 0x8"):
        Image(pixels).fit(0, 8)
