"""The A1111 text: what is written, what is read, from sdkit and from others."""

from __future__ import annotations

import random

import pytest
from pydantic import JsonValue

from sdkit.errors import MetadataError
from sdkit.images.a1111 import SAMPLER_LABELS, SCHEDULE_LABELS, parse_parameters, write_parameters

REQUEST: dict[str, JsonValue] = {
    "prompt": "a cat,\n(masterpiece:1.2)",
    "negative_prompt": "dog\nbird",
    "steps": 20,
    "sampler": "euler_ancestral",
    "schedule": "karras",
    "guidance_scale": 7.0,
    "seed": 2**64 - 1,
    "width": 512,
    "height": 768,
    "clip_skip": 2,
    "model": "dreamshaper_8",
}


def written(request: dict[str, JsonValue], model: str = "dreamshaper_8", sha: str = "ab" * 32) -> str:
    return write_parameters(request, model=model, model_sha256=sha, sdkit="0.1.0")


def test_the_text_is_the_one_that_others_read() -> None:
    assert written(REQUEST) == (
        "a cat,\n(masterpiece:1.2)\n"
        "Negative prompt: dog\nbird\n"
        "Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 18446744073709551615, Size: 512x768, "
        "Model hash: ababababab, Model: dreamshaper_8, Clip skip: 2, Version: sdkit 0.1.0"
    )


def test_it_comes_back() -> None:
    found = parse_parameters(written(REQUEST))
    assert found.request == REQUEST
    assert found.model_hash == "ababababab"


def test_the_denoising_strength_is_written_only_where_there_was_a_picture() -> None:
    assert "Denoising" not in written(REQUEST | {"denoise": 1.0})
    image: dict[str, JsonValue] = {"init_image": {"path": "/home/me/secret.png", "sha256": "00"}, "denoise": 0.65}
    text = written(REQUEST | image)
    assert "Denoising strength: 0.65" in text
    assert "secret" not in text
    assert parse_parameters(text).request["denoise"] == 0.65


@pytest.mark.parametrize("sampler", [*SAMPLER_LABELS, "restart", "DPM++ SDE"])
@pytest.mark.parametrize("schedule", [*SCHEDULE_LABELS, "my_schedule", "Align Your Steps"])
def test_labels_come_back_as_names_and_unknown_ones_as_they_are(sampler: str, schedule: str) -> None:
    found = parse_parameters(written(REQUEST | {"sampler": sampler, "schedule": schedule})).request
    assert (found["sampler"], found["schedule"]) == (sampler, schedule)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("Sampler: DPM++ 2M Karras", {"sampler": "dpmpp_2m", "schedule": "karras"}),
        ("Sampler: DPM++ SDE Karras", {"sampler": "DPM++ SDE", "schedule": "karras"}),
        ("Sampler: Euler a", {"sampler": "euler_ancestral"}),
        ("Sampler: euler A, Schedule type: SGM Uniform", {"sampler": "euler_ancestral", "schedule": "sgm_uniform"}),
        ("Sampler: Euler, Schedule type: Automatic", {"sampler": "euler", "schedule": "normal"}),
        ("Sampler: DPM++ 2M, Schedule type: Automatic", {"sampler": "dpmpp_2m", "schedule": "karras"}),
        ("Sampler: My Karras, Schedule type: Simple", {"sampler": "My Karras", "schedule": "simple"}),
        ("Sampler: UniPC, Schedule type: Normal", {"sampler": "UniPC", "schedule": "normal"}),
    ],
)
def test_labels_of_old_and_new_versions(values: str, expected: dict[str, str]) -> None:
    found = parse_parameters(f"a cat\nSteps: 20, {values}, CFG scale: 7").request
    assert {key: found[key] for key in ("sampler", "schedule") if key in found} == expected


