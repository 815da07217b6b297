"""Sampling nodes against the library's own calls: equal to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from sdkit import Pipeline
from sdkit.errors import NodeError
from sdkit.pipeline.workspace import Workspace
from sdkit.types import Conditioning

from .conftest import Nodes, ToyWorkspace, node

Make = Callable[..., Nodes]


def latents(workspace: Workspace, nodes: Nodes, name: str = "5", output: int = 0) -> torch.Tensor:
    value: Any = workspace.run(nodes, outputs=[name]).values[name][output]
    return value["samples"]


def sampled(workspace: ToyWorkspace, count: int = 1, **fields: Any) -> torch.Tensor:
    """What the library makes of the same workflow."""
    pipe = workspace.toy
    cond = pipe.encode("a red (circle:1.2)", "blue", prompt_syntax="comfy")
    given = {
        "sampler": "euler", "schedule": "normal", "steps": 4, "guidance_scale": 3.0, "width": 64, "height": 64,
        "seeds": tuple(range(7, 7 + count)), "noise": "comfy",
    }  # fmt: skip
    return pipe.sample(Conditioning(cond.positive, cond.negative), **{**given, **fields}).tensor


def test_ksampler_on_the_model_in_the_box_is_pipe_sample(workflow: Make) -> None:
    nodes = workflow(count=2, steps=2)
    nodes["6"] = node("VAEDecode", samples=["5", 0], vae=["1", 2])
    result = Workspace(plugins=["sdkit_comfy.plugin"]).run(nodes, outputs=["5", "6"])
    pipe = Pipeline.load()
    cond = pipe.encode("a red (circle:1.2)", "blue", prompt_syntax="comfy")
    made = pipe.sample(
        cond, seeds=(7, 8), width=64, height=64, steps=2, guidance_scale=3.0, sampler="euler", schedule="normal",
        noise="comfy",
    )  # fmt: skip
    ours: Any = result.values["5"][0]
    scale = pipe.model.spec.latent_scale
    assert scale != 1
    assert torch.equal(ours["samples"], made.tensor / scale)
    pictures = torch.stack([image.pixels for image in pipe.decode(made.tensor / scale * scale)])
    decoded: Any = result.values["6"][0]
    assert torch.equal(decoded, pictures.movedim(1, -1))


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, {}),
        (
            {"sampler_name": "dpmpp_2m_sde_gpu", "scheduler": "karras"},
            {"sampler": "dpmpp_2m_sde", "schedule": "karras"},
        ),
        ({"sampler_name": "euler_ancestral", "cfg": 1.0}, {"sampler": "euler_ancestral", "guidance_scale": 1.0}),
    ],
)
def test_ksampler_is_pipe_sample(toys: ToyWorkspace, workflow: Make, changes: Nodes, fields: Nodes) -> None:
    assert torch.equal(latents(toys, workflow(2, **changes)), sampled(toys, 2, **fields))


def test_a_part_of_the_way_and_the_rest_are_the_whole(toys: ToyWorkspace, workflow: Make) -> None:
    nodes = workflow()
    given = {name: value for name, value in nodes["5"]["inputs"].items() if name not in ("seed", "denoise")}
    first = {"noise_seed": 7, "end_at_step": 2, "return_with_leftover_noise": "enable"}
    second = {"noise_seed": 9, "add_noise": "disable", "start_at_step": 2, "latent_image": ["6", 0]}
    nodes["6"] = node("KSamplerAdvanced", **given, **first)
    nodes["7"] = node("KSamplerAdvanced", **{**given, **second})
    assert torch.equal(latents(toys, nodes, "7"), latents(toys, nodes))


def test_sampling_taken_apart_is_ksampler(toys: ToyWorkspace, workflow: Make) -> None:
    nodes = workflow(count=2, sampler_name="euler_ancestral", denoise=0.5)
    nodes["6"] = node("BasicScheduler", model=["1", 0], scheduler="normal", steps=4, denoise=0.5)
    nodes["7"] = node("KSamplerSelect", sampler_name="euler_ancestral")
    nodes["8"] = node("CFGGuider", model=["1", 0], positive=["2", 0], negative=["3", 0], cfg=3.0)
    nodes["9"] = node("RandomNoise", noise_seed=7)
    links = {"noise": ["9", 0], "guider": ["8", 0], "sampler": ["7", 0], "sigmas": ["6", 0], "latent_image": ["4", 0]}
    nodes["10"] = node("SamplerCustomAdvanced", **links)
    assert torch.equal(latents(toys, nodes, "10"), latents(toys, nodes))
    assert torch.equal(latents(toys, nodes, "10", 1), latents(toys, nodes, "10"))  # the last step removes all noise


def test_a_noise_mask_keeps_what_is_outside(
    toys: ToyWorkspace, workflow: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = workflow(denoise=0.6)
    nodes["6"] = node("EmptyImage", width=64, height=64, batch_size=1, color=0x8040C0)
    nodes["7"] = node("VAEEncode", pixels=["6", 0], vae=["1", 2])
    nodes["8"] = node("SolidMask", value=1.0, width=32, height=64)
    nodes["9"] = node("SolidMask", value=0.0, width=64, height=64)
    nodes["10"] = node("MaskComposite", destination=["9", 0], source=["8", 0], x=0, y=0, operation="add")
    nodes["11"] = node("SetLatentNoiseMask", samples=["7", 0], mask=["10", 0])
    nodes["5"]["inputs"]["latent_image"] = ["11", 0]
    before, after = latents(toys, nodes, "7"), latents(toys, nodes)
    assert torch.allclose(after[..., 4:], before[..., 4:], atol=1e-6)
    assert float((after[..., :4] - before[..., :4]).abs().min()) > 1e-4
    seen: list[torch.Tensor] = []
    predict = toys.toy.model.predict

    def watched(x: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append(x)
        return predict(x, *rest)

    monkeypatch.setattr(toys.toy.model, "predict", watched)
    nodes["5"]["inputs"] |= {"steps": 1, "denoise": 1.0}
    for sampler in ("euler", "ddim"):
        nodes["5"]["inputs"]["sampler_name"] = sampler
        assert torch.allclose(latents(toys, nodes)[..., 4:], before[..., 4:], atol=1e-6)
    euler, ddim = seen
    assert torch.equal(euler[..., :4], ddim[..., :4])
    other = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(8))  # the seed and one more
    sigma = toys.toy.model.spec.sigmas[-1]
    shown = (before + other * sigma) / (sigma**2 + 1) ** 0.5
    assert torch.allclose(ddim[:1, :, :, 4:], shown[..., 4:], atol=1e-5)
    assert not torch.allclose(euler[..., 4:], ddim[..., 4:], atol=0.1)


def test_guidance_of_nodes(toys: ToyWorkspace, workflow: Make) -> None:
    nodes = workflow()
    nodes["6"] = node("RescaleCFG", model=["1", 0], multiplier=0.0)
    nodes["7"] = node("RescaleCFG", model=["1", 0], multiplier=0.7)
    plain = latents(toys, nodes)
    for name, same in (("6", True), ("7", False)):
        nodes["5"]["inputs"]["model"] = [name, 0]
        assert torch.allclose(latents(toys, nodes), plain, atol=1e-5) == same


def test_two_prompts_alike_are_guided_as_one(toys: ToyWorkspace, workflow: Make) -> None:
    nodes = workflow()
    nodes["6"] = node("BasicScheduler", model=["1", 0], scheduler="normal", steps=4, denoise=1.0)
    nodes["7"] = node("KSamplerSelect", sampler_name="euler")
    nodes["9"] = node("RandomNoise", noise_seed=7)
    links = {"noise": ["9", 0], "sampler": ["7", 0], "sigmas": ["6", 0], "latent_image": ["4", 0]}
    nodes["10"] = node("SamplerCustomAdvanced", guider=["8", 0], **links)
    told = {"cond1": ["2", 0], "cond2": ["2", 0], "negative": ["3", 0], "cfg_conds": 2.0, "cfg_cond2_negative": 3.0}
    for style in ("regular", "nested"):
        nodes["8"] = node("DualCFGGuider", model=["1", 0], **told, style=style)
        assert torch.allclose(latents(toys, nodes, "10"), latents(toys, nodes), atol=1e-5)
    empty = {"positive": ["2", 0], "negative": ["3", 0], "empty_conditioning": ["3", 0], "cfg": 3.0}
    nodes["8"] = node("PerpNegGuider", model=["1", 0], **empty, neg_scale=5.0)
    assert torch.allclose(latents(toys, nodes, "10"), latents(toys, nodes), atol=1e-5)  # nothing is perpendicular


def test_flipped_sigmas_are_not_sampled(toys: ToyWorkspace, workflow: Make) -> None:
    nodes = workflow()
    nodes["6"] = node("BasicScheduler", model=["1", 0], scheduler="normal", steps=4, denoise=1.0)
    nodes["7"] = node("FlipSigmas", sigmas=["6", 0])
    nodes["8"] = node("KSamplerSelect", sampler_name="euler")
    links = {"sampler": ["8", 0], "sigmas": ["7", 0], "latent_image": ["4", 0], "positive": ["2", 0]}
    nodes["9"] = node("SamplerCustom", model=["1", 0], negative=["3", 0], **links)
    with pytest.raises(NodeError, match="flipped sigmas"):
        toys.run(nodes, outputs=["9"])


def test_what_is_not_available_says_so_only_when_it_runs(toys: ToyWorkspace, workflow: Make) -> None:
    nodes = workflow()
    nodes["6"] = node("CLIPVisionLoader", clip_name="any.safetensors")
    assert toys.check(nodes) == ()
    with pytest.raises(NodeError, match="CLIP vision is not available yet"):
        toys.run(nodes, outputs=["6"])


def test_a_model_file_that_is_not_there_is_a_fault(toys: ToyWorkspace, workflow: Make) -> None:
    nodes = workflow()
    nodes["6"] = node("LoraLoaderModelOnly", model=["1", 0], lora_name="missing.safetensors", strength_model=1.0)
    (fault,) = toys.check(nodes)
    assert (fault.node, fault.input) == ("6", "lora_name")
