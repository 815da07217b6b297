"""Group normalisation with SiLU as one compiled kernel: torch 2.13's own backward on a CPU takes most of a step."""

import ctypes
import hashlib
import subprocess
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

M = TypeVar("M", bound=nn.Module)


def build_kernel(folder: Path) -> ctypes.CDLL:
    """Compile ``group_norm.c`` with the C compiler at hand, once per version of the source, into ``folder``."""
    source = Path(__file__).with_name("group_norm.c")
    library = folder / f"group_norm-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"
    if not library.exists():
        flags = [
            "-O3",
            "-march=native",
            "-mprefer-vector-width=512",
            "-ffast-math",
            "-fopenmp",
            "-shared",
            "-fPIC",
            "-w",
        ]
        subprocess.run(["gcc", *flags, str(source), "-o", str(library), "-lm"], check=True)
    return ctypes.CDLL(str(library))


def _address(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _bf16(x: Tensor) -> Tensor:
    return x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)


class _Norm(torch.autograd.Function):
    """``silu(group_norm(x))`` on ``[N, C, H, W]``, bf16 in and out."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, silu: bool, kernel: ctypes.CDLL
    ) -> Tensor:
        x = _bf16(x)
        n, c, h, w = x.shape
        y = torch.empty_like(x)
        mean, rstd = torch.empty(n, groups), torch.empty(n, groups)
        sizes = [ctypes.c_int64(v) for v in (n, h * w, c, groups)]
        tensors = (x, weight, bias, y, mean, rstd)
        kernel.forward(*map(_address, tensors), *sizes, ctypes.c_float(eps), ctypes.c_int(silu))
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        ctx.sizes, ctx.silu, ctx.kernel = sizes, silu, kernel
        return y

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        dy = _bf16(grad_outputs[0])
        dx = torch.empty_like(x)
        dweight, dbias = torch.empty(x.shape[:2]), torch.empty(x.shape[:2])
        tensors = (x, dy, weight, bias, mean, rstd, dx, dweight, dbias)
        ctx.kernel.backward(*map(_address, tensors), *ctx.sizes, ctypes.c_int(ctx.silu))
        return dx, dweight.sum(0), dbias.sum(0), None, None, None, None


class FusedNorm(nn.GroupNorm):
    """``GroupNorm``, followed by SiLU where ``silu`` is set; weights keep their names."""

    silu: bool
    kernel: ctypes.CDLL

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        picture = input if input.ndim == 4 else input[..., None]
        y = _Norm.apply(picture, self.weight, self.bias, self.num_groups, self.eps, self.silu, self.kernel)
        return y.view(input.shape) if input.ndim == 3 else y


class _SiluLinear(nn.Linear):
    """The time projection of a block whose own activation went into its norms."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return super().forward(F.silu(input))


def channels_last(model: M) -> M:
    """Store a model's kernels channels last, in place."""
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return model


def fuse(model: M, folder: Path) -> M:
    """Make every group norm of a diffusers model a fused one, in place; its state dict stays as it was."""
    kernel = build_kernel(folder)
    with_silu: set[nn.Module] = set()
    for block in model.modules():
        if isinstance(block, ResnetBlock2D):
            with_silu |= {block.norm1, block.norm2}
            block.nonlinearity = nn.Identity()
            if block.time_emb_proj is not None:
                block.time_emb_proj.__class__ = _SiluLinear
        last = getattr(block, "conv_norm_out", None)
        if isinstance(last, nn.GroupNorm):
            with_silu.add(last)
            block.conv_act = nn.Identity()
    for norm in list(model.modules()):
        if type(norm) is nn.GroupNorm:
            norm.__class__ = FusedNorm
            assert isinstance(norm, FusedNorm)
            norm.silu, norm.kernel = norm in with_silu, kernel
    return model
