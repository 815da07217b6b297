"""How fast a checkpoint is loaded, and how much memory that takes, against diffusers and against reading the file.

    python benchmarks/loading.py [CHECKPOINT] [--rounds 3] [--device cpu] [--everything]

Without CHECKPOINT, the files in $SDKIT_PARITY_WEIGHTS/checkpoints are taken, or else the model in the box. Each
contender runs in a process of its own: imports are done, a small model was loaded before, and the file is in the page
cache. The rounds take turns: `cat`, one contender, the next, and again.

`load`: seconds from the path to the end of a first call of the U-Net that reads each of its weights once and multiplies
nothing: every linear layer and convolution adds its weight's words up, from the first to the last, and gives zeros. A
real call is timed after it as `call`, to show what a first picture would wait for besides; it is the same for all, and
on a CPU it is longer than loading. With `--everything`, a text is encoded and a picture decoded in both. Memory is the
process's peak until the end of the first call, less what it had before.

The goals: in the file's own dtype at most 1.5 times as long as `cat FILE > /dev/null`, and 1.1 times the file in
memory; in float32 at most 2.1 times the file (stored in float16); five times as fast as diffusers' from_single_file,
whose configuration is local, too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

SIDE = 8
"""Of the latents; the smallest that a U-Net halves three times, so that little is computed."""
TIMESTEP = 500.0


class OnlyReading(TorchFunctionMode):
    """In its context, layers read their weights, and compute nothing with them."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = dict(zip(("input", "weight", "bias", "stride", "padding"), args, strict=False)) | (kwargs or {})
        if func is torch.nn.functional.linear:
            x, weight = given["input"], given["weight"]
            return _zeros(weight, (*x.shape[:-1], len(weight)), x)
        if func is torch.nn.functional.conv2d:
            x, weight = given["input"], given["weight"]
            (high, wide), (down, right), (top, left) = weight.shape[2:], _pair(given["stride"]), _pair(given["padding"])
            height, width = (x.shape[2] + 2 * top - high) // down + 1, (x.shape[3] + 2 * left - wide) // right + 1
            return _zeros(weight, (len(x), len(weight), height, width), x)
        return func(*args, **(kwargs or {}))


