"""What is left of a run when it is over: all but its model, so that results do not keep weights in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from sdkit.errors import ModelError

if TYPE_CHECKING:
    import torch

    from sdkit.types import CallPatches, DiffusionModel, Embedding, ModelSpec, Patch, Prompt, Run, TokenChunk


def at_rest(run: Run) -> Run:
    """The run with only the facts of its model."""
    model = run.model
    return replace(run, model=FormerModel(model.name, model.spec, model.device, model.dtype), spans=())


@dataclass(frozen=True)
class FormerModel:
    """The facts of a model that made something: a `DiffusionModel` without weights. What needs them raises
    ModelError."""

    name: str
    spec: ModelSpec
    device: torch.device
    dtype: torch.dtype

    @property
    def weights(self) -> Mapping[str, tuple[int, ...]]:
        self._gone()

    def fingerprint(self) -> str:
        self._gone()

    def tokenize(self, prompt: Prompt) -> tuple[TokenChunk, ...]:
        self._gone()

    def encode_text(self, prompt: Prompt, clip_skip: int) -> Embedding:
        self._gone()

    def predict(
        self, x: torch.Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None
    ) -> torch.Tensor:
        self._gone()

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        self._gone()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        self._gone()

    def similarity(self, texts: tuple[str, ...], pixels: torch.Tensor) -> torch.Tensor:
        self._gone()

    def patched(self, patches: Sequence[Patch]) -> DiffusionModel:
        self._gone()

    def to(self, device: str, dtype: str) -> DiffusionModel:
        self._gone()

    def unload(self) -> None:
        """Nothing is left to drop."""

    def _gone(self) -> NoReturn:
        raise ModelError(
            f"the run that made these latents is over, and does not keep its model {self.name!r}; use a pipeline's: "
            "pipe.decode(latents), pipe.model"
        )
