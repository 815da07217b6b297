"""The pieces of the built-in commands: where files go, what options mean, and whose plugin is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import typer

from sdkit.builtin.commands.fields import (
    make_request,
    parse_options,
    parse_plugin_options,
    parse_seeds,
    parse_sigmas,
    parse_size,
)
from sdkit.builtin.commands.outputs import Target
from sdkit.builtin.commands.watching import cancelling_on_interrupt, progress_bar
from sdkit.errors import ImageExistsError, RequestError
from sdkit.hookspecs import hookimpl
from sdkit.images import GenerationRecord, Image
from sdkit.plugins import load_manager
from sdkit.settings import Settings
from sdkit.types import CancelToken


class Greeting:
    """A plugin with a command."""

    @hookimpl
    def register_commands(self, cli: typer.Typer) -> None:
        @cli.command()
        def greet() -> None:
            """Say hello."""


@pytest.mark.hook("register_commands")
def test_plugins_commands_come_through_the_same_hook_as_the_built_in_ones() -> None:
    cli = typer.Typer()
    load_manager([Greeting()], settings=Settings(plugins=("none",))).add_commands(cli)
    names = [command.callback.__name__ for command in cli.registered_commands if command.callback]
    built_in = ["generate", "run", "graph", "nodes", "samplers", "plugins", "models", "inspect", "merge"]
    assert names == [*built_in, "greet"]


def names(output: str | None, count: int, image_format: str | None = None) -> list[str]:
    return [str(path) for path in Target.of(output, image_format, overwrite=False).files(count)]


@pytest.mark.parametrize(
    ("output", "image_format", "count", "expected"),
    [
        ("out.png", None, 1, ["out.png"]),
        ("out.png", None, 2, ["out_001.png", "out_002.png"]),
        ("a.b/out.JPG", None, 1, ["a.b/out.JPG"]),
        ("out", None, 1, ["out.png"]),
        ("out.v2", "webp", 1, ["out.v2.webp"]),
        ("new/", "jpeg", 2, ["new/sdkit_0001.jpg", "new/sdkit_0002.jpg"]),
        (None, None, 1, ["sdkit_0001.png"]),
    ],
)
def test_names(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    output: str | None,
    image_format: str | None,
    count: int,
    expected: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert names(output, count, image_format) == expected


def test_many_pictures_get_names_that_sort(tmp_path: Path) -> None:
    many = names(str(tmp_path / "out.png"), 1000)
    assert many[0].endswith("out_0001.png")
    assert many == sorted(many)


def test_the_name_decides_the_format() -> None:
    assert Target.of("out.jpeg", None, overwrite=False).format == "jpeg"
    assert Target.of("out.jpeg", "jpeg", overwrite=False).format == "jpeg"
    with pytest.raises(RequestError, match="--format png does not fit the output's name"):
        Target.of("out.jpeg", "png", overwrite=False)


def test_all_taken_names_are_counted(tmp_path: Path) -> None:
    target = Target.of(str(tmp_path / "out.png"), None, overwrite=False)
    files = target.files(3)
    for file in files[:2]:
        file.touch()
    with pytest.raises(ImageExistsError, match=r"out_001.png' exists already \(and 1 more\)"):
        target.check(files)


def test_a_dangling_link_is_a_taken_name(tmp_path: Path) -> None:
    (tmp_path / "out.png").symlink_to(tmp_path / "nowhere")
    target = Target.of(str(tmp_path / "out.png"), None, overwrite=False)
    with pytest.raises(ImageExistsError):
        target.check(target.files(1))


def test_a_taken_name_is_replaced_by_the_next_free_one(tmp_path: Path) -> None:
    target = Target.of(str(tmp_path / "out.png"), None, overwrite=False)
    image = Image(torch.rand(3, 8, 8))
    written = [target.write(image, tmp_path / "out.png", quality=95, metadata=True).name for _ in range(3)]
    assert written == ["out.png", "out-2.png", "out-3.png"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=0.5", 0.5),
        ("a=true", True),
        ("a=null", None),
        ("a=[1, 2]", [1, 2]),
        ('a="1"', "1"),
        ("a=text = more", "text = more"),
        ("a=", ""),
        ("a=NaN", "NaN"),
        ("a=-Infinity", "-Infinity"),
        ("a=" + "[" * 100_000, "[" * 100_000),
    ],
    ids=lambda value: str(value)[:20],
)
def test_option_values_are_json_or_text(text: str, value: object) -> None:
    assert parse_options([text]) == {"a": value}


def test_plugin_options_are_gathered_by_namespace() -> None:
    assert parse_plugin_options(["a.x=1", "b.y=2", "a.z.w=3"]) == {"a": {"x": 1, "z.w": 3}, "b": {"y": 2}}


def test_sizes_and_seeds() -> None:
    assert parse_size("128x96") == parse_size(" 128X96 ") == (128, 96)
    assert parse_seeds("1, 2,18446744073709551615") == (1, 2, 2**64 - 1)


def test_sigmas() -> None:
    assert parse_sigmas("14.6, 7,0") == (14.6, 7.0, 0.0)


def test_what_a_record_says_of_its_parts_goes_with_the_parts() -> None:
    record = GenerationRecord(
        request={
            "prompt": "a",
            "schedule": "karras",
            "schedule_options": {"rho": 5},
            "steps": 9,
            "denoise": 0.5,
            "noise": "a1111",
            "noise_options": {"eta_noise_seed_delta": 31337},
        }
    )
    same = make_request({"noise_options": {"eta_noise_seed_delta": 3}}, record)
    assert (same.noise_options, same.schedule_options, same.denoise) == (
        {"eta_noise_seed_delta": 3},
        {"rho": 5},
        1,
    )
    other = make_request({"schedule": "normal", "noise": "comfy"}, record)
    assert (other.schedule_options, other.noise_options) == ({}, {})
    listed = make_request({"sigmas": (3.0, 0.0)}, record)
    assert (listed.sigmas, listed.steps, listed.schedule, listed.schedule_options) == ((3.0, 0.0), None, None, {})
    sigmas = GenerationRecord(request={"prompt": "a", "sigmas": [3.0, 0.0]})
    assert make_request({"steps": 4}, sigmas).sigmas is None
    part = GenerationRecord(request={"prompt": "a", "steps": 9, "end_step": 8, "leftover_noise": True})
    assert make_request({"seed": 1}, part).end_step == 8
    assert make_request({"steps": 20}, part).end_step is None


def test_another_programs_strength_counts_where_the_picture_is_given(tmp_path: Path) -> None:
    record = GenerationRecord(request={"prompt": "a", "denoise": 0.5})
    Image(torch.rand(3, 8, 8)).save(tmp_path / "start.png")
    assert make_request({"init_image": str(tmp_path / "start.png")}, record).denoise == 0.5


def test_on_top_of_a_record_only_what_is_given_changes() -> None:
    record = GenerationRecord(
        request={
            "prompt": "a",
            "seed": 4,
            "sampler": "euler",
            "sampler_options": {"s_churn": 1, "s_noise": 1.1},
            "options": {"p": {"x": 1, "y": 2}},
            "model": "m",
            "output": {"quality": 3},
        }
    )
    request = make_request({"options": {"p": {"y": 3}, "q": {"z": 1}}, "count": 2}, record)
    assert (request.seed, request.count, request.model, request.output.quality) == (4, 2, None, 95)
    assert request.options == {"p": {"x": 1, "y": 3}, "q": {"z": 1}}
    assert request.sampler_options == {"s_churn": 1, "s_noise": 1.1}
    assert make_request({"sampler": "heun"}, record).sampler_options == {}
    assert make_request({"seeds": (1, 2)}, record).image_seeds() == (1, 2)


def test_the_second_interrupt_is_pythons_own() -> None:
    import signal

    token = CancelToken()
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)  # processes in the background ignore interrupts
    try:
        with cancelling_on_interrupt(token):
            signal.raise_signal(signal.SIGINT)
            assert token.cancelled
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, outside)


def test_a_handler_that_is_not_pythons_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    monkeypatch.setattr(signal, "signal", lambda number, handler: pytest.fail("changed"))
    with cancelling_on_interrupt(CancelToken()):
        pass


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(quiet=False) as bar:
        bar.line("file.png")
        bar.note("a note")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("file.png\n", "a note\n")
