"""`comfy.utils`: progress, resizing, files of weights, and names in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from sdkit import editing
from sdkit_comfy.packs.calls import current

PROGRESS_BAR_ENABLED = True


class ProgressBar:
    """Tells the run how far the node is."""

    def __init__(self, total: int, node_id: str | None = None) -> None:
        self.total, self.current = total, 0
        self._context = current().context

    def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
        """So much is done."""
        self.total = self.total if total is None else total
        self.current = min(value, self.total)
        if self._context is not None:
            self._context.progress(self.current, self.total, preview)

    def update(self, value: int) -> None:
        """So much more is done."""
        self.update_absolute(self.current + value)


def set_progress_bar_enabled(enabled: bool) -> None:
    """Bars are the program's business."""


def set_progress_bar_global_hook(function: Callable[..., Any]) -> None:
    """The same."""


def common_upscale(samples: torch.Tensor, width: int, height: int, upscale_method: Any, crop: Any) -> torch.Tensor:
    """`[B, C, H, W]` at another size; sequences `[B, C, T, H, W]` picture by picture."""
    if samples.ndim == 5:
        batch, channels, frames = samples.shape[:3]
        flat = samples.movedim(2, 1).reshape(-1, channels, *samples.shape[-2:])
        done = editing.resize(flat, width, height, upscale_method, crop)
        return done.reshape(batch, frames, channels, height, width).movedim(1, 2)
    return editing.resize(samples, width, height, upscale_method, crop)


