"""One training stage in several processes of this machine: each does its share of every batch on its own core."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.multiprocessing.spawn import start_processes


class Exchange:
    """Adds tensors up over processes, through a file in shared memory.

    On busy cores far quicker than messages: there is one wait in a sum, and no thread that has to be woken for every
    chunk (gloo spent half of a training step on that).
    """

    def __init__(self, folder: Path | None = None, rank: int = 0, count: int = 1, most: int = 8_000_000) -> None:
        """``folder`` holds the shared files, which the first to come makes; tensors of up to ``most`` numbers."""
        self.rank, self.count, self.turn = rank, count, 0
        if folder is not None:
            slots, turns = str(folder / "slots"), str(folder / "turns")
            # Two buffers in turn: nobody writes into one before everybody has read it.
            self.slots = torch.from_file(slots, True, 2 * count * most, dtype=torch.bfloat16).view(2, count, most)
            self.turns = torch.from_file(turns, True, count, dtype=torch.long)

    def sum(self, flat: Tensor, patience: float = 600.0) -> None:
        """Replace ``flat`` (bf16, one axis) by its sum over all processes. Raises TimeoutError if one is gone."""
        if self.count == 1:
            return
        self.turn += 1
        buffer = self.slots[self.turn % 2, :, : len(flat)]
        buffer[self.rank] = flat
        self.turns[self.rank] = self.turn
        begun = time.monotonic()
        while int(self.turns.min()) < self.turn:
            time.sleep(0.0005)
            if time.monotonic() - begun > patience:
                raise TimeoutError(f"process {self.rank} waited {patience} s for the others at sum {self.turn}")
        flat.copy_(buffer[0])
        for other in buffer[1:]:
            flat += other

    def mean(self, flat: Tensor) -> None:
        """Replace ``flat`` (bf16, one axis) by its mean over all processes."""
        self.sum(flat)
        flat /= self.count


def run_parallel(stage: Callable[[Exchange], None], count: int, threads: int) -> None:
    """Call ``stage(exchange)`` in ``count`` processes, with ``threads`` cores between them."""
    if count == 1:
        stage(Exchange())
        return
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        start_processes(_work, (stage, count, threads, Path(folder)), count, start_method="spawn")


def _work(rank: int, stage: Callable[[Exchange], None], count: int, threads: int, folder: Path) -> None:
    torch.set_num_threads(max(1, threads // count))
    stage(Exchange(folder, rank, count))
