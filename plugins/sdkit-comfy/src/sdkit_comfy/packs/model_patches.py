"""MODEL values as packs are given them: errors name the pack, and the model's noise levels can be asked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any

import torch

from sdkit.sampling import parameterisation
from sdkit_comfy.packs.errors import NotProvidedAttribute, not_provided
from sdkit_comfy.shims.latent_formats import SD15, SDXL
from sdkit_comfy.values.networks import Model


class ModelSampling:
    """A model's noise levels. `sigmas`: by training timestep, from the least noise to the most."""

    def __init__(self, model: Model) -> None:
        self.sdkit_model = model
        rules = parameterisation(model.spec)
        self._timestep = rules.timestep
        self.sigmas = torch.as_tensor(rules.sigmas, dtype=torch.float32)
        self.log_sigmas = self.sigmas.log()

    @property
    def sigma_min(self) -> torch.Tensor:
        """The least noise."""
        return self.sigmas[0]

    @property
    def sigma_max(self) -> torch.Tensor:
        """The most noise."""
        return self.sigmas[-1]

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        """The training timesteps of some sigmas."""
        return torch.tensor([self._timestep(float(each)) for each in sigma.flatten()]).reshape(sigma.shape)

    def sigma(self, timestep: torch.Tensor) -> torch.Tensor:
        """The sigmas of some timesteps, interpolated between their logarithms."""
        at = timestep.float().clamp(0, len(self.sigmas) - 1)
        low, high = at.floor().long(), at.ceil().long()
        return torch.lerp(self.log_sigmas[low], self.log_sigmas[high], at.frac()).exp()

    def percent_to_sigma(self, percent: float) -> float:
        """The sigma after a share of the training timesteps; more than any at its beginning, 0 at its end."""
        if percent <= 0.0:
            return 999_999_999.9
        return 0.0 if percent >= 1.0 else float(self.sigma(torch.tensor((1.0 - percent) * (len(self.sigmas) - 1))))


@dataclass(eq=False)
class PackModel(Model):
    """A model as a pack is given it."""

    pack: str = ""

    @classmethod
    def of(cls, model: Model, pack: str) -> PackModel:
        """The same model for a pack."""
        made = cls(**{each.name: getattr(model, each.name) for each in fields(Model)})
        made.pack = pack
        return made

    @property
    def load_device(self) -> torch.device:
        """Where it is."""
        return torch.device(self.pipe.model.device)

    @property
    def offload_device(self) -> torch.device:
        """Where it would wait."""
        return torch.device("cpu")

    @property
    def model(self) -> Any:
        """The parts of the network that packs ask about; not the network."""
        return _Network(self)

    def get_model_object(self, name: str) -> Any:
        """One of these parts by name."""
        return getattr(self.model, name)

    def is_clone(self, other: object) -> bool:
        """Whether both share their weights."""
        return isinstance(other, Model) and other.pipe is self.pipe

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotProvidedAttribute(not_provided(self.__dict__.get("pack", "?"), f"MODEL.{name}"))


class _Network:
    def __init__(self, model: PackModel) -> None:
        self._model = model

    @property
    def model_sampling(self) -> ModelSampling:
        return ModelSampling(self._model)

    @property
    def latent_format(self) -> Any:
        return SDXL() if self._model.spec.family.startswith("sdxl") else SD15()

    @property
    def model_config(self) -> Any:
        return SimpleNamespace(latent_format=self.latent_format, unet_config={})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotProvidedAttribute(not_provided(self._model.pack, f"MODEL.model.{name}"))
