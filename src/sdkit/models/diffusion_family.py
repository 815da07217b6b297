"""Recognising and loading the kinds of Stable Diffusion: one family each, all by the table in `kinds.py`.

Recognised by names and shapes: a U-Net under `model.diffusion_model.`, a VAE under `first_stage_model.` and the text
towers of the kind. Any widths and depths will do, distilled U-Nets' included. Recognising needs no torch, but for SD2,
where it takes the look at a weight to tell what it predicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sdkit.models.architecture import (
    ClipImageArchitecture,
    ClipTextArchitecture,
    UNetArchitecture,
    VaeArchitecture,
)
from sdkit.models.evidence import reasons
from sdkit.models.families import Declined, Detection, report_unknown_keys
from sdkit.models.kinds import IGNORABLE, KINDS, UNET, VAE, EncoderKind, Kind
from sdkit.models.prediction import Trained, read_prediction
from sdkit.models.reading import Shapes, Unrecognised, read_clip_image, read_clip_text, read_unet, read_vae
from sdkit.models.tokenizer import VOCABULARY, WINDOW
from sdkit.models.views import canonical
from sdkit.sigmas import distilled_sigmas, scaled_linear_sigmas, zero_terminal_snr
from sdkit.types import ModelSpec

if TYPE_CHECKING:
    import torch

    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.latent_diffusion import LatentDiffusion

HEADS = 8
"""Attention heads at every level of every SD1 U-Net; weight shapes do not show it."""

GROUPS = 32
"""Groups of every group normalisation."""

NUMBER_CHANNELS = 256
"""Channels for each number on the picture's size."""

LCM_TIMESTEPS = 50
"""Training timesteps that a latent consistency model is distilled on: every twentieth (arXiv:2310.04378)."""

H_LAYERS = 24
"""Layers of CLIP ViT-H. SD2 uses all but the last, and diffusers' files leave that one out."""


@dataclass(frozen=True)
class TextEncoder:
    """A text tower of a checkpoint: how it is used, where it is, and what it looks like.

    `left_out`: layers at its end that the file does not carry, because they are never used.
    """

    kind: EncoderKind
    prefix: str
    architecture: ClipTextArchitecture
    left_out: int = 0


@dataclass(frozen=True)
class Architecture:
    """The networks of a checkpoint; `image` is CLIP's image tower, which few files carry. `absent`: "unet", "vae" or
    "text", where a model is put together from files that lack it; what stands here then only tells sizes."""

    kind: Kind
    trained: Trained
    unet: UNetArchitecture
    vae: VaeArchitecture
    texts: tuple[TextEncoder, ...]
    image: ClipImageArchitecture | None = None
    absent: frozenset[str] = frozenset()

    @property
    def spec(self) -> ModelSpec:
        """What the pipeline must know of it."""
        sigmas, prediction = scaled_linear_sigmas(), self.trained.prediction
        stride = len(sigmas) // LCM_TIMESTEPS if self.unet.guidance else 1
        if self.trained.zero_snr:
            sigmas = zero_terminal_snr(sigmas)
        return ModelSpec(
            family=self.kind.name,
            prediction=prediction,
            sigmas=distilled_sigmas(sigmas, LCM_TIMESTEPS) if self.unet.guidance else sigmas,
            timestep_stride=stride,
            defaults=self.kind.defaults(self.unet.widths[0], prediction, bool(self.unet.guidance)),
            latent_channels=self.vae.latent_channels,
            input_channels=self.unet.in_channels,
            finishes_only=self.kind.finishes_only,
            latent_factor=self.vae.factor,
            latent_scale=self.kind.latent_scale,
            has_image_tower=self.image is not None,
        )


