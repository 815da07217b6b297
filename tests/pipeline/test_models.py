"""A pipeline's model: loaded from separate files, swapped and freed, read only as far as it is used, told by hash."""

from __future__ import annotations

import gc
import hashlib
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdkit import Pipeline, Request
from sdkit.errors import CheckpointError, ModelError, ModelNotFoundError, RequestError, UnknownModelError
from sdkit.models import HashCache, LatentDiffusion
from sdkit.request import RequestFields
from sdkit.testing import ToyModel, make_pipeline
from sdkit.testing.models import random_checkpoint, shared_checkpoint
from sdkit.types import CallPatches, Conditioning, DiffusionModel, Embedding, Latents
from tests.pipeline._pictures import PROMPT

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDKIT_PLUGINS", "none")
    monkeypatch.setenv("SDKIT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("SDKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with other weights in all parts than the shared one."""
    return random_checkpoint(tmp_path_factory.mktemp("other") / "other.safetensors", seed=7)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is freed is freed by itself, and not whenever the garbage collector comes."""
    gc.disable()
    yield
    gc.enable()


def cut(source: Path, to: Path, prefix: str) -> Path:
    """The part of a checkpoint under a prefix, as a file of its own."""
    weights = {name: weight for name, weight in load_file(source).items() if name.startswith(prefix)}
    to.parent.mkdir(parents=True, exist_ok=True)
    save_file({name.removeprefix(prefix): weight.clone() for name, weight in weights.items()}, to)
    return to


def latent(pipe: Pipeline) -> torch.Tensor:
    return pipe("a red circle", width=64, height=64, seed=1, steps=2).latents.tensor


def decoded(pipe: Pipeline) -> torch.Tensor:
    return pipe.decode(torch.ones(1, 4, 8, 8))[0].pixels


def diffusion(model: DiffusionModel) -> LatentDiffusion:
    assert isinstance(model, LatentDiffusion)
    return model


# ── separate files ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_checkpoint_with_another_vae_decodes_as_the_vaes_own(tmp_path: Path, other: Path) -> None:
    plain, theirs = Pipeline.load(shared_checkpoint()), Pipeline.load(other)
    cut(other, tmp_path / "models" / "vae" / "clear.safetensors", VAE)
    cut(other, tmp_path / "models" / "checkpoints" / "whole.safetensors", "")
    for vae in ("clear", other, "whole"):
        pipe = Pipeline.load(shared_checkpoint(), vae=vae)
        assert torch.equal(latent(pipe), latent(plain))
        assert torch.equal(decoded(pipe), decoded(theirs))
        assert pipe.model.name == plain.model.name
        assert pipe.model.fingerprint() != plain.model.fingerprint()


def test_three_files_are_a_model(tmp_path: Path) -> None:
    whole = shared_checkpoint()
    unet, vae, text = (cut(whole, tmp_path / f"{prefix}safetensors", prefix) for prefix in (UNET, VAE, TEXT))
    pipe, plain = Pipeline.load(unet=unet, vae=vae, text_encoder=text), Pipeline.load(whole)
    assert torch.equal(latent(pipe), latent(plain))
    assert torch.equal(decoded(pipe), decoded(plain))
    several = Pipeline.load(unet=unet, vae=str(vae), text_encoder=[text])
    assert torch.equal(latent(several), latent(plain))


def test_a_file_of_the_wrong_kind_is_an_error_that_says_what_it_is(tmp_path: Path) -> None:
    whole = shared_checkpoint()
    vae = cut(whole, tmp_path / "vae.safetensors", VAE)
    with pytest.raises(CheckpointError, match=r"there is no U-Net in .*vae\.safetensors .*looks like a VAE alone"):
        Pipeline.load(whole, unet=vae)
    with pytest.raises(RequestError, match="a model of separate files lacks a U-Net and text encoders"):
        Pipeline.load(vae=vae)
    with pytest.raises(ModelNotFoundError, match="there is no VAE 'nowhere'"):
        Pipeline.load(whole, vae="nowhere")
    with pytest.raises(
        UnknownModelError, match=r"the given parts make no model together \(unet: .*sdxl\.safetensors\)"
    ):
        Pipeline.load(whole, unet=shared_checkpoint("sdxl"))


def test_a_variant_of_a_diffusers_folder_is_chosen(tmp_path: Path, other: Path) -> None:
    folder = random_checkpoint(tmp_path / "folder", layout="diffusers")
    theirs = random_checkpoint(tmp_path / "theirs", layout="diffusers", seed=7)
    for file in theirs.rglob("*.safetensors"):
        shutil.copy(file, folder / file.relative_to(theirs).with_suffix(".fp16.safetensors"))
    assert torch.equal(decoded(Pipeline.load(folder, variant="fp16")), decoded(Pipeline.load(other)))
    assert torch.equal(decoded(Pipeline.load(folder)), decoded(Pipeline.load(shared_checkpoint())))
    with pytest.raises(CheckpointError, match=r"no weights of the variant 'fp8'; there are: fp16, None"):
        Pipeline.load(folder, variant="fp8")
    with pytest.raises(RequestError, match=r"variant is 'fp16', but .*random\.safetensors is no diffusers folder"):
        Pipeline.load(shared_checkpoint(), variant="fp16")


# ── swapping ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("no_collector")
def test_swapping_the_vae_frees_the_old_one_and_keeps_the_rest(other: Path) -> None:
    pipe = Pipeline.load(shared_checkpoint())
    before, kept = latent(pipe), pipe("a red circle", width=64, height=64, seed=1, steps=2)
    parts = diffusion(pipe.model).networks
    vae, unet, model = weakref.ref(parts.vae()), parts.unet(), weakref.ref(pipe.model)
    del parts
    assert pipe.swap(vae=other) is pipe
    assert (vae(), model()) == (None, None)
    assert kept.latents.run is not None
    assert diffusion(pipe.model).networks.unet() is unet, "what stays is not read again"
    assert torch.equal(latent(pipe), before)
    assert torch.equal(decoded(pipe), decoded(Pipeline.load(other)))


@pytest.mark.usefixtures("no_collector")
def test_swapping_the_checkpoint_frees_the_old_one_though_its_results_are_kept(other: Path) -> None:
    pipe = Pipeline.load(shared_checkpoint(), dtype="bfloat16")
    kept = pipe("a red circle", width=64, height=64, seed=1, steps=2, count=2, batch_size=1)
    by_hand = pipe.sample(pipe.encode("a red circle"), width=64, height=64, seed=1, steps=2)
    stream = pipe.stream("a star", width=64, height=64, seed=1, steps=2)
    list(stream)
    networks = [weakref.ref(part()) for part in diffusion(pipe.model).networks.parts.values()]
    pipe.swap(other)
    assert [network() for network in networks] == [None] * len(networks)
    assert (pipe.model.name, pipe.model.dtype) == ("other", torch.bfloat16)
    assert torch.equal(pipe.decode(by_hand)[0].pixels, Pipeline.load(other).decode(by_hand)[0].pixels)
    assert len(pipe.decode(kept.latents)) == 2
    assert kept.latents.run is not None
    assert (kept.latents.run.model.name, kept.latents.run.model.dtype) == ("random", torch.bfloat16)
    with pytest.raises(ModelError, match=r"does not keep its model 'random'; use a pipeline's: pipe\.decode"):
        kept.latents.run.model.decode(kept.latents.tensor)


def test_runs_under_way_and_other_pipelines_keep_the_old_model(other: Path) -> None:
    pipe = Pipeline.load(shared_checkpoint())
    before = latent(pipe)
    stream, derived = pipe.stream("a red circle", width=64, height=64, seed=1, steps=2), pipe.using()
    next(stream)
    pipe.swap(other)
    *_, finished = stream
    assert torch.equal(finished.result.latents.tensor, before)  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.equal(latent(derived), before)
    assert not torch.equal(latent(pipe), before)


def test_what_cannot_be_swapped_leaves_the_pipeline_as_it_was(tmp_path: Path) -> None:
    pipe = Pipeline.load(shared_checkpoint())
    model, vae = pipe.model, cut(shared_checkpoint(), tmp_path / "vae.safetensors", VAE)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(shared_checkpoint().read_bytes()[:-100])
    for fault, swap in (
        (CheckpointError, lambda: pipe.swap(unet=vae)),
        (CheckpointError, lambda: pipe.swap(broken)),
        (UnknownModelError, lambda: pipe.swap(vae)),
        (ModelNotFoundError, lambda: pipe.swap("nowhere")),
        (RequestError, pipe.swap),
    ):
        with pytest.raises(fault):
            swap()
        assert pipe.model is model
    with pytest.raises(ModelError, match="does not know how to replace parts of a model like 'toy'"):
        make_pipeline().swap(vae=vae)


# ── only what is used ────────────────────────────────────────────────────────────────────────────────────────────────


def mapped(file: Path) -> int:
    """Bytes of a file that this process has in memory by mapping it."""
    lines = Path("/proc/self/smaps").read_text("utf-8").splitlines()
    ours = [i for i, line in enumerate(lines) if line.endswith(str(file))]
    return sum(int(lines[i + 2].split()[1]) * 1024 for i in ours if lines[i + 2].startswith("Rss:"))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux says what is in memory of a file")
def test_a_run_from_a_given_conditioning_does_not_read_the_text_encoder_and_encoding_nothing_else(
    tmp_path: Path,
) -> None:
    path = random_checkpoint(tmp_path / "wide.safetensors", text_width=512, unet_widths=(32, 64))
    tokens = 49408 * 512 * 2
    model = Pipeline.load(path, dtype="float16").model
    context = torch.zeros(1, 77, 512)
    pipe = make_pipeline(model=model)
    latents = pipe.sample(Conditioning((Embedding(context),), (Embedding(context),)), width=64, height=64, steps=1)
    assert set(diffusion(model).timings) == {"unet"}
    assert mapped(path) < tokens / 2
    pipe.decode(Latents(latents.tensor))
    assert set(diffusion(model).timings) == {"unet", "vae"}
    assert mapped(path) < tokens / 2
    encoded = make_pipeline(model=Pipeline.load(path).model)
    encoded.encode("a red circle")
    assert set(diffusion(encoded.model).timings) == {"text_encoder"}


# ── which model a request is for ─────────────────────────────────────────────────────────────────────────────────────


def test_a_records_request_finds_its_model_by_hash_under_any_name(tmp_path: Path, other: Path) -> None:
    pipe = Pipeline.load(shared_checkpoint())
    first = pipe("a red circle", width=64, height=64, seed=1, steps=2).images[0]
    request = Request.from_image(first.save(tmp_path / "first.png"))
    assert request.model_sha256 == hashlib.sha256(shared_checkpoint().read_bytes()).hexdigest()
    renamed = Pipeline.load(shutil.copy(shared_checkpoint(), tmp_path / "renamed.safetensors"))
    again = renamed(request).images[0]
    assert torch.equal(again.pixels, first.pixels)
    assert Request.from_image(again.save(tmp_path / "again.png")).model_sha256 == request.model_sha256
    impostor = Pipeline.load(shutil.copy(other, tmp_path / shared_checkpoint().name))
    with pytest.raises(RequestError, match=r"is for the model 'random' \(SHA-256 \w{10}\), but this .* 'random' \(\w"):
        impostor(request)
    short = (request.model_sha256 or "")[:10].upper()
    assert renamed(request.replace(model_sha256=short, model=None)).request.model == "renamed"


def test_where_no_hash_is_known_the_name_counts() -> None:
    with pytest.raises(RequestError, match="is for the model 'other', but this pipeline has 'toy' loaded"):
        make_pipeline()("red", model="other", model_sha256="0123456789")
    assert make_pipeline(model=ToyModel())("red", model="toy", model_sha256="0123456789").request.model == "toy"
    with pytest.raises(RequestError, match="model_sha256: string should match pattern"):
        Request(model_sha256="dreams")


def test_the_hash_is_kept_in_the_cache_and_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(shutil.copy(shared_checkpoint(), tmp_path / "mine.safetensors"))
    fingerprint = Pipeline.load(path).model.fingerprint()
    assert HashCache(tmp_path / "cache").known([path])[path].sha256 == fingerprint

    def read(*_: object) -> None:
        raise AssertionError("the file was read again")

    monkeypatch.setattr("sdkit.models.hashes.compute_hashes", read)
    model = Pipeline.load(path).model
    assert model.fingerprint() == fingerprint
    assert model.to("cpu", "bfloat16").fingerprint() == fingerprint


# ── models that know few timesteps ───────────────────────────────────────────────────────────────────────────────────


def test_a_distilled_model_is_told_only_the_timesteps_that_it_knows() -> None:
    told: list[float] = []

    class Told(ToyModel):
        def predict(
            self, x: torch.Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None
        ) -> torch.Tensor:
            told.append(timestep)
            return super().predict(x, timestep, embedding, patches)

    pipe = make_pipeline(model=Told())
    fields: RequestFields = {"sampler": "lcm", "schedule": "simple", "steps": 4, "guidance_scale": 1.0, "seed": 1}
    distilled: RequestFields = {**fields, "distilled_timesteps": 50}
    result = pipe(PROMPT, **distilled)
    known = set(range(19, 1000, 20))
    assert len(told) == 4
    assert set(told) <= known, told
    told.clear()
    assert torch.equal(pipe(result.request).latents.tensor, result.latents.tensor)
    told.clear()
    pipe(PROMPT, **fields)
    assert not set(told) <= known, told
    with pytest.raises(RequestError, match="distilled_timesteps: input should be less than or equal to 1000"):
        pipe(PROMPT, distilled_timesteps=1001)
    with pytest.raises(RequestError, match="distilled_timesteps: a flow model knows every time"):
        make_pipeline(model=ToyModel(prediction="flow"))(PROMPT, distilled_timesteps=50)


def test_a_latent_consistency_model_is_known_by_its_guidance_input(tmp_path: Path) -> None:
    weights = load_file(shared_checkpoint())
    width = weights[f"{UNET}time_embed.0.weight"].shape[1]
    weights[f"{UNET}time_embed.cond_proj.weight"] = torch.zeros(width, 256, dtype=torch.float16)
    save_file(weights, tmp_path / "lcm.safetensors")
    spec = Pipeline.load(tmp_path / "lcm.safetensors").model.spec
    assert (len(spec.sigmas), spec.timestep_stride, spec.defaults.sampler) == (50, 20, "lcm")
    plain = Pipeline.load(shared_checkpoint()).model.spec
    torch.testing.assert_close(torch.tensor(spec.sigmas), torch.tensor(plain.sigmas[19::20]))
    assert plain.timestep_stride == 1


def test_a_refiner_finishes_pictures_and_begins_none() -> None:
    refiner = Pipeline.load(shared_checkpoint("sdxl_refiner"))
    with pytest.raises(RequestError, match=r"finishes pictures that another model has begun, and cannot begin one"):
        refiner("a red circle", width=64, height=64, steps=1)
    conditioning = refiner.encode("a red circle", width=64, height=64)
    with pytest.raises(RequestError, match=r"init_image with denoise 0\.2 to 0\.4, or another model's latents"):
        refiner.sample(conditioning, width=64, height=64, steps=1)
    begun = torch.zeros(1, 4, 8, 8)
    assert refiner.sample(conditioning, latents=begun, steps=1, seed=1).tensor.shape == begun.shape


def test_a_refiner_is_told_of_less_beauty_with_the_negative_prompt() -> None:
    conditioning = Pipeline.load(shared_checkpoint("sdxl_refiner")).encode("a circle", width=64, height=32)
    (positive,), (negative,) = conditioning.positive, conditioning.negative
    assert positive.size is None  # it stands for the latents' size and the usual score, 6
    assert negative.size is not None
    assert (negative.size.height, negative.size.width, negative.size.aesthetic_score) == (32, 64, 2.5)
