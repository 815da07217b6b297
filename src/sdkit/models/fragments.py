"""Models that lack parts: a U-Net alone, text encoders alone, a VAE alone. What is there works, the rest says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.errors import UnknownModelError
from sdkit.models.architecture import UNetArchitecture, VaeArchitecture
from sdkit.models.diffusion_family import HEADS, NUMBER_CHANNELS, Architecture, check_unet, read_text
from sdkit.models.families import Detection
from sdkit.models.kinds import IGNORABLE, KINDS, UNET, VAE, Kind
from sdkit.models.parts import text_weights, unet_weights, vae_weights
from sdkit.models.prediction import MARKERS, Trained, read_prediction
from sdkit.models.reading import Shapes, Unrecognised, read_unet, read_vae
from sdkit.models.renaming import Place
from sdkit.models.views import CheckpointView, Stored

if TYPE_CHECKING:
    from sdkit.models.checkpoint import CheckpointFile

_USUAL_VAE = VaeArchitecture((128, 256, 512, 512), 2, 4)
"""What the VAE of every kind looks like: tells the size of latents where there is none."""

_KIND_OF_WIDTH = {1024: "sd2", 1280: "sdxl_refiner"}
"""Width of the only text encoder → the kind that has it; all others are taken for CLIP-L, which is SD1's."""


def assemble_some(
    unet: CheckpointFile | None, vae: CheckpointFile | None, text_encoders: Sequence[CheckpointFile]
) -> tuple[CheckpointView, Detection]:
    """One checkpoint of the files that there are, and what it is.

    A U-Net tells its kind by its shapes; text encoders alone tell theirs by their number and widths; a VAE alone fits
    several, and is taken for SD1's, so that what latents are scaled by is for whoever knows more. Raises
    CheckpointError where a file has not the part that it is given for, UnknownModelError where they fit no kind.
    """
    files = [file for file in (unet, vae, *text_encoders) if file is not None]
    stored: dict[str, Stored] = {}
    if unet is not None:
        stored |= unet_weights(unet)
        stored |= {m: Stored(unet, m, Place(m), unet.infos[m]) for m in MARKERS if m in unet.infos}
    if vae is not None:
        stored |= vae_weights(vae)
    path, metadata = files[0].path, files[0].metadata
    kind = _kind(CheckpointView(path, stored, files, metadata), unet is not None, text_encoders)
    ordered = sorted(text_encoders, key=_width)
    if text_encoders and len(ordered) != len(kind.encoders):
        raise UnknownModelError(
            f"{kind.title} has {len(kind.encoders)} text encoders, but {len(ordered)} were given "
            f"({', '.join(str(file.path) for file in ordered)})"
        )
    for file, encoder in zip(ordered, kind.encoders, strict=False):
        stored |= text_weights(file, encoder.prefixes[0])
    view = CheckpointView(path, stored, dict.fromkeys(files), metadata)
    try:
        found = _read(view, kind, unet is not None, vae is not None, bool(text_encoders))
    except Unrecognised as reason:
        raise UnknownModelError(f"{_shown(files)} make no part of {kind.title}: {reason}") from None
    parts = {name: (prefix,) for name, prefix in (("unet", UNET), ("vae", VAE)) if name not in found.absent} | {
        text.kind.part: (text.prefix,) for text in found.texts
    }
    return view, Detection(kind.name, found.trained.prediction, (), parts, found, IGNORABLE)


def _kind(view: CheckpointView, has_unet: bool, texts: Sequence[CheckpointFile]) -> Kind:
    if has_unet:
        declined: list[str] = []
        for kind in KINDS:
            try:
                _unet(view, kind)
            except Unrecognised as reason:
                declined.append(f"{kind.name}: {reason}.")
            else:
                return kind
        raise UnknownModelError(f"no model family recognises the U-Net in {view.path}. {' '.join(declined)}")
    if not texts:
        return KINDS[0]
    if len(texts) == 1:
        wanted = _KIND_OF_WIDTH.get(_width(texts[0]), "sd1")
        return next(kind for kind in KINDS if kind.name == wanted)
    for kind in KINDS:
        if len(kind.encoders) == len(texts):
            return kind
    raise UnknownModelError(f"no model family has {len(texts)} text encoders ({_shown(texts)})")


def _unet(view: CheckpointView, kind: Kind) -> UNetArchitecture:
    """The U-Net, if it can be one of this kind. Raises Unrecognised."""
    unet = read_unet(Shapes(view.infos, UNET), None if kind.linear else HEADS)
    check_unet(unet, kind)
    if kind.numbers and _has_one_encoder(unet) != (len(kind.encoders) == 1):
        raise Unrecognised(f"the summary vector of {unet.summary} channels is not one of {kind.title}")
    return unet


def _has_one_encoder(unet: UNetArchitecture) -> bool:
    """Whether a U-Net of the SDXL kind is the refiner: the text in its summary is as wide as its whole context."""
    counts = {kind.numbers for kind in KINDS if kind.numbers and len(kind.encoders) == 1}
    return any(unet.summary - count * NUMBER_CHANNELS == unet.context for count in counts)


def _read(view: CheckpointView, kind: Kind, has_unet: bool, has_vae: bool, has_texts: bool) -> Architecture:
    absent = [name for name, there in (("unet", has_unet), ("vae", has_vae), ("text", has_texts)) if not there]
    texts = tuple(read_text(view, encoder) for encoder in kind.encoders) if has_texts else ()
    vae = read_vae(Shapes(view.infos, VAE)) if has_vae else _USUAL_VAE
    latents = vae.latent_channels
    if has_unet:
        unet = _unet(view, kind)
        trained = read_prediction(view, telling_weight=kind.telling_weight and unet.in_channels == latents)
    else:
        unet, trained = _usual_unet(latents), Trained("eps", False, "there is no U-Net")
    width = sum(text.architecture.transformer.width for text in texts)
    if has_unet and has_texts and width != unet.context:
        raise Unrecognised(f"the text encoder gives {width} channels, but the U-Net reads {unet.context}")
    return Architecture(kind, trained, unet, vae, texts, absent=frozenset(absent))


def _usual_unet(channels: int) -> UNetArchitecture:
    """The sizes that stand for a U-Net that is not there; nothing is built from them."""
    return UNetArchitecture(channels, channels, (320,), 1, ((0,),), ((0, 0),), 0, (8,), 768)


def _width(file: CheckpointFile) -> int:
    """Channels of a text encoder."""
    found = text_weights(file, "")
    return next(each.info.shape[1] for name, each in found.items() if name.endswith("token_embedding.weight"))


def _shown(files: Sequence[CheckpointFile]) -> str:
    return " and ".join(str(Path(file.path)) for file in files)
