"""Request: what to make, as plain data. It validates at once, is JSON-safe, and travels to other processes."""

from __future__ import annotations

import base64
import hashlib
import math
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from sdkit.errors import ImageError, RequestError, nearest
from sdkit.images import Image, picture_bytes, read_image
from sdkit.types import LoraInput, LoraSpec, PredictionType

if TYPE_CHECKING:
    from PIL import Image as PILImage

MAX_SEED = 2**64 - 1
MAX_SIDE = 16384
MAX_STEPS = 1000
MAX_COUNT = 10_000
MAX_LORAS = 100
DESCENDING = "14.6, 7, 3, 1, 0"


class ImageInput(BaseModel):
    """A picture that goes into a request: a path, or PNG bytes as base64, with the SHA-256 of the file's bytes.

    Fields that take one accept a path, an `sdkit.Image` or a Pillow image, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | None = Field(default=None, description="Path of the picture's file.")
    data: str | None = Field(default=None, description="The file's bytes, base64.", repr=False)
    sha256: str = Field(default="", description="SHA-256 of the file's bytes, hex; filled in by itself.")

    @model_validator(mode="before")
    @classmethod
    def _accept_pictures(cls, value: object) -> object:
        if isinstance(value, (str, Path)):
            return {"path": str(value)}
        if isinstance(value, Image):
            return {"data": base64.b64encode(value.to_png(metadata=False)).decode()}
        if hasattr(value, "convert") and hasattr(value, "getbands"):  # a Pillow image, without importing Pillow
            picture = Image.from_pil(cast("PILImage.Image", value))
            return {"data": base64.b64encode(picture.to_png()).decode()}
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.data is None):
            raise ValueError("give either a path or base64 data")
        if not self.sha256:
            object.__setattr__(self, "sha256", hashlib.sha256(self.read_bytes()).hexdigest())
        return self

    def read_bytes(self) -> bytes:
        """The file's bytes. Raises ImageError if it cannot be read."""
        if self.data is not None:
            try:
                return base64.b64decode(self.data, validate=True)
            except ValueError as error:
                raise ImageError(f"the picture's data is not base64: {error}") from error
        assert self.path is not None
        return picture_bytes(self.path)

    def read(self) -> Image:
        """The picture. Raises ImageError if it cannot be read, or changed since the request was made."""
        data = self.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise ImageError(f"the picture {self.path!r} is not the one that the request was made with: it has changed")
        return read_image(data, name=self.path or "the picture in the request")


