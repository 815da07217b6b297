"""Bad input on the command line: one line that names cause and remedy, the right exit code, no traceback, no debris."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdkit import Pipeline
from sdkit.cli.failures import describe
from sdkit.errors import ImageError, NonFiniteError
from sdkit.images import Image
from sdkit.testing import ToyModel
from sdkit.testing.models import random_checkpoint

from .conftest import Done

Run = Callable[..., Done]


def assert_clean(done: Done, code: int, *expected: str, here: Path, left: tuple[str, ...] = ()) -> None:
    """One `error: …`, everything expected in it, no traceback, and only the files in `left`."""
    assert done.code == code, done.err
    assert done.err.count("error: ") == 1, done.err
    assert done.err.startswith("error: "), done.err
    assert "Traceback" not in done.err
    for text in expected:
        assert text in done.err
    assert done.out == ""
    assert sorted(path.name for path in here.iterdir()) == sorted(left)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a red circle", "--width", "130"], ["width is 130, which is not a multiple of 8; use 128 or 136"]),
        (["a red circle", "--steps", "0"], ["steps: ", "greater than or equal to 1, not 0"]),
        (["a red circle", "--steps", "10000"], ["steps: ", "less than or equal to 1000, not 10000"]),
        (["a red circle", "--sampler", "eulr"], ["There is no sampler named 'eulr'. Did you mean 'euler'"]),
        (["a red circle", "--schedule", "karas"], ["There is no schedule named 'karas'. Did you mean 'karras'?"]),
        (["a red circle", "--sampler", "euler_ancestral", "--sampler-option", "etta=1"], ["no option 'etta'", "'eta'"]),
        (["a red circle", "--sampler-option", "eta"], ["--sampler-option takes name=value, not 'eta'"]),
        (["a red circle", "--sampler", "DPM++ 2M Karass"], ["Did you mean 'DPM++ 2M Karras' (sampler 'dpmpp_2m', sch"]),
        (["a red circle", "--noise", "nvidia"], ["There is no noise source named 'nvidia'"]),
        (["a red circle", "--noise-option", "eta_noise_seed_delta=1"], ["'per_image' has no options"]),
        (["a red circle", "--schedule", "karras", "--schedule-option", "ro=1"], ["no option 'ro'", "'rho'"]),
        (["a red circle", "--schedule-option", "rho"], ["--schedule-option takes name=value, not 'rho'"]),
        (["a red circle", "--sigmas", "3,x"], ["--sigmas takes numbers with commas between", "not '3,x'"]),
        (["a red circle", "--sigmas", "3,0", "--steps", "2"], ["give sigmas, or steps, not both"]),
        (["a red circle", "--prediction", "w"], ["prediction: "]),
        (["a red circle", "--opt", "wildcards"], ["--opt takes plugin.name=value, not 'wildcards'"]),
        (["a red circle", "--opt", "wildcards=1"], ["--opt takes plugin.name=value"]),
        (["a red circle", "--opt", "nope.a=1"], ["no plugin with options named 'nope'"]),
        (["a red circle", "--size", "128"], ["--size takes width and height, such as 128x96, not '128'"]),
        (["a red circle", "--size", "8x8", "--width", "8"], ["give either --size or --width and --height"]),
        (["a red circle", "--seeds", "1,x"], ["--seeds takes whole numbers", "not '1,x'"]),
        (["a red circle", "--seed", "-1"], ["seed: ", "greater than or equal to 0, not -1"]),
        (["a red circle", "--seed", "1", "--seeds", "2"], ["give seed (and count) or seeds, not both"]),
        (["a red circle", "--denoise", "0.5"], ["denoise below 1 needs an init_image"]),
        (["a red circle", "--guidance-scale", "nan"], ["guidance_scale: "]),
        (["a red circle", "--format", "gif"], ["--format is png, jpeg, webp, not 'gif'"]),
        (["a red circle", "-o", "out.gif"], ["sdkit writes png, jpeg and webp"]),
        (["a red circle", "-o", "out.png", "--format", "jpeg"], ["--format jpeg does not fit", "'out.png'"]),
        (["a red circle", "--quality", "0"], ["output.quality: ", "greater than or equal to 1, not 0"]),
        (["a red circle", "--stpes", "3"], ["No such option: --stpes", "--steps", "`sdkit generate --help`"]),
        (["a red circle", "--steps", "many"], ["Invalid value for '--steps'", "integer"]),
        (["a red", "circle"], ["circle"]),
        ([], ["say what to draw: sdkit generate"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage(sdkit: Run, here: Path, arguments: list[str], expected: list[str]) -> None:
    assert_clean(sdkit("generate", *arguments), 2, *expected, here=here)


def test_an_empty_prompt_draws_whatever_the_model_likes(sdkit: Run) -> None:
    assert sdkit("generate", "", "-o", "out.png").out == "out.png\n"


def test_a_prompt_of_ten_thousand_words(real_sdkit: Run, here: Path, checkpoint: Path) -> None:
    done = real_sdkit(
        *("generate", "red " * 10_000, "-m", str(checkpoint), "-o", "out.png"),
        *("--size", "32x32", "--steps", "1"),
    )
    if done.code:
        assert_clean(done, 2, "prompt", here=here)
    else:
        assert done.out == "out.png\n"


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def picture(path: Path, side: int) -> None:
    Pipeline(ToyModel(width=side, height=side))("white", seed=1).images[0].save(path)


def test_a_mask_of_another_size(sdkit: Run, here: Path) -> None:
    picture(here / "start.png", 32)
    picture(here / "mask.png", 64)
    done = sdkit("generate", "red", "--init-image", "start.png", "--mask", "mask.png", "--denoise", "0.5")
    assert_clean(
        done, 2, "the mask is 64×64, but the initial image is 32×32", here=here, left=("start.png", "mask.png")
    )


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n half"])
def test_unusable_pictures(sdkit: Run, here: Path, content: bytes | None) -> None:
    left = () if content is None else ("start.png",)
    if content is not None:
        (here / "start.png").write_bytes(content)
    assert_clean(sdkit("generate", "red", "--init-image", "start.png"), 3, "start.png", here=here, left=left)
    assert_clean(sdkit("generate", "--like", "start.png"), 3, "start.png", here=here, left=left)
    if content is None:
        assert_clean(sdkit("inspect", "start.png"), 3, "cannot read the picture 'start.png'", here=here)


def test_a_picture_without_a_record(sdkit: Run, here: Path) -> None:
    import torch

    Image(torch.rand(3, 8, 8)).save(here / "plain.png")
    for arguments in (("generate", "--like", "plain.png"), ("inspect", "plain.png")):
        assert_clean(sdkit(*arguments), 3, "holds no record of how it was made", here=here, left=("plain.png",))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("file/out.png", "cannot write into 'file': 'file' is a file"),
        ("x" * 300 + ".png", "the output's name is too long: 304 bytes"),
    ],
)
def test_outputs_that_cannot_be_written_are_noticed_at_once(sdkit: Run, here: Path, name: str, expected: str) -> None:
    (here / "file").touch()
    assert_clean(sdkit("generate", "red", "-o", name), 3, expected, here=here, left=("file",))


# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_checkpoint(tmp_path_factory.mktemp("models") / "random.safetensors")


def damaged(kind: str, checkpoint: Path) -> bytes:
    whole = checkpoint.read_bytes()
    return {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"this is no model" * 10,
        "pickle": b"PK\x03\x04" + bytes(26) + b"archive/data.pkl" + bytes(70),
        "hostile": struct.pack("<Q", 2**60) + b"{}",
    }[kind]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("truncated", "is cut off"),
        ("empty", "is empty (0 bytes)"),
        ("text", "is not a safetensors file"),
        ("pickle", "pickle"),
        ("hostile", "claims a header of 1,152,921,504,606,846,976 bytes"),
    ],
)
def test_unusable_model_files(real_sdkit: Run, here: Path, checkpoint: Path, kind: str, expected: str) -> None:
    (here / "bad.safetensors").write_bytes(damaged(kind, checkpoint))
    for arguments in (("generate", "red", "--model", "bad.safetensors"), ("inspect", "bad.safetensors")):
        assert_clean(real_sdkit(*arguments), 3, expected, here=here, left=("bad.safetensors",))


def test_a_missing_model(real_sdkit: Run, here: Path, tmp_path: Path, checkpoint: Path) -> None:
    folder = tmp_path / "models" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "dreamy.safetensors").write_bytes(checkpoint.read_bytes())
    done = real_sdkit("generate", "red", "--model", "dreamt")
    assert_clean(done, 3, "there is no model file 'dreamt'", "Did you mean 'dreamy'?", here=here)
    assert_clean(real_sdkit("inspect", "dreamt"), 3, "there is no model file", "dreamt", here=here)


def test_a_wrong_device_or_dtype(real_sdkit: Run, here: Path, checkpoint: Path) -> None:
    for option in ("--device", "--dtype"):
        done = real_sdkit("generate", "red", "--model", str(checkpoint), option, "abacus")
        assert_clean(done, 2, "'abacus'", here=here)


# ── plugins ──────────────────────────────────────────────────────────────────────────────────────────────────────────

BAD_PLUGINS = {
    "import": ("import no_such_module", 4, ["cannot run the plugin file 'bad.py'", "No module named 'no_such_module'"]),
    "nothing": ("", 4, ["plugin 'bad' implements no hook"]),
    "misspelt": (
        "import sdkit\n@sdkit.hookimpl\ndef sample_stepp(step): pass",
        4,
        ["there is no such hook. Did you mean 'sample_step'?"],
    ),
    "taken": (
        "import sdkit\n@sdkit.hookimpl\ndef register_samplers(register): register('euler', 'x:y')",
        4,
        ["plugin 'bad' registers the sampler 'euler', which plugin 'sdkit.builtin.samplers.single_step' has"],
    ),
    "registering": (
        "import sdkit\n@sdkit.hookimpl\ndef register_samplers(register): 1 / 0",
        4,
        ["plugin 'bad' failed in register_samplers: ZeroDivisionError"],
    ),
    "step": (
        "import sdkit\n@sdkit.hookimpl\ndef sample_step(step): raise ValueError('boom')",
        4,
        ["plugin 'bad' failed in sample_step: ValueError: boom", "note: --debug shows the traceback"],
    ),
    "nan": (
        "import sdkit\n@sdkit.hookimpl\ndef sample_step(step): step.x = step.x * float('nan')",
        1,
        ["NaN or infinity after step 0", "Plugins that touch the numbers: bad"],
    ),
    "result": (
        "import sdkit\n@sdkit.hookimpl\ndef decode(latents, run): return 'a picture'",
        4,
        ["plugin 'bad': decode must return Tensor, not str"],
    ),
}


@pytest.mark.parametrize("kind", BAD_PLUGINS)
def test_bad_plugins(sdkit: Run, here: Path, kind: str) -> None:
    source, code, expected = BAD_PLUGINS[kind]
    (here / "bad.py").write_text(source)
    done = sdkit("generate", "red", "--plugin", "bad.py", "-o", "out.png")
    assert_clean(done, code, *expected, here=here, left=("bad.py",))


def test_advice_is_in_the_words_of_the_command_line() -> None:
    for error in (
        NonFiniteError('NaN; load it with dtype="float32"'),
        ImageError('load the model with dtype="float32"'),
    ):
        assert describe(error).message.endswith("with --dtype float32")


def test_missing_plugins(sdkit: Run, here: Path) -> None:
    assert_clean(sdkit("generate", "red", "--plugin", "bad.py"), 4, "there is no plugin file 'bad.py'", here=here)
    done = sdkit("generate", "red", "--plugin", "no_such.plugin")
    assert_clean(done, 4, "plugin 'no_such.plugin': cannot import 'no_such.plugin'", here=here)


@pytest.mark.parametrize("name", ["random", "pydantic"])
def test_a_plugin_file_does_not_displace_a_module(sdkit: Run, here: Path, name: str) -> None:
    (here / f"{name}.py").write_text("")
    before = sys.modules[name]
    done = sdkit("generate", "red", "--plugin", f"{name}.py")
    assert_clean(done, 4, f"the plugin file '{name}.py' has the name of a module", here=here, left=(f"{name}.py",))
    assert sys.modules[name] is before


def test_debug_shows_the_traceback_from_anywhere_on_the_line(
    sdkit: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "bad.py").write_text(BAD_PLUGINS["step"][0])
    arguments = ("generate", "red", "--plugin", "bad.py")
    for line in (("--debug", *arguments), (*arguments, "--debug")):
        done = sdkit(*line)
        assert done.code == 4
        assert "Traceback (most recent call last)" in done.err
        assert "raise ValueError" in done.err
    monkeypatch.setenv("SDKIT_DEBUG", "1")
    assert "Traceback" in sdkit(*arguments).err
    assert "--debug shows" not in sdkit(*arguments).err
    monkeypatch.setenv("SDKIT_DEBUG", "0")
    done = sdkit(*arguments)
    assert "Traceback" not in done.err
    assert "note: --debug shows the traceback" in done.err


def test_wrong_settings(sdkit: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDKIT_TRACE_HOOKS", "perhaps")
    assert_clean(sdkit("samplers"), 2, "SDKIT_TRACE_HOOKS", "'perhaps'", here=here)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("generate", "--help"), ("--version",)])
def test_help_and_version_need_no_settings(
    sdkit: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SDKIT_TRACE_HOOKS", "perhaps")
    monkeypatch.setenv("COLUMNS", "300")
    done = sdkit(*arguments)
    assert (done.code, done.err) == (0, "")
    if arguments in ((), ("--help",)):
        assert "Wrong settings, without which nothing else runs: setting 'trace_hooks'" in done.out


@pytest.mark.filterwarnings("default::UserWarning:sdkit")
def test_misspelt_plugins_in_the_settings_are_a_warning(
    sdkit: Run, install: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("good", "import sdkit\n@sdkit.hookimpl\ndef sample_step(step): pass")
    monkeypatch.setenv("SDKIT_PLUGINS", "goood,nothing_like_it")
    monkeypatch.setenv("SDKIT_PLUGINS_DENY", "goud")
    done = sdkit("generate", "red", "-o", "out.png", "--quiet")
    assert (done.code, done.out) == (0, "")
    assert done.err == (
        "warning: SDKIT_PLUGINS names 'goood', which is not installed; did you mean 'good'?\n"
        "warning: SDKIT_PLUGINS names 'nothing_like_it', which is not installed; see `sdkit plugins`\n"
        "warning: SDKIT_PLUGINS_DENY names 'goud', which is not installed; did you mean 'good'?\n"
    )


@pytest.mark.parametrize("name", ["None", "'samplers'"])
def test_a_plugin_does_not_replace_another_ones_command(
    sdkit: Run, install: Callable[[str, str], None], name: str
) -> None:
    install(
        "bad",
        f"import sdkit\n@sdkit.hookimpl\ndef register_commands(cli):\n @cli.command({name})\n def samplers(): ...",
    )
    done = sdkit("samplers", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out), "the built-in command"
    done = sdkit("plugins")
    assert done.code == 4
    expected = "plugin 'bad' adds the command 'samplers', which plugin 'sdkit.builtin.commands' has added already"
    assert expected in done.out


@pytest.mark.filterwarnings("always::RuntimeWarning")
def test_what_must_not_stop_a_run_is_a_warning(sdkit: Run, here: Path) -> None:
    (here / "bad.py").write_text("import sdkit\n@sdkit.hookimpl\ndef progress(event): raise ValueError('boom')")
    done = sdkit("generate", "red", "--plugin", "bad.py", "-o", "out.png", "--quiet")
    assert (done.code, done.out) == (0, "")
    assert done.err == "warning: plugin 'bad' failed in progress: ValueError: boom\n"
