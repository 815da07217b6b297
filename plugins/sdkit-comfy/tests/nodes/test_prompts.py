"""Prompts for SDXL's two text encoders."""

from __future__ import annotations

import pytest
import torch

from sdkit import Pipeline
from sdkit.errors import RequestError
from sdkit.testing.models import shared_checkpoint
from sdkit_comfy.nodes.prompts import clip_set_last_layer, clip_text_encode, clip_text_encode_sdxl
from sdkit_comfy.values.networks import Clip

LONG = "a very long prompt of many words " * 20


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip(Pipeline.load(shared_checkpoint("sdxl"), device="cpu"))


def test_each_encoder_reads_its_own_prompt(clip: Clip) -> None:
    ((context, values),) = clip_text_encode_sdxl(clip=clip, text_g="a cat", text_l="a dog", width=640, crop_h=8)
    ((cat, cat_values),) = clip_text_encode(clip=clip, text="a cat")
    ((dog, _),) = clip_text_encode(clip=clip, text="a dog")
    width = cat.shape[-1] // 3  # the second one is twice as wide
    assert torch.equal(context[..., :width], dog[..., :width])
    assert torch.equal(context[..., width:], cat[..., width:])
    assert torch.equal(values["pooled_output"], cat_values["pooled_output"])
    assert (values["width"], values["height"], values["crop_h"]) == (640, 1024, 8)


def test_the_shorter_prompt_is_filled_up_with_empty_windows(clip: Clip) -> None:
    ((context, _),) = clip_text_encode_sdxl(clip=clip, text_g=LONG, text_l="a dog")
    ((empty, _),) = clip_text_encode(clip=clip, text="")
    ((long, _),) = clip_text_encode(clip=clip, text=LONG)
    width = empty.shape[-1] // 3
    assert context.shape == long.shape
    assert torch.equal(context[:, 77:154, :width], empty[..., :width])


def test_a_layer_that_is_not_there_is_the_last_one(clip: Clip) -> None:
    last, far = (
        clip_text_encode(clip=clip_set_last_layer(clip=clip, stop_at_clip_layer=layer), text="a cat")[0][0]
        for layer in (-1, -24)
    )
    assert torch.equal(last, far)
    assert not torch.equal(last, clip_text_encode(clip=clip, text="a cat")[0][0])
    assert clip.layer is None


def test_one_encoder_cannot_read_two_prompts() -> None:
    with pytest.raises(RequestError, match="this model has CLIP-L"):
        clip_text_encode_sdxl(clip=Clip(Pipeline.load(device="cpu")), text_g="a cat", text_l="a dog")
