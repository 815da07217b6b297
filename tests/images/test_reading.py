"""Reading pictures: every mode Pillow has for us, and every way in which a file can be none."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from sdkit.errors import ImageError, SdkitError
from sdkit.images import Image, read_image, read_record


def file_of(picture: PILImage.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def png(width: int, height: int, *, bits: int = 8, colour: int = 0) -> bytes:
    """A PNG's header and an end, with hardly any pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


def colours(image: Image) -> list[list[float]]:
    return [[round(value, 3) for value in pixel] for pixel in image.pixels.flatten(1).T.tolist()]


def test_modes_become_rgb() -> None:
    red = PILImage.new("RGB", (1, 1), (255, 0, 0))
    for picture in (red, red.convert("P"), red.convert("RGBA"), PILImage.new("CMYK", (1, 1), (0, 255, 255, 0))):
        data = file_of(picture, "TIFF" if picture.mode == "CMYK" else "PNG")
        assert colours(read_image(data)) == [[1, 0, 0]], picture.mode
    assert colours(read_image(file_of(PILImage.new("1", (1, 1), 1)))) == [[1, 1, 1]]
    assert colours(read_image(file_of(PILImage.new("L", (1, 1), 51)))) == [[0.2, 0.2, 0.2]]
    assert colours(read_image(file_of(PILImage.new("F", (1, 1), 0.25), "TIFF"))) == [[0.25, 0.25, 0.25]]


def test_16_bit_greys_keep_their_precision() -> None:
    values = np.array([[0, 1, 32768, 65535]], dtype=np.uint16)
    picture = PILImage.fromarray(values)
    for kind in ("PNG", "TIFF", "PPM"):
        read = read_image(file_of(picture, kind)).pixels
        assert torch.equal(read[0, 0], torch.tensor([0, 1, 32768, 65535]) / 65535), kind
        assert torch.equal(read[0], read[2])


def test_transparency_is_flattened_onto_black() -> None:
    picture = PILImage.new("RGBA", (3, 1))
    for x, pixel in enumerate([(255, 255, 255, 0), (255, 255, 255, 255), (200, 100, 0, 51)]):
        picture.putpixel((x, 0), pixel)
    assert colours(read_image(file_of(picture))) == [[0, 0, 0], [1, 1, 1], [0.157, 0.078, 0]]
    palette = PILImage.new("P", (1, 1), 0)
    palette.putpalette([255, 255, 255])
    assert colours(read_image(file_of(palette, "GIF", transparency=0))) == [[0, 0, 0]]


def test_pictures_are_turned_upright() -> None:
    picture = PILImage.new("RGB", (16, 8), "black")
    picture.paste((255, 255, 255), (0, 0, 8, 8))  # left half white
    exif = PILImage.Exif()
    exif[0x0112] = 6  # the camera was held turned: rotate by 90° clockwise to see it right
    image = read_image(file_of(picture, "JPEG", exif=exif, quality=95))
    assert (image.width, image.height) == (8, 16)
    assert image.pixels[:, :8].mean() > 0.95
    assert image.pixels[:, 8:].mean() < 0.05


def test_animations_give_their_first_frame() -> None:
    frames = [PILImage.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert colours(read_image(data))[0] == [1, 0, 0]


def test_a_path_and_a_name_are_used_in_messages(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"cannot read the picture '.*missing\.png': No such file"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(ImageError, match=r"cannot read the picture .*Is a directory|Permission denied"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match=r"cannot read the picture .*null"):
        read_image("a\0.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match=r"'.*empty\.png' is empty: 0 bytes"):
        read_image(str(tmp_path / "empty.png"))
    with pytest.raises(ImageError, match=r"^the upload is empty"):
        read_image(b"", name="the upload")


def test_what_is_no_picture_says_how_it_begins() -> None:
    with pytest.raises(ImageError, match=r"not a picture that sdkit reads \(PNG, .*it begins with b'hello wo'"):
        read_image(b"hello world")


def test_postscript_is_not_run() -> None:
    with pytest.raises(ImageError, match="not a picture"):
        read_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_truncated_files_are_errors(kind: str) -> None:
    noise = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    data = file_of(Image(noise).to_pil(), kind)
    with pytest.raises(ImageError, match=rf"damaged or cut short \({len(data) // 2} bytes\)"):
        read_image(data[: len(data) // 2])


def test_bombs_are_not_unpacked() -> None:
    for width, height in ((8193, 8192), (11_000, 11_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)):
        with (
            pytest.raises(ImageError, match=r"too large: .*8192x8192\. Scale it down first"),
            pytest.warns() if width == 11_000 else contextlib.nullcontext(),  # Pillow's own warning
        ):
            read_image(png(width, height))


def test_a_file_without_end_is_not_read_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sdkit.images.reading.MAX_BYTES", 1000)
    (tmp_path / "a.png").write_bytes(bytes(1001))
    with pytest.raises(ImageError, match="too large: more than 1000 bytes"):
        read_image(tmp_path / "a.png")


def test_a_bomb_in_the_text_is_an_error() -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "a" * 2**22, zip=True)
    with pytest.raises(ImageError, match="damaged"):
        read_image(file_of(PILImage.new("L", (1, 1)), "PNG", pnginfo=info))


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_raise_nothing_but_sdkit_errors() -> None:
    rng = random.Random(0)
    image = Image(torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0)), text={"parameters": "a\nSteps: 3"})
    files = [file_of(image.to_pil(), kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM")]
    files += [image.to_png(), file_of(image.to_pil().convert("P"))]
    survived = 0
    for _ in range(600):
        data = bytearray(rng.choice(files))
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        del data[rng.randrange(1, 2 * len(data)) :]
        for read in (read_image, read_record):
            with contextlib.suppress(SdkitError):
                survived += read(bytes(data)) is not None
    assert survived > 50, "the damage is small enough for some to be read"
