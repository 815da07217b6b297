"""What pipelines load their models with: the plugins' families and containers, and the files of parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sdkit.models import Library, ModelLoader, Parts
from sdkit.plugins import Manager

if TYPE_CHECKING:
    from sdkit.models import CheckpointFile


def loader(manager: Manager, library: Library, variant: str | None = None) -> ModelLoader:
    """What loads models with the plugins' families and containers."""
    families = {name: entry.load() for name, entry in manager.families.items()}
    return ModelLoader(
        families,
        lambda path: cast("CheckpointFile | None", manager.first("load_checkpoint", source=path)),
        library,
        variant,
    )


def parts_of(unet: str | Path | None, vae: str | Path | None, text_encoder: str | Path | Sequence[str | Path]) -> Parts:
    """The files of parts, as users give them: paths or names, one text encoder or several."""
    texts = (text_encoder,) if isinstance(text_encoder, (str, Path)) else text_encoder
    unet, vae = (None if path is None else str(path) for path in (unet, vae))
    return Parts(unet, vae, tuple(map(str, texts)))
