"""Models of separate files, in every layout that their parts are found in."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdkit.errors import CheckpointError, RequestError
from sdkit.models import LatentDiffusion, ModelLoader, Parts, open_checkpoint, sd1, sd2, sdxl, sdxl_refiner
from sdkit.models.library import Library
from sdkit.models.tokenizer import plain_prompt
from sdkit.settings import Settings
from sdkit.testing.models import random_checkpoint, shared_checkpoint

FAMILIES = {family.name: family for family in (sd1, sd2, sdxl, sdxl_refiner)}
UNET, VAE = "model.diffusion_model.", "first_stage_model."


def loader(folder: Path, variant: str | None = None) -> ModelLoader:
    return ModelLoader(
        FAMILIES,
        lambda path: open_checkpoint(path) if Path(path).exists() else None,
        Library.of(Settings(models=folder, cache=folder)),
        variant,
    )


def parts(
    folder: Path,
    checkpoint: Path | None = None,
    *,
    unet: Path | None = None,
    vae: Path | None = None,
    texts: tuple[Path, ...] = (),
) -> LatentDiffusion:
    given = Parts(
        None if unet is None else str(unet), None if vae is None else str(vae), tuple(str(path) for path in texts)
    )
    model = loader(folder).load(None if checkpoint is None else str(checkpoint), given, device="cpu")
    assert isinstance(model, LatentDiffusion)
    return model


def cut(source: Path, to: Path, prefix: str, rename: Callable[[str], str] = str) -> Path:
    """The part of a checkpoint under a prefix, as a file of its own."""
    weights = load_file(source)
    save_file(
        {rename(key.removeprefix(prefix)): weight.clone() for key, weight in weights.items() if key.startswith(prefix)},
        to,
    )
    return to


def results(model: LatentDiffusion) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    embedding = model.encode_text(plain_prompt("a red circle"))
    return embedding.context, model.predict(x, 500.0, embedding), model.decode(x)


def assert_equal(one: LatentDiffusion, other: LatentDiffusion) -> None:
    for first, second in zip(results(one), results(other), strict=True):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("prefix", ["", UNET, "diffusion_model."])
def test_a_model_of_three_files_is_the_checkpoint_they_were_cut_from(tmp_path: Path, prefix: str) -> None:
    whole = shared_checkpoint()
    unet = cut(whole, tmp_path / "unet.safetensors", UNET, lambda key: prefix + key)
    vae = cut(whole, tmp_path / "vae.safetensors", VAE)
    text = cut(whole, tmp_path / "clip.safetensors", "cond_stage_model.transformer.")
    model = parts(tmp_path, unet=unet, vae=vae, texts=(text,))
    assert_equal(model, parts(tmp_path, whole))
    assert (model.name, len(model.fingerprint())) == ("unet", 64)


def test_text_encoders_of_sdxl_are_told_apart_by_their_shapes(tmp_path: Path) -> None:
    whole = shared_checkpoint("sdxl")
    unet, vae = cut(whole, tmp_path / "u.safetensors", UNET), cut(whole, tmp_path / "v.safetensors", VAE)
    small = cut(whole, tmp_path / "l.safetensors", "conditioner.embedders.0.transformer.")
    large = cut(whole, tmp_path / "g.safetensors", "conditioner.embedders.1.model.", lambda key: f"clip_g.{key}")
    expected = parts(tmp_path, whole)
    assert_equal(parts(tmp_path, unet=unet, vae=vae, texts=(small, large)), expected)
    assert_equal(parts(tmp_path, unet=unet, vae=vae, texts=(large, small)), expected)
    with pytest.raises(CheckpointError, match="a model of this U-Net has 2 text encoders, but 3 were given"):
        parts(tmp_path, unet=unet, vae=vae, texts=(small, large, large))


def test_parts_of_a_checkpoint_are_replaced_one_by_one(tmp_path: Path) -> None:
    first, second = shared_checkpoint(), random_checkpoint(tmp_path / "b.safetensors", seed=7)
    base, other = results(parts(tmp_path, first)), results(parts(tmp_path, second))
    with_vae = results(parts(tmp_path, first, vae=second))
    assert [torch.equal(*pair) for pair in zip(with_vae, base, strict=True)] == [True, True, False]
    assert torch.equal(with_vae[2], other[2])
    text = cut(second, tmp_path / "c.safetensors", "cond_stage_model.transformer.")
    with_text = results(parts(tmp_path, first, texts=(text,)))
    assert torch.equal(with_text[0], other[0])
    assert torch.equal(with_text[2], base[2])
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with_unet, whole = parts(tmp_path, first, unet=second), parts(tmp_path, second)
    embedding = with_unet.encode_text(plain_prompt("a red circle"))
    assert torch.equal(embedding.context, base[0])
    assert torch.equal(with_unet.predict(x, 9.0, embedding), whole.predict(x, 9.0, embedding))
    assert with_unet.name == "b"


def test_parts_of_a_diffusers_folder_will_do(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "f", kind="sdxl", layout="diffusers")
    unet, vae = (folder / name / "diffusion_pytorch_model.safetensors" for name in ("unet", "vae"))
    texts = (folder / "text_encoder" / "model.safetensors", folder / "text_encoder_2" / "model.safetensors")
    assert_equal(parts(tmp_path, unet=unet, vae=vae, texts=texts), parts(tmp_path, shared_checkpoint("sdxl")))


@pytest.mark.parametrize(
    ("spelling", "matrices"),
    [(("query", "key", "value", "proj_attn"), False), (("to_q", "to_k", "to_v", "to_out.0"), True)],
)
def test_older_spellings_of_a_vae_are_read(tmp_path: Path, spelling: tuple[str, ...], matrices: bool) -> None:
    folder = random_checkpoint(tmp_path / "f", layout="diffusers")
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights: dict[str, torch.Tensor] = {}
    for key, weight in load_file(path).items():
        name = key
        for new, old in zip(spelling, ("to_q", "to_k", "to_v", "to_out.0"), strict=True):
            name = name.replace(f"attentions.0.{old}.", f"attentions.0.{new}.")
        tall = ".attentions." in name and weight.ndim == 2 and not matrices
        weights[name] = weight[..., None, None].clone() if tall else weight
    save_file(weights, tmp_path / "vae.safetensors")
    assert_equal(
        parts(tmp_path, shared_checkpoint(), vae=tmp_path / "vae.safetensors"), parts(tmp_path, shared_checkpoint())
    )


def test_a_vae_of_matrices_in_a_single_file_is_read(tmp_path: Path) -> None:
    weights = {
        key: weight.flatten(1) if "attn_1" in key and weight.ndim > 1 else weight
        for key, weight in load_file(shared_checkpoint()).items()
    }
    save_file(weights, tmp_path / "m.safetensors")
    assert_equal(parts(tmp_path, tmp_path / "m.safetensors"), parts(tmp_path, shared_checkpoint()))


def test_what_a_file_lacks_or_a_model_lacks_is_said(tmp_path: Path) -> None:
    whole = shared_checkpoint()
    vae = cut(whole, tmp_path / "vae.safetensors", VAE)
    with pytest.raises(RequestError, match="a model of separate files lacks a U-Net and text encoders"):
        parts(tmp_path, vae=vae)
    with pytest.raises(CheckpointError, match=r"there is no U-Net in .*vae\.safetensors .*looks like a VAE alone"):
        parts(tmp_path, whole, unet=vae)
    with pytest.raises(CheckpointError, match=r"there is no CLIP text encoder in .*vae\.safetensors"):
        parts(tmp_path, whole, texts=(vae,))
    unet = cut(whole, tmp_path / "unet.safetensors", UNET)
    with pytest.raises(CheckpointError, match=r"there is no VAE in .*unet\.safetensors .*diffusion network .* alone"):
        parts(tmp_path, whole, vae=unet)