def _zeros(weight: torch.Tensor, shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """Zeros, when all of the weight has been read: as words of eight bytes, of which adding takes no time."""
    words = weight.detach().reshape(-1).view(torch.int64) if weight.nbytes % 8 == 0 else weight.detach()
    words.sum().item()
    return torch.zeros(shape, dtype=like.dtype, device=like.device)


def _pair(number: Any) -> tuple[int, int]:
    return number if isinstance(number, tuple) else (number, number)


# ── contenders: each returns a function that loads a file and calls what it loaded ───────────────────────────────────


def ours(path: Path, folder: Path, dtype: str, device: str, everything: bool) -> Callable[[], Callable[[], object]]:
    """sdkit."""
    from sdkit import Pipeline
    from sdkit.models import LatentDiffusion
    from sdkit.models.tokenizer import plain_prompt
    from sdkit.types import Embedding

    def load() -> Callable[[], object]:
        model = Pipeline.load(path, device=device, dtype=dtype).model
        assert isinstance(model, LatentDiffusion)
        network, kind = model.architecture.unet, model.architecture.kind
        x = torch.zeros(1, model.spec.latent_channels, SIDE, SIDE)
        pooled = torch.zeros(1, network.summary - kind.numbers * 256) if network.summary else None
        given = Embedding(torch.zeros(1, 77, network.context), pooled)

        def call() -> object:
            embedding = model.encode_text(plain_prompt("a cat"), model.spec.defaults.clip_skip) if everything else given
            latents = model.predict(x, TIMESTEP, embedding)
            return model.decode(latents) if everything else latents.sum().item()

        return call

    return load


def diffusers(
    path: Path, folder: Path, dtype: str, device: str, everything: bool
) -> Callable[[], Callable[[], object]]:
    """diffusers' from_single_file, whose configuration is in `folder`."""
    import diffusers as library

    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    kind: Any = getattr(library, index["_class_name"])

    def load() -> Callable[[], object]:
        options = {"safety_checker": None} if "safety_checker" in index else {}
        pipe: Any = kind.from_single_file(
            str(path), config=str(folder), local_files_only=True, torch_dtype=getattr(torch, dtype), **options
        ).to(device)
        unet: Any = pipe.unet
        x = torch.zeros(1, 4, SIDE, SIDE, dtype=unet.dtype, device=device)
        context = torch.zeros(1, 77, unet.config.cross_attention_dim, dtype=unet.dtype, device=device)
        summary = unet.config.projection_class_embeddings_input_dim
        conditions = None
        if summary:
            ids = torch.zeros(1, 6, dtype=unet.dtype, device=device)
            pooled = torch.zeros(1, summary - 6 * 256, dtype=unet.dtype, device=device)
            conditions = {"text_embeds": pooled, "time_ids": ids}

        @torch.no_grad()
        def call() -> object:
            told = context
            if everything:
                told = pipe.encode_prompt("a cat", device=device, num_images_per_prompt=1,
                                          do_classifier_free_guidance=False)[0]  # fmt: skip
            latents = unet(x, TIMESTEP, told, added_cond_kwargs=conditions).sample
            return pipe.vae.decode(latents).sample.float().cpu() if everything else latents.sum().item()

        return call

    return load


CONTENDERS = {"sdkit": ours, "diffusers": diffusers}


def contend(name: str, path: Path, small: Path, folders: Path, arguments: argparse.Namespace) -> None:
    """One measurement, printed as JSON: what the child process does."""
    options = (arguments.dtype, arguments.device, arguments.everything)
    make = CONTENDERS[name]
    make(small, folders / "small", *options)()()
    load = make(path, folders / "large", *options)
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    started = time.perf_counter()
    call = load()
    with OnlyReading():
        call()
    loading = time.perf_counter() - started
    peak = _memory("VmHWM")
    started = time.perf_counter()
    call()
    print(json.dumps({"load": loading, "call": time.perf_counter() - started, "memory": peak - before}))


def _memory(field: str) -> int:
    """Bytes, as Linux counts them: VmRSS is in memory now, VmHWM was at most."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(found[1]) * 1024 if found else 0


# ── the comparison ───────────────────────────────────────────────────────────────────────────────────────────────────


def measure(
    name: str, dtype: str, path: Path, small: Path, folders: Path, arguments: argparse.Namespace
) -> dict[str, float]:
    """One round of a contender, in a process of its own."""
    command = [sys.executable, __file__, str(path), "--contender", name, "--dtype", dtype]
    command += ["--small", str(small), "--folders", str(folders), "--device", arguments.device]
    command += ["--everything"] * arguments.everything
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def cat(path: Path) -> float:
    """Seconds of `cat FILE > /dev/null`."""
    with Path(os.devnull).open("wb") as nothing:
        started = time.perf_counter()
        subprocess.run(["cat", str(path)], stdout=nothing, check=True)
        return time.perf_counter() - started


def compare(path: Path, arguments: argparse.Namespace) -> None:
    """Measure all contenders on one file, and print a table of the medians."""
    from sdkit.testing.models import random_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        small, folders = Path(folder) / "small.safetensors", Path(folder) / "configs"
        xl = write_configs(path, folders / "large").startswith("sdxl")
        random_checkpoint(small, kind="sdxl" if xl else "sd1", image_tower=False)
        write_configs(small, folders / "small")
        runs = [(name, dtype) for dtype in arguments.dtypes for name in arguments.contenders]
        rounds: dict[tuple[str, str], list[dict[str, float]]] = {run: [] for run in runs}
        cat(path)  # which warms the page cache
        reading: list[float] = []
        for _ in range(arguments.rounds):
            for name, dtype in runs:
                reading.append(cat(path))
                rounds[name, dtype].append(measure(name, dtype, path, small, folders, arguments))
    size, read = path.stat().st_size, statistics.median(reading)
    print(f"{path}: {size / 1e9:.2f} GB; cat takes {read:.2f} s; load average {os.getloadavg()[0]:.1f}")
    print(f"{'':22}{'load':>9}{'× cat':>9}{'call':>9}{'memory × file':>15}{'sdkit is faster':>17}")
    medians = {
        run: {key: statistics.median(each[key] for each in found) for key in found[0]} for run, found in rounds.items()
    }
    for (name, dtype), found in medians.items():
        ours_took = medians.get(("sdkit", dtype), found)["load"]
        print(
            f"{name + ', ' + dtype:22}{found['load']:8.2f}s{found['load'] / read:9.2f}{found['call']:8.2f}s"
            f"{found['memory'] / size:15.2f}{found['load'] / ours_took:16.1f}×"
        )


def write_configs(path: Path, folder: Path) -> str:
    """A model's folder as diffusers has it, without the weights. Returns the family."""
    from sdkit.models import detect_family, open_checkpoint, sd1, sd2, sdxl, sdxl_refiner
    from sdkit.models.diffusers_folder import write_settings

    with open_checkpoint(path) as file:
        family, detection = detect_family(file, [sd1, sd2, sdxl, sdxl_refiner])
        write_settings(folder, detection.architecture)  # pyright: ignore[reportArgumentType] - of these families
    return family.name


def checkpoints() -> list[Path]:
    """The full-size files that there are, else the model in the box."""
    from sdkit.models import embedded_checkpoint

    weights = os.environ.get("SDKIT_PARITY_WEIGHTS")
    found = sorted(Path(weights).glob("checkpoints/*.safetensors")) if weights else []
    return found or [embedded_checkpoint()]


def main() -> None:
    """Compare, or be one of those that are compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--everything", action="store_true", help="text encoders and VAE, too")
    parser.add_argument("--dtypes", nargs="+", default=["float16", "float32"])
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    for hidden in ("--contender", "--dtype", "--small", "--folders"):  # what child processes are told
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        (path,) = arguments.checkpoint
        contend(arguments.contender, path, Path(arguments.small), Path(arguments.folders), arguments)
        return
    for path in arguments.checkpoint or checkpoints():
        compare(path, arguments)


if __name__ == "__main__":
    main()
