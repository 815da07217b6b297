"""Training's own parts: the export's names, the folded whitening, the fused norm, Muon, the tokens."""

import json
import random
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from sdkit.models.tokenizer import ClipTokenizer
from training.captions import caption
from training.clip import compatible
from training.export import LATENT_SCALE, fold_whitening, unet_weights, vae_weights
from training.fused import build_kernel, fuse
from training.mixed import WorkingCopy
from training.optim import MuonAdam, orthogonalise
from training.parallel import Exchange
from training.tokens import Tokens
from training.unet import UNetRecipe, build_unet, rate_at
from training.vae import VaeRecipe, build_vae, decode, posterior
from training.world import World

SD15 = json.loads((Path(__file__).parents[1] / "data" / "shapes_sd15.json").read_text())
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="the fused norm is compiled with gcc")


def test_a_full_size_unet_and_autoencoder_get_the_names_and_shapes_of_sd15() -> None:
    recipe = UNetRecipe(widths=(320, 640, 1280, 1280), attention=(True, True, True, False), layers=2, cross=768)
    with torch.device("meta"):
        weights = unet_weights(build_unet(recipe)) | vae_weights(
            build_vae(VaeRecipe(widths=(128, 256, 512, 512), layers=2))
        )
    wanted = {key: shape for key, shape in SD15.items() if key.startswith(("model.diffusion_model.", "first_stage_"))}
    assert {key: list(value.shape) for key, value in weights.items()} == {k: list(v) for k, v in wanted.items()}


def test_folding_the_whitening_changes_latents_as_promised_and_pictures_not_at_all() -> None:
    torch.manual_seed(0)
    vae = build_vae(VaeRecipe(widths=(32, 32), layers=1)).double().eval()
    pictures = torch.rand(4, 3, 32, 32, dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        before = posterior(vae, pictures).mean
        decoded = decode(vae, before)
        flat = before.permute(1, 0, 2, 3).flatten(1)
        values, vectors = torch.linalg.eigh(flat.cov())
        fold_whitening(vae, flat.mean(1), vectors @ torch.diag(values.rsqrt()) @ vectors.T)
        after = posterior(vae, pictures).mean
        white = LATENT_SCALE * after.permute(1, 0, 2, 3).flatten(1)
        torch.testing.assert_close(white.mean(1), torch.zeros(4, dtype=torch.float64), atol=1e-6, rtol=0)
        torch.testing.assert_close(white.cov(), torch.eye(4, dtype=torch.float64), atol=1e-6, rtol=0)
        torch.testing.assert_close(decode(vae, after), decoded, atol=1e-6, rtol=0)


@needs_gcc
def test_the_fused_norm_is_group_norm_and_silu_forwards_and_backwards(tmp_path: Path) -> None:
    torch.manual_seed(0)
    from training.fused import _Norm

    x = torch.randn(3, 64, 5, 7).bfloat16().float()
    outcome = []
    for fused in (True, False):
        inputs = [
            x.clone().requires_grad_(),
            torch.linspace(0.5, 2, 64).requires_grad_(),
            torch.ones(64).requires_grad_(),
        ]
        if fused:
            y = _Norm.apply(*inputs, 32, 1e-5, True, build_kernel(tmp_path))
        else:
            y = F.silu(F.group_norm(inputs[0], 32, inputs[1], inputs[2]))
        y.backward(torch.linspace(-1, 1, y.numel()).view(y.shape).bfloat16().to(y.dtype))
        outcome.append([y.float(), *(tensor.grad for tensor in inputs)])
    for ours, theirs in zip(*outcome, strict=True):
        assert (ours - theirs).norm() / theirs.norm() < 0.01


@needs_gcc
def test_the_working_copy_computes_what_the_model_does_and_learns(tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = UNetRecipe(widths=(32, 64), attention=(False, True), layers=1, cross=32)
    unet = build_unet(recipe)
    x, times, text = torch.randn(2, 4, 8, 8), torch.tensor([10, 900]), torch.randn(2, 77, 32)
    with torch.no_grad():
        plain = unet(x, times, text).sample
    working = WorkingCopy(unet, tmp_path, Exchange())
    optimizer = MuonAdam(unet, 1e-3, Exchange())
    losses = []
    for _ in range(8):
        guess = working.model(x.bfloat16(), times, text.bfloat16()).sample.float()
        if not losses:
            assert (guess - plain).norm() / plain.norm() < 0.05
        loss = (guess - 1).square().mean()
        losses.append(loss.item())
        loss.backward()
        working.collect()
        optimizer.step(1e-3)
        working.refresh()
    assert losses[-1] < 0.8 * losses[0]


@needs_gcc
def test_fusing_keeps_the_names_of_the_weights(tmp_path: Path) -> None:
    vae = build_vae(VaeRecipe(widths=(32, 32)))
    names = list(vae.state_dict())
    assert list(fuse(vae, tmp_path).state_dict()) == names


@pytest.mark.parametrize("shape", [(3, 24, 64), (2, 64, 24)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)).float())
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_tokens_are_those_of_the_sdk() -> None:
    rng, tokens, sdk = random.Random(3), Tokens(), ClipTokenizer()
    for _ in range(50):
        text = caption(rng, World().scene(rng, 0.4)).text
        assert tokens.encode(text) == sdk.ids(text)


def test_captions_are_compatible_with_what_they_describe() -> None:
    silent, left = -torch.ones(8, dtype=torch.long), -torch.ones(8, dtype=torch.long)
    left[5] = 0
    true = torch.zeros(2, 8, dtype=torch.long)
    places = torch.tensor([[True, False, True, False, False], [False, True, False, False, False]])
    assert compatible(torch.stack([silent, left]), true, places).tolist() == [[True, True], [True, False]]


def test_the_learning_rate_warms_up_holds_and_falls_to_zero() -> None:
    recipe = UNetRecipe(steps=1000, warmup=100, tail=0.25, rate=1.0)
    assert rate_at(0, recipe) == pytest.approx(0.01)
    assert rate_at(500, recipe) == 1.0
    assert 0 < rate_at(900, recipe) < 0.5
    assert rate_at(1000, recipe) == 0.0
