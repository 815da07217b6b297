"""New checkpoints from old ones: weighted sums, differences added, and LoRAs baked in, weight by weight.

With A, B, C the same weight in three models and m the amount for it:

- weighted sum: A·(1 − m) + B·m
- add difference: A + (B − C)·m (task arithmetic, arXiv:2212.04089)

All is computed in float32 and rounded once, to the dtype that is written. Files are read and written one weight after
another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from sdkit.errors import ModelError, RequestError
from sdkit.models.hashes import Progress
from sdkit.models.merge_blocks import MergeBlocks, blocks_of, parse_blocks, unet_blocks
from sdkit.models.saving import Layout, model_spec, patched, save_weights, stored_weights
from sdkit.models.writing import Weight

if TYPE_CHECKING:
    import torch

    from sdkit.models.latent_diffusion import LatentDiffusion
    from sdkit.types import Patch

Method: TypeAlias = Literal["weighted_sum", "add_difference"]
VaeFrom: TypeAlias = Literal["a", "b", "c", "merge"]

_AT_ONCE = 1 << 20
"""So many numbers are merged at a time: the largest weights, in float32 and several copies, take hundreds of
megabytes."""

_FIRST_CONVOLUTION = "unet.input_blocks.0.0.weight"


@dataclass(frozen=True)
class Recipe:
    """How models are merged.

    `amount`: m, usually 0…1; of the whole U-Net unless `blocks` says more: numbers for its blocks in order, with that
    of the text encoders (BASE) in front or not, or as people write them: "0.5, 0, …", "IN03=0.2 OUT11=1". `text`: m of
    the text encoders; None is BASE if there is one, else `amount`. `vae`: whose VAE is taken; "merge" treats it like
    the text encoders, which is seldom good for it.
    """

    method: Method = "weighted_sum"
    amount: float = 0.5
    blocks: str | Sequence[float] | None = None
    text: float | None = None
    vae: VaeFrom = "a"


def merge(
    path: str | Path,
    a: LatentDiffusion,
    b: LatentDiffusion | None = None,
    c: LatentDiffusion | None = None,
    *,
    recipe: Recipe | None = None,
    patches: Sequence[Patch] = (),
    layout: Layout = "single",
    dtype: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write what two or three models give, or one with `patches` baked in, such as LoRAs.

    The models may be loaded anywhere; their files are read anew. `a` gives what the others lack, such as the further
    channels of an inpainting model, and the dtype of each weight, unless `dtype` does: float32, float16 or bfloat16.

    Raises ModelError for models that do not fit together and for a `path` that is there already, RequestError for a
    recipe that cannot be; both before anything is written.
    """
    recipe = recipe or Recipe()
    others = {name: model for name, model in (("b", b), ("c", c)) if model is not None}
    _check_recipe(recipe, others)
    for other in others.values():
        _check_pair(a, other)
    weights = stored_weights(a)
    if b is not None:
        weights = _merged(weights, {name: _by_name(model) for name, model in others.items()}, recipe)
    title = Path(path).stem
    metadata = model_spec(a.architecture, title, {}) | {"sdkit.merge": _described(recipe, a, others, patches)}
    return save_weights(
        patched(weights, patches), a.architecture, path, metadata,
        layout=layout, dtype=dtype, overwrite=overwrite, progress=progress,
    )  # fmt: skip


def _merged(weights: Sequence[Weight], others: dict[str, dict[str, Weight]], recipe: Recipe) -> list[Weight]:
    """The merged weights; those of which the others have none stay as they are."""
    names = [name.removeprefix("unet.") for name in (weight.name for weight in weights) if name.startswith("unet.")]
    blocks = _blocks(recipe, unet_blocks(names))
    _check_finite(recipe, blocks)
    found: list[Weight] = []
    for weight in weights:
        own = {name: other[weight.name] for name, other in others.items() if weight.name in other}
        amount = _amount(weight.name, recipe, blocks)
        if len(own) < len(others) or amount == 0:
            found.append(weight)
        elif weight.name.startswith("vae.") and recipe.vae in own:
            found.append(own[recipe.vae])
        else:
            found.append(_computed(weight, own["b"], own.get("c"), amount))
    return found


def _blocks(recipe: Recipe, blocks: tuple[str, ...]) -> MergeBlocks:
    if recipe.blocks is None:
        return MergeBlocks(dict.fromkeys(blocks, recipe.amount))
    if isinstance(recipe.blocks, str):
        return parse_blocks(recipe.blocks, blocks, recipe.amount)
    return blocks_of(recipe.blocks, blocks)


def _check_finite(recipe: Recipe, blocks: MergeBlocks) -> None:
    amounts = [recipe.amount, recipe.text, blocks.base, *blocks.weights.values()]
    wrong = [amount for amount in amounts if amount is not None and not math.isfinite(amount)]
    if wrong:
        raise RequestError(f"an amount to merge by is a finite number, usually 0 to 1, not {wrong[0]}")