class OutputOptions(BaseModel):
    """How pictures are written, where something writes them (the command line, a server)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["png", "jpeg", "webp"] = Field(default="png", description="File format.")
    quality: int = Field(default=95, ge=1, le=100, description="Quality of jpeg and webp.")
    metadata: bool = Field(default=True, description="Whether the picture carries the record of how it was made.")


class Request(BaseModel):
    """What to make. None means the model family's default; a resolved request (in results and metadata) has no None
    left.

    Raises RequestError, naming every field at fault, what came and what is allowed; ImageError if a picture that it
    names cannot be read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, use_attribute_docstrings=True)

    prompt: str = ""
    """What the picture is to show."""
    negative_prompt: str = ""
    """What it is not to show; guidance moves away from it."""
    width: int | None = Field(default=None, ge=8, le=MAX_SIDE)
    """Pixels; a multiple of 8 for Stable Diffusion."""
    height: int | None = Field(default=None, ge=8, le=MAX_SIDE)
    """Pixels; a multiple of 8 for Stable Diffusion."""
    steps: int | None = Field(default=None, ge=1, le=MAX_STEPS)
    """Sampling steps; more than the 1000 that models are trained on adds nothing."""
    sampler: str | None = None
    """Name of the sampler; `sdkit samplers` lists them."""
    sampler_options: dict[str, JsonValue] = Field(default_factory=dict)
    """Options of the sampler, such as `eta`; unknown ones are an error."""
    schedule: str | None = None
    """Name of the schedule, which spaces the sigmas."""
    schedule_options: dict[str, JsonValue] = Field(default_factory=dict)
    """Options of the schedule, such as `rho`; unknown ones are an error."""
    sigmas: tuple[float, ...] | None = Field(default=None, max_length=MAX_STEPS + 1)
    """The sigmas themselves, descending, instead of `steps`, `schedule` and `denoise`."""
    start_step: int = Field(default=0, ge=0, le=MAX_STEPS)
    """The step to begin with: those before are left out, as another run's part."""
    end_step: int | None = Field(default=None, ge=0, le=MAX_STEPS)
    """The step to end before; None takes them all."""
    add_noise: bool = True
    """Whether to add noise to the latents to start from; off where they still have another run's left-over noise."""
    leftover_noise: bool = False
    """With `end_step`: whether to leave the noise of that step in the latents; off removes it at once in the last."""
    guidance: str = "cfg"
    """Name of the guidance: how the prompts' predictions become one."""
    guidance_scale: float | None = Field(default=None, ge=0, le=100, allow_inf_nan=False)
    """How strongly to follow the prompt; 1 turns guidance off."""
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    """Seed of the first picture; the others count up from it. Random if neither this nor `seeds` is given."""
    seeds: tuple[int, ...] | None = Field(default=None, min_length=1, max_length=MAX_COUNT)
    """One seed per picture, instead of `seed` and `count`."""
    noise: str = "per_image"
    """Name of the noise source: what numbers a seed stands for."""
    noise_options: dict[str, JsonValue] = Field(default_factory=dict)
    """Options of the noise source, such as `eta_noise_seed_delta`; unknown ones are an error."""
    variation_seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    """Seed of a second noise to mix in, for the first picture; the others count up from it, and share `seed`."""
    variation_strength: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    """How much of the second noise: 0 none, 1 nothing else."""
    noise_offset: float = Field(default=0.0, ge=-10, le=10, allow_inf_nan=False)
    """How much to shift the starting noise per channel, at random: darker and brighter pictures."""
    count: int = Field(default=1, ge=1, le=MAX_COUNT)
    """How many pictures."""
    batch_size: int = Field(default=4, ge=1, le=256)
    """How many pictures at most go through the model at once; does not change them."""
    clip_skip: int | None = Field(default=None, ge=1, le=12)
    """Which text-encoder layer to read, from the end; 1 is the last, 2 the one before."""
    prompt_syntax: str = "plain"
    """Name of the syntax that the prompts are written in."""
    transform_prompts: bool = True
    """Whether plugins may change the prompts (wildcards, styles); off in the record of a picture whose prompts they
    changed."""
    loras: tuple[LoraSpec, ...] = Field(default=(), max_length=MAX_LORAS)
    """LoRAs that change the model: names or paths, `(name, strength)`, or `LoraSpec`."""
    init_image: ImageInput | None = None
    """Picture to start from (img2img): a path, an `sdkit.Image`, a Pillow image."""
    denoise: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)
    """How much of the initial image to replace: 0 returns it, 1 ignores it."""
    mask: ImageInput | None = None
    """Where to change the initial image: white changes, black keeps; of its size. Needs `init_image`."""
    prediction: PredictionType | None = None
    """What the network's output means, where it is not what was detected: "eps", "v" or "flow"."""
    zero_terminal_snr: bool | None = None
    """Whether the schedule begins with nothing but noise (arXiv:2305.08891); for models trained so."""
    flow_shift: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)
    """For flow models: how far to shift the steps towards much noise."""
    distilled_timesteps: int | None = Field(default=None, ge=1, le=1000)
    """How many training timesteps the model was distilled on, where it was not detected: 50 with an LCM LoRA."""
    model: str | None = None
    """Name of the model; filled in by the pipeline that runs the request, which refuses another one's."""
    model_sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{8,64}$")
    """SHA-256 of the model's file, or its first digits: where it is given, it decides instead of the name."""
    options: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """Plugins' options by namespace: `{"wildcards": {"folder": "my_lists"}}`."""
    output: OutputOptions = Field(default_factory=OutputOptions)
    """How pictures are written."""

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise RequestError(_explain(error, fields)) from None

    @field_validator("prompt", "negative_prompt")
    @classmethod
    def _no_surrogates(cls, value: str) -> str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("the text has half a surrogate pair in it; it was decoded wrongly somewhere") from None
        return value

    @field_validator("sigmas")
    @classmethod
    def _descending(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        for i, sigma in enumerate(value or ()):
            if not math.isfinite(sigma) or sigma < 0:
                raise ValueError(f"sigma {i} is {sigma:g}; sigmas are finite and not negative, such as {DESCENDING}")
            if i and value and sigma >= value[i - 1]:
                raise ValueError(f"sigma {i} is {sigma:g} after {value[i - 1]:g}; give them descending: {DESCENDING}")
        if value is not None and len(value) < 2:
            raise ValueError(f"a step needs two sigmas, and there are {len(value)}; give at least two: {DESCENDING}")
        return value

    @field_validator("seeds")
    @classmethod
    def _seed_range(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        for seed in value or ():
            if not 0 <= seed <= MAX_SEED:
                raise ValueError(f"seeds are from 0 to 2**64 - 1, not {seed}")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.seeds is not None:
            if self.seed is not None:
                raise ValueError("give seed (and count) or seeds, not both")
            if self.count not in (1, len(self.seeds)):
                raise ValueError(f"count is {self.count}, but there are {len(self.seeds)} seeds; leave count out")
        if self.end_step is not None and self.end_step <= self.start_step:
            raise ValueError(f"end_step is {self.end_step}, but start_step {self.start_step}: there is no step between")
        if self.leftover_noise and self.end_step is None:
            raise ValueError("leftover_noise needs an end_step to leave noise at; the last step leaves none")
        if self.sigmas is not None:
            self._check_sigmas(self.sigmas)
        if self.variation_strength > 0 and self.variation_seed is None:
            raise ValueError("variation_strength needs a variation_seed to draw the second noise from")
        return self

    def _check_sigmas(self, sigmas: tuple[float, ...]) -> None:
        faults = [name for name in ("steps", "schedule") if getattr(self, name) is not None]
        if faults:
            raise ValueError(f"give sigmas, or {' and '.join(faults)}, not both")
        if self.denoise < 1:
            raise ValueError("give sigmas or denoise, not both: begin with a lower sigma")

    def image_seeds(self) -> tuple[int, ...]:
        """One seed per picture: `seeds`, or counted up from `seed`, or from a random one."""
        if self.seeds is not None:
            return self.seeds
        first = self.seed if self.seed is not None else secrets.randbelow(2**32)
        if self.variation_strength > 0:
            return (first,) * self.count
        return tuple((first + i) % (MAX_SEED + 1) for i in range(self.count))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a resolved request. Raises RequestError if one is still None."""
        if self.width is None or self.height is None:
            raise RequestError("the request has no size yet: width or height is None until a pipeline has resolved it")
        return self.width, self.height

    def check_start(self) -> None:
        """Raise RequestError where something needs an initial image that is not there."""
        if self.init_image is None and self.mask is not None:
            raise RequestError("a mask needs an init_image to keep parts of")
        if self.init_image is None and self.denoise < 1:
            raise RequestError("denoise below 1 needs an init_image to start from")
        if self.init_image is None and not self.add_noise:
            raise RequestError("add_noise=False needs latents (pipe.sample) or an init_image to start from")

    def replace(self, **fields: Any) -> Request:
        """A copy with some fields changed, validated like a new one."""
        return Request(**{name: getattr(self, name) for name in self.model_fields_set} | fields)

    @classmethod
    def from_image(cls, source: str | Path | bytes) -> Request:
        """The request that a picture was made with, from its metadata: sdkit's own, or A1111's `parameters` text.

        Raises MetadataError if there is none, ImageError if the file cannot be read.
        """
        from sdkit.images import read_record

        return cls(**read_record(source).request_fields())


class RequestFields(TypedDict, total=False):
    """The fields of Request, for `pipe(prompt, **fields)`; a test keeps the two equal."""

    negative_prompt: str
    width: int | None
    height: int | None
    steps: int | None
    sampler: str | None
    sampler_options: dict[str, JsonValue]
    schedule: str | None
    schedule_options: dict[str, JsonValue]
    sigmas: tuple[float, ...] | list[float] | None
    start_step: int
    end_step: int | None
    add_noise: bool
    leftover_noise: bool
    guidance: str
    guidance_scale: float | None
    seed: int | None
    seeds: tuple[int, ...] | list[int] | None
    noise: str
    noise_options: dict[str, JsonValue]
    variation_seed: int | None
    variation_strength: float
    noise_offset: float
    count: int
    batch_size: int
    clip_skip: int | None
    prompt_syntax: str
    transform_prompts: bool
    loras: tuple[LoraInput, ...] | list[LoraInput]
    init_image: object
    denoise: float
    mask: object
    prediction: PredictionType | None
    zero_terminal_snr: bool | None
    flow_shift: float | None
    distilled_timesteps: int | None
    model: str | None
    model_sha256: str | None
    options: dict[str, dict[str, JsonValue]]
    output: OutputOptions


def _explain(error: ValidationError, fields: dict[str, Any]) -> str:
    """Every fault of a request in one message, a line each where there are several."""
    lines: list[str] = []
    for fault in error.errors(include_url=False):
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            near = nearest(where, Request.model_fields)
            lines.append(f"{where}: there is no such field." + (f" Did you mean {near[0]!r}?" if near else ""))
            continue
        what = fault["msg"].removeprefix("Value error, ")
        came = "" if not where or fault["type"] == "value_error" else f", not {_short(fault['input'])}"
        lines.append((f"{where}: " if where else "") + what[0].lower() + what[1:] + came)
    return lines[0] if len(lines) == 1 else "the request has several faults:\n  " + "\n  ".join(lines)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
