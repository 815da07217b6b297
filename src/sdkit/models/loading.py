"""From what a user calls a model, or the files of its parts, to a loaded one: names in folders, families, devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.errors import ModelError, RequestError, UnknownModelError
from sdkit.models.embedded import embedded_checkpoint
from sdkit.models.families import detect_family

if TYPE_CHECKING:
    import torch

    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.families import ModelFamily
    from sdkit.models.library import Kind, Library
    from sdkit.types import DiffusionModel

EMBEDDED = "tiny"
"""The name of the model that ships with sdkit."""


@dataclass(frozen=True)
class Parts:
    """Files of single parts of a model, or checkpoints that have them: paths, or names or hashes in the model folders;
    text encoders in any order. None and () leave a part as it is."""

    unet: str | None = None
    vae: str | None = None
    text_encoders: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.unet is not None or self.vae is not None or bool(self.text_encoders)

    def __str__(self) -> str:
        given = (("unet", self.unet), ("vae", self.vae), ("text encoders", ", ".join(self.text_encoders)))
        return "; ".join(f"{name}: {source}" for name, source in given if source)


@dataclass(frozen=True)
class ModelLoader:
    """Loads models. `families` tell what a file is; `open_file` opens paths, and whatever else it knows, and answers
    None for the rest; `library` knows the model folders. `variant`: which weights of diffusers folders, such as "fp16".

    The methods raise ModelNotFoundError, which suggests names, CheckpointError, also where a file has not the part that
    it is given for, UnknownModelError or WeightsError; RequestError for a device or dtype that is not there.
    """

    families: Mapping[str, ModelFamily]
    open_file: Callable[[str], CheckpointFile | None]
    library: Library
    variant: str | None = None

    def load(
        self,
        source: str | None,
        parts: Parts | None = None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        whole: bool = True,
    ) -> DiffusionModel:
        """Load a model by path, name or hash, with the given parts in place of its own; without a `source`, wholly of
        parts: all three kinds are needed then, unless `whole` is false. What a model lacks raises ModelError when it is
        needed."""
        from sdkit.models.placement import choose_device, choose_dtype

        place, wanted = choose_device(device), choose_dtype(dtype)
        if source is None and parts and not whole:
            return self._some(parts, place, wanted)
        file = self._assembled(parts or Parts()) if source is None else self._open("checkpoints", source)
        if source is not None and parts:
            file = self._replaced(file, parts)
        return self._model(file, parts or Parts(), place, wanted)

    def with_parts(self, model: DiffusionModel, parts: Parts) -> DiffusionModel:
        """A loaded model with the given parts in place of its own. What stays is shared and not read again; the model
        stays as it is. Raises ModelError for a model that is not of sdkit's own kind, or was unloaded."""
        from sdkit.models.latent_diffusion import LatentDiffusion

        if not isinstance(model, LatentDiffusion):
            raise ModelError(f"sdkit does not know how to replace parts of a model like {model.name!r}")
        made = self._model(self._replaced(model.file, parts), parts, model.device, model.dtype)
        return made.sharing(model) if isinstance(made, LatentDiffusion) else made

    def _model(
        self, file: CheckpointFile, parts: Parts, device: torch.device, dtype: torch.dtype | None
    ) -> DiffusionModel:
        from sdkit.models.latent_diffusion import LatentDiffusion

        try:
            family, detection = detect_family(file, self.families.values())
        except UnknownModelError as error:
            if not parts:
                raise
            raise UnknownModelError(f"the given parts make no model together ({parts}): {error}") from None
        model = family.load(file, detection, device=device, dtype=dtype or "auto")
        if isinstance(model, LatentDiffusion):
            model.use_hashes(self.library.hashes)
        return model

    def _some(self, parts: Parts, device: torch.device, dtype: torch.dtype | None) -> DiffusionModel:
        from sdkit.models.fragments import assemble_some

        file, detection = assemble_some(*self._opened(parts))
        family = self.families.get(detection.family)
        if family is None:
            raise UnknownModelError(f"the given parts ({parts}) are of {detection.family}, which no family is for")
        return family.load(file, detection, device=device, dtype=dtype or "auto")

    def _assembled(self, parts: Parts) -> CheckpointFile:
        from sdkit.models.parts import assemble

        unet, vae, texts = self._opened(parts)
        if unet is None or vae is None or not texts:
            given = (("a U-Net", unet), ("a VAE", vae), ("text encoders", texts or None))
            lacking = " and ".join(name for name, part in given if part is None)
            raise RequestError(
                f"a model of separate files lacks {lacking}; give the files, or a checkpoint that has the rest"
            )
        return assemble(unet.path, unet, vae, texts)

    def _replaced(self, file: CheckpointFile, parts: Parts) -> CheckpointFile:
        from sdkit.models.parts import replaced

        unet, vae, texts = self._opened(parts)
        return replaced(file, unet=unet, vae=vae, text_encoders=texts)

    def _opened(self, parts: Parts) -> tuple[CheckpointFile | None, CheckpointFile | None, list[CheckpointFile]]:
        return (
            None if parts.unet is None else self._open("diffusion_models", parts.unet),
            None if parts.vae is None else self._open("vae", parts.vae),
            [self._open("text_encoders", source) for source in parts.text_encoders],
        )

    def _open(self, kind: Kind, source: str) -> CheckpointFile:
        from sdkit.models.folders import open_folder

        path = self.library.get(kind, source)
        if path is None and kind != "checkpoints":  # a checkpoint has the part, too
            path = self.library.get("checkpoints", source)
        path = path or (embedded_checkpoint() if source == EMBEDDED else source)
        if self.variant is not None and Path(path).is_dir():
            return open_folder(path, self.variant)
        file = self.open_file(str(path))
        if file is None:
            raise self.library.missing(kind, source, [EMBEDDED] if kind == "checkpoints" else [])
        if self.variant is not None and kind == "checkpoints":
            raise RequestError(f"variant is {self.variant!r}, but {path} is no diffusers folder; leave variant out")
        return file
