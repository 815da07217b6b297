"""`sdkit plugins`, `samplers`, `models`, `inspect`: what there is, for people and as JSON, without torch."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdkit import Pipeline, __version__
from sdkit.builtin.commands.tables import show_table
from sdkit.errors import ModelNotFoundError
from sdkit.models import embedded_checkpoint
from sdkit.models.hashes import compute_hashes
from sdkit.plugins import load_manager
from sdkit.testing import ToyModel
from sdkit.testing.models import random_checkpoint

from .conftest import Done

Run = Callable[..., Done]
Install = Callable[[str, str], None]

GOOD = """
import sdkit
from pydantic import BaseModel, Field

class Options(BaseModel):
    strength: float = Field(default=0.5, description="How much.")

@sdkit.hookimpl
def register_options(register):
    register("good", Options)

@sdkit.hookimpl
def register_samplers(register):
    register("a_sampler_with_a_name_that_is_longer_than_any_column", "nowhere:at_all", order=3, summary="slow")

@sdkit.hookimpl
def register_commands(cli):
    @cli.command()
    def greet(name: str):
        "Say hello."
        print("hello", name)
"""


def cells(table: str) -> list[list[str]]:
    """A plain table's rows, split at two or more spaces."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table.splitlines()]


# ── plugins ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_plugins_are_listed_with_origin_state_hooks_and_options(sdkit: Run, install: Install) -> None:
    install("good", GOOD)
    done = sdkit("plugins")
    assert done.code == 0, done.err
    rows = cells(done.out)
    assert ["good", "1.2", "installed", "enabled", "register_commands, register_options, register_samplers"] in rows
    assert ["sdkit.builtin.metadata", "built-in", "enabled", "finish_image"] in rows
    assert ["good.strength", "0.5", "good", "How much."] in rows


def test_disabled_plugins_are_listed_and_not_imported(
    sdkit: Run, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("bad", "raise RuntimeError('imported')")
    monkeypatch.setenv("SDKIT_PLUGINS_DENY", "bad")
    done = sdkit("plugins")
    assert (done.code, done.err) == (0, "")
    assert ["bad", "1.2", "installed", "disabled"] in cells(done.out)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sdkit\n@sdkit.hookimpl\ndef sample_stepp(step): pass", "Did you mean 'sample_step'?"),
        (
            "import sdkit\n@sdkit.hookimpl\ndef register_samplers(register): 1 / 0",
            "ZeroDivisionError: division by zero",
        ),
        ("import sdkit\n@sdkit.hookimpl\ndef register_commands(cli): 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason_beside_the_others(
    sdkit: Run, install: Install, source: str, reason: str
) -> None:
    install("ant", "import sdkit\n@sdkit.hookimpl\ndef sample_step(step): pass")
    install("bad", source)
    install("good", GOOD)
    done = sdkit("plugins")
    assert done.code == 4
    rows = cells(done.out)
    assert ["bad", "1.2", "installed", "broken"] in rows
    assert ["ant", "1.2", "installed", "enabled", "sample_step"] in rows
    assert ["good", "1.2", "installed", "enabled", "register_commands, register_options, register_samplers"] in rows
    assert "bad is broken: " in done.out
    assert reason in done.out
    assert "SDKIT_PLUGINS_DENY=bad" in done.out
    listed = {plugin["name"]: plugin for plugin in json.loads(sdkit("plugins", "--json").out)["plugins"]}
    assert (listed["bad"]["state"], listed["good"]["state"]) == ("broken", "enabled")
    assert reason in listed["bad"]["error"]


def test_help_and_the_other_plugins_commands_work_beside_a_broken_plugin(sdkit: Run, install: Install) -> None:
    install("bad", "import no_such_module")
    install("good", GOOD)
    done = sdkit("--help")
    assert done.code == 0
    assert "Broken plugins, whose commands are missing: bad" in done.out
    assert sdkit("greet", "you").out == "hello you\n"
    done = sdkit("gret")
    assert done.code == 2
    assert "No such command 'gret'. Did you mean 'greet'" in done.err
    assert "note: plugins that could not be loaded: bad" in done.err
    done = sdkit("generate", "red")
    assert done.code == 4
    assert "error: plugin 'bad': cannot import 'installed_bad'" in done.err
    assert "note: to go on without it, set SDKIT_PLUGINS_DENY=bad" in done.err


# ── samplers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_samplers_and_what_else_has_a_name_are_listed_uncut(sdkit: Run, install: Install) -> None:
    install("good", GOOD)
    done = sdkit("samplers")
    assert done.code == 0, done.err
    rows = cells(done.out)
    assert ["a_sampler_with_a_name_that_is_longer_than_any_column", "3", "1", "none", "good", "slow"] in rows
    (ancestral,) = [row for row in rows if row[:1] == ["euler_ancestral"]]
    assert ancestral[1:3] == ["Euler a", "Euler ancestral"]
    assert ancestral[3:7] == ["1", "1", "white", "eta=1, s_noise=1"]
    assert ["karras", "Karras", "ka", "rho=7"] in [row[:4] for row in rows]
    assert {"cfg", "plain", "per_image", "a1111", "nv", "comfy"} <= {row[0] for row in rows if row}


def test_samplers_as_json_hold_all_names(sdkit: Run) -> None:
    listed = json.loads(sdkit("samplers", "--json").out)
    manager = load_manager()
    assert [sampler["name"] for sampler in listed["samplers"]] == list(manager.samplers)
    assert [schedule["name"] for schedule in listed["schedules"]] == list(manager.schedules)
    assert {sampler["name"]: sampler["options"] for sampler in listed["samplers"]}["euler_ancestral"] == {
        "eta": 1.0,
        "s_noise": 1.0,
    }
    sampler = next(sampler for sampler in listed["samplers"] if sampler["name"] == "dpmpp_2m")
    assert (sampler["a1111"], sampler["a1111_schedule"], sampler["diffusers"]) == (
        *("DPM++ 2M", "Karras", "DPMSolverMultistepScheduler"),
    )
    assert [source["name"] for source in listed["noise_sources"]] == list(manager.noise_sources)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("euler_ancestral", ["sampler", "euler_ancestral"]),
        ("k_euler_a", ["sampler", "euler_ancestral"]),
        ("DPM++ 2M Karras", ["sampler", "dpmpp_2m", "schedule", "karras"]),
        ("SGM Uniform", ["schedule", "sgm_uniform"]),
        ("nv", ["noise source", "nv"]),
        ("cfg", ["guidance", "cfg"]),
    ],
)
def test_one_of_them_by_anybodys_name(sdkit: Run, name: str, shown: list[str]) -> None:
    done = sdkit("samplers", name)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    kinds = [line.removesuffix(":") for line in lines if line.endswith(":") and "options" not in line]
    names = [row[1] for row in cells(done.out) if row[:1] == ["name"]]
    assert [part for pair in zip(kinds, names, strict=True) for part in pair] == shown
    assert [entry["name"] for entry in json.loads(sdkit("samplers", name, "--json").out)] == names


