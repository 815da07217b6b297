"""torch's layers without initial values: their weights come from files, and drawing numbers first, even on the meta
device, takes longer than all the rest of building a network."""

from __future__ import annotations

from torch import nn


class Linear(nn.Linear):
    """See `torch.nn.Linear`."""

    def reset_parameters(self) -> None:
        """Nothing."""


class Conv2d(nn.Conv2d):
    """See `torch.nn.Conv2d`."""

    def reset_parameters(self) -> None:
        """Nothing."""


class GroupNorm(nn.GroupNorm):
    """See `torch.nn.GroupNorm`."""

    def reset_parameters(self) -> None:
        """Nothing."""


class LayerNorm(nn.LayerNorm):
    """See `torch.nn.LayerNorm`."""

    def reset_parameters(self) -> None:
        """Nothing."""
