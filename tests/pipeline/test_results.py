"""Results: what they say is what happened, and asking again gives the same, from the request or from the file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image as PILImage

from sdkit.errors import MetadataError
from sdkit.images import Image
from sdkit.request import Request, RequestFields
from sdkit.testing import make_pipeline
from sdkit.types import RunPlan
from tests.pipeline._pictures import PROMPT, pixels, plugin

PICTURE = Image(torch.randint(256, (3, 32, 40), generator=torch.Generator().manual_seed(0)) / 255)

REQUESTS: dict[str, RequestFields] = {
    "defaults": {},
    "all of it": {
        "negative_prompt": "a star",
        "width": 40,
        "height": 48,
        "steps": 5,
        "sampler": "euler_ancestral",
        "sampler_options": {"eta": 0.7},
        "schedule": "karras",
        "guidance_scale": 2.5,
        "count": 3,
        "clip_skip": 2,
        "prompt_syntax": "comfy",
    },
    "img2img": {"init_image": PICTURE, "denoise": 0.5, "mask": PICTURE, "count": 2},
}


@pytest.mark.parametrize("fields", REQUESTS.values(), ids=list(REQUESTS))
def test_a_results_request_makes_its_pictures_again(fields: RequestFields) -> None:
    pipe = make_pipeline()
    result = pipe(PROMPT, **fields)  # no seed: a random one
    assert torch.equal(pixels(pipe(result.request)), pixels(result))
    by_json = Request.model_validate_json(result.request.model_dump_json())
    assert torch.equal(pixels(make_pipeline()(by_json)), pixels(result))


def test_a_results_request_has_no_none_left_that_a_family_has_a_default_for() -> None:
    request = make_pipeline()(PROMPT).request
    allowed = {"sigmas", "end_step", "seed", "variation_seed", "init_image", "mask", "model_sha256"}
    of_the_model = {"prediction", "zero_terminal_snr", "flow_shift", "distilled_timesteps"}
    assert {name for name in Request.model_fields if getattr(request, name) is None} == allowed | of_the_model
    assert (request.size, request.steps, request.sampler, request.schedule) == ((32, 32), 6, "euler", "normal")
    assert request.model == "toy"


@pytest.mark.parametrize("fields", REQUESTS.values(), ids=list(REQUESTS))
def test_a_saved_picture_makes_itself_again(fields: RequestFields, tmp_path: Path) -> None:
    pipe = make_pipeline()
    result = pipe(PROMPT, **fields)
    for index, image in enumerate(result.images):
        path = image.save(tmp_path / f"{index}.png")
        (again,) = pipe(Request.from_image(path)).images
        assert torch.equal(again.pixels, image.pixels)
        assert again.text == image.text


def test_a_picture_whose_prompt_a_plugin_wrote_makes_itself_again_without_it(tmp_path: Path) -> None:
    def prepare(plan: RunPlan) -> None:
        plan.prompts = [f"a {colour} circle" for colour in ("red", "blue")]

    def transform(plan: RunPlan):
        return lambda text, seed: f"{text} {seed}"

    pipe = make_pipeline(plugins=[plugin("wild", prepare_run=prepare, transform_prompt=transform)])
    result = pipe("a COLOUR circle", seed=7, count=2)
    path = result.images[1].save(tmp_path / "blue.png")
    request = Request.from_image(path)
    assert (request.prompt, request.seed) == ("a blue circle 8", 8)
    assert torch.equal(make_pipeline()(request).images[0].pixels, result.images[1].pixels)


def test_metadata_can_be_left_out(tmp_path: Path) -> None:
    result = make_pipeline()(PROMPT, output={"metadata": False})  # pyright: ignore[reportArgumentType] - as JSON does
    path = result.images[0].save(tmp_path / "bare.png")
    with pytest.raises(MetadataError, match="holds no record"):
        Request.from_image(path)


def test_timings_of_the_stages_add_up_to_less_than_the_whole() -> None:
    timings = make_pipeline()(PROMPT, count=3, batch_size=1).timings
    assert set(timings) == {"encode", "sample", "decode", "total"}
    assert all(seconds > 0 for seconds in timings.values())
    assert timings["encode"] + timings["sample"] + timings["decode"] <= timings["total"]


def test_the_consumers_time_is_not_counted_as_sampling() -> None:
    import time

    last = None
    for event in make_pipeline().stream(PROMPT, steps=2):
        time.sleep(0.05)
        last = event
    timings = last.result.timings  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    assert timings["total"] - timings["encode"] - timings["sample"] - timings["decode"] > 0.2


def test_notebooks_show_the_pictures_side_by_side() -> None:
    result = make_pipeline()(PROMPT, count=2)
    shown = PILImage.open(io.BytesIO(result._repr_png_()))
    assert shown.width >= 64
    assert shown.height >= 32


def test_latents_and_pictures_are_in_the_order_of_the_seeds() -> None:
    result = make_pipeline()(PROMPT, seeds=(5, 3, 4), batch_size=2)
    assert result.seeds == result.latents.seeds == tuple(image.seed for image in result.images) == (5, 3, 4)
    assert result.latents.tensor.shape == (3, 4, 4, 4)
