"""Folders as diffusers writes them: a file or shards per part, and settings, of which only what no shape shows counts.

::

    model_index.json
    unet/diffusion_pytorch_model.safetensors         or …-00001-of-00002.safetensors with ….safetensors.index.json
    vae/diffusion_pytorch_model.safetensors
    text_encoder/model.safetensors, text_encoder_2/model.safetensors
    scheduler/scheduler_config.json                  whether it predicts v, and the noise of the last step

A variant, such as `fp16`, stands before the last suffix: `model.fp16.safetensors`, `model.safetensors.index.fp16.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sdkit.errors import CheckpointError
from sdkit.models.checkpoint import open_checkpoint
from sdkit.models.parts import assemble
from sdkit.models.prediction import SCHEDULER, SCHEDULER_ZERO_SNR
from sdkit.models.renaming import Place
from sdkit.models.views import CheckpointView, Stored

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile

INDEX = "model_index.json"
TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
_STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
_SHARD = re.compile(r"(?P<stem>.+?)(\.(?P<variant>[\w-]+?))?-\d{5}-of-(?P<count>\d{5})\.safetensors")
_WHOLE = re.compile(r"(?P<stem>.+?)(\.(?P<variant>[\w-]+))?\.safetensors")


def open_folder(path: str | Path, variant: str | None = None) -> CheckpointView:
    """Open a diffusers folder as one checkpoint; reads headers only.

    `variant`: which of several sets of weights; None is the one without a name, or else the only one there is. Raises
    CheckpointError for a folder that is none of diffusers', and for parts that are missing or not whole.
    """
    path = Path(path)
    _check_index(path)
    missing = [name for name in ("unet", "vae") if not (path / name).is_dir()]
    texts = [name for name in TEXT_ENCODERS if (path / name).is_dir()]
    if missing or not texts:
        raise CheckpointError(
            f"{path} is a diffusers folder without {' and '.join(missing or ['text_encoder'])}; sdkit reads models "
            "with the folders unet, vae and text_encoder. Fetch the whole folder, or give the model's .safetensors file"
        )
    unet, vae, *encoders = (_open_part(path / name, variant) for name in ("unet", "vae", *texts))
    return assemble(path, unet, vae, encoders, _training(path, unet))


def _check_index(path: Path) -> None:
    if (path / INDEX).is_file():
        return
    near = sorted(file.name for file in path.glob("*.safetensors"))
    if all((path / name).is_dir() for name in ("unet", "vae")):
        there = f"Its unet and vae are there, so only {INDEX} is missing: fetch it from where the folder came from"
    elif near:
        there = f"In it are {', '.join(near[:3])}: give the path of one of them"
    else:
        there = "Give the model's file"
    raise CheckpointError(
        f"{path} is a folder without {INDEX}, so it is no model folder of diffusers, or not the whole of one. {there}"
    )


def _open_part(folder: Path, variant: str | None) -> CheckpointFile:
    stem = _STEMS.get(folder.name, "model")
    found: dict[str | None, list[Path]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        named = _SHARD.fullmatch(file.name) or _WHOLE.fullmatch(file.name)
        if named and named["stem"] == stem:
            found.setdefault(named["variant"], []).append(file)
    if not found:
        others = [file.name for file in sorted(folder.glob("*")) if file.suffix in (".bin", ".pt", ".ckpt")]
        pickled = f" {others[0]} is a pickle, which can run code: sdkit does not read it." if others else ""
        raise CheckpointError(
            f"{folder} has no {stem}.safetensors.{pickled} Fetch the part's .safetensors file into that folder"
        )
    wanted = variant if variant is not None or None in found or len(found) > 1 else next(iter(found))
    if wanted not in found:
        there = ", ".join(str(name) for name in found)
        raise CheckpointError(f"{folder} has no weights of the variant {wanted!r}; there are: {there}. Choose one")
    files = found[wanted]
    if len(files) == 1 and not _SHARD.fullmatch(files[0].name):
        return open_checkpoint(files[0])
    whole = [file for file in files if not _SHARD.fullmatch(file.name)]
    return open_checkpoint(whole[0]) if whole else _open_shards(folder, stem, wanted, files)


def _open_shards(folder: Path, stem: str, variant: str | None, files: list[Path]) -> CheckpointView:
    names = (
        [f"{stem}.safetensors.index.{variant}.json", f"{stem}.{variant}.safetensors.index.json"]
        if variant
        else [f"{stem}.safetensors.index.json"]
    )
    index = next((folder / name for name in names if (folder / name).is_file()), None)
    if index is None:
        raise CheckpointError(
            f"{folder} has weights in {len(files)} pieces, but not {names[0]}, which says what is in which. "
            "Fetch it, too"
        )
    places = _json(index).get("weight_map")
    if not isinstance(places, dict) or not all(
        isinstance(file, str) for file in cast("dict[str, object]", places).values()
    ):
        raise CheckpointError(f"{index} has no weight_map of names and files. Fetch it again")
    where = cast("dict[str, str]", places)
    absent = sorted({name for name in where.values() if not (folder / Path(name).name).is_file()})
    if absent:
        raise CheckpointError(
            f"{folder} lacks {', '.join(absent[:3])}, which {index.name} names. Fetch the missing piece"
        )
    opened = {name: open_checkpoint(folder / Path(name).name) for name in sorted(set(where.values()))}
    stored: dict[str, Stored] = {}
    for key, name in where.items():
        file = opened[name]
        if key not in file.infos:
            raise CheckpointError(f"{file.path} lacks {key}, which {index.name} says is in it. Fetch both again")
        stored[key] = Stored(file, key, Place(key), file.infos[key])
    metadata: Mapping[str, str] = next(iter(opened.values())).metadata if opened else {}
    return CheckpointView(folder, stored, opened.values(), metadata)


def _training(path: Path, unet: CheckpointFile) -> dict[str, str]:
    """What the scheduler's settings say of the training, as metadata."""
    settings = path / "scheduler" / "scheduler_config.json"
    said = _json(settings) if settings.is_file() else {}
    metadata = dict(unet.metadata)
    prediction = said.get("prediction_type")
    if isinstance(prediction, str):
        metadata[SCHEDULER] = prediction
    if said.get("rescale_betas_zero_snr") is True:
        metadata[SCHEDULER_ZERO_SNR] = "true"
    return metadata


def _json(path: Path) -> dict[str, object]:
    try:
        parsed: object = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}. Fetch it again") from error
    if not isinstance(parsed, dict):
        raise CheckpointError(f"{path} is no JSON object. Fetch it again")
    return cast("dict[str, object]", parsed)
