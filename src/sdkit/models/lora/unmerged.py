"""LoRAs that are added as the network computes: nothing is copied, and every evaluation takes a little longer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from sdkit.models.lora.changes import Change, LowRank

Changes = tuple[tuple[Change, float], ...]
"""Changes to one weight in turn, each with its strength."""


def changed(weight: Tensor, changes: Changes) -> Tensor:
    """The weight with the changes, computed in float32 and rounded once; the weight itself is left alone."""
    work = weight.clone() if weight.dtype == torch.float32 else weight.float()
    for change, strength in changes:
        work = change.apply(work, strength)
    return work.to(weight.dtype)


def unmerged(layer: nn.Module, parameter: str, changes: Changes) -> nn.Module | None:
    """A layer in place of `layer`, whose weight is changed in every call; None for kinds of layers for which there is
    none."""
    if isinstance(layer, Unmerged):
        known = layer.changes
        return Unmerged(layer.layer, {**known, parameter: (*known.get(parameter, ()), *changes)})
    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)):
        return Unmerged(layer, {parameter: changes})
    return None


class Unmerged(nn.Module):
    """A layer with LoRAs on the side: low ranks add to its output; for other changes its weights are computed anew."""

    def __init__(self, layer: nn.Module, changes: Mapping[str, Changes]) -> None:
        super().__init__()
        self.layer = layer
        self.changes = changes
        self.low_ranks = nn.ModuleList()
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and all(isinstance(each, LowRank) for each in self._of("weight")):
            for change, strength in changes.get("weight", ()):
                assert isinstance(change, LowRank)
                self.low_ranks.append(_Side(layer, change, strength))

    def forward(self, x: Tensor) -> Tensor:
        parameters = {name: getattr(self.layer, name) for name in self.changes}
        if self.low_ranks:
            parameters.pop("weight")
        anew = {name: changed(weight, self.changes[name]) for name, weight in parameters.items()}
        output: Tensor = functional_call(self.layer, anew, (x,)) if anew else self.layer(x)
        for side in self.low_ranks:
            output = output + side(x)
        return output

    def _of(self, parameter: str) -> list[Change]:
        return [change for change, _ in self.changes.get(parameter, ())]


class _Side(nn.Module):
    """down and up, one after the other, in the layer's dtype; strength and scale are in up."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, change: LowRank, strength: float) -> None:
        super().__init__()
        weight = layer.weight
        up, down = change.factors(weight.device)
        self.up = (up * (strength * change.scale)).to(weight.dtype)
        self.down = down.to(weight.dtype).view(-1, *weight.shape[1:])
        if weight.ndim == 4:
            self.up = self.up[:, :, None, None]
        self.conv = layer if isinstance(layer, nn.Conv2d) else None

    def forward(self, x: Tensor) -> Tensor:
        if self.conv is None:
            return F.linear(F.linear(x, self.down), self.up)
        inner = F.conv2d(x, self.down, None, self.conv.stride, self.conv.padding, self.conv.dilation)
        return F.conv2d(inner, self.up)