def test_options_are_described_and_unknown_names_suggested(sdkit: Run) -> None:
    rows = cells(sdkit("samplers", "euler_ancestral").out)
    (eta,) = [row for row in rows if row[:1] == ["eta"]]
    assert eta[1] == "1"
    assert eta[2].startswith("How much of the noise to renew")
    assert ["a1111 options", "eta=1"] in cells(sdkit("samplers", "dpm_fast").out)
    done = sdkit("samplers", "eulr")
    assert done.code == 2
    assert "There is no sampler or schedule named 'eulr'. Did you mean 'euler'" in done.err


def test_on_a_terminal_tables_are_drawn_and_names_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    show_table("things", ("name", "value"), [("n" * 60, "[bold]text")])
    shown = terminal.getvalue()
    assert "─" in shown
    assert shown.count("n" * 10) >= 1
    assert sum(line.count("n") for line in shown.splitlines()) >= 60
    assert "[bold]text" in "".join(line.split("  ")[-1].strip() for line in shown.splitlines())


# ── models and files ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def dreamy(tmp_path: Path, here: Path) -> Path:
    return random_checkpoint(tmp_path / "models" / "checkpoints" / "sub" / "dreamy.safetensors", metadata={"by": "me"})


def test_models_are_listed_with_size_and_folder(sdkit: Run, tmp_path: Path, dreamy: Path) -> None:
    done = sdkit("models")
    assert (done.code, done.err) == (0, "")
    assert ["sub/dreamy", "sd1", f"{dreamy.stat().st_size / 1e6:,.1f} MB", str(dreamy)] in cells(done.out)
    assert f"model folder: {tmp_path / 'models'} (1 of them" in done.out
    listed = json.loads(sdkit("models", "--json").out)
    assert listed["folder"] == str(tmp_path / "models")
    assert {
        "name": "sub/dreamy",
        "kind": "checkpoints",
        "family": "sd1",
        "path": str(dreamy),
        "size": dreamy.stat().st_size,
        "sha256": None,
        "embedded": False,
    } in listed["models"]