def test_a_text_of_a1111_with_everything_in_it() -> None:
    found = parse_parameters(
        "masterpiece, (cat:1.2), Steps: of stone, [dog]\n<lora:x:0.8>\n"
        'Negative prompt: bad, "quoted, thing": yes\nworst\n'
        "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 1234, Size: 512x640, "
        'Model hash: 879DB523C3, Model: "a, \\"b\\": c", VAE: x.pt, Denoising strength: 0.35, Clip skip: 2, '
        'Hires upscale: 2, Lora hashes: "x: 0123, y: 4567", TI hashes: a: b, stray, Seed: 99, Version: v1.10.1\n'
    )
    assert found.request == {
        "prompt": "masterpiece, (cat:1.2), Steps: of stone, [dog]\n<lora:x:0.8>",
        "negative_prompt": 'bad, "quoted, thing": yes\nworst',
        "steps": 25,
        "sampler": "dpmpp_2m",
        "schedule": "karras",
        "guidance_scale": 6.5,
        "seed": 1234,
        "width": 512,
        "height": 640,
        "model": 'a, "b": c',
        "denoise": 0.35,
        "clip_skip": 2,
    }
    assert found.model_hash == "879db523c3"


def test_a_text_without_values_is_a_prompt() -> None:
    for text in ("a cat", "a cat: black, on a mat", "", "two\nlines", "Negative prompt: dog"):
        found = parse_parameters(text)
        assert found.request["prompt"] == (text if not text.startswith("Neg") else "")
        assert set(found.request) == {"prompt", "negative_prompt"}
    assert parse_parameters("Negative prompt: dog").request["negative_prompt"] == "dog"
    assert parse_parameters("a\nSteps: 9, Sampler: Euler").request["steps"] == 9


@pytest.mark.parametrize(
    ("value", "model"),
    [('"a, b"', "a, b"), ('"a, b" c', '"a'), ('"a, b', '"a'), ('"a\\q, b"', '"a\\q'), ('"" ', None), ("a: b", "a: b")],
)
def test_a_value_is_a_json_string_or_ends_at_the_comma(value: str, model: str | None) -> None:
    found = parse_parameters(f"a\nSteps: 3, Model: {value}, Seed: 4").request
    assert (found.get("model"), found["seed"]) == (model, 4)


def test_an_old_model_hash_is_no_sha256() -> None:
    assert parse_parameters("a\nSteps: 3, Model hash: 7460a6fa").model_hash == ""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("Steps: many", "Steps: many, which is not a whole number; was it edited by hand"),
        ("Steps: 3, Seed: 1.5", r"Seed: 1\.5, which is not a whole number"),
        ("Steps: 3, CFG scale: high", "CFG scale: high, which is not a number"),
        ("Steps: 3, Size: 512", "Size: , which is not a whole number"),
    ],
)
def test_numbers_that_are_none_are_errors(values: str, message: str) -> None:
    with pytest.raises(MetadataError, match=message):
        parse_parameters(f"a cat\n{values}")


PIECES = [
    *["a", "cat", " ", "  ", "\n", "\n\n", ",", ", ", ":", ": ", '"', "\\", "(", ":1.2)", "[b]", "{", "}", "\t", "\r"],
    *[
        "Steps: 20",
        "Steps: 20, Sampler: Euler, Seed: 1",
        "Negative prompt:",
        "Size: 1x1",
        "é",
        "東京",
        "🚀",
        "\u2028",
        "\0",
    ],
]


def test_any_prompt_comes_back_unless_the_format_cannot_say_it() -> None:
    rng = random.Random(0)
    tried = 0
    for _ in range(3000):
        prompt, negative = ("".join(rng.choices(PIECES, k=rng.randrange(6))) for _ in range(2))
        if any(line.startswith("Negative prompt:") for line in prompt.split("\n")):
            continue  # the one thing that the format cannot say
        tried += 1
        model = "".join(rng.choices(PIECES, k=rng.randrange(4)))
        request: dict[str, JsonValue] = REQUEST | {"prompt": prompt, "negative_prompt": negative, "model": model}
        found = parse_parameters(written(request, model))
        expected = request if model else {key: value for key, value in request.items() if key != "model"}
        assert dict(found.request) == expected
    assert tried > 2000


def test_hostile_texts_take_no_time() -> None:
    for text in (
        "a: " * 50_000,
        "a," * 50_000,
        'a: "' * 50_000,
        "a " * 50_000 + ":",
        "Steps: 3, " + 'a: "\\' * 50_000,
        'a:"\\",' * 50_000,
    ):
        parse_parameters(text)
