"""ComfyUI's socket types, and the inputs that many of its nodes have, as annotations.

Bounds are those that ComfyUI's server holds workflows to. What its editor steps by is no bound there, so it is none
here: a strength of 0.123 is right.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import torch
from pydantic import Field

from sdkit.graph import Choices, Multiline, Socket
from sdkit_comfy.values.networks import Clip, Model, Vae
from sdkit_comfy.values.samplers import Guider, NoiseOf, SamplerChoice

MODEL: TypeAlias = Annotated[Model, Socket("MODEL")]
CLIP: TypeAlias = Annotated[Clip, Socket("CLIP")]
VAE: TypeAlias = Annotated[Vae, Socket("VAE")]
CONDITIONING: TypeAlias = Annotated[list[list[Any]], Socket("CONDITIONING")]
LATENT: TypeAlias = Annotated[dict[str, Any], Socket("LATENT")]
IMAGE: TypeAlias = Annotated[torch.Tensor, Socket("IMAGE")]
MASK: TypeAlias = Annotated[torch.Tensor, Socket("MASK")]
SIGMAS: TypeAlias = Annotated[torch.Tensor, Socket("SIGMAS")]
SAMPLER: TypeAlias = Annotated[SamplerChoice, Socket("SAMPLER")]
GUIDER: TypeAlias = Annotated[Guider, Socket("GUIDER")]
NOISE: TypeAlias = Annotated[NoiseOf, Socket("NOISE")]
CONTROL_NET: TypeAlias = Annotated[Any, Socket("CONTROL_NET")]
CLIP_VISION: TypeAlias = Annotated[Any, Socket("CLIP_VISION")]
CLIP_VISION_OUTPUT: TypeAlias = Annotated[Any, Socket("CLIP_VISION_OUTPUT")]
STYLE_MODEL: TypeAlias = Annotated[Any, Socket("STYLE_MODEL")]
GLIGEN: TypeAlias = Annotated[Any, Socket("GLIGEN")]
UPSCALE_MODEL: TypeAlias = Annotated[Any, Socket("UPSCALE_MODEL")]

Seed: TypeAlias = Annotated[int, Field(ge=0, le=2**64 - 1)]
Steps: TypeAlias = Annotated[int, Field(ge=1, le=10_000)]
Cfg: TypeAlias = Annotated[float, Field(ge=0, le=100)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Strength: TypeAlias = Annotated[float, Field(ge=-100, le=100)]
Weight: TypeAlias = Annotated[float, Field(ge=0, le=10)]
Factor: TypeAlias = Annotated[float, Field(ge=0, le=100)]
Side: TypeAlias = Annotated[int, Field(ge=16, le=16_384)]
Length: TypeAlias = Annotated[int, Field(ge=0, le=16_384)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=4096)]
SamplerName: TypeAlias = Annotated[str, Choices("samplers")]
ScheduleName: TypeAlias = Annotated[str, Choices("schedules")]
Text: TypeAlias = Annotated[str, Multiline()]
CheckpointName: TypeAlias = Annotated[str, Choices("models.checkpoints")]
LoraName: TypeAlias = Annotated[str, Choices("models.loras")]
VaeName: TypeAlias = Annotated[str, Choices("models.vae")]
TextEncoderName: TypeAlias = Annotated[str, Choices("models.text_encoders")]
UnetName: TypeAlias = Annotated[str, Choices("models.diffusion_models")]
ControlNetName: TypeAlias = Annotated[str, Choices("models.controlnet")]
UpscalerName: TypeAlias = Annotated[str, Choices("models.upscale_models")]
