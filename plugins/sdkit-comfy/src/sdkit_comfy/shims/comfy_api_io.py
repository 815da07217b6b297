"""`comfy_api.latest.io`: how V3 nodes say what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, ClassVar, cast

from sdkit_comfy.packs.calls import current
from sdkit_comfy.packs.errors import NotProvidedAttribute, not_provided
from sdkit_comfy.shims.graph import ExecutionBlocker

_COMMON = ("display_name", "optional", "tooltip", "lazy")
"""What every input takes after its id, in this order."""
_RENAMED = {"force_input": "forceInput", "raw_link": "rawLink", "dynamic_prompts": "dynamicPrompts"}


class Input:
    """An input; `fields` are what its type takes by position after what all take."""

    io_type: ClassVar[str] = "*"
    fields: ClassVar[tuple[str, ...]] = ("extra_dict", "raw_link")

    def __init__(self, id: str, *values: Any, **named: Any) -> None:  # noqa: A002 -- packs give it by this name
        given = dict(zip(self.order(), values, strict=False)) | named
        self.id = id
        self.display_name: str | None = given.pop("display_name", None)
        self.optional = bool(given.pop("optional", False))
        self.more: dict[str, Any] = {**(given.pop("extra_dict", None) or {}), **given}

    @classmethod
    def order(cls) -> tuple[str, ...]:
        """The names of arguments that are given by position."""
        return (*_COMMON, *cls.fields)

    def kind(self) -> object:
        """The socket type, or the list of choices."""
        return self.io_type

    def options(self) -> Mapping[str, Any]:
        """What V1 has as the options of an input."""
        return {_RENAMED.get(name, name): value for name, value in self.more.items() if value is not None}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "more":
            raise AttributeError(name)
        return self.more.get(name)


class WidgetInput(Input):
    """An input with a field in the editor."""

    fields = ("default", "socketless", "widget_type", "force_input", "extra_dict", "raw_link")


class ComboInput(Input):
    """Choices, given first, as a list or as an Enum."""

    fields = ("default", "control_after_generate", "upload", "image_folder", "remote", "socketless", "extra_dict")

    @classmethod
    def order(cls) -> tuple[str, ...]:
        """The names of arguments that are given by position."""
        return ("options", *_COMMON, *cls.fields)

    def kind(self) -> object:
        """The choices."""
        listed: Any = self.more.get("options")
        if isinstance(listed, type) and issubclass(listed, Enum):
            return [each.value for each in listed]
        return "COMBO" if listed is None else cast("object", listed)

    def options(self) -> Mapping[str, Any]:
        """Without the choices themselves."""
        return {name: value for name, value in super().options().items() if name != "options"}


class MultiComboInput(ComboInput):
    """Several of the choices at once."""

    def kind(self) -> object:
        """A list may be written."""
        return "COMBO"

    def options(self) -> Mapping[str, Any]:
        """Without limits."""
        return {**super().options(), "multiselect": True}


class MultiTypeInput(Input):
    """One of several types; `id` may be an input with a field, whose field it then has."""

    def __init__(self, id: str | Input, types: Sequence[Any], *values: Any, **named: Any) -> None:  # noqa: A002
        if isinstance(id, Input):
            super().__init__(id.id, *values, **{**id.more, "optional": id.optional, **named})
        else:
            super().__init__(id, *values, **named)
        own = [id.io_type] if isinstance(id, Input) else []
        self._types = tuple(dict.fromkeys((*own, *(each.io_type for each in types))))

    def kind(self) -> object:
        """The types, joined by commas."""
        return ",".join(self._types)


class MatchTypeInput(Input):
    """Whatever fits the other inputs and outputs of its template."""

    fields = ("extra_dict", "raw_link")

    @classmethod
    def order(cls) -> tuple[str, ...]:
        """The template comes first."""
        return ("template", *_COMMON, *cls.fields)

    def kind(self) -> object:
        """The types that the template allows."""
        return self.more["template"].kind()

    def options(self) -> Mapping[str, Any]:
        """Without the template."""
        return {name: value for name, value in super().options().items() if name != "template"}


class Output:
    """An output."""

    io_type: ClassVar[str] = "*"

    def __init__(
        self,
        id: str | None = None,  # noqa: A002
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
        **_: Any,
    ) -> None:
        self.id, self.display_name, self.tooltip, self.is_output_list = id, display_name, tooltip, is_output_list

    def kind(self) -> object:
        """The socket type."""
        return self.io_type


class ComboOutput(Output):
    """One of some choices."""

    def __init__(
        self,
        id: str | None = None,  # noqa: A002
        display_name: str | None = None,
        options: Any = None,
        **more: Any,
    ) -> None:
        super().__init__(id, display_name, **more)
        self.options: Any = options or []


class MatchTypeOutput(Output):
    """What the template's inputs have become."""

    def __init__(self, template: Any, id: str | None = None, display_name: str | None = None, **more: Any) -> None:  # noqa: A002
        super().__init__(id, display_name, **more)
        self.template = template

    def kind(self) -> object:
        """The types that the template allows."""
        return self.template.kind()


