"""`sdkit generate`: options become the request, pictures become files, and nothing is lost or overwritten."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sdkit import Image, Pipeline, Request
from sdkit.builtin.commands.fields import parse_lora
from sdkit.images import read_image, read_record
from sdkit.testing import ToyModel
from sdkit.types import LoraSpec
from tests.models.lora._files import save_toy_lora

from .conftest import Done

Run = Callable[..., Done]

WILD = """
import sdkit
from pydantic import BaseModel

class Options(BaseModel):
    colour: str = "red"
    copies: int = 1

@sdkit.hookimpl
def register_options(register):
    register("wild", Options)

@sdkit.hookimpl
def prepare_run(plan):
    copies = plan.option(Options).copies
    plan.seeds *= copies
    plan.prompts *= copies
    plan.negative_prompts *= copies

@sdkit.hookimpl
def transform_prompt(plan):
    colour = plan.option(Options).colour
    return lambda text, seed: text.replace("__colour__", colour)
"""

INTERRUPTING = """
import signal
import sdkit

@sdkit.hookimpl
def sample_step(step, run):
    if run.first and step.index == 1:
        signal.raise_signal(signal.SIGINT)
"""

FAILING = """
import sdkit

@sdkit.hookimpl
def sample_step(step, run):
    if run.first:
        raise RuntimeError("boom")
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def recorded(file: Path) -> dict[str, object]:
    return dict(read_record(file).request)


# ── options ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("detail", ("detail",)),
        ("detail:0.8", ("detail", 0.8)),
        ("sub/detail.safetensors:0.8:-1", ("sub/detail.safetensors", 0.8, -1.0)),
        ("C:\\loras\\detail:1", ("C:\\loras\\detail", 1.0)),
        ("a:0.1:0.2:0.3", ("a:0.1", 0.2, 0.3)),
    ],
)
def test_loras_are_names_with_strengths(text: str, parsed: tuple[object, ...]) -> None:
    assert parse_lora(text) == parsed


OPTIONS: dict[str, tuple[list[str], object]] = {
    "negative_prompt": (["--negative", "red"], "red"),
    "width": (["--width", "48"], 48),
    "height": (["--height", "40"], 40),
    "steps": (["--steps", "3"], 3),
    "sampler": (["--sampler", "heun"], "heun"),
    "sampler_options": (["--sampler-option", "s_churn=0.5"], {"s_churn": 0.5}),
    "schedule": (["--schedule", "karras"], "karras"),
    "schedule_options": (["--schedule", "karras", "--schedule-option", "rho=5"], {"rho": 5}),
    "sigmas": (["--sigmas", "10, 3,1,0"], [10.0, 3.0, 1.0, 0.0]),
    "start_step": (["--start-step", "2"], 2),
    "end_step": (["--end-step", "3"], 3),
    "add_noise": (["--no-add-noise", "--init-image", "start.png"], False),
    "leftover_noise": (["--leftover-noise", "--end-step", "3"], True),
    "guidance": (["--guidance", "cfg"], "cfg"),
    "guidance_scale": (["--guidance-scale", "2.5"], 2.5),
    "seed": (["--seed", "11"], 11),
    "seeds": (["--seeds", "12"], None),
    "noise": (["--noise", "nv"], "nv"),
    "noise_options": (
        ["--noise", "a1111", "--noise-option", "eta_noise_seed_delta=31337"],
        {"eta_noise_seed_delta": 31337},
    ),
    "variation_seed": (["--variation-seed", "3"], 3),
    "variation_strength": (["--variation-strength", "0.5", "--variation-seed", "3"], 0.5),
    "noise_offset": (["--noise-offset", "0.1"], 0.1),
    "count": (["--count", "1"], 1),
    "batch_size": (["--batch-size", "2"], 2),
    "clip_skip": (["--clip-skip", "2"], 2),
    "prompt_syntax": (["--prompt-syntax", "comfy"], "comfy"),
    "transform_prompts": (["--no-transform-prompts"], False),
    "loras": (["--lora", "tint.safetensors:0.5:0.25"], None),
    "init_image": (["--init-image", "start.png"], None),
    "denoise": (["--denoise", "0.5", "--init-image", "start.png"], 0.5),
    "mask": (["--mask", "mask.png", "--init-image", "start.png"], None),
    "prediction": (["--prediction", "v"], "v"),
    "zero_terminal_snr": (["--zero-terminal-snr"], True),
    "flow_shift": (["--flow-shift", "3", "--model", "flow"], 3.0),
    "distilled_timesteps": (["--distilled-timesteps", "50"], 50),
    "model": (["--model", "any"], "toy"),
    "model_sha256": (["--model", "any", "--model-sha256", "0123456789"], None),
    "options": (["--opt", "wild.colour=blue", "--plugin", "wild.py"], {"wild": {"colour": "blue"}}),
    "output": (["--quality", "50"], {"format": "png", "quality": 50, "metadata": True}),
}
"""For every field of a request but the prompt: options that set it, and what the record then says."""


