"""LoRA files for tests: in the real key layouts, with the widths of the stand-in checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def save(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    """A LoRA file; in half precision, as most are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.half().contiguous() for key, tensor in tensors.items()}, path, metadata=metadata)
    return path


def save_toy_lora(path: Path, *, seed: int = 0, scale: float = 0.3) -> Path:
    """One for the toy model: colours and words."""
    tensors = {
        "lora_unet_colours.lora_up.weight": randn(4, 2, seed=seed) * scale,
        "lora_unet_colours.lora_down.weight": randn(2, 4, seed=seed + 1),
        "lora_unet_colours.alpha": torch.tensor(2.0),
        "lora_te_words.lora_up.weight": randn(12, 2, seed=seed + 2) * scale,
        "lora_te_words.lora_down.weight": randn(2, 12, seed=seed + 3),
    }
    return save(path, tensors)
