"""Latents from files and into files."""

from __future__ import annotations

import hashlib
from typing import Annotated

import torch
from safetensors.torch import load, save

from sdkit import Workspace, node
from sdkit.errors import ImageError, RequestError
from sdkit.graph import CheckContext, Choices, NodeContext
from sdkit_comfy.nodes.picture_files import workflow_texts
from sdkit_comfy.places import find_file, save_files
from sdkit_comfy.sockets import LATENT
from sdkit_comfy.values.latents import samples_of

_TENSOR, _UNSCALED = "latent_tensor", "latent_format_version_0"
_OLD_SCALE = 0.18215
"""What files without the mark `latent_format_version_0` were multiplied by."""


def _is_there(*, context: CheckContext, latent: str | None) -> str | None:
    if latent is None:
        return None
    try:
        find_file(context.service(Workspace), latent)
    except ImageError as error:
        return str(error)
    return None


def _content(*, context: CheckContext, latent: str | None) -> str:
    if latent is None:
        return ""
    with find_file(context.service(Workspace), latent).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@node(name="SaveLatent", category="_for_testing")
def save_latent(*, context: NodeContext, samples: LATENT, filename_prefix: str = "latents/ComfyUI") -> None:
    """Save latents, with the workflow in the file."""
    tensors = {_TENSOR: samples_of(samples).contiguous(), _UNSCALED: torch.zeros(0)}
    data = save(tensors, workflow_texts(context))
    for path in save_files(context.service(Workspace), filename_prefix, ".latent", [data], context.graph):
        context.report("latents", path)


@node(name="LoadLatent", category="_for_testing", check=_is_there, changes=_content)
def load_latent(*, context: NodeContext, latent: Annotated[str, Choices("inputs", open=True)]) -> LATENT:
    """Latents from a file."""
    path = find_file(context.service(Workspace), latent)
    tensors = load(path.read_bytes())
    if _TENSOR not in tensors:
        raise RequestError(f"{latent!r} holds no latents of ComfyUI's, but {', '.join(sorted(tensors)) or 'nothing'}")
    samples = tensors[_TENSOR].float()
    return {"samples": samples if _UNSCALED in tensors else samples / _OLD_SCALE}
