"""Muon for matrices and kernels, Adam for the rest (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/)."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """``[K, rows, columns]`` towards the nearest semi-orthogonal matrices, by the quintic Newton-Schulz iteration."""
    x = matrices.to(torch.bfloat16)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised; parameters of one shape are handled as one batch.

    The update's size is matched to Adam's (Liu et al. 2025, arXiv:2502.16982, eq. 4: 0.2 * sqrt(larger side)).
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.0) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes[parameter.flatten(1).shape].append(parameter)
            for (rows, columns), members in shapes.items():
                updates = []
                for parameter in members:
                    moving = self.state[parameter].setdefault("moving", torch.zeros_like(parameter))
                    moving.lerp_(parameter.grad, 1 - group["momentum"])
                    updates.append(parameter.grad.lerp(moving, group["momentum"]).flatten(1))
                size = 0.2 * max(rows, columns) ** 0.5 * group["lr"]
                for parameter, update in zip(members, orthogonalise(torch.stack(updates)), strict=True):
                    parameter.mul_(1 - group["lr"] * group["decay"])
                    parameter.sub_(update.view_as(parameter), alpha=size)


class MuonAdam:
    """Muon on the inner weights, Adam on everything else, behind one interface."""

    def __init__(self, model: nn.Module, rate: float, decay: float = 0.0) -> None:
        outer = ("conv_in", "conv_out", "time_emb")
        inner, rest = [], []
        for name, parameter in model.named_parameters():
            matrix = parameter.ndim >= 2 and not name.startswith(outer)
            (inner if matrix else rest).append(parameter)
        self.parts = (
            Muon(inner, rate, decay=decay),
            torch.optim.AdamW(rest, rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True),
        )

    def step(self, rate: float) -> None:
        """One step at the given learning rate; clears the gradients."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, object]:
        return {str(i): part.state_dict() for i, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, dict[str, object]]) -> None:
        for i, part in enumerate(self.parts):
            part.load_state_dict(state[str(i)])
