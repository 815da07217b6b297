"""`comfy.sd`: the classes of CLIP and VAE values, and loading files."""

from __future__ import annotations

from enum import Enum
from typing import Any

from sdkit.errors import SdkitError
from sdkit_comfy.packs.calls import current
from sdkit_comfy.values.networks import Clip as CLIP  # noqa: N814 -- ComfyUI's names
from sdkit_comfy.values.networks import Model
from sdkit_comfy.values.networks import Vae as VAE  # noqa: N814

__all__ = ["CLIP", "VAE", "CLIPType", "load_checkpoint_guess_config"]


class CLIPType(Enum):
    """Families of text encoders."""

    STABLE_DIFFUSION = 1
    STABLE_CASCADE = 2
    SD3 = 3
    STABLE_AUDIO = 4
    HUNYUAN_DIT = 5
    FLUX = 6


def load_checkpoint_guess_config(
    ckpt_path: str,
    output_vae: bool = True,
    output_clip: bool = True,
    output_clipvision: bool = False,
    embedding_directory: Any = None,
    **_: Any,
) -> tuple[Model, CLIP | None, VAE | None, None]:
    """A checkpoint's three parts."""
    workspace = current().workspace
    if workspace is None:
        raise SdkitError(f"pack {current().pack!r} loads a model, which needs a Workspace to run in")
    pipe = workspace.pipeline(ckpt_path)
    return Model(pipe), CLIP(pipe) if output_clip else None, VAE(pipe) if output_vae else None, None
