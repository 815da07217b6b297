"""Which folders hold which kind of model: sdkit's own tree, ComfyUI's, A1111's, and a folder with nothing but files.

A root is a models folder, or the folder of a program that has one. Folders are told by their names alone, whatever
their case, so that no program has to be named::

    models/checkpoints, loras, vae, embeddings …         sdkit, ComfyUI
    models/Stable-diffusion, Lora, VAE, ESRGAN …         A1111, Forge; `embeddings` is beside `models`
    a.safetensors, sdxl/b.safetensors                    flat: no folder of a known name, all of it checkpoints
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdkit.models.library.kinds import CHECKPOINTS, KIND_INFOS, KIND_OF_FOLDER, KINDS, Kind

_A1111_CHECKPOINTS = "stable-diffusion"
_A1111_CONTROLNET = Path("extensions", "sd-webui-controlnet", "models")


@dataclass(frozen=True)
class Folder:
    """A folder to look into; `deep`: with all that is below it."""

    path: Path
    deep: bool = True


Folders = Mapping[Kind, tuple[Folder, ...]]


def folders_of(root: Path) -> Folders:
    """The folders of a root by kind; for kinds that have none, the one where sdkit would look for them."""
    found: dict[Kind, list[Folder]] = {kind: [] for kind in KINDS}
    inner = _children(root).get("models")
    trunks = [root] + ([inner] if inner is not None and _has_kinds(inner) else [])
    for trunk in trunks:
        children = _children(trunk)
        for name, kind in KIND_OF_FOLDER.items():
            if name in children:
                found[kind].append(Folder(children[name]))
        if _A1111_CHECKPOINTS in children:  # its embeddings are beside its models, its ControlNets in an extension
            found["embeddings"].append(Folder(trunk.parent / "embeddings"))
            found["controlnet"].append(Folder(trunk.parent / _A1111_CONTROLNET))
    flat = not any(_has_kinds(trunk) for trunk in trunks)
    found[CHECKPOINTS].append(Folder(root, deep=flat))
    there = {kind: tuple(folder for folder in found[kind] if folder.path.is_dir()) for kind in KINDS}
    return {kind: there[kind] or (Folder(root / KIND_INFOS[kind].folders[0]),) for kind in KINDS}


def joined(all_folders: Iterable[Folders]) -> Folders:
    """Folders of several roots, in their order; each real folder once."""
    result: dict[Kind, dict[str, Folder]] = {kind: {} for kind in KINDS}
    for folders in all_folders:
        for kind, more in folders.items():
            for folder in more:
                result[kind].setdefault(os.path.realpath(folder.path), folder)
    return {kind: tuple(unique.values()) for kind, unique in result.items()}


def _has_kinds(folder: Path) -> bool:
    return any(name in KIND_OF_FOLDER for name in _children(folder))


def _children(folder: Path) -> dict[str, Path]:
    """The folders in a folder by their names in lower case; none where it is missing or closed."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name.lower(): folder / entry.name for entry in entries if entry.is_dir()}
    except (OSError, ValueError):
        return {}