def test_every_field_of_a_request_has_an_option() -> None:
    assert set(OPTIONS) | {"prompt"} == set(Request.model_fields)


@pytest.mark.parametrize("field", OPTIONS)
def test_options_reach_the_request(sdkit: Run, here: Path, field: str) -> None:
    for name in ("start.png", "mask.png"):
        picture = Pipeline(ToyModel())("white", seed=1).images[0]
        picture.save(here / name)
    (here / "wild.py").write_text(WILD)
    save_toy_lora(here / "tint.safetensors")
    options, expected = OPTIONS[field]
    done = sdkit("generate", "a red circle", "-o", "out.png", *options)
    assert (done.code, done.out) == (0, "out.png\n"), done.err
    record = recorded(here / "out.png")
    assert record["prompt"] == "a red circle"
    if field == "seeds":
        assert record["seed"] == 12
    elif field == "loras":
        lora = LoraSpec.model_validate(record[field][0])  # pyright: ignore[reportIndexIssue] - JSON
        assert (lora.name, lora.strengths) == ("tint.safetensors", (0.5, 0.25))
        assert lora.sha256 == hashlib.sha256((here / "tint.safetensors").read_bytes()).hexdigest()
    elif field == "model_sha256":
        assert field not in record, "a request that was resolved says it no longer; the record has the whole hash"
    elif field in ("init_image", "mask"):
        value = record[field]
        assert isinstance(value, dict)
        assert value["path"] == options[1]
    else:
        assert record[field] == expected


def test_the_pictures_are_the_pipelines(sdkit: Run, here: Path) -> None:
    done = sdkit("generate", "a red circle", "-o", "out.png", "--size", "48x32", "--seeds", "3,9", "--steps", "4")
    assert done.code == 0, done.err
    images = Pipeline(ToyModel())("a red circle", width=48, height=32, seeds=(3, 9), steps=4).images
    for image, name in zip(images, ("out_001.png", "out_002.png"), strict=True):
        assert read_image(here / name).to_uint8().equal(image.to_uint8())


