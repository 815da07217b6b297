"""Request: its bounds, what its errors say, and that it survives the way to another process."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
from PIL import Image as PILImage

from sdkit.errors import ImageError, RequestError
from sdkit.images import Image
from sdkit.request import ImageInput, OutputOptions, Request, RequestFields


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = torch.rand(3, 8, 16, generator=torch.Generator().manual_seed(0))
    return Image(pixels).save(tmp_path / "start.png")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 0}, "steps: input should be greater than or equal to 1, not 0"),
        ({"steps": 10_000}, "steps: input should be less than or equal to 1000, not 10000"),
        ({"steps": 1.5}, "steps: input should be a valid integer, got a number with a fractional part, not 1.5"),
        ({"width": 7}, "width: input should be greater than or equal to 8, not 7"),
        ({"height": 16385}, "height: input should be less than or equal to 16384, not 16385"),
        ({"width": "wide"}, "width: input should be a valid integer, unable to parse string as an integer, not 'wide'"),
        ({"guidance_scale": -1}, "guidance_scale: input should be greater than or equal to 0, not -1"),
        ({"guidance_scale": 101}, "guidance_scale: input should be less than or equal to 100, not 101"),
        ({"guidance_scale": float("nan")}, "guidance_scale: input should be a finite number, not nan"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0, not -1"),
        ({"seed": 2**64}, "seed: input should be less than or equal to 18446744073709551615, not 18446744073709551616"),
        ({"seeds": ()}, "seeds: tuple should have at least 1 item after validation, not 0, not ()"),
        ({"seeds": (1, 2**64)}, "seeds: seeds are from 0 to 2**64 - 1, not 18446744073709551616"),
        ({"seeds": (1, -2)}, "seeds: seeds are from 0 to 2**64 - 1, not -2"),
        ({"count": 0}, "count: input should be greater than or equal to 1, not 0"),
        ({"count": 10_001}, "count: input should be less than or equal to 10000, not 10001"),
        ({"batch_size": 0}, "batch_size: input should be greater than or equal to 1, not 0"),
        ({"batch_size": 257}, "batch_size: input should be less than or equal to 256, not 257"),
        ({"clip_skip": 0}, "clip_skip: input should be greater than or equal to 1, not 0"),
        ({"clip_skip": 13}, "clip_skip: input should be less than or equal to 12, not 13"),
        ({"denoise": 1.1}, "denoise: input should be less than or equal to 1, not 1.1"),
        ({"denoise": -0.1}, "denoise: input should be greater than or equal to 0, not -0.1"),
        ({"prompt": None}, "prompt: input should be a valid string, not None"),
        (
            {"prompt": b"\xff"},
            "prompt: input should be a valid string, unable to parse raw data as a unicode string, not b'\\xff'",
        ),
        ({"seed": 1, "seeds": (1, 2)}, "give seed (and count) or seeds, not both"),
        ({"seeds": (1, 2), "count": 3}, "count is 3, but there are 2 seeds; leave count out"),
        ({"denoise": 1.5}, "denoise: input should be less than or equal to 1, not 1.5"),
        ({"promt": "a cat"}, "promt: there is no such field. Did you mean 'prompt'?"),
        ({"guidence_scale": 3}, "guidence_scale: there is no such field. Did you mean 'guidance_scale'?"),
        ({"xyzzy": 3}, "xyzzy: there is no such field."),
        ({"output": {"format": "gif"}}, "output.format: input should be 'png', 'jpeg' or 'webp', not 'gif'"),
        ({"output": {"quality": 0}}, "output.quality: input should be greater than or equal to 1, not 0"),
        ({"init_image": {}}, "init_image: give either a path or base64 data"),
        ({"init_image": {"path": "a", "data": "b"}}, "init_image: give either a path or base64 data"),
    ],
)
def test_bounds_and_what_is_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        Request(**fields)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)
    assert caught.value.__cause__ is None, "pydantic's own report is not shown beside it"


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": 1, "width": 8, "height": 16384, "seed": 0, "count": 1, "batch_size": 1, "clip_skip": 1},
        {"steps": 1000, "seed": 2**64 - 1, "count": 10_000, "batch_size": 256, "clip_skip": 12, "guidance_scale": 100},
        {"guidance_scale": 0, "width": 130, "prompt": "word " * 10_000},
        {"prompt": ""},
    ],
)
def test_the_bounds_themselves_are_allowed(fields: dict[str, Any]) -> None:
    request = Request(**fields)
    assert {name: getattr(request, name) for name in fields} == fields


def test_several_faults_are_told_at_once() -> None:
    with pytest.raises(RequestError) as caught:
        Request(steps=0, promt="x", width=3)
    assert str(caught.value).splitlines() == [
        "the request has several faults:",
        "  width: input should be greater than or equal to 8, not 3",
        "  steps: input should be greater than or equal to 1, not 0",
        "  promt: there is no such field. Did you mean 'prompt'?",
    ]


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(RequestError) as caught:
        Request(steps="x" * 1000)
    assert len(str(caught.value)) < 160


def test_half_surrogates_are_refused() -> None:
    for text in ("\ud800", "a \udcff b"):
        with pytest.raises(RequestError, match="prompt"):
            Request(prompt=text)


def test_a_mask_and_denoise_need_a_picture(picture: Path) -> None:
    with pytest.raises(RequestError, match="a mask needs an init_image to keep parts of"):
        Request(mask=picture).check_start()
    with pytest.raises(RequestError, match="denoise below 1 needs an init_image to start from"):
        Request(denoise=0.5).check_start()
    Request(mask=picture, init_image=picture, denoise=0.5).check_start()


def test_one_seed_per_picture() -> None:
    assert Request(seed=5, count=3).image_seeds() == (5, 6, 7)
    assert Request(seed=2**64 - 1, count=2).image_seeds() == (2**64 - 1, 0)
    assert Request(seeds=[3, 1, 3], count=3).image_seeds() == (3, 1, 3)
    random = {Request(count=2).image_seeds() for _ in range(3)}
    assert len(random) == 3
    assert all(0 <= first < 2**32 and second == first + 1 for first, second in random)


def test_requests_are_frozen_and_replaced() -> None:
    request = Request(prompt="a", seed=1)
    with pytest.raises(ValueError, match="frozen"):
        request.steps = 3
    changed = request.replace(steps=3, prompt="b")
    assert (changed.prompt, changed.steps, changed.seed) == ("b", 3, 1)
    assert changed.model_fields_set == {"prompt", "steps", "seed"}
    with pytest.raises(RequestError, match="steps"):
        request.replace(steps=0)


def test_size_is_known_only_once_resolved() -> None:
    assert Request(width=128, height=64).size == (128, 64)
    with pytest.raises(RequestError, match="no size yet: width or height is None"):
        _ = Request(width=128).size


def test_json_and_back(picture: Path) -> None:
    request = Request(
        prompt="two\nlines é 東京 🚀 \0",
        negative_prompt="x",
        width=128,
        height=64,
        steps=3,
        sampler="euler",
        sampler_options={"eta": 0.5, "names": ["a", None, True]},
        guidance_scale=3.25,
        seeds=(2**64 - 1, 0),
        init_image=picture,
        mask=Image(torch.ones(3, 8, 16)),
        denoise=0.5,
        options={"wildcards": {"folder": "x", "deep": {"a": [1]}}},
        output=OutputOptions(format="webp", quality=50),
    )
    assert Request(**json.loads(request.model_dump_json())) == request
    assert Request(**request.model_dump(mode="json", exclude_none=True)) == request
    assert Request(**json.loads(Request().model_dump_json())) == Request()
    assert Request.model_validate_json(request.model_dump_json()) == request


def test_keyword_types_are_the_fields() -> None:
    typed, fields = get_type_hints(RequestFields), Request.model_fields
    assert list(typed) == [name for name in fields if name != "prompt"]
    loose = {"seeds", "sigmas", "loras", "init_image", "mask"}  # more is accepted than is kept
    for name in set(typed) - loose:
        assert typed[name] == fields[name].annotation, name


def test_every_field_is_documented() -> None:
    for model in (Request, ImageInput, OutputOptions):
        for name, field in model.model_fields.items():
            assert (field.description or "").endswith("."), f"{model.__name__}.{name}"


def test_pictures_come_as_paths_images_or_pillow(picture: Path) -> None:
    data = picture.read_bytes()
    sha = hashlib.sha256(data).hexdigest()
    for given in (picture, str(picture), {"path": str(picture)}, ImageInput(path=str(picture))):
        found = Request(init_image=given).init_image
        assert found is not None
        assert (found.path, found.data, found.sha256) == (str(picture), None, sha)
    image = ImageInput(path=str(picture)).read()
    with PILImage.open(picture) as opened:
        for given in (image, opened):
            found = Request(init_image=given).init_image
            assert found is not None
            assert found.path is None
            assert torch.equal(found.read().pixels, image.pixels)


def test_a_given_pictures_own_record_is_not_taken_along() -> None:
    plain = Image(torch.zeros(3, 8, 8))
    found = Request(init_image=plain.with_text(sdkit="x" * 1000)).init_image
    assert found == Request(init_image=plain).init_image


def test_a_picture_that_changed_is_refused(picture: Path) -> None:
    given = ImageInput(path=str(picture))
    assert given.read().width == 16
    Image(torch.zeros(3, 8, 8)).save(picture, overwrite=True)
    with pytest.raises(ImageError, match=r"start\.png' is not the one that the request was made with: it has changed"):
        given.read()


@pytest.mark.parametrize("garbage", ["not base64!", "YWJ", "é"])
def test_base64_garbage_is_an_error(garbage: str) -> None:
    with pytest.raises(ImageError, match="the picture's data is not base64"):
        Request(init_image={"data": garbage})


def test_base64_of_something_else_is_an_error_when_read() -> None:
    found = Request(init_image={"data": base64.b64encode(b"hello world").decode()}).init_image
    assert found is not None
    with pytest.raises(ImageError, match="the picture in the request is not a picture that sdkit reads"):
        found.read()


def test_missing_pictures_are_errors_at_once(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"cannot read the picture '.*missing\.png': No such file"):
        Request(init_image=tmp_path / "missing.png")
    with pytest.raises(ImageError, match=r"cannot read the picture .*: Is a directory|Permission denied"):
        Request(init_image=tmp_path)


def test_data_is_not_shown(picture: Path) -> None:
    request = Request(init_image=ImageInput(data=base64.b64encode(picture.read_bytes()).decode()))
    assert len(repr(request)) < 1000


def test_a_device_is_no_picture_and_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdkit.images.reading.MAX_BYTES", 1000)
    with pytest.raises(ImageError, match="'/dev/zero' is too large: more than 1000 bytes"):
        ImageInput(path="/dev/zero")
