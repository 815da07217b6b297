"""Folders as diffusers and transformers themselves write them, of the weights of a single file."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdkit.errors import CheckpointError
from sdkit.models import LatentDiffusion, detect_family, open_checkpoint, open_folder, sd1, sd2, sdxl, sdxl_refiner
from sdkit.models.checkpoint import CheckpointFile
from sdkit.models.diffusion_family import Architecture, DiffusionFamily
from sdkit.models.tokenizer import plain_prompt
from sdkit.models.views import canonical
from sdkit.testing.models import Kind, random_checkpoint, shared_checkpoint

oracles = pytest.importorskip("tests.models.oracles")

FAMILIES = (sd1, sd2, sdxl, sdxl_refiner)


def load(file: CheckpointFile) -> LatentDiffusion:
    family, detection = detect_family(file, FAMILIES)
    assert isinstance(family, DiffusionFamily)
    return family.load(file, detection, device=torch.device("cpu"))


def written_by_diffusers(folder: Path, source: Path, **options: object) -> Path:
    """The folder that diffusers' and transformers' `save_pretrained` make of a checkpoint."""
    file = canonical(open_checkpoint(source))
    architecture = detect_family(file, FAMILIES)[1].architecture
    assert isinstance(architecture, Architecture)

    def weights(prefix: str, *kept: str) -> dict[str, torch.Tensor]:
        keys = [key for key in file.infos if key.startswith(tuple(prefix + each for each in kept or ("",)))]
        return {key.removeprefix(prefix): file.tensor(key).float() for key in keys}

    unet = oracles.unet_oracle(architecture, weights("model.diffusion_model."))
    unet.save_pretrained(folder / "unet", **options)
    vae = oracles.vae_oracle(architecture, weights("first_stage_model."))
    vae.save_pretrained(folder / "vae", **options)
    names = {"sdxl_refiner": ["text_encoder_2"]}.get(architecture.kind.name, ["text_encoder", "text_encoder_2"])
    for name, (number, text) in zip(names, enumerate(architecture.texts), strict=False):
        kept = ("text_model.", "text_projection.") if text.kind.projects else ("text_model.",)
        tower = oracles.text_oracle(architecture, number, weights(text.prefix, *kept))
        tower.save_pretrained(folder / name, **{key: options[key] for key in options if key != "variant"})
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"prediction_type": "epsilon"}))
    (folder / "model_index.json").write_text("{}")
    return folder


@pytest.mark.parametrize("kind", ["sd1", "sdxl", "sdxl_refiner", "ssd1b"])
def test_a_folder_of_diffusers_gives_what_the_single_file_gives(tmp_path: Path, kind: Kind) -> None:
    source = random_checkpoint(tmp_path / "s.safetensors", kind=kind, dtype="float32", image_tower=False)
    folder = written_by_diffusers(tmp_path / "folder", source)
    ours, theirs = load(open_folder(folder)), load(open_checkpoint(source))
    assert ours.spec == theirs.spec
    prompt = plain_prompt("a red circle")
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    embedding, expected = ours.encode_text(prompt), theirs.encode_text(prompt)
    torch.testing.assert_close(embedding.context, expected.context)
    torch.testing.assert_close(embedding.pooled, expected.pooled)
    torch.testing.assert_close(ours.predict(x, 500.0, embedding), theirs.predict(x, 500.0, expected))
    torch.testing.assert_close(ours.decode(x), theirs.decode(x))


def test_stable_diffusion_2_folders_leave_out_the_text_encoders_last_layer(tmp_path: Path) -> None:
    source = random_checkpoint(tmp_path / "s.safetensors", kind="sd2", text_layers=4)
    folder = random_checkpoint(tmp_path / "folder", kind="sd2", text_layers=4, layout="diffusers")
    layers = {
        key.split(".")[3] for key in load_file(folder / "text_encoder" / "model.safetensors") if ".layers." in key
    }
    assert layers == {"0", "1", "2"}
    ours, theirs = load(open_folder(folder)), load(open_checkpoint(source))
    for skip in (2, 3):
        one, other = ours.encode_text(plain_prompt("a cat"), skip), theirs.encode_text(plain_prompt("a cat"), skip)
        assert torch.equal(one.context, other.context)
    assert any("without its last, unused one" in line for line in detect_family(open_folder(folder), FAMILIES)[1].why)


def test_shards_and_variants_are_found(tmp_path: Path) -> None:
    source = random_checkpoint(tmp_path / "s.safetensors", dtype="float32", image_tower=False)
    folder = written_by_diffusers(tmp_path / "folder", source, max_shard_size="1MB", variant="fp16")
    assert len(list((folder / "unet").glob("*fp16-0000*.safetensors"))) > 1
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = load(open_checkpoint(source)).decode(x)
    torch.testing.assert_close(load(open_folder(folder)).decode(x), expected)
    vae = next((folder / "vae").glob("*.safetensors"))
    other = {name: torch.zeros_like(weight) for name, weight in load_file(vae).items()}
    for file in (folder / "vae").iterdir():
        if "0000" in file.name or "index" in file.name:
            file.unlink()
    save_file(other, folder / "vae" / "diffusion_pytorch_model.safetensors")
    save_file(other, folder / "vae" / "diffusion_pytorch_model.ema.safetensors")
    with pytest.raises(CheckpointError, match=r"vae has no weights of the variant 'fp16'; there are: ema, None"):
        open_folder(folder, "fp16")


def test_prediction_and_noise_are_those_of_the_schedulers_settings(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "f", layout="diffusers", prediction="v", zero_snr=True)
    spec = load(open_folder(folder)).spec
    assert (spec.prediction, spec.sigmas[-1] > 4000) == ("v", True)
    (folder / "scheduler" / "scheduler_config.json").unlink()
    assert load(open_folder(folder)).spec.prediction == "eps"


def test_bare_names_of_transformers_5_are_text_towers(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "f", layout="diffusers")
    path = folder / "text_encoder" / "model.safetensors"
    weights = {key.removeprefix("text_model."): weight.clone() for key, weight in load_file(path).items()}
    before = load(open_folder(folder)).encode_text(plain_prompt("a cat")).context
    save_file(weights, path)
    assert torch.equal(load(open_folder(folder)).encode_text(plain_prompt("a cat")).context, before)


def test_a_folders_hash_is_of_all_its_files(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "f", layout="diffusers")
    first = open_folder(folder)
    digest = first.sha256()
    assert len(digest) == 64
    assert first.size == sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({name: weight + 1 for name, weight in load_file(path).items()}, path)
    assert open_folder(folder).sha256() != digest


def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path) -> None:
    folder = random_checkpoint(tmp_path / "whole", layout="diffusers")

    def copied(name: str) -> Path:
        return Path(shutil.copytree(folder, tmp_path / name))

    broken = copied("a")
    (broken / "model_index.json").unlink()
    with pytest.raises(CheckpointError, match=r"Its unet and vae are there, so only model_index\.json is missing"):
        open_folder(broken)
    shutil.rmtree(broken / "vae")
    with pytest.raises(CheckpointError, match=r"not the whole of one\. Give the model's file$"):
        open_folder(broken)
    (broken / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match=r"a is a folder without model_index\.json.*In it are model\.safetensors"):
        open_folder(broken)
    broken = copied("b")
    shutil.rmtree(broken / "vae")
    with pytest.raises(CheckpointError, match="is a diffusers folder without vae"):
        open_folder(broken)
    broken = copied("c")
    (broken / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (broken / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(
        CheckpointError, match=r"unet has no diffusion_pytorch_model\.safetensors.*model\.bin is a pickle"
    ):
        open_folder(broken)
    broken = copied("d")
    unet = broken / "unet" / "diffusion_pytorch_model.safetensors"
    unet.rename(unet.with_name("diffusion_pytorch_model-00001-of-00002.safetensors"))
    with pytest.raises(CheckpointError, match=r"1 pieces, but not diffusion_pytorch_model\.safetensors\.index\.json"):
        open_folder(broken)
    index = unet.with_name("diffusion_pytorch_model.safetensors.index.json")
    index.write_text(json.dumps({"weight_map": {"x": "diffusion_pytorch_model-00002-of-00002.safetensors"}}))
    with pytest.raises(CheckpointError, match=r"lacks diffusion_pytorch_model-00002-of-00002\.safetensors, which"):
        open_folder(broken)
    index.write_text(json.dumps({"weight_map": {"x": "diffusion_pytorch_model-00001-of-00002.safetensors"}}))
    with pytest.raises(CheckpointError, match=r"lacks x, which diffusion_pytorch_model\.safetensors\.index\.json says"):
        open_folder(broken)
    for text in ("[]", "{", '{"weight_map": [1]}'):
        index.write_text(text)
        with pytest.raises(CheckpointError, match="Fetch it again"):
            open_folder(broken)
    broken = copied("e")
    shutil.copy(broken / "vae" / "diffusion_pytorch_model.safetensors", broken / "unet")
    with pytest.raises(
        CheckpointError, match=r"there is no U-Net in .*It looks like a VAE alone.*Give the file of a U-"
    ):
        open_folder(broken)
    assert load(open_checkpoint(shared_checkpoint())).name == "random"
