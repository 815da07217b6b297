"""Muon for matrices and kernels, Adam for the rest (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/)."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from training.mixed import rows
from training.parallel import Exchange


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """``[K, rows, columns]`` towards the nearest semi-orthogonal matrices, by the quintic Newton-Schulz iteration."""
    x = matrices.to(torch.bfloat16)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        inner = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, inner, x, beta=3.4445)
    return x.mT if tall else x


def share_gradients(parameters: Iterable[nn.Parameter], exchange: Exchange) -> None:
    """Replace every gradient by its mean over all processes; nothing to do in a single one."""
    if exchange.count > 1:
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients]).bfloat16()
        exchange.mean(flat)
        for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(part.view(gradient.shape))


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised; parameters of one shape are handled as one batch.

    The update's size is matched to Adam's (Liu et al. 2025, arXiv:2502.16982, eq. 4: 0.2 * sqrt(larger side)).
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, exchange: Exchange, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})
        self.exchange = exchange

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update. Of several processes each orthogonalises every other matrix, and all get all."""
        rank, count = self.exchange.rank, self.exchange.count
        for group in self.param_groups:
            members = [parameter for parameter in group["params"] if parameter.grad is not None]
            momentum, shapes = group["momentum"], defaultdict(list)
            for parameter in members:
                if not self.state[parameter]:
                    self.state[parameter]["moving"] = torch.zeros_like(parameter)
                self.state[parameter]["moving"].lerp_(parameter.grad, 1 - momentum)
                shapes[rows(parameter).shape].append(parameter)
            ordered = [parameter for same in shapes.values() for parameter in same]
            flat = torch.zeros(sum(parameter.numel() for parameter in ordered), dtype=torch.bfloat16)
            updates = [
                part.view_as(rows(p)) for p, part in zip(ordered, flat.split([p.numel() for p in ordered]), strict=True)
            ]
            first = 0
            for same in shapes.values():
                mine = range((rank - first) % count, len(same), count)
                if mine:
                    ahead = [rows(same[i].grad.lerp(self.state[same[i]]["moving"], momentum)) for i in mine]
                    for i, update in zip(mine, orthogonalise(torch.stack(ahead)), strict=True):
                        updates[first + i].copy_(update)
                first += len(same)
            self.exchange.sum(flat)
            for parameter, update in zip(ordered, updates, strict=True):
                size = 0.2 * max(update.shape) ** 0.5 * group["lr"]
                rows(parameter).sub_(update, alpha=size)


class MuonAdam:
    """Muon on the inner weights, Adam on everything else, behind one interface."""

    def __init__(self, model: nn.Module, rate: float, exchange: Exchange) -> None:
        outer = ("conv_in", "conv_out", "time_emb", "encoder.conv_in", "decoder.conv_out", "quant", "post_quant")
        inner, rest = [], []
        for name, parameter in model.named_parameters():
            matrix = parameter.ndim >= 2 and not name.startswith(outer)
            (inner if matrix else rest).append(parameter)
        self.parts = (
            Muon(inner, rate, exchange),
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
