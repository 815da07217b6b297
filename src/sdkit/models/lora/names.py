"""The names that LoRA files have for a model's modules, worked out from the names that the model has.

sdkit's networks have the names of the original layout. Files write those or diffusers', with dots or with underscores
instead, after one of several prefixes. All of that is computed from the names of the model's own weights, so that it
holds for networks of any depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "unet": ("lora_unet", "unet", "model.diffusion_model", "diffusion_model"),
    "text_encoder": ("lora_te", "lora_te1", "text_encoder", "text_encoder_1", "text_encoders.clip_l.transformer"),
    "text_encoder_2": ("lora_te2", "text_encoder_2", "text_encoders.clip_g.transformer"),
}
"""What stands before a module's name, by network; a dot or an underscore follows."""

WRAPPERS = ("base_model.model.", "lycoris_")
"""What some trainers put before that, or instead of it, for any network."""

_RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_OUTSIDE = {
    "input_blocks.0.0": "conv_in",
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "time_embed.cond_proj": "time_embedding.cond_proj",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
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

    def find(self, module: str, parameter: str) -> Target | None:
        """The weight that a file means by a module's name, prefix included; None if the model has none."""
        for network, rest in _readings(module):
            own = self._modules.get((network, _flat(rest)))
            name = f"{own}.{parameter}"
            if own is not None and name in self.weights:
                return Target(name, self.weights[name])
        return None


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
        yield from diffusers_names(modules)


def diffusers_names(modules: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A U-Net's modules in the original layout, each with diffusers' name: `input_blocks.1.1.proj_in` →
    `down_blocks.0.attentions.0.proj_in`.

    Original blocks are numbered through, diffusers' by level; a level ends where the resolution changes.
    """
    blocks: dict[tuple[str, int], dict[int, list[str]]] = {}
    for module in modules:
        if module in _OUTSIDE:
            yield module, _OUTSIDE[module]
            continue
        parts = module.split(".")
        if parts[0] == "middle_block" and len(parts) > 2:
            blocks.setdefault((parts[0], 0), {}).setdefault(int(parts[1]), []).append(".".join(parts[2:]))
        elif parts[0] in ("input_blocks", "output_blocks") and len(parts) > 3:
            layers = blocks.setdefault((parts[0], int(parts[1])), {})
            layers.setdefault(int(parts[2]), []).append(".".join(parts[3:]))
    for side, stem, resample in (
        ("input_blocks", "down_blocks", "downsamplers"),
        ("output_blocks", "up_blocks", "upsamplers"),
    ):
        level = place = 0
        for number in sorted(number for name, number in blocks if name == side):
            level_ends = False
            for layer, inner in sorted(blocks[side, number].items()):
                own = f"{side}.{number}.{layer}"
                if set(inner) <= {"op", "conv"}:
                    level_ends = True
                    yield f"{own}.{inner[0]}", f"{stem}.{level}.{resample}.0.conv"
                else:
                    yield from _layer(own, inner, f"{stem}.{level}", place)
            place += 1
            if level_ends:
                level, place = level + 1, 0
    seen = {"resnets": 0, "attentions": 0}
    for layer, inner in sorted(blocks.get(("middle_block", 0), {}).items()):
        kind = _kind(inner)
        yield from _layer(f"middle_block.{layer}", inner, "mid_block", seen[kind])
        seen[kind] += 1


def _kind(inner: list[str]) -> str:
    return "resnets" if any(name.startswith("in_layers.") for name in inner) else "attentions"


def _layer(own: str, inner: list[str], block: str, place: int) -> Iterator[tuple[str, str]]:
    kind = _kind(inner)
    for name in inner:
        other = _RESIDUAL.get(name, name) if kind == "resnets" else name
        yield f"{own}.{name}", f"{block}.{kind}.{place}.{other}"
