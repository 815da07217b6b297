"""What LoHa and LoKr share: a kernel as the core of a Tucker decomposition."""

from __future__ import annotations

import torch
from torch import Tensor


def tucker(core: Tensor, outputs: Tensor, inputs: Tensor) -> Tensor:
    """core `[r, s, …]`, outputs `[r, out]`, inputs `[s, in]` → `[out, in, …]`."""
    return torch.einsum("r s ..., r o, s i -> o i ...", core, outputs, inputs).contiguous()


def on(device: torch.device, tensor: Tensor) -> Tensor:
    """The tensor in float32 on a device."""
    return tensor.to(device, torch.float32)