class ComfyTypeIO:
    """A socket type: its name, its inputs and its outputs. `Type` is for annotations only."""

    io_type: ClassVar[str] = "*"
    Type: ClassVar[Any] = Any
    Input: ClassVar[Any] = Input
    Output: ClassVar[Any] = Output


ComfyTypeI = ComfyTypeIO


def comfytype(io_type: str, **_: Any) -> Any:
    """Decorator: a class with this socket type, whose inputs and outputs have it, too."""

    def named(cls: Any) -> Any:
        bases: Any = (cls,) if ComfyTypeIO in cls.__mro__ else (cls, ComfyTypeIO)
        inner = {
            each: type(each, (getattr(cls, each, getattr(ComfyTypeIO, each)),), {"io_type": io_type})
            for each in ("Input", "Output")
        }
        return type(cls.__name__, bases, {"io_type": io_type, **inner, "__module__": cls.__module__})

    return named


def Custom(io_type: str) -> Any:  # noqa: N802 -- packs know it by this name
    """A socket type by its name."""
    return _type(io_type, io_type)


def _type(name: str, io_type: str, fields: tuple[str, ...] | None = None, kind: type[Input] = WidgetInput) -> Any:
    inputs = Input if fields is None and kind is WidgetInput else kind
    attributes: dict[str, Any] = {"io_type": io_type} | ({} if fields is None else {"fields": fields})
    made = {"Input": type("Input", (inputs,), attributes), "Output": type("Output", (Output,), {"io_type": io_type})}
    return type(name, (ComfyTypeIO,), {"io_type": io_type, **made})


_NUMBER = ("default", "min", "max", "step")
_LAST = ("socketless", "force_input", "extra_dict", "raw_link")

Boolean: Any = _type("Boolean", "BOOLEAN", ("default", "label_on", "label_off", *_LAST))
Int: Any = _type("Int", "INT", (*_NUMBER, "control_after_generate", "display_mode", *_LAST))
Float: Any = _type("Float", "FLOAT", (*_NUMBER, "round", "display_mode", *_LAST))
String: Any = _type("String", "STRING", ("multiline", "placeholder", "default", "dynamic_prompts", *_LAST))
Combo: Any = _type("Combo", "COMBO", kind=ComboInput)
Combo.Output = type("Output", (ComboOutput,), {"io_type": "COMBO"})
MultiCombo: Any = _type("MultiCombo", "COMBO", kind=MultiComboInput)
MultiType: Any = _type("MultiType", "COMFY_MULTITYPED_V3", kind=MultiTypeInput)
AnyType: Any = _type("AnyType", "*")


class _Template:
    """Types that are to be the same wherever the template is used."""

    def __init__(self, template_id: str, allowed_types: Any = None) -> None:
        self.template_id = template_id
        self._types: list[Any] = []
        if allowed_types is not None:
            self._types = [*allowed_types] if isinstance(allowed_types, list | tuple) else [allowed_types]

    def kind(self) -> str:
        """The types, joined by commas."""
        return ",".join(each.io_type for each in self._types) or "*"


MatchType: Any = _type("MatchType", "COMFY_MATCHTYPE_V3", kind=MatchTypeInput)
MatchType.Output = type("Output", (MatchTypeOutput,), {"io_type": "*"})
MatchType.Template = _Template

_SOCKETS = {
    "Audio": "AUDIO", "Clip": "CLIP", "ClipVision": "CLIP_VISION", "ClipVisionOutput": "CLIP_VISION_OUTPUT",
    "Conditioning": "CONDITIONING", "ControlNet": "CONTROL_NET", "FlowControl": "FLOW_CONTROL",
    "Accumulation": "ACCUMULATION", "Gligen": "GLIGEN", "Guider": "GUIDER", "Hooks": "HOOKS",
    "HookKeyframes": "HOOK_KEYFRAMES", "Image": "IMAGE", "Latent": "LATENT", "LatentOperation": "LATENT_OPERATION",
    "LoraModel": "LORA_MODEL", "LossMap": "LOSS_MAP", "Mask": "MASK", "Mesh": "MESH", "Model": "MODEL",
    "ModelPatch": "MODEL_PATCH", "Noise": "NOISE", "Photomaker": "PHOTOMAKER", "Point": "POINT", "Sampler": "SAMPLER",
    "Sigmas": "SIGMAS", "StyleModel": "STYLE_MODEL", "SVG": "SVG", "TimestepsRange": "TIMESTEPS_RANGE",
    "UpscaleModel": "UPSCALE_MODEL", "Vae": "VAE", "Video": "VIDEO", "Voxel": "VOXEL",
    "WanCameraEmbedding": "WAN_CAMERA_EMBEDDING", "AudioEncoder": "AUDIO_ENCODER",
    "AudioEncoderOutput": "AUDIO_ENCODER_OUTPUT", "FaceAnalysis": "FACE_ANALYSIS", "BBOX": "BBOX", "SEGS": "SEGS",
}  # fmt: skip
_FIELDS = {"Webcam": "WEBCAM", "Color": "COLOR"}
_MADE: dict[str, Any] = {
    **{name: _type(name, io_type) for name, io_type in _SOCKETS.items()},
    **{name: _type(name, io_type, WidgetInput.fields) for name, io_type in _FIELDS.items()},
}


