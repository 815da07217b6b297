"""What ComfyUI calls SAMPLER, GUIDER and NOISE: choices that travel between nodes until something is sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdkit_comfy.values.conditioning import Conditioning
    from sdkit_comfy.values.guiding import Combine
    from sdkit_comfy.values.networks import Model


@dataclass(frozen=True, eq=False)
class SamplerChoice:
    """A sampler by name, with its options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, eq=False)
class NoiseOf:
    """Noise by its seed. `silent`: none at the start; the seed is then for samplers that draw more on their way."""

    seed: int
    silent: bool = False


@dataclass(frozen=True, eq=False)
class Guider:
    """A model, what it is told, and how its predictions become one.

    `third`: a third conditioning, and `combine`: what makes one prediction of all three, where it takes more than
    `scale`.
    """

    model: Model
    positive: Conditioning
    negative: Conditioning
    scale: float = 1.0
    third: Conditioning | None = None
    combine: Combine | None = None
