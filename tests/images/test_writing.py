"""Saving: formats, names, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image as PILImage

from sdkit.errors import ImageError, ImageExistsError
from sdkit.images import Image, read_image

TEXT = {"parameters": "a cat\nSteps: 3", "sdkit": '{"a": 1}', "note": "東京 é \n two lines"}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def image() -> Image:
    return Image(torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(0)), text=TEXT)


def test_png_keeps_every_pixel_and_all_text(image: Image, tmp_path: Path) -> None:
    path = image.save(tmp_path / "a.png")
    back = read_image(path)
    assert torch.equal(back.to_uint8(), image.to_uint8())
    assert back.text == TEXT
    with PILImage.open(path) as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.webp", "WEBP")])
def test_lossy_formats_keep_the_text_too(name: str, kind: str, tmp_path: Path) -> None:
    ramp = torch.linspace(0, 1, 64).expand(3, 64, 64).contiguous()
    path = Image(ramp, text=TEXT).save(str(tmp_path / name))
    back = read_image(path)
    assert back.text == TEXT
    assert (back.pixels - ramp).abs().max() < 0.03
    with PILImage.open(path) as picture:
        assert picture.format == kind
        comment = picture.getexif().get_ifd(0x8769)[0x9286]
    assert comment == b"UNICODE\0" + TEXT["parameters"].encode("utf-16-be"), "as A1111 writes and reads it"


def test_quality_makes_smaller_files(image: Image, tmp_path: Path) -> None:
    for suffix in ("jpg", "webp"):
        low, high = (image.save(tmp_path / f"{q}.{suffix}", quality=q).stat().st_size for q in (10, 95))
        assert low < high


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_metadata_can_be_left_out(image: Image, tmp_path: Path, suffix: str) -> None:
    path = image.save(tmp_path / f"a.{suffix}", metadata=False)
    assert read_image(path).text == {}
    assert b"Steps" not in path.read_bytes()


def test_format_beats_the_suffix(image: Image, tmp_path: Path) -> None:
    with PILImage.open(image.save(tmp_path / "a.bin", format="webp")) as picture:
        assert picture.format == "WEBP"


def test_faults_of_the_call_are_explained(image: Image, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"cannot tell the format of .*a\.gif.*\.png, \.jpg, \.jpeg, \.webp"):
        image.save(tmp_path / "a.gif")
    with pytest.raises(ImageError, match="sdkit writes png, jpeg and webp, not 'gif'"):
        image.save(tmp_path / "a.gif", format="gif")  # pyright: ignore[reportArgumentType] -- the point of the test
    with pytest.raises(ImageError, match="quality is from 1 to 100, not 101"):
        image.save(tmp_path / "a.jpg", quality=101)
    with pytest.raises(ImageError, match="webp holds at most 16383 pixels a side; this picture has 16384x1"):
        Image(torch.zeros(3, 1, 16384)).save(tmp_path / "a.webp")
    with pytest.raises(ImageError, match="'a key ' cannot be a keyword"):
        image.with_text(**{"a key ": "x"}).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="the text 'a' cannot be written as UTF-8: surrogates"):
        image.with_text(a="\ud800").save(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_silently(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    with pytest.raises(ImageExistsError, match=r"a\.png' exists already; .*overwrite=True") as caught:
        image.save(path)
    assert isinstance(caught.value, FileExistsError)
    assert path.read_bytes() == b"precious"
    image.save(path, overwrite=True)
    assert read_image(path).width == 24


def test_of_many_savers_at_once_exactly_one_wins(image: Image, tmp_path: Path) -> None:
    path, barrier = tmp_path / "new" / "folder" / "a.png", threading.Barrier(8)
    outcomes: list[str] = []

    def save() -> None:
        barrier.wait()
        try:
            image.save(path)
            outcomes.append("saved")
        except ImageExistsError:
            outcomes.append("exists")

    threads = [threading.Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["exists"] * 7 + ["saved"]
    assert names(path.parent) == ["a.png"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
def test_a_file_made_in_the_meantime_is_kept(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    path = tmp_path / "a.png"
    real_link, real_sync = os.link, os.fsync

    def sync(descriptor: int) -> None:
        path.write_bytes(b"somebody else's")
        real_sync(descriptor)

    def link(source: Path, target: Path) -> None:
        if not links:
            raise PermissionError(errno.EPERM, "no hard links on this file system")
        real_link(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", link)
    with pytest.raises(ImageExistsError):
        image.save(path)
    assert path.read_bytes() == b"somebody else's"
    assert names(tmp_path) == ["a.png"]


def test_saving_works_without_hard_links(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "no hard links on this file system")

    monkeypatch.setattr(os, "link", link)
    assert read_image(image.save(tmp_path / "a.png")).text == TEXT
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_nothing_behind(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    path = tmp_path / "a.png"
    if overwrite:
        path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ImageError, match=r"cannot write '.*a\.png': No space left on device"):
        image.save(path, overwrite=overwrite)
    assert names(tmp_path) == (["a.png"] if overwrite else [])
    if overwrite:
        assert path.read_bytes() == b"old"


def test_an_interrupt_leaves_nothing_behind(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        image.save(tmp_path / "a.png")
    assert names(tmp_path) == []


def test_places_that_cannot_be_written_are_named(image: Image, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match=r"cannot write '.*file.a\.png': "):
        image.save(tmp_path / "file" / "a.png")
    with pytest.raises(ImageExistsError):
        image.save(tmp_path / "folder.png")
    with pytest.raises(ImageError, match=r"cannot write '.*folder\.png': "):
        image.save(tmp_path / "folder.png", overwrite=True)
    with pytest.raises(ImageError, match=r"cannot write .*null"):
        image.save(tmp_path / "a\0.png")
    with pytest.raises(ImageError, match="File name too long"):
        image.save(tmp_path / ("a" * 300 + ".png"))
    assert names(tmp_path) == ["file", "folder.png"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_the_file_as_they_may_read_any_new_file(image: Image, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "plain", image.save(tmp_path / "a.png"))}
    assert len(modes) == 1


def test_a_record_too_large_for_exif_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = Image(torch.zeros(3, 8, 8), text={"parameters": "a cat", "sdkit": "x" * 70_000})
    with caplog.at_level(logging.WARNING, logger="sdkit"):
        path = image.save(tmp_path / "a.jpg")
    assert read_image(path).text == {"parameters": "a cat"}
    assert "sdkit's own part is left out. PNG keeps it." in caplog.text
    image = Image(torch.zeros(3, 8, 8), text={"parameters": "cat " * 10_000})
    with caplog.at_level(logging.WARNING, logger="sdkit"):
        path = image.save(tmp_path / "b.jpg")
    assert read_image(path).text == {}
    assert "all of it is left out" in caplog.text
    assert read_image(image.save(tmp_path / "b.png")).text == image.text
