"""From what a user names to a loaded model: find the file, open it, recognise it, build it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sdkit.errors import ModelError
from sdkit.models.families import detect_family
from sdkit.models.library import find_checkpoint, not_found

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.families import ModelFamily
    from sdkit.types import DiffusionModel

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load_model(
    source: str,
    *,
    device: str,
    dtype: str,
    families: Iterable[ModelFamily],
    open_file: Callable[[str], CheckpointFile | None],
    folder: Path,
) -> DiffusionModel:
    """Load the model that `source` names: a path, a name in `folder`, or anything that `open_file` knows to open.

    `open_file` gets the path that was found, or `source` itself, and returns None for what it does not know. `device`:
    "auto" is the GPU if there is one. `dtype`: "auto" or a name of `DTYPES`.

    Raises ModelNotFoundError, CheckpointError, UnknownModelError, WeightsError, and ModelError for a wrong device or dtype.
    """
    where, computes_in = pick_device(device), pick_dtype(dtype)
    path = find_checkpoint(source, folder)
    file = open_file(str(path or source))
    if file is None:
        raise not_found(source, folder)
    try:
        family, detection = detect_family(file, families)
        return family.load(file, detection, device=where, dtype=computes_in or "auto")
    except BaseException:
        file.close()
        raise


def pick_device(name: str) -> torch.device:
    """The device of this name; "auto" is CUDA, then MPS, then the CPU. Raises ModelError if torch does not have it."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f'cannot use the device {name!r}: {reason}. Use "auto", "cpu", "cuda", "cuda:1" or "mps", as far as this '
            "installation of torch has them"
        ) from None
    return device


def pick_dtype(name: str) -> torch.dtype | None:
    """The dtype of this name; None for "auto". Raises ModelError for another name."""
    if name == "auto":
        return None
    if name not in DTYPES:
        raise ModelError(f"there is no dtype {name!r} to compute in; use auto, {', '.join(DTYPES)}")
    return DTYPES[name]
