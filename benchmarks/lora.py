"""How long it takes to change LoRAs: applying one to a model, against nothing but its matrix products.

    python benchmarks/lora.py [--kind sdxl|sd1] [--rank 16] [--rounds 3] [--threads 2] [--dtype float32|bfloat16]
        [--depth 10]

The model has the noise predictor's attention matrices of SDXL (or SD1) in their full sizes; a LoRA of the given rank
for all of them is applied by `patched_module`, as `pipe(…, loras=[…])` does, and by a bare loop of `torch.addmm` over
the same matrices, in turns; medians are compared. Both compute in float32 and round once to the weights' dtype. The
goal is at most 1.2 times the loop. Then a run with the same LoRA is repeated, in which nothing is computed. SDXL takes
17 GB of memory in float32, and half of that in bfloat16; `--depth 1` leaves out all transformer blocks at a place but
the first, and takes a tenth.

Measured on one busy core with `--depth 1`, medians of 5: 0.89 × in float16, 0.54 × in bfloat16, 0.97 × in float32; SD1
whole in float32 1.17 ×; the repeated run takes 1 ms for all patching.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sdkit.models import open_checkpoint
from sdkit.models.lora import LowRank, StackedLora, WeightNames, lora_patches, match_lora, read_lora
from sdkit.models.lora.formats.kohya import kohya
from sdkit.models.patching import patched_module
from sdkit.pipeline import Pipeline
from sdkit.testing import random_checkpoint

GOAL = 1.2
DEPTHS = {  # places of attention by block: width, transformer blocks, width of the texts
    "sd1": [(320, 1, 768)] * 5 + [(640, 1, 768)] * 5 + [(1280, 1, 768)] * 6,
    "sdxl": [(640, 2, 2048)] * 5 + [(1280, 10, 2048)] * 6,
}


class Projections(nn.Module):
    """The matrices of one transformer block."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        for name, inputs in (("attn1", width), ("attn2", context)):
            attention = nn.Module()
            attention.to_q = nn.Linear(width, width, bias=False)
            attention.to_k = nn.Linear(inputs, width, bias=False)
            attention.to_v = nn.Linear(inputs, width, bias=False)
            attention.to_out = nn.Sequential(nn.Linear(width, width))
            self.add_module(name, attention)
        self.ff_in, self.ff_out = nn.Linear(width, 8 * width), nn.Linear(4 * width, width)


def make_model(kind: str, dtype: torch.dtype, deepest: int) -> nn.Module:
    """All the matrices, of random numbers."""
    with torch.device("meta"):
        blocks = [
            Projections(width, context) for width, depth, context in DEPTHS[kind] for _ in range(min(depth, deepest))
        ]
        model = nn.ModuleDict({"blocks": nn.ModuleList(blocks)}).to(dtype).requires_grad_(False)
    model = model.to_empty(device="cpu")
    for weight in model.parameters():
        weight.fill_(0.01)
    return model


def write_lora(path: Path, weights: Mapping[str, tuple[int, ...]], rank: int) -> None:
    """A LoRA in kohya's format, in half precision, for every matrix."""
    tensors: dict[str, Tensor] = {}
    for name, shape in weights.items():
        if len(shape) == 2:
            module = "lora_unet_" + name.removeprefix("unet.").removesuffix(".weight").replace(".", "_")
            tensors[f"{module}.lora_up.weight"] = torch.randn(shape[0], rank).half()
            tensors[f"{module}.lora_down.weight"] = torch.randn(rank, shape[1]).half()
            tensors[f"{module}.alpha"] = torch.tensor(float(rank))
    save_file(tensors, path)


def timed(function: Callable[[], object]) -> float:
    """Seconds that a call takes; what it returns is dropped after the clock is read."""
    started = time.perf_counter()
    kept = function()
    seconds = time.perf_counter() - started
    del kept
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=DEPTHS, default="sdxl")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--depth", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    dtype: torch.dtype = getattr(torch, arguments.dtype)
    model = make_model(arguments.kind, dtype, arguments.depth)
    weights = {f"unet.{name}": tuple(weight.shape) for name, weight in model.named_parameters()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lora.safetensors"
        write_lora(path, weights, arguments.rank)
        reading = timed(lambda: read_lora(open_checkpoint(path), "", {"kohya": kohya}))
        match = match_lora(read_lora(open_checkpoint(path), "", {"kohya": kohya}), WeightNames(weights))
    patches = lora_patches([StackedLora(match, 0.8)])
    parts = model.state_dict()
    factors = [
        (parts[name.removeprefix("unet.")], change)
        for name, changes in match.targets.items()
        for change in changes
        if isinstance(change, LowRank)
    ]
    bare = [(weight, change.up.float(), change.down.float(), 0.8 * change.scale) for weight, change in factors]

    @torch.no_grad()
    def loop() -> list[Tensor]:
        return [torch.addmm(weight.float(), up, down, alpha=scale).to(dtype) for weight, up, down, scale in bare]

    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(arguments.rounds + 1):
        theirs.append(timed(loop))
        ours.append(timed(lambda: patched_module(model, "unet", patches)))
    patching, looping = statistics.median(ours[1:]), statistics.median(theirs[1:])  # the first round warms up
    count = sum(weight.numel() for weight, _ in factors)
    print(
        f"{arguments.kind}, {arguments.dtype}: {len(bare)} matrices, {count / 1e6:.0f} M numbers, rank {arguments.rank}"
    )
    print(f"reading the file       {reading * 1e3:8.0f} ms")
    print(f"bare addmm             {looping * 1e3:8.0f} ms")
    print(f"swap                   {patching * 1e3:8.0f} ms   {patching / looping:.2f} × (goal {GOAL} ×)")
    repeated(arguments.rank)


def repeated(rank: int) -> None:
    """The same LoRA twice on a small checkpoint, through the whole pipeline."""
    with tempfile.TemporaryDirectory() as folder:
        pipe = Pipeline.load(random_checkpoint(Path(folder) / "model.safetensors"))
        lora = Path(folder) / "lora.safetensors"
        unet = {name: shape for name, shape in pipe.model.weights.items() if name.startswith("unet.")}
        write_lora(lora, unet, rank)
        first, second = (pipe("a", steps=1, seed=0, width=64, height=64, loras=[str(lora)]).timings for _ in range(2))
    print(f"first run, patching    {first['patch'] * 1e3:8.2f} ms")
    print(f"the same run again     {second['patch'] * 1e3:8.2f} ms")


if __name__ == "__main__":
    main()
