"""Checkpoints and progress that every training stage shares."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm


def state_folder() -> Path:
    """Where caches, checkpoints and logs live: ``SDKIT_TINY_STATE``, or a folder in the user's cache."""
    folder = Path(os.environ.get("SDKIT_TINY_STATE", Path.home() / ".cache" / "sdkit-training"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that an interruption leaves the old one whole."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def load(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True, map_location="cpu")


def warm_cosine(step: int, steps: int, warmup: int = 200) -> float:
    """Learning-rate factor: linear warm-up, then a half cosine to zero at ``steps``."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * progress))))


@dataclass
class Loop:
    """Counts steps, keeps means of the named numbers, logs them as JSON lines, checkpoints now and then.

    A ``quiet`` one only counts: that of a helper process.
    """

    name: str
    folder: Path
    steps: int
    checkpoint: Callable[[int], dict[str, Any]]
    every: int = 500
    log_every: int = 50
    quiet: bool = False
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)

    def __iter__(self) -> Iterator[int]:
        begun = time.time()
        with tqdm(total=self.steps, initial=self.step, desc=self.name, mininterval=5, disable=self.quiet) as bar:
            while self.step < self.steps:
                yield self.step
                self.step += 1
                bar.update()
                if self.quiet:
                    continue
                if self.step % self.log_every == 0:
                    means = {key: round(value / self.log_every, 5) for key, value in self.sums.items()}
                    self.sums.clear()
                    bar.set_postfix(means)
                    self._log({"step": self.step, "seconds": round(time.time() - begun, 1), **means})
                if self.step % self.every == 0 or self.step == self.steps:
                    save(self.folder / f"{self.name}.pt", {"step": self.step, **self.checkpoint(self.step)})

    def add(self, **numbers: float) -> None:
        """Add numbers to the means that are logged next."""
        for key, value in numbers.items():
            self.sums[key] = self.sums.get(key, 0.0) + float(value)

    def _log(self, record: dict[str, object]) -> None:
        with (self.folder / f"{self.name}.jsonl").open("a") as log:
            log.write(json.dumps(record) + "\n")


def average(ema: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the parameters of ``ema`` towards those of ``model``."""
    with torch.no_grad():
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            list(ema.parameters()), list(model.parameters()), 1 - decay
        )
