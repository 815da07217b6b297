"""Where and in which dtype models compute."""

from __future__ import annotations

import torch

from sdkit.errors import RequestError

_OWN = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float32}
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """The device of a name; "auto" is the first GPU, else Apple's, else the CPU. Raises RequestError for others.

    The result names the GPU's number, so that `cuda` and `cuda:0` are the same device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RequestError(f"there is no device {name!r}; use auto, cpu, cuda, cuda:1 … or mps") from None
    if device.type not in ("cpu", "cuda", "mps", "xpu"):  # torch knows more names, such as meta, where nothing computes
        raise RequestError(f"sdkit cannot compute on the device {name!r}; use auto, cpu, cuda, cuda:1 … or mps")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        index = device.index or 0
        if index >= count:
            raise RequestError(f"there is no device {name!r}: torch sees {count} CUDA devices. Use cpu or auto")
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise RequestError("there is no device 'mps' on this machine; use cpu or auto")
    return device


def choose_dtype(name: str) -> torch.dtype | None:
    """The dtype of a name; None for "auto". Raises RequestError for others."""
    if name == "auto":
        return None
    if name not in DTYPES:
        raise RequestError(f"there is no dtype {name!r} to compute in; use auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def own_dtype(stored: str, device: torch.device) -> torch.dtype:
    """What "auto" means for weights stored in this (safetensors) dtype: float32 on a CPU, which is slow or inexact in
    others, their own elsewhere, float32 for float64, and float16 where it is one that nothing computes in (8 bits)."""
    return torch.float32 if device.type == "cpu" else _OWN.get(stored, torch.float16)