def test_help_describes_every_option(sdkit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    done = sdkit("generate", "--help")
    assert done.code == 0
    for options, _ in OPTIONS.values():
        assert options[0] in done.out
    description = Request.model_fields["guidance_scale"].description
    assert description
    assert description in done.out


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_several_pictures_are_numbered_and_named_as_they_are_finished(sdkit: Run, here: Path) -> None:
    done = sdkit("generate", "a red circle", "-o", "new/out.jpg", "--count", "3", "--batch-size", "2", "--seed", "5")
    assert done.code == 0, done.err
    assert done.out.split() == ["new/out_001.jpg", "new/out_002.jpg", "new/out_003.jpg"]
    assert "3 pictures in" in done.err
    assert "seed 5, 6, 7" in done.err
    assert [recorded(here / "new" / name)["seed"] for name in names(here / "new")] == [5, 6, 7]


def test_without_a_name_the_next_free_number_is_taken(sdkit: Run, here: Path) -> None:
    assert sdkit("generate", "a red circle").out == "sdkit_0001.png\n"
    (here / "sdkit_0041.webp").touch()
    done = sdkit("generate", "a red circle", "--count", "2", "--format", "jpeg")
    assert done.out.split() == ["sdkit_0042.jpg", "sdkit_0043.jpg"]


def test_a_contact_sheet_comes_beside_the_pictures(sdkit: Run, here: Path) -> None:
    done = sdkit("generate", "a red circle", "-o", "out.png", "--count", "4", "--grid")
    assert done.out.split()[-1] == "out_grid.png"
    sheet = read_image(here / "out_grid.png")
    assert sheet.width == 64
    assert sheet.height > 64  # captions


def test_nothing_is_overwritten_unless_said(sdkit: Run, here: Path) -> None:
    (here / "out.png").write_bytes(b"precious")
    done = sdkit("generate", "a red circle", "-o", "out.png")
    assert done.code == 3
    assert done.err == (
        "error: 'out.png' exists already; choose another name with -o, or overwrite it with --overwrite\n"
    )
    assert (here / "out.png").read_bytes() == b"precious"
    assert sdkit("generate", "a red circle", "-o", "out.png", "--overwrite").code == 0
    assert read_image(here / "out.png").width == 32


def test_a_taken_name_is_noticed_before_a_model_is_loaded(
    sdkit: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(Pipeline, "load", load)
    (here / "out_grid.png").touch()
    done = sdkit("generate", "a red circle", "-o", "out.png", "--grid")
    assert (done.code, done.out) == (3, "")
    assert "'out_grid.png' exists already" in done.err
    done = sdkit("generate", "a red circle", "--sampler", "eulr")
    assert done.code == 2
    assert "Did you mean 'euler'" in done.err


def test_a_name_taken_meanwhile_loses_no_picture(sdkit: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Image.save

    def save_late(self: Image, path: Path, **options: object) -> Path:
        if path.name == "out.png":
            path.write_bytes(b"precious")
        return save(self, path, **options)  # pyright: ignore[reportArgumentType] - passed on as they came

    monkeypatch.setattr(Image, "save", save_late)
    done = sdkit("generate", "a red circle", "-o", "out.png")
    assert (done.code, done.out) == (0, "out-2.png\n")
    assert "warning: out.png was made by somebody else meanwhile; written to out-2.png instead" in done.err
    assert (here / "out.png").read_bytes() == b"precious"


def test_a_plugin_may_make_more_pictures_of_a_request(sdkit: Run, here: Path) -> None:
    (here / "wild.py").write_text(WILD)
    arguments = ("generate", "a red circle", "-o", "out.png", "--plugin", "wild.py", "--opt", "wild.copies=2")
    assert sdkit(*arguments).out.split() == ["out_001.png", "out_002.png"]
    assert sdkit(*arguments).code == 3
    assert names(here) == ["out_001.png", "out_002.png", "wild.py"]


def test_metadata_can_be_left_out(sdkit: Run, here: Path) -> None:
    assert sdkit("generate", "a red circle", "-o", "out.png", "--no-metadata").code == 0
    assert dict(read_image(here / "out.png").text) == {}


# ── what is printed ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_json_is_all_there_is_on_standard_output(sdkit: Run) -> None:
    done = sdkit("generate", "a red circle", "-o", "out.png", "--count", "2", "--seed", "5", "--grid", "--json")
    result = json.loads(done.out)
    assert [(picture["file"], picture["seed"]) for picture in result["pictures"]] == [
        ("out_001.png", 5),
        ("out_002.png", 6),
    ]
    assert result["grid"] == "out_grid.png"
    assert result["finished"] is True
    assert result["request"]["sampler"] == "euler"
    assert set(result["timings"]) == {"encode", "sample", "decode", "total"}
    assert (result["warnings"], result["recovered"], result["differences"]) == ([], [], [])


def test_quiet_prints_nothing(sdkit: Run) -> None:
    done = sdkit("generate", "a red circle", "-o", "out.png", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


# ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_interrupting_keeps_what_is_finished(sdkit: Run, here: Path) -> None:
    (here / "interrupting.py").write_text(INTERRUPTING)
    done = sdkit(
        *("generate", "a red circle", "-o", "out.png", "--count", "3", "--batch-size", "1"),
        *("--plugin", "interrupting.py", "--json"),
    )
    assert done.code == 130
    assert done.err == "cancelled; 1 of 3 pictures were finished and are kept\n"
    result = json.loads(done.out)
    assert (result["finished"], [picture["file"] for picture in result["pictures"]]) == (False, ["out_001.png"])
    assert names(here) == ["interrupting.py", "out_001.png"]


def test_a_failure_keeps_what_is_finished(sdkit: Run, here: Path) -> None:
    (here / "failing.py").write_text(FAILING)
    done = sdkit("generate", "a red circle", "-c", "2", "--batch-size", "1", "-o", "out.png", "--plugin", "failing.py")
    assert (done.code, done.out) == (4, "out_001.png\n")
    assert done.err.splitlines()[0] == "error: plugin 'failing' failed in sample_step: RuntimeError: boom"
    assert "note: 1 of 2 pictures were finished and are kept" in done.err
    assert names(here) == ["failing.py", "out_001.png"]


# ── --like ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_like_repeats_a_picture_to_the_bit(sdkit: Run, here: Path) -> None:
    sdkit(
        *("generate", "a red circle", "-n", "blue", "-o", "out.png", "--count", "2", "--seed", "5", "--steps", "4"),
        *("--sampler", "euler_ancestral", "--sampler-option", "eta=0.5", "--model", "toy"),
    )
    done = sdkit("generate", "--like", "out_002.png", "-o", "again.png", "--model", "toy")
    assert (done.code, done.out) == (0, "again.png\n"), done.err
    assert "differs" not in done.err
    assert (here / "again.png").read_bytes() == (here / "out_002.png").read_bytes()


def test_other_options_override_the_record(sdkit: Run, here: Path) -> None:
    sdkit(
        *("generate", "a red circle", "-o", "out.png", "--seed", "5", "--steps", "4"),
        *("--sampler", "euler_ancestral", "--sampler-option", "eta=0.5"),
    )
    like = ("generate", "--like", "out.png", "--model", "toy", "--overwrite", "-o", "again.png")
    assert sdkit(*like, "--sampler-option", "s_noise=0.9").code == 0
    assert recorded(here / "again.png")["sampler_options"] == {"eta": 0.5, "s_noise": 0.9}
    assert sdkit(*like, "a green star", "--sampler", "euler", "--seeds", "8").code == 0
    record = recorded(here / "again.png")
    assert (record["prompt"], record["sampler"], record["sampler_options"]) == ("a green star", "euler", {})
    assert (record["seed"], record["steps"]) == (8, 4)


def test_like_says_what_differs_and_which_plugin_is_missing(sdkit: Run, here: Path) -> None:
    (here / "wild.py").write_text(WILD)
    sdkit(
        *("generate", "a __colour__ circle", "-o", "out.png"),
        *("--plugin", "wild.py", "--opt", "wild.colour=green"),
    )
    like = ("generate", "--like", "out.png", "--model", "toy")
    done = sdkit(*like)
    assert done.code == 2
    assert "There is no plugin with options named 'wild'" in done.err
    assert "note: the picture was made with the plugin 'wild' (no version), which is not enabled" in done.err
    sdkit("generate", "a red circle", "-o", "plain.png", "--plugin", "wild.py")
    done = sdkit("generate", "--like", "plain.png", "--model", "toy", "--json")
    assert done.code == 0
    differs = "the plugin 'wild' (no version) took part and is not enabled here"
    assert f"differs: {differs}" in done.err
    assert json.loads(done.out)["differences"] == [differs]


def test_pictures_of_other_programs_are_repeated_and_what_differs_is_told(sdkit: Run, here: Path) -> None:
    import torch

    text = (
        "a red circle\nSteps: 4, Sampler: Euler a, Schedule type: Karras, CFG scale: 2, Seed: 5, Size: 32x32, "
        "ENSD: 31337, RNG: CPU, VAE: x.pt, Version: v1.10.1"
    )
    Image(torch.zeros(3, 8, 8)).with_text(parameters=text).save(here / "theirs.png")
    done = sdkit("generate", "--like", "theirs.png", "--model", "toy", "-o", "out.png")
    assert done.code == 0, done.err
    assert "differs: the picture's text also has VAE, for which a request has no field" in done.err
    record = recorded(here / "out.png")
    assert (record["sampler"], record["schedule"], record["noise"]) == ("euler_ancestral", "karras", "a1111")
    assert record["noise_options"] == {"eta_noise_seed_delta": 31337}


def test_other_programs_labels_are_names_too(sdkit: Run, here: Path) -> None:
    assert sdkit("generate", "a red circle", "-o", "out.png", "--sampler", "DPM++ 2M Karras").code == 0
    record = recorded(here / "out.png")
    assert (record["sampler"], record["schedule"]) == ("dpmpp_2m", "karras")


def test_like_needs_the_model_that_made_the_picture(sdkit: Run) -> None:
    sdkit("generate", "a red circle", "-o", "out.png")
    done = sdkit("generate", "--like", "out.png")
    assert done.code == 3
    assert "the picture was made with the model 'toy', which is not in" in done.err
    assert "--model FILE" in done.err


def test_the_function_names_its_options_as_the_request_does() -> None:
    """So that nobody who reads both has to translate; the exceptions are shorter on the command line."""
    from sdkit.builtin.commands.generate import generate

    shorter = {"negative_prompt": "negative", "loras": "lora", "options": "opt"}
    shorter |= {f"{name}_options": f"{name}_option" for name in ("sampler", "schedule", "noise")}
    parameters = set(inspect.signature(generate).parameters)
    assert {shorter.get(field, field) for field in Request.model_fields} <= parameters