def _amount(name: str, recipe: Recipe, blocks: MergeBlocks) -> float:
    network, _, rest = name.partition(".")
    if network == "unet":
        return blocks.of(rest)
    if network == "vae" and recipe.vae != "merge":
        return float(recipe.vae != "a")
    return next(value for value in (recipe.text, blocks.base, recipe.amount) if value is not None)


def _computed(a: Weight, b: Weight, c: Weight | None, amount: float) -> Weight:
    """The merged weight, made some rows at a time."""

    def pieces() -> Iterator[torch.Tensor]:
        first, second = a.make(), b.make()
        third = None if c is None else c.make()
        if not first.ndim:
            yield _merged_part(first, second, third, amount)
            return
        rows = max(1, _AT_ONCE * len(first) // max(1, first.numel()))
        for start in range(0, len(first), rows):
            part = slice(start, start + rows)
            yield _merged_part(first[part], second[part], None if third is None else third[part], amount)

    def make() -> torch.Tensor:
        import torch

        made = tuple(pieces())
        return made[0] if len(made) == 1 else torch.cat(made)

    return replace(a, make=make, pieces=pieces)


def _merged_part(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor | None, amount: float) -> torch.Tensor:
    """Some rows of a weight, in float32."""
    merged = a.float().clone()
    common = merged[:, : b.shape[1]] if a.shape != b.shape else merged  # the channels that both have
    if c is None:
        common.mul_(1 - amount).add_(b.float() * amount)
    else:
        common.add_((b.float() - c.float()) * amount)
    return merged


def _by_name(model: LatentDiffusion) -> dict[str, Weight]:
    return {weight.name: weight for weight in stored_weights(model)}


def _check_recipe(recipe: Recipe, others: dict[str, LatentDiffusion]) -> None:
    if recipe.method not in get_args(Method):
        raise RequestError(f"models are merged by {' or '.join(get_args(Method))}, not {recipe.method!r}")
    if recipe.vae not in get_args(VaeFrom):
        raise RequestError(f"the VAE is taken from {', '.join(get_args(VaeFrom))}, not {recipe.vae!r}")
    if not others:
        return
    needed = {"weighted_sum": {"b"}, "add_difference": {"b", "c"}}[recipe.method]
    if set(others) != needed:
        wanted = " and ".join(["a", *sorted(needed)])
        raise RequestError(f"{recipe.method} takes the models {wanted}, not a{''.join(f', {name}' for name in others)}")
    if recipe.vae in ("b", "c") and recipe.vae not in others:
        raise RequestError(f"the VAE cannot be model {recipe.vae}'s: there is none")


def _check_pair(a: LatentDiffusion, other: LatentDiffusion) -> None:
    """Raise ModelError unless all that both have fits together."""
    if a.architecture.kind.name != other.architecture.kind.name:
        raise ModelError(
            f"{a.name!r} is {a.architecture.kind.title} and {other.name!r} is {other.architecture.kind.title}: models "
            "of different families cannot be merged"
        )
    shapes = {weight.name: weight.shape for weight in stored_weights(a)}
    theirs = {weight.name: weight.shape for weight in stored_weights(other)}
    only = [name for name in (*shapes, *theirs) if (name in shapes) != (name in theirs)]
    lacking = [name for name in only if not name.startswith("image_tower.")]
    if lacking:
        raise ModelError(
            f"{a.name!r} and {other.name!r} are built differently: {len(lacking)} weights are in one of them only "
            f"(first: {', '.join(lacking[:3])}). A distilled model merges with its own kind only"
        )
    wrong = [name for name in shapes if name in theirs and not _fits(name, shapes[name], theirs[name])]
    if wrong:
        first = wrong[0]
        raise ModelError(
            f"{len(wrong)} weights of {a.name!r} and {other.name!r} have different shapes (first: {first}, "
            f"{list(shapes[first])} and {list(theirs[first])}), so they cannot be merged"
        )


def _fits(name: str, a: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Same shape; in the first convolution, `a` may see further channels, as inpainting models do."""
    if a == other:
        return True
    return name == _FIRST_CONVOLUTION and a[:1] + a[2:] == other[:1] + other[2:] and a[1] > other[1]


def _described(recipe: Recipe, a: LatentDiffusion, others: dict[str, LatentDiffusion], patches: Sequence[Patch]) -> str:
    """What was done, as JSON, for whoever looks into the file."""
    done: dict[str, object] = {"a": a.name, **{name: model.name for name, model in others.items()}}
    if others:
        blocks = recipe.blocks if recipe.blocks is None or isinstance(recipe.blocks, str) else list(recipe.blocks)
        done |= {"method": recipe.method, "amount": recipe.amount, "blocks": blocks, "text": recipe.text}
        done["vae"] = recipe.vae
    if patches:
        done["patches"] = [str(patch.key) for patch in patches]
    return json.dumps({name: value for name, value in done.items() if value is not None})
