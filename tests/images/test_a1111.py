"""The A1111 text: what is written, what is read, from sdkit and from others."""

from __future__ import annotations

import random

import pytest
from pydantic import JsonValue

from sdkit.errors import MetadataError
from sdkit.images.a1111 import parse_parameters, write_parameters

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


@pytest.mark.parametrize(
    "sampler", ["euler", "euler_ancestral", "dpmpp_2m", "dpm_fast", "restart", "euler_cfg_pp", "mine"]
)
@pytest.mark.parametrize("schedule", ["normal", "karras", "ddim_uniform", "beta", "my_schedule"])
def test_labels_come_back_as_names_and_unknown_ones_as_they_are(sampler: str, schedule: str) -> None:
    asked = REQUEST | {"sampler": sampler, "schedule": schedule}
    assert parse_parameters(written(asked)).request == asked


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # before 1.9 one label held both; the schedule that it did not hold was the model's own
        ("Sampler: DPM++ 2M Karras", ("dpmpp_2m", "karras")),
        ("Sampler: DPM++ 2M", ("dpmpp_2m", "normal")),
        ("Sampler: DPM++ 2M, Version: v1.8.0", ("dpmpp_2m", "normal")),
        ("Sampler: Euler a", ("euler_ancestral", "normal")),
        ("Sampler: DDIM", ("ddim", "ddim_uniform")),
        ("Sampler: DPM++ 2M SDE Heun Exponential", ("dpmpp_2m_sde_heun", "exponential")),
        # since then there are two, and "Automatic" is the sampler's
        ("Sampler: euler A, Schedule type: SGM Uniform", ("euler_ancestral", "sgm_uniform")),
        ("Sampler: Euler, Schedule type: Automatic", ("euler", "normal")),
        ("Sampler: DPM++ 2M, Schedule type: Automatic", ("dpmpp_2m", "karras")),
        ("Sampler: DPM++ 3M SDE, Schedule type: Automatic", ("dpmpp_3m_sde", "exponential")),
        ("Sampler: DPM++ 2M, Version: v1.9.4", ("dpmpp_2m", "karras")),
        ("Sampler: DPM2 a, Version: f2.0.1v1.10.1-previous-665", ("dpm_2_ancestral", "karras")),
        ("Sampler: UniPC, Schedule type: Normal", ("uni_pc", "normal")),
        ("Sampler: UniPC, UniPC variant: bh2", ("uni_pc_bh2", "normal")),
        ("Sampler: DPM++ 2M, Schedule type: Turbo", ("dpmpp_2m", "sd_turbo")),
        # ComfyUI's nodes that write such texts
        ("Sampler: dpmpp_2m_karras, Version: ComfyUI", ("dpmpp_2m", "karras")),
        # nobody's
        ("Sampler: My Karras, Schedule type: Simple", ("My Karras", "simple")),
        ("Sampler: My, Schedule type: Mine", ("My", "Mine")),
        ("Sampler: My Karras", ("My Karras", None)),
        ("Seed: 1", (None, None)),
    ],
)
def test_labels_of_old_and_new_versions(values: str, expected: tuple[str | None, str | None]) -> None:
    found = parse_parameters(f"a cat\nSteps: 20, {values}, CFG scale: 7").request
    assert (found.get("sampler"), found.get("schedule")) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("RNG: CPU", {"noise": "a1111"}),
        ("RNG: NV", {"noise": "nv"}),
        ("RNG: GPU", {"noise": "nv"}),
        ("Version: v1.6.0", {"noise": "nv"}),  # the card's own numbers, which A1111 does not write down
        ("Version: 1.6.0, RNG: CPU", {"noise": "a1111"}),
        ("Version: f0.0.17v1.8.0rc-latest-276-g29be1da7", {"noise": "nv"}),
        ("Version: ComfyUI", {}),
        ("ENSD: 31337", {"noise": "nv", "noise_options": {"eta_noise_seed_delta": 31337}}),
        ("ENSD: -3, RNG: CPU", {"noise": "a1111", "noise_options": {"eta_noise_seed_delta": -3}}),
        ("ENSD: 0", {}),
        ("Variation seed: 9, Variation seed strength: 0.25", {"variation_seed": 9, "variation_strength": 0.25}),
        ("Variation seed: 9", {}),
        ("Noise Schedule: Zero Terminal SNR", {"zero_terminal_snr": True}),
        ("Schedule rho: 5", {"schedule_options": {"rho": 5}}),
        ("Beta schedule alpha: 0.5", {"schedule_options": {"alpha": 0.5}}),
    ],
)
def test_where_the_noise_came_from(values: str, expected: dict[str, JsonValue]) -> None:
    found = dict(parse_parameters(f"a cat\nSteps: 20, Seed: 1, {values}").request)
    assert found == {"prompt": "a cat", "negative_prompt": "", "steps": 20, "seed": 1, **expected}


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ("Sampler: Euler a, Eta: 0.5", {"eta": 0.5}),
        ("Sampler: DDIM, Eta DDIM: 0.5", {"eta": 0.5}),
        ("Sampler: DPM fast", {"eta": 1.0}),  # A1111's eta, where k-diffusion's is 0
        ("Sampler: DPM adaptive, Eta: 0.2", {"eta": 0.2}),
        (
            "Sampler: Heun, Sigma churn: 3, Sigma tmin: 0.1, Sigma tmax: 9, Sigma noise: 1.01",
            {"s_churn": 3.0, "s_tmin": 0.1, "s_tmax": 9.0, "s_noise": 1.01},
        ),
        ("Sampler: Euler", None),
        ("Sampler: DPM fast, Version: sdkit 0.1.0", None),
    ],
)
def test_options_of_the_sampler(values: str, options: JsonValue) -> None:
    assert parse_parameters(f"a cat\nSteps: 20, {values}").request.get("sampler_options") == options