def __getattr__(name: str) -> Any:
    if name in _MADE:
        return _MADE[name]
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotProvidedAttribute(not_provided(current().pack, f"comfy_api.latest.io.{name}"))


class Hidden(StrEnum):
    """What a node may ask for besides its inputs."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"
    dynprompt = "DYNPROMPT"
    auth_token_comfy_org = "AUTH_TOKEN_COMFY_ORG"
    api_key_comfy_org = "API_KEY_COMFY_ORG"


class HiddenHolder:
    """What a node asked for, as attributes; None for the rest."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._values.get(name)


class FolderType(StrEnum):
    """Where pictures are."""

    input = "input"
    output = "output"
    temp = "temp"


class UploadType(StrEnum):
    """What the editor's button uploads."""

    image = "image_upload"
    audio = "audio_upload"
    video = "video_upload"
    model = "file_upload"


class NumberDisplay(StrEnum):
    """How the editor shows a number."""

    number = "number"
    slider = "slider"
    gradient_slider = "gradientslider"
    color = "color"


ControlAfterGenerate = Enum(
    "ControlAfterGenerate",
    {each: each for each in ("fixed", "increment", "decrement", "randomize")},
    type=str,
)


class RemoteOptions:
    """Choices that an editor gets from a server; any value is right here."""

    def __init__(self, *_: Any, **__: Any) -> None: ...


@dataclass
class Schema:
    """What a node is."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Any] = field(default_factory=list[Any])
    outputs: list[Any] = field(default_factory=list[Any])
    hidden: list[Hidden] = field(default_factory=list[Hidden])
    description: str = ""
    search_aliases: list[str] = field(default_factory=list[str])
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_dev_only: bool = False
    is_api_node: bool = False
    price_badge: Any = None
    not_idempotent: bool = False
    enable_expand: bool = False
    accept_all_inputs: bool = False
    essentials_category: str | None = None
    has_intermediate_output: bool = False

    def check(self) -> None:
        """ValueError where two inputs or two outputs have one name, which ComfyUI refuses, too."""
        self.inputs, self.outputs, self.hidden = self.inputs or [], self.outputs or [], self.hidden or []
        for what, listed in (("inputs", self.inputs), ("outputs", self.outputs)):
            names = [each.id for each in listed if each.id is not None]
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"the schema of {self.node_id} has {what} of one name: {', '.join(sorted(twice))}")


class NodeOutput:
    """What a node returns: its outputs in order, what is to be shown, or a graph in their place."""

    def __init__(self, *args: Any, ui: Any = None, expand: Any = None, block_execution: str | None = None) -> None:
        self.args, self.ui, self.expand, self.block_execution = args, ui, expand, block_execution

    @property
    def result(self) -> Any:
        """The outputs; None where there are none."""
        return self.args or None

    def __getitem__(self, index: int) -> Any:
        return self.args[index]

    def sdkit_result(self) -> tuple[Any, Any, Any]:
        """What to show, the graph, and the outputs, as V1 has them."""
        if self.block_execution is not None:
            return self.ui, None, ExecutionBlocker(self.block_execution)
        return self.ui, self.expand, self.args


class ComfyNode:
    """What V3 nodes are derived from. Its functions are class methods; `cls.hidden` has what the schema asks for."""

    hidden: ClassVar[Any] = HiddenHolder({})
    SCHEMA: ClassVar[Any] = None

    @classmethod
    def define_schema(cls) -> Schema:
        """What the node is."""
        raise NotImplementedError(f"{cls.__name__} has no define_schema")

    @classmethod
    def execute(cls, **kwargs: Any) -> Any:
        """What it does."""
        raise NotImplementedError(f"{cls.__name__} has no execute")

    @classmethod
    def validate_inputs(cls, **kwargs: Any) -> bool | str:
        """Whether the inputs are right."""
        return True

    @classmethod
    def fingerprint_inputs(cls, **kwargs: Any) -> Any:
        """What else the outputs depend on."""
        return None

    @classmethod
    def check_lazy_status(cls, **kwargs: Any) -> list[str]:
        """Which lazy inputs are needed."""
        return [name for name, value in kwargs.items() if value is None]

    @classmethod
    def GET_SCHEMA(cls) -> Schema:  # noqa: N802
        """What the node is."""
        return cls.SCHEMA or cls.define_schema()


ComfyNodeV3 = ComfyNode
