"""A run's noise, handed to schedulers that would draw their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from sdkit.types import Noise


class RunNoise(TorchFunctionMode):
    """While entered, `torch.randn` gives the run's noise between the two sigmas of `span`, in this thread only.

    Schedulers draw with `torch.randn` from one generator for the whole batch, and most have no argument for noise that
    is there already. So the draw itself is answered, and torch's own generators are never touched.
    """

    def __init__(self, noise: Noise) -> None:
        super().__init__()
        self._noise = noise
        self.span = (0.0, 0.0)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Answer draws, let everything else pass."""
        given = kwargs or {}
        if func is torch.randn:
            return self._noise(*self.span).to(device=given.get("device"), dtype=given.get("dtype"))
        return func(*args, **given)

    def sampler(self, sigma: object, sigma_next: object) -> torch.Tensor:
        """What schedulers of Brownian noise keep as `noise_sampler`. Their sigmas went through logarithms and came back
        rounded, which would be other points of the path: `span` counts."""
        return self._noise(*self.span)
