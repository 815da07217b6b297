"""Files → batches and masks."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as pillow

from sdkit.editing import load_images, load_masks, to_uint8
from sdkit.errors import ImageError, UnknownNameError


def saved(picture: pillow.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def test_alpha_becomes_an_inverted_mask_and_colours_stay(tmp_path: Path) -> None:
    picture = pillow.new("RGBA", (3, 2), (51, 102, 255, 255))
    picture.putpixel((2, 1), (255, 0, 0, 51))
    path = tmp_path / "picture.png"
    picture.save(path)
    images, masks = load_images(path)
    assert images.shape == (1, 2, 3, 3)
    assert images[0, 0, 0].tolist() == pytest.approx([0.2, 0.4, 1])
    assert images[0, 1, 2].tolist() == [1, 0, 0]  # not darkened by its transparency
    assert masks.shape == (1, 2, 3)
    assert masks.flatten().tolist() == pytest.approx([0, 0, 0, 0, 0, 0.8])
    assert torch.equal(load_masks(path), masks)
    assert torch.equal(load_masks(path, "blue"), images[..., 2])


def test_no_transparency_is_an_empty_mask_of_64() -> None:
    picture = pillow.new("RGB", (5, 4), (1, 2, 3))
    assert load_images(picture)[1].shape == (1, 64, 64)
    assert load_images(picture)[1].sum() == 0
    alone = load_masks(saved(picture))
    assert alone.shape == (1, 4, 5)
    assert alone.sum() == 0
    keyed = saved(picture, transparency=(1, 2, 3))
    assert load_images(keyed)[1].shape == (1, 64, 64)  # a transparent colour of an RGB file does not count
    assert load_masks(keyed).eq(1).all()


def test_transparency_of_palettes_counts() -> None:
    picture = pillow.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((1, 0), 1)
    images, masks = load_images(saved(picture, transparency=1))
    assert masks.tolist() == [[[0, 1]]]
    assert images[0, 0].tolist() == [[1, 0, 0], [0, 1, 0]]


def test_pictures_are_turned_upright() -> None:
    picture = pillow.new("RGB", (4, 2))
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by 90°
    assert load_images(saved(picture, "JPEG", exif=exif))[0].shape == (1, 4, 2, 3)


def test_16_bit_greys_become_8_bits_by_255() -> None:
    greys = np.array([[0, 255, 256, 510, 32767, 65025, 65535]], np.uint16)
    images, _ = load_images(saved(pillow.fromarray(greys)))
    assert to_uint8(images[0, 0, :, 1]).tolist() == [0, 1, 1, 2, 128, 255, 255]
    assert torch.equal(load_images(pillow.fromarray(greys.astype(np.int32)))[0], images)
    assert torch.equal(load_masks(saved(pillow.fromarray(greys)), "red"), images[..., 0])


def test_every_frame_of_an_animation_is_a_picture() -> None:
    frames = [pillow.new("RGB", (3, 2), (shade, shade, shade)) for shade in (0, 100, 200)]
    images, masks = load_images(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
    assert to_uint8(images[:, 0, 0, 0]).tolist() == [0, 100, 200]
    assert masks.shape == (3, 64, 64)
    assert load_masks(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), "red").shape == (3, 2, 3)


def test_frames_with_and_without_alpha_go_together() -> None:
    half = pillow.new("RGBA", (3, 2), (0, 0, 0, 0))
    whole = pillow.new("RGB", (3, 2), (9, 9, 9))
    pages = saved(whole, "TIFF", save_all=True, append_images=[half, pillow.new("RGB", (7, 7))])
    images, masks = load_images(pages)
    assert images.shape == (2, 2, 3, 3)  # the third has another size
    assert masks[:, 0, 0].tolist() == [0, 1]


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ImageError, match=r"^hole\.png is not a picture that sdkit reads"):
        load_images(b"not a picture", name="hole.png")
    with pytest.raises(ImageError, match="damaged or cut short"):
        load_images(saved(pillow.new("RGB", (64, 64)))[:60])
    with pytest.raises(ImageError, match="the Pillow image has floating point pixels"):
        load_images(pillow.new("F", (2, 2)))
    with pytest.raises(UnknownNameError, match="no channel named 'luma'"):
        load_masks(pillow.new("RGB", (2, 2)), "luma")  # pyright: ignore[reportArgumentType] -- the point