class DiffusionFamily:
    """One kind of Stable Diffusion as a `ModelFamily`; stateless, so one serves everybody."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    @property
    def name(self) -> str:
        """As registered."""
        return self.kind.name

    def detect(self, file: CheckpointFile) -> Detection | Declined:
        """See `ModelFamily.detect`."""
        file = canonical(file)
        try:
            found = read(file, self.kind)
        except Unrecognised as reason:
            return Declined(str(reason))
        parts: dict[str, tuple[str, ...]] = {"unet": (UNET,), "vae": (VAE,)}
        for text in found.texts:
            projection = (f"{text.prefix}text_projection",) if text.kind.projects else ()
            parts[text.kind.part] = (f"{text.prefix}text_model.", *projection)
        if found.image:
            clip = found.texts[0].prefix
            parts["image_tower"] = tuple(
                clip + name for name in ("vision_model.", "visual_projection.", "text_projection.", "logit_scale")
            )
        prediction = found.trained.prediction
        return Detection(self.name, prediction, reasons(found), parts, found, IGNORABLE)

    def load(
        self,
        file: CheckpointFile,
        detection: Detection,
        *,
        device: torch.device,
        dtype: torch.dtype | Literal["auto"] = "auto",
    ) -> LatentDiffusion:
        """See `ModelFamily.load`. Raises WeightsError if weights are missing or of the wrong shape."""
        from sdkit.models.latent_diffusion import LatentDiffusion
        from sdkit.models.network_parts import make_networks
        from sdkit.models.placement import own_dtype

        found = detection.architecture
        if not isinstance(found, Architecture):
            raise TypeError(f"the detection is one of {detection.family!r}, not of {self.name}")
        file = canonical(file)
        if dtype == "auto":
            first = file.infos.get(f"{UNET}input_blocks.0.0.weight")
            dtype = own_dtype(first.dtype if first else "F32", device)
        networks = make_networks(file, found, device, dtype)
        report_unknown_keys(file, networks.keys, detection.ignorable)
        return LatentDiffusion(file, found, networks)


sd1, sd2, sdxl, sdxl_refiner = (DiffusionFamily(kind) for kind in KINDS)
"""`register("sd1", "sdkit.models:sd1")` and so on."""


def read(file: CheckpointFile, kind: Kind) -> Architecture:
    """Read a checkpoint of this kind. Raises Unrecognised, saying why it is none."""
    shapes = Shapes(file.infos, UNET)
    if not shapes:
        raise Unrecognised(f"no key begins with {UNET!r}")
    unet = read_unet(shapes, None if kind.linear else HEADS)
    check_unet(unet, kind)
    vae = read_vae(Shapes(file.infos, VAE))
    if unet.out_channels != vae.latent_channels:
        raise Unrecognised(f"the U-Net gives {unet.out_channels} channels, but the VAE reads {vae.latent_channels}")
    latents = vae.latent_channels
    if unet.in_channels not in (latents, 2 * latents, 2 * latents + 1):
        raise Unrecognised(
            f"the U-Net reads {unet.in_channels} channels, neither {latents} (latents) nor {2 * latents} (and a "
            f"picture) nor {2 * latents + 1} (and a masked picture)"
        )
    if any(width % GROUPS for width in vae.widths):
        raise Unrecognised(f"VAE widths {_list(vae.widths)} do not divide into {GROUPS} groups")
    texts = tuple(read_text(file, encoder) for encoder in kind.encoders)
    width = sum(text.architecture.transformer.width for text in texts)
    if width != unet.context:
        raise Unrecognised(f"the text encoder gives {width} channels, but the U-Net reads {unet.context}")
    if kind.numbers:
        _check_summary(unet, kind, texts[-1])
    trained = read_prediction(file, telling_weight=kind.telling_weight and unet.in_channels == latents)
    clip = Shapes(file.infos, texts[0].prefix)
    image = read_clip_image(clip) if "vision_model.embeddings.patch_embedding.weight" in clip else None
    return Architecture(kind, trained, unet, vae, texts, image)


def check_unet(unet: UNetArchitecture, kind: Kind) -> None:
    """Raise Unrecognised for a U-Net that is none of this kind."""
    if unet.linear_projections and not kind.linear:
        raise Unrecognised("attention sits between linear layers: SD2 or SDXL")
    if kind.linear and not unet.linear_projections:
        raise Unrecognised("attention sits between 1×1 convolutions: SD1")
    if unet.summary and not kind.numbers:
        raise Unrecognised("the U-Net takes a summary vector (label_emb): SDXL, or SD2 unCLIP")
    if kind.numbers and not unet.summary:
        raise Unrecognised("the U-Net takes no summary vector (label_emb): SD1 or SD2")
    for width, heads, *depths in zip(unet.widths, unet.heads, unet.depths, unet.depths_up, strict=True):
        if any(any(depth) for depth in depths) and width % heads:
            raise Unrecognised(f"U-Net widths {_list(unet.widths)} do not divide into {heads} heads")
    if unet.middle and unet.widths[-1] % unet.heads[-1]:
        raise Unrecognised(f"U-Net widths {_list(unet.widths)} do not divide into {unet.heads[-1]} heads")
    if any(width % GROUPS for width in unet.widths):
        raise Unrecognised(f"U-Net widths {_list(unet.widths)} do not divide into {GROUPS} groups")


def read_text(file: CheckpointFile, kind: EncoderKind) -> TextEncoder:
    """Read a text tower of a checkpoint. Raises Unrecognised."""
    tokens = "text_model.embeddings.token_embedding.weight"
    prefix = next((prefix for prefix in kind.prefixes if f"{prefix}{tokens}" in file.infos), kind.prefixes[0])
    architecture = read_clip_text(Shapes(file.infos, prefix), kind.activation, projects=kind.projects)
    if architecture.vocabulary < VOCABULARY or architecture.positions < WINDOW:
        raise Unrecognised(
            f"the text encoder knows {architecture.vocabulary} tokens at {architecture.positions} positions, not "
            f"CLIP's {VOCABULARY} at {WINDOW}"
        )
    layers = architecture.transformer.layers
    transformers_own = kind.name == "h" and prefix == "cond_stage_model.transformer."
    return TextEncoder(kind, prefix, architecture, left_out=int(transformers_own and layers != H_LAYERS))


def _check_summary(unet: UNetArchitecture, kind: Kind, text: TextEncoder) -> None:
    told = unet.summary - text.architecture.projection
    if told != kind.numbers * NUMBER_CHANNELS:
        raise Unrecognised(
            f"the U-Net's summary vector has {unet.summary} channels, not {text.architecture.projection} for the text "
            f"and {NUMBER_CHANNELS} for each of {kind.numbers} numbers on the picture's size"
        )


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(str(number) for number in numbers)
