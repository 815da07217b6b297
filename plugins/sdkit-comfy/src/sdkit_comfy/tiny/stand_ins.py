"""Small random files in the place of model files and pictures, in the layouts of the real ones."""

from __future__ import annotations

import re
import shutil
import tempfile
import zlib
from pathlib import Path

import torch
from PIL import Image as pillow
from safetensors.torch import load, save

from sdkit.models import unet_names_for_diffusers
from sdkit.testing import Kind, random_checkpoint
from sdkit_comfy.tiny.families import Family, ModelInput

WIDTH = 32
"""Of the stand-ins' first text encoder; CLIP-G's is twice it."""
RANK = 2
MODELS = "models"
"""The folder of generated models, which holds one for each kind."""
PICTURES = "pictures"
"""The folder of generated pictures."""
PICTURE = (128, 96)
"""Of generated pictures, in pixels."""
_INPAINT = re.compile(r"inpaint", re.IGNORECASE)
_EDIT = re.compile(r"pix2pix|ip2p|cosxl.*edit", re.IGNORECASE)
_CLIP_G = re.compile(r"clip[_-]?g|bigg|(^|[/\\_-])g\.|encoder_2", re.IGNORECASE)
_UNET, _VAE = "model.diffusion_model.", "first_stage_model."


class StandIns:
    """Writes them below `folder`; the same name and family give the same file, which is written once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def model(self, wanted: ModelInput) -> Path:
        """The stand-in for a model file."""
        name, family = wanted.name, wanted.family
        if wanted.kind == "checkpoints":
            return self.checkpoint(name, family)
        if wanted.kind == "loras":
            return self.lora(name, family)
        if wanted.kind == "diffusion_models":
            return self._part("diffusion_models", name, family, _UNET)
        if wanted.kind == "vae":
            return self._part("vae", name, family, _VAE)
        if wanted.kind == "text_encoders":
            return self.text_encoder(name, family, second=bool(_CLIP_G.search(name)))
        return self._rest(wanted.kind, name)

    def checkpoint(self, name: str, family: Family) -> Path:
        """A whole model; with the further channels of models for inpainting or editing, if its name says so."""
        kind: Kind = family
        channels: int | None = None
        if _INPAINT.search(name):
            kind, channels = _kinds(family, 9)
        elif _EDIT.search(name):
            kind, channels = _kinds(family, 8)
        path = self._path("checkpoints", name, kind)
        if not path.exists():
            prediction = "v" if family == "sd2" and "768" in name else "eps"
            seed = zlib.crc32(name.encode())
            random_checkpoint(path, kind=kind, seed=seed, in_channels=channels, text_width=WIDTH, prediction=prediction)
        return path

    def lora(self, name: str, family: Family) -> Path:
        """A LoRA in kohya's layout for every attention of the U-Net and the text encoders of a family."""
        path = self._path("loras", name, family)
        if path.exists():
            return path
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        tensors: dict[str, torch.Tensor] = {}
        for module, (outwards, inwards) in self._modules(family).items():
            tensors[f"{module}.lora_down.weight"] = torch.randn(RANK, inwards, generator=generator) * inwards**-0.5
            tensors[f"{module}.lora_up.weight"] = torch.randn(outwards, RANK, generator=generator) * 0.05
            tensors[f"{module}.alpha"] = torch.tensor(float(RANK))
        return _save(path, tensors)

    def text_encoder(self, name: str, family: Family, *, second: bool) -> Path:
        """One text encoder, as the model's makers publish it: CLIP-L's or, for `second`, CLIP-G's."""
        second = family == "sdxl_refiner" or (second and family == "sdxl")
        path = self._path("text_encoders", name, f"{family}-{'g' if second else 'l'}")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as folder:
                parts = random_checkpoint(Path(folder) / "model", kind=family, layout="diffusers", text_width=WIDTH)
                shutil.copyfile(parts / ("text_encoder_2" if second else "text_encoder") / "model.safetensors", path)
        return path

    def embedding(self, name: str, family: Family) -> Path | None:
        """A textual inversion under its own name in `models/embeddings`; None for a name that is no file's.

        It is written anew, because one of that name may be there for another family."""
        parts = Path(name.replace("\\", "/")).with_suffix(".safetensors").parts
        if ".." in parts or Path(*parts).is_absolute():
            return None
        path = self.folder.joinpath(MODELS, "embeddings", *parts)
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        wide = torch.randn(2, 2 * WIDTH, generator=generator)
        narrow = torch.randn(2, WIDTH, generator=generator)
        both = {"clip_l": narrow, "clip_g": wide}
        return _save(path, both if family.startswith("sdxl") else {"emb_params": narrow})

    def picture(self, name: str) -> Path:
        """A picture with a transparent corner."""
        path = self.folder / PICTURES / f"{_plain(name)}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            width, height = PICTURE
            across = pillow.linear_gradient("L").rotate(90).resize(PICTURE)
            alpha = pillow.new("L", PICTURE, 255)
            alpha.paste(0, (width // 4, height // 4, width // 2, height // 2))
            down = pillow.linear_gradient("L").resize(PICTURE)
            pillow.merge("RGBA", (across, down, pillow.new("L", PICTURE, 96), alpha)).save(path)
        return path

    def latents(self, name: str) -> Path:
        """Latents of a picture of `PICTURE`'s size."""
        path = self.folder / PICTURES / f"{_plain(name)}.latent"
        if not path.exists():
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            width, height = (side // 8 for side in PICTURE)
            _save(
                path,
                {
                    "latent_tensor": torch.randn(1, 4, height, width, generator=generator),
                    "latent_format_version_0": torch.zeros(0),
                },
            )
        return path

    def _part(self, kind: str, name: str, family: Family, prefix: str) -> Path:
        """One network of a checkpoint in a file of its own, without the prefix of its names."""
        path = self._path(kind, name, family)
        if path.exists():
            return path
        whole = load(self.checkpoint(name, family).read_bytes())
        return _save(path, {key.removeprefix(prefix): each for key, each in whole.items() if key.startswith(prefix)})

    def _rest(self, kind: str, name: str) -> Path:
        """What sdkit has no network for yet: a few weights by the names that such files begin with."""
        path = self._path(kind, name, "any")
        first = {"controlnet": "control_model.input_blocks.0.0.weight", "upscale_models": "conv_first.weight"}
        return path if path.exists() else _save(path, {first.get(kind, "weight"): torch.zeros(32, 3, 3, 3)})

    def _modules(self, family: Family) -> dict[str, tuple[int, int]]:
        """The linear layers that LoRAs of a family change, by kohya's names, with what goes out and in."""
        found: dict[str, tuple[int, int]] = {}
        whole = load(self.checkpoint("for LoRAs", family).read_bytes())
        shapes = {key: tuple(weight.shape) for key, weight in whole.items()}
        unet = {key.removeprefix(_UNET): shape for key, shape in shapes.items() if key.startswith(_UNET)}
        names = {name: name for name in unet} if family.startswith("sdxl") else unet_names_for_diffusers(unet)
        for ours, theirs in names.items():
            if ".attn" in ours and ours.endswith(".weight") and len(unet[ours]) == 2:
                found[_kohya("lora_unet", theirs)] = (unet[ours][0], unet[ours][1])
        towers = {"sd1": "lora_te", "sdxl": "lora_te1"}
        if family in towers:
            prefix = "cond_stage_model.transformer." if family == "sd1" else "conditioner.embedders.0.transformer."
            for key, shape in shapes.items():
                if key.startswith(f"{prefix}text_model.encoder") and key.endswith("_proj.weight"):
                    found[_kohya(towers[family], key.removeprefix(prefix))] = (shape[0], shape[1])
        return found

    def _path(self, kind: str, name: str, what: str) -> Path:
        return self.folder / MODELS / kind / f"{_plain(name)}-{what}.safetensors"


def _kinds(family: Family, channels: int) -> tuple[Kind, int | None]:
    """The kind of checkpoint for a family with more input channels."""
    kinds: dict[tuple[str, int], Kind] = {
        ("sd1", 9): "sd1_inpaint",
        ("sd1", 8): "sd1_edit",
        ("sdxl", 9): "sdxl_inpaint",
    }
    kind = kinds.get((family, channels))
    return (family, channels) if kind is None else (kind, None)


def _kohya(prefix: str, name: str) -> str:
    return f"{prefix}_{name.removesuffix('.weight').replace('.', '_')}"


def _plain(name: str) -> str:
    """A file's name that cannot be another's: the letters that every system takes, and a number for the rest."""
    stem = name.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or name
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', stem)[:40]}-{zlib.crc32(name.encode()):08x}"


def _save(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in tensors.items()}))
    return path
