"""Masks: 1 where the picture is to change."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image as PILImage

from sdkit.errors import ImageError
from sdkit.images import Image, mask_to_latents, read_mask, resize_mask_to_latents


def test_white_is_exactly_one_and_greys_are_what_they_are() -> None:
    greys = torch.tensor([0.0, 0.1, 1 / 3, 0.7, 1.0])
    mask = read_mask(Image(greys.expand(3, 1, 5).contiguous()))
    assert mask.shape == (1, 1, 1, 5)
    assert torch.equal(mask.flatten(), greys)


def test_colours_count_as_bright_as_they_look() -> None:
    mask = read_mask(Image(torch.eye(3)[:, None]))
    assert mask.flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])


def test_alpha_changes_what_was_erased() -> None:
    picture = PILImage.new("RGBA", (2, 1), (9, 9, 9, 255))
    picture.putpixel((1, 0), (9, 9, 9, 51))
    out = io.BytesIO()
    picture.save(out, "PNG")
    assert read_mask(out.getvalue(), "alpha").flatten().tolist() == pytest.approx([0, 0.8])
    with pytest.raises(ImageError, match="has no transparency to take a mask from; give read_mask the file"):
        read_mask(Image.from_pil(picture), "alpha")
    out = io.BytesIO()
    picture.convert("RGB").save(out, "PNG")
    with pytest.raises(ImageError, match=r"^hole\.png has no transparency \(mode RGB\)"):
        read_mask(out.getvalue(), "alpha", name="hole.png")


def test_white_paint_on_nothing_reads_as_meant() -> None:
    picture = PILImage.new("RGBA", (2, 1))
    picture.putpixel((0, 0), (255, 255, 255, 255))
    assert read_mask(Image.from_pil(picture)).flatten().tolist() == [1, 0]


def test_latents_get_the_bilinear_value_at_their_centre() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 16, 32)
    small = resize_mask_to_latents(ramp, 2, 4)
    # Centre of latent i lies between pixels 8i + 3 and 8i + 4.
    assert small[0, 0, 0].tolist() == pytest.approx([(8 * i + 3.5) / 31 for i in range(4)], abs=1e-6)
    with pytest.raises(ImageError, match=r"a mask is \[1, 1, H, W\]; this one is \[16, 32\]"):
        resize_mask_to_latents(ramp[0, 0], 2, 4)


def test_a_mask_picture_at_the_latents_size() -> None:
    pixels = torch.zeros(3, 16, 32)
    pixels[:, 8:, 16:] = 1
    assert mask_to_latents(Image(pixels), 8).tolist() == [[[[0, 0, 0, 0], [0, 0, 1, 1]]]]