def bislerp(samples: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """Latents at another size, on arcs."""
    return editing.resize(samples, width, height, "bislerp")


def lanczos(samples: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """Pictures `[B, C, H, W]` at another size, by Pillow."""
    return editing.resize(samples, width, height, "lanczos")


def repeat_to_batch_size(tensor: torch.Tensor, batch_size: int, dim: int = 0) -> torch.Tensor:
    """The first `batch_size` elements, begun again as often as needed."""
    return tensor.index_select(dim, torch.arange(batch_size, device=tensor.device) % tensor.shape[dim])


def resize_to_batch_size(tensor: torch.Tensor, batch_size: int) -> torch.Tensor:
    """`batch_size` elements spread evenly over those that there are."""
    count = tensor.shape[0]
    places = torch.linspace(0, count - 1, batch_size).round().long() if batch_size > 1 else torch.zeros(1).long()
    return tensor[places.to(tensor.device)]


def reshape_mask(input_mask: torch.Tensor, output_shape: Any) -> torch.Tensor:
    """A mask in the size, the channels and the number of a batch `[B, C, H, W]`."""
    mask = input_mask.reshape((-1, 1, *input_mask.shape[-2:])).float()
    mask = torch.nn.functional.interpolate(mask, size=tuple(output_shape[-2:]), mode="bilinear")
    return repeat_to_batch_size(mask.expand(-1, output_shape[1], -1, -1), output_shape[0])


def load_torch_file(
    ckpt: str | Path, safe_load: bool = False, device: Any = None, return_metadata: bool = False
) -> Any:
    """The tensors of a file by name; pickled files by torch's loader for weights only."""
    from safetensors import safe_open

    metadata: Any = None
    if Path(ckpt).suffix.lower() in {".safetensors", ".sft"}:
        opened: Any = safe_open(str(ckpt), framework="pt", device=str(device or "cpu"))
        with opened as file:
            tensors: Any = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- it is no dict
            metadata = file.metadata()
    else:
        tensors = torch.load(ckpt, map_location=device or "cpu", weights_only=True)
        tensors = tensors.get("state_dict", tensors)
    return (tensors, metadata) if return_metadata else tensors


def save_torch_file(sd: Mapping[str, torch.Tensor], ckpt: str | Path, metadata: Any = None) -> None:
    """Write tensors by name as safetensors."""
    from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType] -- half typed

    save_file({name: each.contiguous() for name, each in sd.items()}, str(ckpt), metadata=metadata)


def calculate_parameters(sd: Mapping[str, torch.Tensor], prefix: str = "") -> int:
    """How many numbers there are in tensors whose names begin so."""
    return sum(each.nelement() for name, each in sd.items() if name.startswith(prefix))


def state_dict_prefix_replace(
    state_dict: dict[str, Any], replace_prefix: Mapping[str, str], filter_keys: bool = False
) -> dict[str, Any]:
    """Other beginnings of names; `filter_keys`: what begins otherwise is left out."""
    made: dict[str, Any] = {} if filter_keys else state_dict
    for old, new in replace_prefix.items():
        for name in [each for each in state_dict if each.startswith(old)]:
            made[new + name.removeprefix(old)] = state_dict.pop(name)
    return made


def state_dict_key_replace(state_dict: dict[str, Any], keys_to_replace: Mapping[str, str]) -> dict[str, Any]:
    """Other names."""
    for old, new in keys_to_replace.items():
        if old in state_dict:
            state_dict[new] = state_dict.pop(old)
    return state_dict


def get_attr(obj: Any, attr: str) -> Any:
    """An attribute of attributes: `"a.b.c"`."""
    for name in attr.split("."):
        obj = getattr(obj, name)
    return obj


def set_attr(obj: Any, attr: str, value: Any) -> Any:
    """Set one; returns what was there."""
    *path, last = attr.split(".")
    owner = get_attr(obj, ".".join(path)) if path else obj
    old = getattr(owner, last, None)
    setattr(owner, last, value)
    return old


def get_tiled_scale_steps(width: int, height: int, tile_x: int, tile_y: int, overlap: int) -> int:
    """How many tiles there are."""
    across = 1 if width <= tile_x else -(-(width - overlap) // (tile_x - overlap))
    down = 1 if height <= tile_y else -(-(height - overlap) // (tile_y - overlap))
    return across * down


def tiled_scale(
    samples: torch.Tensor,
    function: Callable[[torch.Tensor], torch.Tensor],
    tile_x: int = 64,
    tile_y: int = 64,
    overlap: int = 8,
    upscale_amount: float = 4,
    out_channels: int = 3,
    output_device: Any = "cpu",
    pbar: ProgressBar | None = None,
) -> torch.Tensor:
    """A function that makes `[1, C, H, W]` larger, tile by tile, blended linearly where tiles overlap."""
    high, wide = (round(side * upscale_amount) for side in samples.shape[-2:])
    total = torch.zeros((len(samples), out_channels, high, wide), device=output_device)
    for at in range(len(samples)):
        weights = torch.zeros((1, 1, high, wide), device=output_device)
        for top in _starts(samples.shape[-2], tile_y, overlap):
            for left in _starts(samples.shape[-1], tile_x, overlap):
                tile = samples[at : at + 1, :, top : top + tile_y, left : left + tile_x]
                made = function(tile).to(output_device)
                margin = round(overlap * upscale_amount)
                mask = _ramp(made.shape[-2], margin)[:, None] * _ramp(made.shape[-1], margin)[None, :]
                mask = mask.to(made)
                y, x = round(top * upscale_amount), round(left * upscale_amount)
                place = (..., slice(y, y + made.shape[-2]), slice(x, x + made.shape[-1]))
                total[at : at + 1][place] += made * mask
                weights[place] += mask
                if pbar is not None:
                    pbar.update(1)
        total[at : at + 1] /= weights
    return total


def _starts(side: int, tile: int, overlap: int) -> Iterator[int]:
    if side <= tile:
        yield 0
        return
    for start in range(0, side - overlap, tile - overlap):
        yield max(0, min(side - tile, start))


def _ramp(side: int, margin: int) -> torch.Tensor:
    """Weights along a side: rising over the margin, 1, and falling again."""
    places = torch.arange(side)
    nearest = torch.minimum(places, side - 1 - places).float() + 1
    return (nearest / max(1, margin)).clamp(max=1.0)
