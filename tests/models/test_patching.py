"""Models made by patches: what they share, what they do not, and that the first model never changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sdkit.errors import ModelError
from sdkit.models import LatentDiffusion, detect_family, open_checkpoint, sd1
from sdkit.models.patching import patched_module
from sdkit.models.tokenizer import plain_prompt
from sdkit.testing import random_checkpoint, shared_checkpoint
from sdkit.types import Patch

CONV, QUERY = "unet.out.2.weight", "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.weight"


def load(path: Path, dtype: torch.dtype = torch.float32) -> LatentDiffusion:
    file = open_checkpoint(path)
    return sd1.load(file, detect_family(file, [sd1])[1], device=torch.device("cpu"), dtype=dtype)


def scaled(name: str, factor: float) -> Patch:
    return Patch((name, factor), frozenset({name}), lambda _, weight: (weight.float() * factor).to(weight.dtype))


def out(model: LatentDiffusion, parameter: str = "weight") -> Tensor:
    """The last convolution's."""
    return model.networks.unet().state_dict()[f"out.2.{parameter}"]


def randn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_weights_have_the_names_of_the_original_layout() -> None:
    weights = load(shared_checkpoint()).weights
    assert weights[CONV] == (4, 32, 3, 3)
    assert weights[QUERY] == (32, 32)
    assert not any(name.startswith("vae.") for name in weights)


def test_a_patched_model_computes_with_the_new_weights_and_shares_the_others() -> None:
    model = load(shared_checkpoint())
    patched = model.patched([scaled(CONV, 0.0)])
    embedding = model.encode_text(plain_prompt("a cat"))
    x = randn(1, 4, 8, 8)
    before, bias = model.predict(x, 10.0, embedding), out(model, "bias")
    blank = patched.predict(x, 10.0, embedding)
    assert torch.equal(blank, bias.view(1, 4, 1, 1).expand_as(blank))
    assert torch.equal(model.predict(x, 10.0, embedding), before), "the first one is as it was, bit for bit"
    old, new = model.networks.unet().state_dict(), patched.networks.unet().state_dict()
    assert list(old) == list(new)
    assert {name for name in old if old[name].data_ptr() != new[name].data_ptr()} == {"out.2.weight"}
    assert patched.networks.text is model.networks.text
    assert (patched.name, patched.spec, patched.fingerprint()) == (model.name, model.spec, model.fingerprint())


def test_the_text_encoder_is_patched_too() -> None:
    model = load(shared_checkpoint())
    prompt = plain_prompt("a cat")
    before = model.encode_text(prompt).context
    patched = model.patched([scaled(QUERY, 3.0)])
    assert not torch.equal(patched.encode_text(prompt).context, before)
    assert torch.equal(model.encode_text(prompt).context, before)
    assert patched.networks.unet is model.networks.unet


def test_the_same_patches_are_applied_once_and_others_beside_them() -> None:
    model = load(shared_checkpoint())
    first, second = scaled(CONV, 0.5), scaled(CONV, 0.25)
    assert model.patched([first]) is model.patched([scaled(CONV, 0.5)])
    assert model.patched([first]) is not model.patched([second])
    both = out(model.patched([first, second]))
    assert torch.equal(both, out(model) * 0.125)
    assert torch.equal(out(model.patched([first]).patched([second])), both)
    assert model.patched([]) is model
    assert model._derived.made == 3


def test_a_patched_model_is_patched_in_another_dtype_too(tmp_path: Path) -> None:
    model = load(random_checkpoint(tmp_path / "m.safetensors"))
    patched = model.patched([scaled(CONV, 0.5), scaled(QUERY, 0.5)]).to("cpu", "bfloat16")
    assert patched.dtype == torch.bfloat16
    weight = out(model.to("cpu", "bfloat16"))
    assert torch.equal(out(patched), weight * 0.5)
    assert patched.networks.text().state_dict()[QUERY.partition(".")[2]].dtype == torch.float32


def test_weights_that_are_not_there_and_models_that_are_not_loaded(tmp_path: Path) -> None:
    model = load(random_checkpoint(tmp_path / "m.safetensors"))
    with pytest.raises(ModelError, match=r"'unet.out.2.wait', which 'm' does not have. Did you mean 'unet.out.2.w"):
        model.patched([scaled("unet.out.2.wait", 0.5)])
    patched = model.patched([scaled(CONV, 0.5)])
    model.unload()
    with pytest.raises(ModelError, match="was unloaded"):
        model.patched([scaled(CONV, 0.5)])
    assert patched.predict(randn(1, 4, 8, 8), 1.0, patched.encode_text(plain_prompt("a"))).isfinite().all()


def test_only_the_modules_on_the_way_to_a_weight_are_made_again() -> None:
    module = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.BatchNorm1d(2)).eval()
    patch = Patch("k", frozenset({"net.0.1.bias", "net.1.running_mean"}), lambda _, weight: weight + 1)
    twin = patched_module(module, "net", [patch])
    assert twin.get_submodule("0.0") is module.get_submodule("0.0")
    assert twin.get_submodule("0.1") is not module.get_submodule("0.1")
    old, new = module.state_dict(), twin.state_dict()
    assert torch.equal(new["0.1.bias"], old["0.1.bias"] + 1)
    assert torch.equal(new["1.running_mean"], torch.ones(2))
    assert torch.equal(old["1.running_mean"], torch.zeros(2))
    assert new["0.1.weight"].data_ptr() == old["0.1.weight"].data_ptr()


def test_layers_can_stand_in_place_of_others_instead() -> None:
    class Twice(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return 2 * self.layer(x)

    def wrap(name: str, layer: nn.Module) -> nn.Module | None:
        return Twice(layer) if name.endswith("weight") else None

    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    names = frozenset({"net.0.weight", "net.1.bias"})
    later = Patch("later", frozenset({"net.0.weight"}), lambda _, weight: weight * 3)
    patches = [Patch("k", names, lambda _, weight: weight + 1, wrap=wrap), later]
    twin = patched_module(nn.Sequential(first, second), "net", patches)
    x = randn(3, 2)
    inner = 2 * nn.functional.linear(x, first.weight * 3, first.bias)
    torch.testing.assert_close(twin(x), nn.functional.linear(inner, second.weight, second.bias + 1))
