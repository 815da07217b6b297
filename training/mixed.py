"""A bf16 copy of a model for the forward and backward pass, beside the fp32 weights that the optimizer moves."""

import copy
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from training.fused import channels_last, fuse
from training.parallel import Exchange


def rows(tensor: Tensor) -> Tensor:
    """A weight or gradient as a matrix, one row per output, without copying; kernels are stored channels last."""
    return tensor.permute(0, 2, 3, 1).flatten(1) if tensor.ndim == 4 else tensor


class WorkingCopy:
    """``model`` is the copy to run (fused norms, bf16, channels last); ``master`` holds the real weights in fp32.

    Cheaper than autocast, which casts every weight at every step on its own, and every gradient back.
    """

    def __init__(self, master: nn.Module, folder: Path, exchange: Exchange) -> None:
        self.exchange = exchange
        self.master = channels_last(master)
        self.model = fuse(copy.deepcopy(master).to(torch.bfloat16), folder)
        for module in self.model.modules():
            if isinstance(module, nn.GroupNorm | nn.LayerNorm):
                module.float()
        self.pairs = list(zip(self.master.parameters(), self.model.parameters(), strict=True))

    @torch.no_grad()
    def collect(self, most: float = 1.0) -> float:
        """Move the gradients to the master weights: mean over all processes, clipped to the norm ``most``.

        Returns the norm before clipping and clears the copy's gradients.
        """
        flat = torch.cat([rows(cast("Tensor", work.grad)).flatten().to(torch.bfloat16) for _, work in self.pairs])
        self.exchange.mean(flat)
        flat = flat.float()
        norm = flat.norm().item()
        flat *= min(1.0, most / (norm + 1e-6))
        for (master, work), part in zip(self.pairs, flat.split([p.numel() for p, _ in self.pairs]), strict=True):
            if master.ndim == 4:
                out, channels, high, wide = master.shape
                master.grad = part.view(out, high, wide, channels).permute(0, 3, 1, 2)
            else:
                master.grad = part.view(master.shape)
            work.grad = None
        return norm

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the master's weights."""
        torch._foreach_copy_(  # pyright: ignore[reportPrivateImportUsage]
            [work for _, work in self.pairs], [master for master, _ in self.pairs]
        )
