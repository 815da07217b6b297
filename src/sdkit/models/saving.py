"""Writing a model to a single file or a folder in diffusers' layout, weight by weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from sdkit.errors import RequestError
from sdkit.models.checkpoint import is_text, release
from sdkit.models.diffusers_folder import write_folder
from sdkit.models.files import new_folder
from sdkit.models.hashes import Progress
from sdkit.models.layouts import single_file
from sdkit.models.prediction import V_MARKER, ZERO_SNR_MARKER
from sdkit.models.writing import Weight, in_dtype, total_size, write_safetensors

if TYPE_CHECKING:
    import torch

    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.diffusion_family import Architecture
    from sdkit.models.latent_diffusion import LatentDiffusion
    from sdkit.types import Patch

Layout: TypeAlias = Literal["single", "diffusers"]
"""One file with the original programs' names, or a folder as diffusers has them."""

_MOST_MAPPED = 16 << 20
"""After so many bytes, what was read of a file leaves the memory."""

_SPEC_NAMES = {
    "sd1": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2-512",
    "sd2 v": "stable-diffusion-v2-768-v",
    "sdxl": "stable-diffusion-xl-v1-base",
    "sdxl_refiner": "stable-diffusion-xl-v1-refiner",
}


def save_model(
    model: LatentDiffusion,
    path: str | Path,
    *,
    layout: Layout = "single",
    dtype: str | None = None,
    patches: Sequence[Patch] = (),
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a model; the file or folder appears whole or not at all. Weights are read and written one after another.

    `dtype`: float32, float16 or bfloat16; None is what the weights are stored in. `patches`: baked in, such as LoRAs.
    Raises ModelError if `path` is there already, or cannot be written; RequestError for what cannot be asked for.
    """
    weights = patched(stored_weights(model), patches)
    metadata = model_spec(model.architecture, Path(path).stem, model.metadata)
    return save_weights(
        weights, model.architecture, path, metadata, layout=layout, dtype=dtype, overwrite=overwrite, progress=progress
    )


def save_weights(
    weights: Iterable[Weight],
    architecture: Architecture,
    path: str | Path,
    metadata: Mapping[str, str],
    *,
    layout: Layout,
    dtype: str | None,
    overwrite: bool,
    progress: Progress | None,
) -> Path:
    """Write weights, by network and name, as a model of this architecture. See `save_model`."""
    path = Path(path)
    if not is_text(str(path)):
        raise RequestError(f"the name {str(path)!r} is no valid UTF-8, so other programs could not open the model")
    cast = in_dtype(list(weights), dtype)
    if layout == "diffusers":
        with new_folder(path, total_size(cast), overwrite=overwrite) as folder:
            write_folder(folder, cast, architecture, metadata, progress)
        return path
    if layout != "single":
        raise RequestError(f"models are written in the layout {' or '.join(get_args(Layout))}, not {layout!r}")
    if path.suffix.lower() not in (".safetensors", ".sft"):
        raise RequestError(f"models are written as .safetensors files, so {str(path)!r} must end so")
    named = [*single_file(cast, architecture), *_markers(architecture)]
    return write_safetensors(path, named, metadata, overwrite=overwrite, progress=progress)


def stored_weights(model: LatentDiffusion) -> list[Weight]:
    """A model's weights as its files have them, by network and name; nothing is read yet."""
    readers: dict[int, _Reader] = {}
    found: list[Weight] = []
    for name, (file, key) in model.sources.items():
        info, reader = file.infos[key], readers.setdefault(id(file), _Reader(file))
        found.append(Weight(name, info.dtype, info.shape, lambda reader=reader, key=key: reader.tensor(key)))
    return found


class _Reader:
    """Reads one tensor after another, and lets those that were read leave the memory."""

    def __init__(self, file: CheckpointFile) -> None:
        self._file = file
        self._read = _MOST_MAPPED  # loading the model has looked into all of them

    def tensor(self, key: str) -> torch.Tensor:
        if self._read >= _MOST_MAPPED:
            release(self._file)
            self._read = 0
        tensor = self._file.tensor(key)
        self._read += tensor.nbytes
        return tensor


def patched(weights: Iterable[Weight], patches: Sequence[Patch]) -> list[Weight]:
    """The weights with the patches baked in, one patch after another; computed in float32 and rounded once."""
    found: list[Weight] = []
    for weight in weights:
        own = [patch for patch in patches if weight.name in patch.targets]
        found.append(weight.remade(_baked(weight, own)) if own else weight)
    return found


def _baked(weight: Weight, patches: Sequence[Patch]) -> Callable[[], torch.Tensor]:
    def make() -> torch.Tensor:
        value = weight.make().float()
        for patch in patches:
            value = patch.apply(weight.name, value)
        return value

    return make


def model_spec(architecture: Architecture, title: str, old: Mapping[str, str]) -> dict[str, str]:
    """ModelSpec's metadata (https://github.com/Stability-AI/ModelSpec), beside what is kept of the old ones: its
    author, licence and the like, which stay true when a model is written in another form."""
    kind, v = architecture.kind, architecture.trained.prediction == "v"
    side = kind.side_v if v else kind.side
    kept = {key: value for key, value in old.items() if key.startswith("modelspec.") and "hash" not in key}
    return kept | {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": _SPEC_NAMES[f"{kind.name} v" if kind.name == "sd2" and v else kind.name],
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.title": title,
        "modelspec.resolution": f"{side}x{side}",
        "modelspec.prediction_type": "v" if v else "epsilon",
    }


def _markers(architecture: Architecture) -> list[Weight]:
    """The empty tensors by which other programs see that a model predicts v."""
    trained = architecture.trained
    names = [V_MARKER] * (trained.prediction == "v" and architecture.kind.name != "sd2")
    names += [ZERO_SNR_MARKER] * trained.zero_snr
    return [Weight(name, "F32", (0,), _nothing) for name in names]


def _nothing() -> torch.Tensor:
    import torch

    return torch.empty(0)
