"""Models put together from files of their parts: U-Net, VAE and text encoders, in any of the usual layouts.

Each part is shown under the names that it has in a checkpoint in a single file, so the same families recognise both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.errors import CheckpointError
from sdkit.models.diffusers_names import diffusers_unet_names, diffusers_vae_names
from sdkit.models.families import looks_like
from sdkit.models.kinds import UNET, VAE
from sdkit.models.prediction import MARKERS
from sdkit.models.renaming import (
    Place,
    Rename,
    below,
    open_clip_places,
    table,
    transformers_places,
)
from sdkit.models.views import CheckpointView, Stored, canonical, renamed

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile

_TOKENS = "token_embedding.weight"
_NUMBERS = {"sdxl": 6, "sdxl_refiner": 5}


def unet_weights(file: CheckpointFile) -> dict[str, Stored]:
    """The U-Net in a file: of a checkpoint, alone, or of a diffusers folder. Raises CheckpointError if there is
    none."""
    names = list(file.infos)
    for prefix in (UNET, "diffusion_model.", ""):
        if f"{prefix}input_blocks.0.0.weight" in file.infos:
            return _found(renamed(file, below(prefix, _same, UNET)), file, "U-Net")
    prefix = "unet." if "unet.conv_in.weight" in file.infos else ""
    bare = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    if "conv_in.weight" not in bare or not any(name.startswith("down_blocks.") for name in bare):
        bare = []
    if any(name.startswith("controlnet_") for name in bare):
        bare = []
    return _found(renamed(file, below(prefix, table(diffusers_unet_names(bare)), UNET)), file, "U-Net")


def vae_weights(file: CheckpointFile) -> dict[str, Stored]:
    """The VAE in a file: of a checkpoint, alone, or of a diffusers folder. Raises CheckpointError if there is none."""
    for prefix in (VAE, "vae.", ""):
        names = [name.removeprefix(prefix) for name in file.infos if name.startswith(prefix)]
        if "decoder.conv_in.weight" not in names:
            continue
        rule: Rename = _vae_places
        if any(name.startswith("decoder.up_blocks.") for name in names):
            rule = table(diffusers_vae_names(names))
        return _found(renamed(file, below(prefix, rule, VAE)), file, "VAE")
    return _found({}, file, "VAE")


def text_weights(file: CheckpointFile, to: str) -> dict[str, Stored]:
    """The text tower in a file that has one, shown under the prefix `to`. Raises CheckpointError if there is none."""
    tokens = next((name for name in file.infos if name.endswith(_TOKENS)), "")
    prefix = re.sub(r"(text_model\.)?(embeddings\.)?token_embedding\.weight$", "", tokens)
    rule = transformers_places if tokens.endswith(f"embeddings.{_TOKENS}") else open_clip_places
    return _found(renamed(file, below(prefix, rule, to)) if tokens else {}, file, "CLIP text encoder")


def assemble(
    path: Path,
    unet: CheckpointFile,
    vae: CheckpointFile,
    text_encoders: Sequence[CheckpointFile],
    metadata: Mapping[str, str] | None = None,
) -> CheckpointView:
    """One checkpoint of several files. Which text encoder is which is told by the U-Net and by their shapes.

    `metadata`: what is known besides of what the U-Net predicts; None is what its own file says. Raises CheckpointError
    where a file has not the part that it is given for.
    """
    stored = unet_weights(unet)
    stored |= vae_weights(vae)
    for file, prefix in zip(text_encoders, _prefixes(stored, text_encoders), strict=True):
        stored |= text_weights(file, prefix)
    for marker in MARKERS:
        if marker in unet.infos:
            stored[marker] = Stored(unet, marker, Place(marker), unet.infos[marker])
    files = list(dict.fromkeys((unet, vae, *text_encoders)))
    return CheckpointView(path, stored, files, unet.metadata if metadata is None else metadata)


def replaced(
    checkpoint: CheckpointFile,
    *,
    unet: CheckpointFile | None = None,
    vae: CheckpointFile | None = None,
    text_encoders: Sequence[CheckpointFile] = (),
) -> CheckpointView:
    """A checkpoint with some of its parts taken from other files. Raises CheckpointError as `assemble`."""
    base = canonical(checkpoint)
    whole = base if isinstance(base, CheckpointView) else None
    stored = {
        name: whole.stored(name) if whole else Stored(base, name, Place(name), info)
        for name, info in base.infos.items()
    }
    path, files, metadata = base.path, [*(whole.files if whole else (base,))], base.metadata
    if unet is not None:
        stored = {name: each for name, each in stored.items() if not name.startswith(UNET) and name not in MARKERS}
        stored |= unet_weights(unet)
        stored |= {m: Stored(unet, m, Place(m), unet.infos[m]) for m in MARKERS if m in unet.infos}
        path, metadata = unet.path, unet.metadata
        files.append(unet)
    if vae is not None:
        stored = {name: each for name, each in stored.items() if not name.startswith(VAE)} | vae_weights(vae)
        files.append(vae)
    if text_encoders:
        stored = {name: each for name, each in stored.items() if not name.startswith(("cond_stage_", "conditioner."))}
        for file, prefix in zip(text_encoders, _prefixes(stored, text_encoders), strict=True):
            stored |= text_weights(file, prefix)
        files += text_encoders
    return CheckpointView(path, stored, dict.fromkeys(files), metadata)


def _prefixes(stored: Mapping[str, Stored], texts: Sequence[CheckpointFile]) -> tuple[str, ...]:
    """Where a checkpoint in a single file has the text encoders, by what their U-Net is."""
    shapes = {name: each.info.shape for name, each in stored.items()}
    summary = shapes.get(f"{UNET}label_emb.0.0.weight")
    if summary is None:
        _count(texts, 1)
        return ("cond_stage_model.transformer.",)
    if len(texts) == 1:
        return ("conditioner.embedders.0.model.",)
    _count(texts, 2)
    width = summary[1] - 256 * _NUMBERS["sdxl"]
    summing = [_projection(file) == width for file in texts]
    first, second = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
    return (second, first) if summing == [True, False] else (first, second)


def _projection(file: CheckpointFile) -> int | None:
    """Channels of the projected summary of a text encoder's file, None for one that does not project."""
    found = text_weights(file, "").get("text_projection.weight")
    return found.info.shape[0] if found and found.info.shape else None


def _count(texts: Sequence[CheckpointFile], count: int) -> None:
    if len(texts) != count:
        given = ", ".join(str(file.path) for file in texts) or "none"
        raise CheckpointError(
            f"a model of this U-Net has {count} text encoder{'s' * (count > 1)}, but {len(texts)} were given ({given})"
        )


def _same(name: str) -> list[Place]:
    return [Place(name)]


def _vae_places(name: str) -> list[Place]:
    return [Place(name)] if name.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")) else []


def _found(stored: dict[str, Stored], file: CheckpointFile, what: str) -> dict[str, Stored]:
    if stored:
        return stored
    looks = looks_like(file.infos)
    guess = f" It looks like {looks}." if looks else ""
    raise CheckpointError(
        f"there is no {what} in {file.path} ({len(file.infos)} tensors).{guess} Give the file of a {what}, or a "
        "checkpoint that contains one; `sdkit inspect FILE` lists what is in it"
    )
