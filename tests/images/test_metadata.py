"""The record: in and out of pictures, and what it says of another installation."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo
from pydantic import JsonValue

from sdkit.errors import ImageError, MetadataError
from sdkit.images import GenerationRecord, Image, differences, installed_versions, read_record, to_text_chunks
from sdkit.request import Request

RECORD = GenerationRecord(
    request={"prompt": "a cat", "negative_prompt": "", "seed": 7, "steps": 20, "width": 128, "height": 128},
    sdkit="0.1.0",
    versions={"torch": "2.13.0", "diffusers": "0.42.1"},
    plugins={"wildcards": "1.0"},
    device="cpu",
    dtype="float32",
    model="tiny",
    model_sha256="ab" * 32,
    warnings=("something",),
)


def with_text(**text: str) -> bytes:
    return Image(torch.zeros(3, 8, 8)).with_text(**text).to_png()


def test_a_record_is_exactly_what_is_read_back(tmp_path: Path) -> None:
    image = Image(torch.zeros(3, 8, 8)).with_text(**to_text_chunks(RECORD))
    assert read_record(image) == RECORD
    for suffix in ("png", "jpg", "webp"):
        assert read_record(image.save(tmp_path / f"a.{suffix}")) == RECORD
    assert read_record((tmp_path / "a.png").read_bytes()) == RECORD


def test_the_json_is_plain_and_versioned() -> None:
    chunks = to_text_chunks(RECORD)
    assert list(chunks) == ["sdkit", "parameters"]
    data = json.loads(chunks["sdkit"])
    assert data["schema"] == 1
    assert set(data) == {
        *["schema", "request", "sdkit", "versions", "plugins", "device", "dtype", "model", "model_sha256", "warnings"],
        "index",
    }
    assert chunks["parameters"].startswith(
        "a cat\nSteps: 20, Seed: 7, Size: 128x128, Model hash: ababababab, Model: tiny"
    )


def test_any_prompt_comes_back_exactly(tmp_path: Path) -> None:
    rng = random.Random(0)
    pieces = [
        "a",
        " ",
        "\n",
        "\r\n",
        "Negative prompt: ",
        "\nSteps: 3, Seed: 1, Size: 8x8",
        '"',
        "\\",
        "\0",
        "é",
        "東",
        "🚀",
    ]
    pieces += ["\u2028", "\ufeff", "\x7f", "\x85", "{", "}", "\ufffe"]
    for index in range(60):
        prompt, negative = ("".join(rng.choices(pieces, k=rng.randrange(12))) for _ in range(2))
        record = RECORD.model_copy(update={"request": {"prompt": prompt, "negative_prompt": negative}})
        image = Image(torch.zeros(3, 1, 1)).with_text(**to_text_chunks(record))
        path = image.save(tmp_path / f"{index}.{('png', 'jpg', 'webp')[index % 3]}")
        assert read_record(path).request == {"prompt": prompt, "negative_prompt": negative}


def test_a1111_texts_are_read_where_sdkits_own_is_missing() -> None:
    record = read_record(
        with_text(parameters="a cat\nSteps: 9, Sampler: Heun, Seed: 3, Model hash: 0123456789, Model: m")
    )
    assert record.request_fields() == {
        "prompt": "a cat",
        "negative_prompt": "",
        "steps": 9,
        "sampler": "heun",
        "schedule": "normal",
        "seed": 3,
        "model": "m",
        "model_sha256": "0123456789",
    }
    assert (record.model, record.model_sha256, record.sdkit) == ("m", "0123456789", "")


def test_a1111s_own_jpegs_are_read_in_either_byte_order() -> None:
    text = "東京の猫\nSteps: 9, Sampler: Heun, Seed: 3"
    for codec in ("utf-16-be", "utf-16-le"):
        exif = PILImage.Exif()
        exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode(codec)
        out = io.BytesIO()
        PILImage.new("RGB", (8, 8)).save(out, "JPEG", exif=exif)
        assert read_record(out.getvalue()).request["prompt"] == "東京の猫"
    exif = PILImage.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0a cat\nSteps: 9"
    out = io.BytesIO()
    PILImage.new("RGB", (8, 8)).save(out, "WEBP", exif=exif)
    assert read_record(out.getvalue()).request["prompt"] == "a cat"


def test_text_behind_the_pixels_is_found() -> None:
    data = with_text(parameters="a cat\nSteps: 9")
    start = data.index(b"tEXt") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4])
    moved = data[:start] + data[end:-12] + data[start:end] + data[-12:]  # to just before IEND
    assert read_record(moved).request["steps"] == 9


def test_a_strength_without_its_picture_is_left_out_of_the_fields() -> None:
    record = read_record(with_text(parameters="a cat\nSteps: 9, Denoising strength: 0.5, Seed: 2"))
    assert record.request["denoise"] == 0.5
    assert Request(**record.request_fields()).denoise == 1
    image: dict[str, JsonValue] = {"init_image": {"path": "a.png", "sha256": "00"}, "denoise": 0.5}
    assert GenerationRecord(request=image).request_fields() == image


def test_request_from_image() -> None:
    request = Request(
        prompt="a cat", seed=7, steps=3, options={"wildcards": {"folder": "x"}}, sampler_options={"eta": 1}
    )
    record = RECORD.model_copy(update={"request": request.model_dump(mode="json", exclude_none=True)})
    assert Request.from_image(with_text(**to_text_chunks(record))) == request.replace(model_sha256=record.model_sha256)


def test_pictures_without_a_record_say_so() -> None:
    with pytest.raises(MetadataError, match=r"^a\.png holds no record .*\(no text at all\).*editors strip it"):
        read_record(with_text(), name="a.png")
    with pytest.raises(MetadataError, match=r"holds no record .*\(only Comment, Software\)"):
        read_record(with_text(Software="x", Comment="y"))
    with pytest.raises(MetadataError, match="the image holds no record"):
        read_record(Image(torch.zeros(3, 8, 8)))
    with pytest.raises(ImageError, match="not a picture"):
        read_record(b"nothing")


def test_notes_on_another_programs_text_are_differences() -> None:
    record = read_record(with_text(parameters="a cat\nSteps: 9, Sampler: Euler, Seed: 3, VAE: x.pt, Version: v1.9.0"))
    assert record.warnings == ("the picture's text also has VAE, for which a request has no field",)
    assert compare(record, plugins={"x": "1"}) == record.warnings


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("{", "the record in the picture is damaged"),
        ("[" * 100_000, "damaged"),
        ("[1]", "not as sdkit writes it: the whole"),
        ('{"schema": 2, "anything": 1}', r"made by a newer sdkit \(record 2, this one reads 1\); update sdkit"),
        ('{"schema": 1, "plugins": {"a": 3}}', r"not as sdkit writes it: plugins\.a: Input should be a valid string"),
        ('{"schema": "x"}', "not as sdkit writes it: schema"),
    ],
)
def test_damaged_records_are_errors(record: str, message: str) -> None:
    with pytest.raises(MetadataError, match=message):
        read_record(with_text(sdkit=record))


def test_fields_of_later_records_of_the_same_schema_are_passed_over() -> None:
    assert read_record(with_text(sdkit='{"schema": 1, "later": 1, "device": "cpu"}')).device == "cpu"


def test_a_zipped_chunk_is_read_too() -> None:
    info, out = PngInfo(), io.BytesIO()
    info.add_text("parameters", "a cat\nSteps: 9", zip=True)
    PILImage.new("L", (1, 1)).save(out, "PNG", pnginfo=info)
    assert read_record(out.getvalue()).request["steps"] == 9


def compare(record: GenerationRecord = RECORD, **changes: object) -> tuple[str, ...]:
    here: dict[str, object] = {
        "model_sha256": "ab" * 32,
        "device": "cpu",
        "dtype": "float32",
        "plugins": {"wildcards": "1.0"},
        "versions": {"sdkit": "0.1.0", "torch": "2.13.0", "diffusers": "0.42.1", "transformers": "5.0"},
    }
    return differences(record, **(here | changes))  # pyright: ignore[reportArgumentType] -- a test's shorthand


def test_nothing_differs_in_the_same_installation() -> None:
    assert compare() == ()
    assert compare(GenerationRecord(), plugins={"x": "1"}) == (), "what a record does not know is passed over"
    assert compare(GenerationRecord(model_sha256="ababababab"), plugins={}) == ()


def test_differences_are_told_one_by_one() -> None:
    assert compare(plugins={}) == ("the plugin 'wildcards' (1.0) took part and is not enabled here",)
    assert compare(plugins={"wildcards": "2.0"}) == ("the plugin 'wildcards' was 1.0, here it is 2.0",)
    assert compare(plugins={"wildcards": "1.0", "x": ""}) == ("the plugin 'x' is enabled here and was not then",)
    assert compare(model_sha256="cd" * 32) == ("the model was 'tiny' (sha256 ababababab), here it is cdcdcdcdcd",)
    assert compare(model_sha256="") == ("the model was 'tiny' (sha256 ababababab), here it is of no file",)
    assert compare(device="cuda:0", dtype="float16") == (
        "the device was cpu, here it is cuda:0",
        "the dtype was float32, here it is float16",
    )
    assert compare(versions={"sdkit": "0.2.0", "torch": "2.13.0"}) == (
        "sdkit was 0.1.0, here it is 0.2.0",
        "diffusers was 0.42.1, here it is not installed",
    )


def test_versions_are_found_without_importing_anything() -> None:
    code = (
        "import sys; from sdkit.images import installed_versions; print(installed_versions()['torch']);"
        "assert not {'torch', 'diffusers', 'transformers', 'PIL', 'numpy'} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == installed_versions()["torch"]
