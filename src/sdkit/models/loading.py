"""From what a user calls a model to a loaded one: names in folders, device and dtype, families."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sdkit.errors import RequestError
from sdkit.models.embedded import embedded_checkpoint
from sdkit.models.families import detect_family

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.families import ModelFamily
    from sdkit.models.library import Kind, Library
    from sdkit.types import DiffusionModel

EMBEDDED = "tiny"
"""The name of the model that ships with sdkit."""


def load_model(
    source: str,
    *,
    device: str,
    dtype: str,
    families: Mapping[str, ModelFamily],
    open_file: Callable[[str], CheckpointFile | None],
    library: Library,
) -> DiffusionModel:
    """Load a model by path, by its name or hash in the model folders, or by whatever else `open_file` knows.

    `open_file` answers None for what it cannot open. Raises ModelNotFoundError, which suggests names, CheckpointError,
    UnknownModelError or WeightsError; RequestError for a device or dtype that is not there.
    """
    from sdkit.models.placement import choose_device, choose_dtype

    place, wanted = choose_device(device), choose_dtype(dtype)
    file = _opened("checkpoints", source, open_file, library)
    family, detection = detect_family(file, families.values())
    return family.load(file, detection, device=place, dtype=wanted or "auto")


def load_parts(
    checkpoint: str | None = None,
    *,
    unet: str | None = None,
    vae: str | None = None,
    text_encoders: Sequence[str] = (),
    device: str,
    dtype: str,
    families: Mapping[str, ModelFamily],
    open_file: Callable[[str], CheckpointFile | None],
    library: Library,
) -> DiffusionModel:
    """Load a model whose parts are in files of their own, or a checkpoint with some of its parts replaced.

    Each source is a path or a name in the folder of its kind; text encoders in any order. Without a checkpoint, all
    three kinds of part are needed. Raises as `load_model`; CheckpointError, too, where a file has not the part that it
    is given for.
    """
    from sdkit.models.parts import assemble, replaced
    from sdkit.models.placement import choose_device, choose_dtype

    place, wanted = choose_device(device), choose_dtype(dtype)
    noise = _opened("diffusion_models", unet, open_file, library) if unet is not None else None
    pixels = _opened("vae", vae, open_file, library) if vae is not None else None
    texts = [_opened("text_encoders", source, open_file, library) for source in text_encoders]
    if checkpoint is not None:
        base = _opened("checkpoints", checkpoint, open_file, library)
        file = replaced(base, unet=noise, vae=pixels, text_encoders=texts)
    elif noise is not None and pixels is not None and texts:
        file = assemble(noise.path, noise, pixels, texts)
    else:
        lacking = [("a U-Net", noise), ("a VAE", pixels), ("text encoders", texts or None)]
        names = " and ".join(name for name, part in lacking if part is None)
        raise RequestError(
            f"a model of separate files lacks {names}; give the files, or a checkpoint that has the rest"
        )
    family, detection = detect_family(file, families.values())
    return family.load(file, detection, device=place, dtype=wanted or "auto")


def _opened(
    kind: Kind, source: str, open_file: Callable[[str], CheckpointFile | None], library: Library
) -> CheckpointFile:
    others = [EMBEDDED] if kind == "checkpoints" else []
    path = library.get(kind, source) or (embedded_checkpoint() if source in others else source)
    file = open_file(str(path))
    if file is None:
        raise library.missing(kind, source, others)
    return file
