"""Every picture carries the record that makes it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import sdkit
from sdkit.images import Image, installed_versions, read_record
from sdkit.request import ImageInput, OutputOptions, Request
from sdkit.testing import make_pipeline
from sdkit.types import CancelToken, Run, RunPlan


def test_a_picture_makes_itself_again(tmp_path: Path) -> None:
    pipe = make_pipeline()
    first = pipe("a red (cat)\nNegative prompt: x", negative_prompt="dog", count=3, seed=5, steps=3, sampler="heun")
    for image, seed in zip(first.images, (5, 6, 7), strict=True):
        path = image.save(tmp_path / f"{seed}.png")
        request = Request.from_image(path)
        assert (request.seed, request.seeds, request.count) == (seed, None, 1)
        assert (request.prompt, request.negative_prompt) == ("a red (cat)\nNegative prompt: x", "dog")
        again = pipe.run(request).images
        assert len(again) == 1
        assert torch.equal(again[0].pixels, image.pixels)
        assert again[0].text == image.text, "the record of a repetition is the record"


def test_the_record_knows_model_machine_and_versions() -> None:
    record = read_record(make_pipeline()("a cat", seed=1, steps=2).images[0])
    versions = installed_versions()
    assert (record.model, record.model_sha256, record.device, record.dtype) == ("toy", "", "cpu", "float32")
    assert record.sdkit == versions.pop("sdkit", "")
    assert record.versions == versions
    assert "torch" in record.versions
    assert record.plugins == {}
    assert None not in record.request.values(), "nothing is left to a default that may change"
    assert {"steps", "sampler", "schedule", "guidance_scale", "width", "height", "batch_size"} <= set(record.request)


def test_the_a1111_text_is_there_for_others() -> None:
    text = make_pipeline()("a cat", seed=1, steps=2, negative_prompt="dog").images[0].text["parameters"]
    assert text.startswith(
        "a cat\nNegative prompt: dog\nSteps: 2, Sampler: Euler, Schedule type: Normal, CFG scale: 3, "
    )
    assert "Seed: 1, Size: 32x32, Model: toy" in text


class Shout:
    """A plugin with a name and without a version."""

    @sdkit.hookimpl
    def transform_prompt(self, plan: RunPlan) -> Callable[[str, int], str]:
        return lambda text, seed: f"{text} {seed}"

    @sdkit.hookimpl
    def prepare_run(self, plan: RunPlan) -> None:
        plan.warnings.append("watch out")


def test_prompts_as_they_were_encoded_plugins_and_warnings_are_recorded() -> None:
    images = make_pipeline(plugins=[Shout()])("a cat", seed=3, count=2, steps=2).images
    records = [read_record(image) for image in images]
    assert [record.request["prompt"] for record in records] == ["a cat 3", "a cat 4"]
    assert len(records[0].plugins) == 1, "the built-in ones are left out"
    assert "watch out" in records[0].warnings


def test_it_can_be_switched_off() -> None:
    image = make_pipeline()("a cat", seed=1, steps=2, output=OutputOptions(metadata=False)).images[0]
    assert image.text == {}


def test_an_initial_image_is_recorded_by_path_and_hash_without_its_own_record(tmp_path: Path) -> None:
    pipe = make_pipeline()
    start = pipe("a cat", seed=1, steps=2).images[0]
    path = start.save(tmp_path / "start.png")
    by_path = pipe("a dog", seed=2, steps=2, init_image=path, denoise=0.5).images[0]
    given = read_record(by_path).request["init_image"]
    assert given == {"path": str(path), "sha256": ImageInput(path=str(path)).sha256}
    assert str(path) not in by_path.text["parameters"]
    by_value = pipe("a dog", seed=2, steps=2, init_image=start, denoise=0.5).images[0]
    assert torch.equal(by_value.pixels, by_path.pixels)
    again = pipe.run(Request(**read_record(by_value).request_fields())).images[0]
    assert torch.equal(again.pixels, by_value.pixels)
    data = json.loads(by_value.text["sdkit"])["request"]["init_image"]["data"]
    assert ImageInput(data=data).read().text == {}, "records do not nest, or they would grow from picture to picture"


def test_it_reads_the_plugins_that_the_pipeline_puts_into_the_run() -> None:
    from sdkit.builtin.metadata import finish_image
    from sdkit.images import PluginVersions
    from sdkit.testing import ToyModel

    model = ToyModel()
    run = Run(
        Request(steps=1), model, (4,), ("a",), ("",), (1.0, 0.0), CancelToken(), model.spec, recovered=["decoded twice"]
    )
    run.stash.put(PluginVersions({"restart": "0.3"}))
    finish = finish_image(run)
    assert finish is not None
    record = read_record(finish(Image(torch.zeros(3, 8, 8), text={"kept": "yes"}, seed=4, prompt="a")))
    assert record.plugins == {"restart": "0.3"}
    assert record.warnings == ("decoded twice",)
    with pytest.raises(sdkit.SdkitError):
        read_record(Image(torch.zeros(3, 8, 8)))
