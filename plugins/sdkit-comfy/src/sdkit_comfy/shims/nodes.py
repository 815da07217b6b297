"""`nodes`: ComfyUI's own nodes as classes, as packs call, name and inherit them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from sdkit.graph import UNSET, Choices, NodeType, node_type
from sdkit_comfy.nodes import NODES
from sdkit_comfy.packs.calls import current
from sdkit_comfy.packs.errors import NotProvidedAttribute, NotProvidedError, not_provided
from sdkit_comfy.packs.sockets import comfy_of
from sdkit_comfy.shims.lists import Named

MAX_RESOLUTION = 16384
EXTENSION_WEB_DIRS: dict[str, str] = {}
LOADED_MODULE_DIRS: dict[str, str] = {}

_METHODS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "CLIPLoader": ("load_clip", ()),
    "CLIPSetLastLayer": ("set_last_layer", ("clip", "stop_at_clip_layer")),
    "CLIPTextEncode": ("encode", ("clip", "text")),
    "CheckpointLoaderSimple": ("load_checkpoint", ("ckpt_name",)),
    "ConditioningAverage": ("addWeighted", ("conditioning_to", "conditioning_from", "conditioning_to_strength")),
    "ConditioningCombine": ("combine", ("conditioning_1", "conditioning_2")),
    "ConditioningConcat": ("concat", ("conditioning_to", "conditioning_from")),
    "ConditioningSetArea": ("append", ("conditioning", "width", "height", "x", "y", "strength")),
    "ConditioningSetAreaPercentage": ("append", ("conditioning", "width", "height", "x", "y", "strength")),
    "ConditioningSetTimestepRange": ("set_range", ("conditioning", "start", "end")),
    "ConditioningSetMask": ("append", ("conditioning", "mask", "set_cond_area", "strength")),
    "ConditioningZeroOut": ("zero_out", ("conditioning",)),
    "ControlNetApply": ("apply_controlnet", ("conditioning", "control_net", "image", "strength")),
    "ControlNetApplyAdvanced": (
        "apply_controlnet",
        ("positive", "negative", "control_net", "image", "strength", "start_percent", "end_percent", "vae"),
    ),
    "ControlNetLoader": ("load_controlnet", ("control_net_name",)),
    "DualCLIPLoader": ("load_clip", ()),
    "EmptyImage": ("generate", ()),
    "EmptyLatentImage": ("generate", ("width", "height", "batch_size")),
    "ImageBatch": ("batch", ("image1", "image2")),
    "ImageInvert": ("invert", ("image",)),
    "ImagePadForOutpaint": ("expand_image", ("image", "left", "top", "right", "bottom", "feathering")),
    "ImageScale": ("upscale", ("image", "upscale_method", "width", "height", "crop")),
    "ImageScaleBy": ("upscale", ("image", "upscale_method", "scale_by")),
    "InpaintModelConditioning": ("encode", ("positive", "negative", "pixels", "vae", "mask", "noise_mask")),
    "KSampler": ("sample", ()),
    "KSamplerAdvanced": ("sample", ()),
    "LatentBlend": ("blend", ("samples1", "samples2", "blend_factor")),
    "LatentComposite": ("composite", ("samples_to", "samples_from", "x", "y", "feather")),
    "LatentCrop": ("crop", ("samples", "width", "height", "x", "y")),
    "LatentFlip": ("flip", ("samples", "flip_method")),
    "LatentFromBatch": ("frombatch", ("samples", "batch_index", "length")),
    "LatentRotate": ("rotate", ("samples", "rotation")),
    "LatentUpscale": ("upscale", ("samples", "upscale_method", "width", "height", "crop")),
    "LatentUpscaleBy": ("upscale", ("samples", "upscale_method", "scale_by")),
    "LoadImage": ("load_image", ("image",)),
    "LoadImageMask": ("load_image", ("image", "channel")),
    "LoraLoaderModelOnly": ("load_lora_model_only", ("model", "lora_name", "strength_model")),
    "LoraLoader": ("load_lora", ("model", "clip", "lora_name", "strength_model", "strength_clip")),
    "PreviewImage": ("save_images", ("images",)),
    "RepeatLatentBatch": ("repeat", ("samples", "amount")),
    "SaveImage": ("save_images", ("images", "filename_prefix", "prompt", "extra_pnginfo")),
    "SetLatentNoiseMask": ("set_mask", ("samples", "mask")),
    "UNETLoader": ("load_unet", ("unet_name", "weight_dtype")),
    "VAEDecode": ("decode", ("vae", "samples")),
    "VAEDecodeTiled": ("decode", ("vae", "samples", "tile_size", "overlap")),
    "VAEEncode": ("encode", ("vae", "pixels")),
    "VAEEncodeTiled": ("encode", ("vae", "pixels", "tile_size", "overlap")),
    "VAEEncodeForInpaint": ("encode", ("vae", "pixels", "mask", "grow_mask_by")),
    "VAELoader": ("load_vae", ("vae_name",)),
}
"""What the function is called in ComfyUI, and its arguments by position, where these are not the node's inputs."""


