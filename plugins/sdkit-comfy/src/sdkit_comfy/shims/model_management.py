"""`comfy.model_management`: devices, types of numbers, memory, and cancelling. Models stay where sdkit has put them."""

from __future__ import annotations

import gc
from enum import Enum
from typing import Any

import torch

from sdkit.errors import Cancelled as InterruptProcessingException
from sdkit_comfy.packs.calls import current

OOM_EXCEPTION = torch.cuda.OutOfMemoryError
DISABLE_SMART_MEMORY = False
XFORMERS_IS_AVAILABLE = False
current_loaded_models: list[Any] = []

__all__ = ["InterruptProcessingException", "get_torch_device", "intermediate_device"]


class VRAMState(Enum):
    """How much memory models may take."""

    DISABLED = 0
    NO_VRAM = 1
    LOW_VRAM = 2
    NORMAL_VRAM = 3
    HIGH_VRAM = 4
    SHARED = 5


class CPUState(Enum):
    """What kind of device there is."""

    GPU = 0
    CPU = 1
    MPS = 2


def __getattr__(name: str) -> object:
    if name == "cpu_state":
        kind = get_torch_device().type
        return CPUState.CPU if kind == "cpu" else CPUState.MPS if kind == "mps" else CPUState.GPU
    if name == "vram_state":
        return VRAMState.DISABLED if get_torch_device().type == "cpu" else VRAMState.NORMAL_VRAM
    raise AttributeError(name)


def get_torch_device() -> torch.device:
    """The workspace's device."""
    call = current()
    named = call.settings.device if call.workspace is None else call.workspace.device
    if named != "auto":
        return torch.device(named)
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def get_torch_device_name(device: torch.device) -> str:
    """The device in words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def intermediate_device() -> torch.device:
    """Where pictures and latents are between nodes."""
    return torch.device("cpu")


def intermediate_dtype() -> torch.dtype:
    """What they are there."""
    return torch.float32


def unet_offload_device() -> torch.device:
    """Where models wait."""
    return torch.device("cpu")


vae_offload_device = text_encoder_offload_device = unet_offload_device


def vae_device(*_: Any, **__: Any) -> torch.device:
    """Where models work; what for does not matter."""
    return get_torch_device()


text_encoder_device = unet_inital_load_device = vae_device


def is_device_cpu(device: Any) -> bool:
    """Whether a device is of this kind."""
    return torch.device(device).type == "cpu"


def is_device_mps(device: Any) -> bool:
    """As above."""
    return torch.device(device).type == "mps"


def is_device_cuda(device: Any) -> bool:
    """As above."""
    return torch.device(device).type == "cuda"


def cpu_mode() -> bool:
    """Whether there is no accelerator."""
    return get_torch_device().type == "cpu"


def mps_mode() -> bool:
    """Whether it is Apple's."""
    return get_torch_device().type == "mps"


def is_nvidia() -> bool:
    """Whether it is Nvidia's."""
    return get_torch_device().type == "cuda" and bool(torch.version.cuda)


def is_intel_xpu() -> bool:
    """Whether it is Intel's."""
    return get_torch_device().type == "xpu"


def should_use_fp16(device: Any = None, *_: Any, **__: Any) -> bool:
    """Whether half precision is faster there."""
    return torch.device(device or get_torch_device()).type == "cuda"


def should_use_bf16(device: Any = None, *_: Any, **__: Any) -> bool:
    """Whether bfloat16 is."""
    return should_use_fp16(device) and torch.cuda.is_bf16_supported()


def unet_dtype(*_: Any, **__: Any) -> torch.dtype:
    """What models compute in."""
    return torch.float16 if should_use_fp16() else torch.float32


def vae_dtype(*_: Any, **__: Any) -> torch.dtype:
    """What VAEs compute in."""
    return torch.float32


text_encoder_dtype = vae_dtype


def dtype_size(dtype: torch.dtype) -> int:
    """Bytes of a number."""
    return dtype.itemsize


def module_size(module: torch.nn.Module) -> int:
    """Bytes of a module's tensors."""
    return sum(each.nelement() * each.element_size() for each in module.state_dict().values())


def get_total_memory(dev: Any = None, torch_total_too: bool = False) -> Any:
    """Bytes of the device's memory."""
    return _memory(dev, 1, torch_total_too)


def get_free_memory(dev: Any = None, torch_free_too: bool = False) -> Any:
    """Bytes that are free."""
    return _memory(dev, 0, torch_free_too)


def _memory(dev: Any, which: int, both: bool) -> Any:
    device = torch.device(dev) if dev is not None else get_torch_device()
    size = torch.cuda.mem_get_info(device)[which] if device.type == "cuda" else 8 * 2**30
    return (size, size) if both else size


def minimum_inference_memory() -> int:
    """Bytes that are to be left free."""
    return 2**30


def soft_empty_cache(force: bool = False) -> None:
    """Give back memory that nobody uses."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def load_models_gpu(models: Any, *_: Any, **__: Any) -> None:
    """Models are where they are needed already."""


load_model_gpu = free_memory = load_models_gpu


def unload_all_models() -> None:
    """Models go when nobody holds them."""


cleanup_models = cleanup_models_gc = unload_all_models


def loaded_models(only_currently_used: bool = False) -> list[Any]:
    """sdkit keeps no list of them."""
    return []


def cast_to_device(tensor: torch.Tensor, device: Any, dtype: Any, copy: bool = False) -> torch.Tensor:
    """A tensor elsewhere, in another type."""
    return tensor.to(device=device, dtype=dtype, copy=copy)


def cast_to(
    weight: torch.Tensor, dtype: Any = None, device: Any = None, non_blocking: bool = False, copy: bool = False
) -> torch.Tensor:
    """The same."""
    return weight.to(device=device, dtype=dtype, non_blocking=non_blocking, copy=copy)


def device_supports_non_blocking(device: Any) -> bool:
    """Whether copies may go on beside the work."""
    return torch.device(device).type == "cuda"


def xformers_enabled() -> bool:
    """It is never used."""
    return False


xformers_enabled_vae = pytorch_attention_flash_attention = xformers_enabled


def pytorch_attention_enabled() -> bool:
    """It is always used."""
    return True


def processing_interrupted() -> bool:
    """Whether the run was cancelled."""
    context = current().context
    return context is not None and context.cancel.cancelled


def throw_exception_if_processing_interrupted() -> None:
    """Raise if it was."""
    context = current().context
    if context is not None:
        context.check_cancelled()


def interrupt_current_processing(value: bool = True) -> None:
    """Cancel the run."""
    context = current().context
    if value and context is not None:
        context.cancel.cancel()
