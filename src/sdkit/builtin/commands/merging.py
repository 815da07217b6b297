"""`sdkit merge`: new checkpoints from old ones, with LoRAs baked in, as a single file or a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sdkit.builtin.commands.bars import file_bar
from sdkit.builtin.commands.tables import show_json
from sdkit.errors import ModelError, RequestError
from sdkit.models import Library
from sdkit.plugins import load_manager
from sdkit.settings import Settings

if TYPE_CHECKING:
    from sdkit.models import CheckpointFile, LatentDiffusion
    from sdkit.plugins import Manager
    from sdkit.types import Patch


def merge(
    models: Annotated[list[str], typer.Argument(help="A, or A and B, or A, B and C: files, names or hashes.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="What to write: a .safetensors file, or a folder.")],
    method: Annotated[
        str | None,
        typer.Option(
            help="weighted_sum: A·(1−m) + B·m; add_difference: A + (B−C)·m. By the number of models if left out."
        ),
    ] = None,
    amount: Annotated[float, typer.Option("--amount", "-m", help="m.")] = 0.5,
    blocks: Annotated[
        str | None,
        typer.Option(
            help='m for the blocks of the U-Net: "0,0.5,…", with BASE in front or not, or "IN03=0.2 OUT11=1".'
        ),
    ] = None,
    text_encoder: Annotated[float | None, typer.Option(help="m for the text encoders; BASE or m if left out.")] = None,
    vae: Annotated[str, typer.Option(help="Whose VAE: a, b, c, or merge.")] = "a",
    lora: Annotated[
        list[str] | None,
        typer.Option(
            help="Bake a LoRA in: NAME, NAME:0.8, or NAME:0.8:0.5 with another strength for the text encoders."
        ),
    ] = None,
    layout: Annotated[str, typer.Option(help="single: one file; diffusers: a folder.")] = "single",
    dtype: Annotated[str | None, typer.Option(help="float32, float16 or bfloat16; A's own if left out.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
) -> None:
    """Write a new checkpoint: two or three merged, or one with LoRAs baked in, or in another dtype or layout."""
    from sdkit.models import Recipe
    from sdkit.models import merge as merge_models

    if len(models) > 3:
        raise RequestError(f"a merge takes one, two or three models, not {len(models)}")
    a, b, c = (_load(name) for name in (*models, None, None)[:3])
    assert a is not None
    chosen = method or ("add_difference" if c else "weighted_sum")
    recipe = Recipe(cast("Any", chosen), amount, blocks, text_encoder, cast("Any", vae))
    patches = _patches(lora or (), a)
    with file_bar("writing") as progress:
        path = merge_models(
            output, a, b, c, recipe=recipe, patches=patches, layout=cast("Any", layout), dtype=dtype,
            overwrite=overwrite, progress=progress,
        )  # fmt: skip
    if as_json:
        size = sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
        show_json({"path": str(path), "size": size, "family": a.spec.family})
    else:
        typer.echo(str(path))


def _load(name: str | None) -> LatentDiffusion | None:
    """A model of which nothing but names and shapes is read yet."""
    from sdkit import Pipeline
    from sdkit.models import LatentDiffusion

    if name is None:
        return None
    model = Pipeline.load(name, device="cpu").model
    if not isinstance(model, LatentDiffusion):
        raise ModelError(f"{name!r} is a {model.spec.family} model, which sdkit does not know how to write")
    return model


def _patches(loras: Sequence[str], model: LatentDiffusion) -> tuple[Patch, ...]:
    from sdkit.models.lora import StackedLora, WeightNames, check_match, lora_patches, match_lora, read_lora

    if not loras:
        return ()
    manager = load_manager()
    library = Library.of(Settings.load())
    formats = {name: entry.load() for name, entry in manager.lora_formats.items()}
    stack: list[StackedLora] = []
    names = WeightNames(model.weights)
    for text in loras:
        name, strength, text_strength = _strengths(text)
        path = library.find("loras", name)
        lora = read_lora(_open(manager, path), library.hashes.hashes(path).sha256, formats)
        match = match_lora(lora, names)
        check_match(match, model.spec.family, strict=True)
        stack.append(StackedLora(match, strength, text_strength))
    return lora_patches(stack)


def _open(manager: Manager, path: Path) -> CheckpointFile:
    file = cast("CheckpointFile | None", manager.first("load_checkpoint", source=str(path)))
    if file is None:
        raise ModelError(f"{path} cannot be opened: no plugin knows such files")
    return file


def _strengths(text: str) -> tuple[str, float, float]:
    """`NAME`, `NAME:0.8` or `NAME:0.8:0.5`; a name may have colons of its own, such as a drive's."""
    parts = text.split(":")
    numbers: list[float] = []
    while len(parts) > 1 and len(numbers) < 2 and (number := _number(parts[-1])) is not None:
        numbers.insert(0, number)
        parts.pop()
    strength = numbers[0] if numbers else 1.0
    return ":".join(parts), strength, numbers[-1] if numbers else 1.0


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