def run_node(name: str, *values: Any, **inputs: Any) -> tuple[Any, ...]:
    """What a node makes of these inputs; `values`: by position, as ComfyUI's function has them."""
    kind = _kind(name)
    order = _METHODS.get(name, ("", ()))[1] or tuple(each.name for each in kind.inputs)
    given = dict(zip(order, values, strict=False)) | inputs
    known = {each.name for each in kind.inputs}
    arguments = {each.name: each.default for each in kind.inputs if each.default is not UNSET}
    arguments |= {key: value for key, value in given.items() if key in known}
    if kind.context is not None:
        context = current().context
        if context is None:
            raise NotProvidedError(f"pack {current().pack!r} runs the node {name} outside of a run of a graph")
        arguments[kind.context] = context
    made = kind.function(**arguments)
    return made if isinstance(made, tuple) and len(kind.outputs) != 1 else (made,)  # pyright: ignore[reportUnknownVariableType]


def _kind(name: str) -> NodeType:
    workspace = current().workspace
    if workspace is not None and name in workspace.types:
        return workspace.types[name]
    if name not in NODES:
        raise NotProvidedError(not_provided(current().pack, f"nodes.{name}"))
    module, _, attribute = NODES[name].partition(":")
    found = getattr(import_module(module), attribute)
    return found if isinstance(found, NodeType) else node_type(found)


class _Classes(Mapping[str, type]):
    """Nodes by name as classes, made when they are asked for. What packs add is kept."""

    def __init__(self) -> None:
        self._made: dict[str, type] = {}

    def __getitem__(self, name: str) -> type:
        if name not in self._made:
            workspace = current().workspace
            if name not in NODES and (workspace is None or name not in workspace.types):
                raise KeyError(name)
            self._made[name] = _class(name)
        return self._made[name]

    def __setitem__(self, name: str, cls: type) -> None:
        self._made[name] = cls

    def update(self, classes: Mapping[str, type]) -> None:
        """Add some."""
        self._made.update(classes)

    def __iter__(self) -> Iterator[str]:
        return iter({**NODES, **self._made})

    def __len__(self) -> int:
        return len({**NODES, **self._made})


NODE_CLASS_MAPPINGS = _Classes()
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {}


def _class(name: str) -> type:
    method = _METHODS.get(name, ("execute", ()))[0]

    def call(self: object, *values: Any, **inputs: Any) -> tuple[Any, ...]:
        return run_node(name, *values, **inputs)

    attributes: dict[str, Any] = {
        "FUNCTION": method,
        method: call,
        "INPUT_TYPES": classmethod(lambda _: _input_types(_kind(name))),
        "__doc__": f"ComfyUI's {name}.",
        "output_dir": None,
        "type": "output",
        "prefix_append": "",
        "compress_level": 4,
    }
    if name in NODES:
        kind = _kind(name)
        listed = {each.name: each.choices for each in kind.inputs if isinstance(each.choices, tuple)}
        attributes |= {
            **{f"{each}s": [*listed[each]] for each in ("upscale_method", "crop_method") if each in listed},
            "RETURN_TYPES": tuple(comfy_of(each.type) for each in kind.outputs),
            "RETURN_NAMES": tuple(each.name for each in kind.outputs),
            "CATEGORY": kind.category,
            "OUTPUT_NODE": kind.is_output,
        }
    return type(name, (), attributes)


def _input_types(kind: NodeType) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {"required": {}, "optional": {}}
    for each in kind.inputs:
        options = {"default": each.default, "min": each.ge, "max": each.le, "step": each.step}
        given = {key: value for key, value in options.items() if value is not None and value is not UNSET}
        made["required" if each.required or each.default is not UNSET else "optional"][each.name] = (
            _choices(each.choices) if each.choices is not None else comfy_of(each.type),
            given,
        )
    return made


def _choices(choices: tuple[object, ...] | Choices) -> list[Any]:
    if not isinstance(choices, Choices):
        return [*choices]
    workspace = current().workspace
    return Named([] if workspace is None else [str(each) for each in workspace.choices(choices.source)], choices.source)


def __getattr__(name: str) -> Any:
    if name in NODES:
        return NODE_CLASS_MAPPINGS[name]
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotProvidedAttribute(not_provided(current().pack, f"nodes.{name}"))


def common_ksampler(
    model: Any,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent: dict[str, Any],
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
) -> tuple[dict[str, Any]]:
    """Sample a LATENT."""
    from sdkit_comfy.shims.sample import run_sampler

    return (
        run_sampler(
            model, seed, steps, cfg, sampler_name, scheduler, positive, negative, latent, denoise, disable_noise,
            start_step, last_step, force_full_denoise,
        ),
    )  # fmt: skip


def before_node_execution() -> None:
    """Raise if the run was cancelled."""
    context = current().context
    if context is not None:
        context.check_cancelled()


def interrupt_processing(value: bool = True) -> None:
    """Cancel the run."""
    context = current().context
    if value and context is not None:
        context.cancel.cancel()