def test_models_of_one_kind_with_hashes_and_duplicates(sdkit: Run, tmp_path: Path, dreamy: Path) -> None:
    loras = tmp_path / "models" / "loras"
    loras.mkdir()
    path = save_lora(loras / "ink.safetensors", context=768)
    shutil.copy(path, loras / "ink.pt")
    done = sdkit("models", "--kind", "loras", "--hash")
    assert (done.code, done.err) == (0, "")
    digits = hashlib.sha256(path.read_bytes()).hexdigest()
    assert ["ink", "sd1", "0.0 MB", digits[:10], str(path)] in cells(done.out)
    assert "dreamy" not in done.out
    assert f"loras: 'ink' is {path}; hidden by it: {loras / 'ink.pt'}" in done.out
    listed = json.loads(sdkit("models", "--json").out)
    assert [(model["kind"], model["sha256"]) for model in listed["models"] if not model["embedded"]] == [
        ("checkpoints", None),
        ("loras", digits),
    ]
    assert listed["duplicates"] == {"loras": {"ink": [str(path), str(loras / "ink.pt")]}}
    assert listed["folders"]["loras"] == [str(loras)]
    done = sdkit("models", "--kind", "lora")
    assert done.code == 2
    assert "Did you mean 'loras'?" in done.err


def test_inspect_says_what_a_lora_is_for_and_how_it_was_trained(sdkit: Run, tmp_path: Path, here: Path) -> None:
    metadata = {
        "ss_network_dim": "4",
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_tag_frequency": json.dumps({"10_zyx cat": {"cat": 30, "sofa": 2}}),
    }
    loras = tmp_path / "models" / "loras"
    loras.mkdir(parents=True)
    path = save_lora(loras / "ink.safetensors", context=2048, metadata=metadata)
    rows = cells(sdkit("inspect", "ink").out)
    for row in (
        ["looks like", "a LoRA, kohya's names"],
        ["for family", "sdxl"],
        ["rank", "4"],
        ["base model", "sdxl_base_v1-0"],
        ["trigger words", "zyx cat"],
        ["top tags", "cat (30), sofa (2)"],
    ):
        assert row in rows, row
    found = json.loads(sdkit("inspect", str(path), "--json").out)
    assert (found["for_family"], found["facts"]["rank"]) == ("sdxl", "4")
    assert found["auto_v3"] == compute_hashes(path).auto_v3


def save_lora(path: Path, *, context: int, metadata: dict[str, str] | None = None) -> Path:
    import torch
    from safetensors.torch import save_file

    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    weights = {f"{stem}.lora_down.weight": torch.zeros(4, context), f"{stem}.lora_up.weight": torch.zeros(320, 4)}
    save_file(weights, path, metadata=metadata)
    return path


def test_the_model_in_the_box_is_listed_and_inspected_by_name(sdkit: Run) -> None:
    try:
        path = embedded_checkpoint()
    except ModelNotFoundError:
        assert json.loads(sdkit("models", "--json").out)["models"] == []
        return
    assert [model["embedded"] for model in json.loads(sdkit("models", "--json").out)["models"]] == [True]
    assert json.loads(sdkit("inspect", path.stem, "--json").out)["family"] == "sd1"


def test_inspect_says_what_a_checkpoint_is_and_why(sdkit: Run, dreamy: Path) -> None:
    found = json.loads(sdkit("inspect", "sub/dreamy", "--json").out)
    assert (found["family"], found["prediction"], found["metadata"]) == ("sd1", "eps", {"by": "me"})
    assert found["parameters"] == sum(found["parts"].values()) == sum(found["dtypes"].values())
    assert found["auto_v2"] == found["sha256"][:10]
    assert any("SD1" in fact for fact in found["why"])
    done = sdkit("inspect", str(dreamy))
    rows = cells(done.out)
    assert ["family", "sd1"] in rows
    assert ["sha256", found["sha256"]] in rows
    assert ["unet", f"{found['parts']['unet']:,}"] in rows
    assert ["by", "me"] in rows


def test_inspect_says_why_a_file_is_not_recognised(sdkit: Run, here: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"lora_unet_a.lora_down.weight": torch.zeros(2, 2)}, here / "lora.safetensors")
    done = sdkit("inspect", "lora.safetensors")
    assert done.code == 0
    rows = cells(done.out)
    assert ["family", "not recognised"] in rows
    assert any(row[:1] == ["looks like"] and "LoRA" in row[1] for row in rows)
    assert any(row[:1] == ["not sd1"] for row in rows)


def test_inspect_shows_a_pictures_record(sdkit: Run, here: Path) -> None:
    Pipeline(ToyModel())("a red circle", seed=7).images[0].save(here / "out.png")
    rows = cells(sdkit("inspect", "out.png").out)
    assert ["prompt", "a red circle"] in rows
    assert ["seed", "7"] in rows
    assert ["model", "toy"] in rows
    record = json.loads(sdkit("inspect", "out.png", "--json").out)
    assert (record["schema"], record["request"]["seed"]) == (1, 7)


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_version(sdkit: Run) -> None:
    assert sdkit("--version").out == f"sdkit {__version__}\n"


def test_help_lists_commands_and_exit_codes(sdkit: Run) -> None:
    done = sdkit()
    assert done.code == 0
    for text in ("generate", "samplers", "plugins", "models", "inspect", "Exit codes", "130  cancelled with Ctrl-C"):
        assert text in done.out
