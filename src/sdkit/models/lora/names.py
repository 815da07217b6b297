"""The names that LoRA files have for a model's modules, worked out from the names that the model has.

sdkit's networks have the names of the original layout. Files write those or diffusers', with dots or with underscores
instead, after one of several prefixes. All of that is computed from the names of the model's own weights, so that it
holds for networks of any depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sdkit.models.diffusers_names import unet_names_for_diffusers

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "unet": ("lora_unet", "unet", "model.diffusion_model", "diffusion_model"),
    "text_encoder": (
        "lora_te",
        "lora_te1",
        "text_encoder",
        "text_encoder_1",
        "text_encoders.clip_l.transformer",
        "clip_l",
    ),
    "text_encoder_2": ("lora_te2", "text_encoder_2", "text_encoders.clip_g.transformer", "clip_g"),
}
"""What stands before a module's name, by network; a dot or an underscore follows."""

WRAPPERS = ("base_model.model.", "lycoris_")
"""What some trainers put before that, or instead of it, for any network."""

_PREFIX = re.compile(
    "(?:"
    + "|".join(f"(?P<{network}>{'|'.join(map(re.escape, names))})" for network, names in PREFIXES.items())
    + r")(?:\.|_(?!\d))"
)


@dataclass(frozen=True)
class Target:
    """A weight of the model: its name, as in `DiffusionModel.weights`, and its shape."""

    name: str
    shape: tuple[int, ...]


class WeightNames:
    """A model's weights, found by the names of LoRA files. `weights`: name → shape."""

    def __init__(self, weights: Mapping[str, tuple[int, ...]]) -> None:
        self.weights = weights
        modules = dict.fromkeys(name.rpartition(".")[0] for name in weights)
        self._modules: dict[tuple[str, str], str] = {}
        for network in dict.fromkeys(module.partition(".")[0] for module in modules):
            inner = [module.partition(".")[2] for module in modules if module.startswith(f"{network}.")]
            for own, other in _spellings(network, inner):
                self._modules.setdefault((network, _flat(other)), f"{network}.{own}")

    def find(self, module: str, parameter: str) -> tuple[Target, ...]:
        """The weights that a file may mean by a module's name, prefix included: none if the model has no such module,
        several where the name does not say which network it is of."""
        owns = (self._modules.get((network, _flat(rest))) for network, rest in _readings(module))
        names = [f"{own}.{parameter}" for own in owns if own is not None]
        return tuple(Target(name, self.weights[name]) for name in names if name in self.weights)


def network_of(module: str) -> str | None:
    """The network that a module's name in a file says it is of; None if it does not say."""
    return next((network for network, _ in _readings(module)), None) if _PREFIX.match(_unwrapped(module)) else None


def _unwrapped(module: str) -> str:
    for wrapper in WRAPPERS:
        module = module.removeprefix(wrapper)
    return module


def _readings(module: str) -> Iterator[tuple[str, str]]:
    """Network and inner name; several where the name does not say which network."""
    rest = _unwrapped(module)
    found = _PREFIX.match(rest)
    if found is not None and found.lastgroup is not None:
        yield found.lastgroup, _unwrapped(rest[found.end() :])
        return
    for network in PREFIXES:
        yield network, rest


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _spellings(network: str, modules: list[str]) -> Iterator[tuple[str, str]]:
    """Each module's own name, with each of the names that files have for it."""
    for module in modules:
        yield module, module
        if network != "unet":
            yield module, module.removeprefix("text_model.")
            yield module, f"text_model.{module}"
    if network == "unet":
        yield from unet_names_for_diffusers(modules).items()
