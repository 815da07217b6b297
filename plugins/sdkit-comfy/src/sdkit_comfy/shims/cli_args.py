"""`comfy.cli_args`: what ComfyUI's program was started with: its defaults."""

from __future__ import annotations

from enum import Enum
from typing import Any

from sdkit_comfy.packs.calls import current
from sdkit_comfy.packs.errors import NotProvidedAttribute, not_provided


class LatentPreviewMethod(Enum):
    """How ComfyUI shows latents while they are sampled."""

    NoPreviews = "none"
    Auto = "auto"
    Latent2RGB = "latent2rgb"
    TAESD = "taesd"


_DEFAULTS: dict[str, Any] = {
    "listen": "127.0.0.1", "port": 8188, "base_directory": None, "output_directory": None, "input_directory": None,
    "temp_directory": None, "user_directory": None, "extra_model_paths_config": None, "cuda_device": None,
    "disable_metadata": False, "disable_all_custom_nodes": False, "preview_method": LatentPreviewMethod.NoPreviews,
    "preview_size": 512, "cpu": False, "lowvram": False, "novram": False, "highvram": False, "normalvram": False,
    "gpu_only": False, "force_fp16": False, "force_fp32": False, "fp16_vae": False, "fp32_vae": False,
    "bf16_vae": False, "cpu_vae": False, "fp8_e4m3fn_unet": False, "fp8_e5m2_unet": False, "force_channels_last": False,
    "directml": None, "disable_smart_memory": False, "deterministic": False, "fast": set[str](), "verbose": "INFO",
    "multi_user": False, "front_end_version": "", "front_end_root": None, "disable_xformers": True,
    "use_split_cross_attention": False, "use_quad_cross_attention": False, "use_pytorch_cross_attention": True,
    "use_sage_attention": False, "use_flash_attention": False, "enable_cors_header": None, "max_upload_size": 100,
    "windows_standalone_build": False, "auto_launch": False, "dont_print_server": False, "quick_test_for_ci": False,
}  # fmt: skip


class _Args:
    def __getattr__(self, name: str) -> Any:
        if name in _DEFAULTS:
            return _DEFAULTS[name]
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotProvidedAttribute(not_provided(current().pack, f"comfy.cli_args.args.{name}"))


args = _Args()