@pytest.mark.parametrize(
    ("steps", "expected", "segments"),
    [
        (19, 19, []),
        (20, 11, [[10, 1, 0.1, 2.0]]),
        (35, 26, [[10, 1, 0.1, 2.0]]),
        (36, 18, [[10, 2, 0.1, 2.0]]),
        (40, 20, [[11, 2, 0.1, 2.0]]),
    ],
)
def test_a1111s_restart_counts_its_restarts_among_the_steps(steps: int, expected: int, segments: JsonValue) -> None:
    found = parse_parameters(f"a cat\nSteps: {steps}, Sampler: Restart, Schedule type: Automatic, Seed: 1").request
    assert (found["sampler"], found["schedule"], found["steps"]) == ("restart", "karras", expected)
    assert found["sampler_options"] == {"segments": segments}


def test_the_cfg_scale_of_ddim_cfg_pp_is_divided_as_a1111_does() -> None:
    found = parse_parameters("a cat\nSteps: 20, Sampler: DDIM CFG++, CFG scale: 5, Seed: 1").request
    assert (found["sampler"], found["schedule"], found["guidance_scale"]) == ("euler_cfg_pp", "ddim_uniform", 0.4)


@pytest.mark.parametrize(
    ("values", "end", "told"),
    [
        ("Steps: 20, Version: v1.6.0", 19, False),
        ("Steps: 30, Version: v1.10.1", 30, False),  # 31 timesteps, 33 apart
        ("Steps: 1, Version: v1.10.1", None, False),
        ("Steps: 20, Version: v1.5.2", None, True),
        ("Steps: 20", None, True),
        ("Steps: 20, Denoising strength: 0.5, Version: v1.6.0", None, True),
        ("Steps: 0, Version: v1.6.0", None, True),
        ("Steps: 20, Schedule type: Karras, Version: v1.6.0", None, False),
        ("Steps: 20, Version: sdkit 0.1.0", None, False),
    ],
)
def test_ddims_last_step_is_left_out_as_a1111_does(values: str, end: int | None, told: bool) -> None:
    found = parse_parameters(f"a cat\nSampler: DDIM, Seed: 1, {values}")
    assert (found.request.get("end_step"), found.request.get("leftover_noise")) == (end, True if end else None)
    assert found.notes == (("A1111 ends this sampler's last step at the lowest timestep, not at 0",) if told else ())


def test_what_will_not_be_as_it_was_is_told() -> None:
    found = parse_parameters(
        "a cat\nSteps: 20, Sampler: DPM++ 3M SDE, Schedule type: Beta, Seed: 1, VAE: x.pt, Hires upscale: 2, "
        'Lora hashes: "x: 0123", Version: v1.9.0'
    )
    assert found.notes == (
        "A1111 spaces the Beta schedule in sigma; sdkit, like ComfyUI, in timesteps (arXiv:2407.12173)",
        "A1111 drops the last sigma but one of this sampler's schedule",
        "the picture's text also has VAE, Hires upscale, for which a request has no field",
    )
    assert parse_parameters(written(REQUEST | {"sampler": "dpmpp_3m_sde", "schedule": "beta"})).notes == ()


def test_what_a_request_adds_to_the_ordinary_comes_back() -> None:
    request: dict[str, JsonValue] = REQUEST | {
        "noise": "a1111",
        "noise_options": {"eta_noise_seed_delta": 31337},
        "variation_seed": 5,
        "variation_strength": 0.5,
        "sampler_options": {"eta": 0.5, "s_noise": 1.1},
        "zero_terminal_snr": True,
    }
    text = written(request)
    assert "Variation seed: 5, Variation seed strength: 0.5, Clip skip: 2, ENSD: 31337, RNG: CPU, Eta: 0.5, " in text
    assert parse_parameters(text).request == request
    assert "Eta DDIM: 0.5" in written(request | {"sampler": "ddim"})


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
        "clip_skip": 2,
        "noise": "nv",
    }
    assert found.notes == ("the picture's text also has VAE, Hires upscale, for which a request has no field",)
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


def test_hashes_of_loras_go_both_ways() -> None:
    """As A1111 writes them: by name, ten digits or its own twelve."""
    request: dict[str, JsonValue] = REQUEST | {
        "loras": [{"name": "C:\\loras\\ink.safetensors", "sha256": "ab" * 32}, {"name": "none"}],
        "options": {"loras": {"hashes": {"style": "01" * 32}}},
    }
    text = written(request)
    assert 'Lora hashes: "ink: ababababab, style: 0101010101"' in text
    hashes = parse_parameters(text).request["options"]
    assert hashes == {"loras": {"hashes": {"ink": "ababababab", "style": "0101010101"}}}
    found = parse_parameters(
        'a cat\nSteps: 20, Seed: 1, Lora hashes: "my lora: 0123456789ab, odd: xyz", Version: v1.9.0'
    )
    assert found.request["options"] == {"loras": {"hashes": {"my lora": "0123456789ab"}}}
    assert "options" not in parse_parameters("a cat\nSteps: 20, Seed: 1, Lora hashes: , Version: v1.9.0").request
