"""The names that weights have in files of other programs: the original layout in a single file, and diffusers'.

Weights come by network and name, as in `DiffusionModel.weights`: `unet.input_blocks.0.0.weight`,
`text_encoder.text_model.…`, `vae.decoder.…`. The tables are those by which files of other layouts are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sdkit.models.diffusers_names import unet_names_for_diffusers, vae_names_for_diffusers
from sdkit.models.kinds import UNET, VAE
from sdkit.models.renaming import open_clip_name
from sdkit.models.writing import Weight

if TYPE_CHECKING:
    import torch

    from sdkit.models.diffusion_family import Architecture


def by_network(weights: Iterable[Weight]) -> dict[str, list[Weight]]:
    """The weights of each network, under their names within it."""
    found: dict[str, list[Weight]] = {}
    for weight in weights:
        network, _, name = weight.name.partition(".")
        found.setdefault(network, []).append(weight.named(name))
    return found


def single_file(weights: Iterable[Weight], architecture: Architecture) -> list[Weight]:
    """The weights as the original programs name and store them: OpenCLIP's towers with fused matrices."""
    prefixes = {"unet": UNET, "vae": VAE, "image_tower": architecture.kind.encoders[0].prefixes[0]}
    prefixes |= {encoder.part: encoder.prefixes[0] for encoder in architecture.kind.encoders}
    found: list[Weight] = []
    for network, own in by_network(weights).items():
        prefix = prefixes[network]
        stored = open_clip(own) if prefix.endswith(".model.") else own
        found += [weight.named(prefix + weight.name) for weight in stored]
    return found


def open_clip(weights: Sequence[Weight]) -> list[Weight]:
    """A text tower in OpenCLIP's layout."""
    stored: dict[str, list[tuple[int, Weight]]] = {}
    for weight in weights:
        name, third = open_clip_name(weight.name)
        stored.setdefault(name, []).append((third or 0, weight))
    found: list[Weight] = []
    for name, parts in stored.items():
        ordered = [weight for _, weight in sorted(parts, key=lambda part: part[0])]
        first = ordered[0]
        if len(ordered) > 1:
            shape = (sum(part.shape[0] for part in ordered), *first.shape[1:])
            found.append(first.named(name).remade(_joined(ordered), shape))
        elif name == "text_projection":
            found.append(first.named(name).remade(_transposed(first), first.shape[::-1]))
        else:
            found.append(first.named(name))
    return found


def _transposed(weight: Weight) -> Callable[[], torch.Tensor]:
    return lambda: weight.make().T


def _joined(thirds: Sequence[Weight]) -> Callable[[], torch.Tensor]:
    def make() -> torch.Tensor:
        import torch

        return torch.cat([third.make() for third in thirds])

    return make


# ── diffusers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def diffusers_unet(weights: Sequence[Weight]) -> list[Weight]:
    """A U-Net under diffusers' names."""
    names = unet_names_for_diffusers(weight.name for weight in weights)
    return [weight.named(names[weight.name]) for weight in weights]


def diffusers_vae(weights: Sequence[Weight]) -> list[Weight]:
    """A VAE under diffusers' names; its attention's 1×1 convolutions become matrices."""
    names = vae_names_for_diffusers(weight.name for weight in weights)
    return [_as_matrix(weight.named(names[weight.name])) for weight in weights]


def _as_matrix(weight: Weight) -> Weight:
    if ".attentions." not in weight.name or len(weight.shape) != 4:
        return weight
    return weight.remade(lambda: weight.make().reshape(weight.shape[:2]), weight.shape[:2])
