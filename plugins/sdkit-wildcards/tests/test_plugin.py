"""In a pipeline and on the command line."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer
from pydantic import JsonValue
from typer.testing import CliRunner

import sdkit_wildcards
from sdkit import Pipeline, Request
from sdkit.errors import RequestError
from sdkit.testing import make_pipeline

Options = dict[str, dict[str, JsonValue]]
EVERY: Options = {"wildcards": {"mode": "all"}}


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return make_pipeline([sdkit_wildcards])


def test_each_picture_is_what_its_seed_gives_alone(pipe: Pipeline):
    together = pipe("a __colour__ {star|ring}", seed=5, count=4, batch_size=3)
    assert len({image.prompt for image in together.images}) > 1
    for image in together.images:
        alone = pipe("a __colour__ {star|ring}", seed=image.seed).images[0]
        assert alone.prompt == image.prompt
        torch.testing.assert_close(alone.pixels, image.pixels, rtol=0, atol=1e-5)


def test_a_picture_with_wildcards_is_the_one_of_the_words_that_were_chosen(pipe: Pipeline):
    chosen = pipe("a __colour__ star", negative_prompt="{red|green}", seed=5).images[0]
    written = make_pipeline()(chosen.prompt, negative_prompt=chosen.negative_prompt, seed=5).images[0]
    assert chosen.prompt.split()[1] in (option.template[0] for option in sdkit_wildcards.Lists().options("colour"))
    assert chosen.negative_prompt in ("red", "green")
    assert torch.equal(chosen.pixels, written.pixels)


def test_all_combinations_differ_in_their_words_only(pipe: Pipeline):
    result = pipe("a {red|green} {star|ring}", negative_prompt="{x|y}", seed=5, options=EVERY)
    words = [(image.prompt, image.negative_prompt) for image in result.images]
    shown = [f"a {colour} {shape}" for colour in ("red", "green") for shape in ("star", "ring")]
    assert words == [(prompt, negative) for prompt in shown for negative in ("x", "y")]
    assert result.seeds == (5,) * 8
    assert result.warnings == ()

    again = pipe.run(result.request)
    assert [image.prompt for image in again.images] == [image.prompt for image in result.images]
    assert torch.equal(again.latents.tensor, result.latents.tensor)


def test_every_seed_gets_every_combination(pipe: Pipeline):
    result = pipe("{a|b}", seed=5, count=2, options=EVERY)
    assert [(image.seed, image.prompt) for image in result.images] == [(5, "a"), (5, "b"), (6, "a"), (6, "b")]


def test_too_many_combinations_are_cut_off_with_a_warning(pipe: Pipeline):
    result = pipe("{a|b}" * 64, seed=5, options={"wildcards": {"mode": "all", "limit": 3}})
    assert len(result.images) == 3
    assert result.warnings == (
        "wildcards: there are more than 3 combinations; these are the first 3. Raise wildcards.limit to make more.",
    )


@pytest.mark.parametrize("mode", ["random", "all"])
def test_one_picture_of_many_comes_again_from_its_file(pipe: Pipeline, mode: str, tmp_path: Path):
    result = pipe("a {red|green} __shape__", seed=5, count=2, options={"wildcards": {"mode": mode, "limit": 4}})
    chosen = result.images[1]
    [again] = pipe.run(Request.from_image(chosen.save(tmp_path / "it.png"))).images
    assert again.prompt == chosen.prompt
    torch.testing.assert_close(again.pixels, chosen.pixels, rtol=0, atol=1e-5)


def test_can_be_turned_off(pipe: Pipeline):
    assert pipe("a {b|c} __d__", seed=5, options={"wildcards": {"mode": "off"}}).images[0].prompt == "a {b|c} __d__"


def test_folders_come_as_a_list_or_as_one_text(pipe: Pipeline, tmp_path: Path):
    (tmp_path / "pet.txt").write_text("cat\n")
    for folder in (str(tmp_path), [str(tmp_path)]):
        options: Options = {"wildcards": {"folder": folder}}  # pyright: ignore[reportAssignmentType] - a list is JSON
        assert pipe("a __pet__", seed=5, options=options).images[0].prompt == "a cat"


def test_faults_come_before_anything_is_computed_and_name_the_plugin(pipe: Pipeline):
    with pytest.raises(RequestError, match="no wildcard named 'colr'") as caught:
        pipe("a __colr__ star", seed=5)
    assert "raised by plugin 'sdkit_wildcards' in its hook 'transform_prompt'" in caught.value.__notes__
    with pytest.raises(RequestError, match="option 'mode': Input should be 'random', 'all' or 'off', not 'every'"):
        pipe("a star", seed=5, options={"wildcards": {"mode": "every"}})


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def cli() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)  # with one command only, typer would leave its name out
    sdkit_wildcards.register_commands(app)
    return app


def test_the_command_lists_the_lists(cli: typer.Typer):
    result = CliRunner().invoke(cli, ["wildcards"])
    assert [line.split()[:2] for line in result.output.splitlines()] == [
        ["__colour__", "11"],
        ["__place__", "5"],
        ["__shape__", "9"],
        ["__size__", "2"],
    ]


def test_the_command_shows_what_a_prompt_becomes(cli: typer.Typer):
    every = CliRunner().invoke(cli, ["wildcards", "a {red|blue} __size__ star", "--all"])
    assert every.output.splitlines() == [f"a {c} {s} star" for c in ("red", "blue") for s in ("small", "large")]
    some = CliRunner().invoke(cli, ["wildcards", "a {red|blue} star", "--count", "2", "--seed", "7"])
    lists = sdkit_wildcards.Lists()
    expected = [f"{seed}: {sdkit_wildcards.expand('a {red|blue} star', seed, lists)}" for seed in (7, 8)]
    assert some.output.splitlines() == expected


def test_the_command_needs_no_torch():
    code = "import sys, sdkit_wildcards.command; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
