"""Patches inside the noise predictor: where they are called, with what, and that a call without them is untouched."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sdkit.errors import ModelError
from sdkit.models import LatentDiffusion, detect_family, open_checkpoint, sd1
from sdkit.models.tokenizer import plain_prompt
from sdkit.testing import ToyModel, random_checkpoint
from sdkit.types import (
    Attend,
    AttentionPatch,
    AttentionSite,
    BlockPatch,
    BlockSite,
    CallPatches,
    Embedding,
    NetworkCall,
    NetworkPatches,
)

CALL = NetworkCall(2.5, 300.0, (2, 4, 8, 12), (("negative",), ("positive",)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LatentDiffusion:
    path = random_checkpoint(tmp_path_factory.mktemp("patches") / "model.safetensors", attention_levels=(0, 1))
    file = open_checkpoint(path)
    return sd1.load(file, detect_family(file, [sd1])[1], device=torch.device("cpu"), dtype=torch.float32)


def latents(height: int = 8, width: int = 12) -> Tensor:
    return torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(0))


def words(model: LatentDiffusion, first: str = "a cat", second: str = "a dog") -> Embedding:
    return Embedding(torch.cat([model.encode_text(plain_prompt(text)).context for text in (first, second)]))


def predict(
    model: LatentDiffusion,
    *,
    attention: tuple[AttentionPatch, ...] = (),
    blocks: tuple[BlockPatch, ...] = (),
    x: Tensor | None = None,
    told: Embedding | None = None,
) -> Tensor:
    patches = CallPatches(NetworkPatches(attention, blocks), CALL)
    return model.predict(latents() if x is None else x, 300.0, told or words(model), patches)


def test_patches_that_do_nothing_change_no_bit(model: LatentDiffusion) -> None:
    def same(attend: Attend, query: Tensor, key: Tensor, value: Tensor, site: AttentionSite) -> Tensor:
        return attend(query, key, value)

    nothing = BlockPatch(
        input=lambda x, site: x,
        down=lambda x, site: x,
        middle=lambda x, site: x,
        output=lambda x, skip, site: (x, skip),
    )
    plain = model.predict(latents(), 300.0, words(model))
    assert torch.equal(predict(model, attention=(AttentionPatch(same, same),), blocks=(nothing,)), plain)
    assert torch.equal(predict(model), plain)
    assert torch.equal(model.predict(latents(), 300.0, words(model), None), plain)


def test_attention_sites_say_where_they_are(model: LatentDiffusion) -> None:
    seen: list[tuple[str, int, int, str, tuple[int, int]]] = []
    shapes: set[tuple[tuple[int, ...], ...]] = set()

    def layer(attend: Attend, query: Tensor, key: Tensor, value: Tensor, site: AttentionSite) -> Tensor:
        assert (site.call, site.base) == (CALL, 32)
        assert query.shape[:2] == (2, site.size[0] * site.size[1])
        assert key is value
        assert key.shape[1] == (77 if site.kind == "cross" else query.shape[1])
        seen.append((site.part, site.block, site.index, site.kind, site.size))
        return attend(query, key, value)

    def mixing(attend: Attend, query: Tensor, key: Tensor, value: Tensor, site: AttentionSite) -> Tensor:
        width = 32 if site.size == (8, 12) else 64
        assert query.shape == (2, site.heads, site.size[0] * site.size[1], width // site.heads)
        shapes.add((tuple(key.shape[2:]), tuple(value.shape[2:])))
        return attend(query, key, value)

    predict(model, attention=(AttentionPatch(layer, mixing),))
    fine, coarse = (8, 12), (4, 6)
    blocks = [
        ("input", 1, fine),
        ("input", 3, coarse),
        ("middle", 0, coarse),
        *[("output", number, coarse if number < 2 else fine) for number in range(4)],
    ]
    assert seen == [(part, number, 0, kind, size) for part, number, size in blocks for kind in ("self", "cross")]
    assert all(key == value for key, value in shapes)


def test_what_an_attention_patch_returns_is_used(model: LatentDiffusion) -> None:
    def deaf(attend: Attend, query: Tensor, key: Tensor, value: Tensor, site: AttentionSite) -> Tensor:
        return torch.zeros_like(query) if site.kind == "cross" else attend(query, key, value)

    layer, mixing = AttentionPatch(layer=deaf), AttentionPatch(mixing=deaf)
    other = words(model, "a house", "the sea")
    assert not torch.equal(predict(model), predict(model, told=other))
    assert torch.equal(predict(model, attention=(layer,)), predict(model, attention=(layer,), told=other))
    inside = predict(model, attention=(mixing,))
    assert torch.equal(inside, predict(model, attention=(mixing,), told=other))
    assert not torch.equal(inside, predict(model, attention=(layer,))), "the output projection has a bias"


def test_the_last_attention_patch_is_the_outermost(model: LatentDiffusion) -> None:
    order: list[str] = []

    def named(name: str) -> AttentionPatch:
        def around(attend: Attend, query: Tensor, key: Tensor, value: Tensor, site: AttentionSite) -> Tensor:
            if (site.part, site.kind) != ("middle", "self"):
                return attend(query, key, value)
            order.append(name)
            result = attend(query, key, value)
            order.append(f"/{name}")
            return result

        return AttentionPatch(layer=around, mixing=around)

    predict(model, attention=(named("a"), named("b")))
    assert order == ["b", "a", "b", "a", "/a", "/b", "/a", "/b"], "b's layer, a's layer, b's mixing, a's mixing"


def test_block_patches_are_called_in_turn_and_where_they_say(model: LatentDiffusion) -> None:
    order: list[tuple[str, str, int]] = []
    widths: list[tuple[int, int]] = []

    def tell(what: str, x: Tensor, site: BlockSite) -> Tensor:
        assert (site.call, site.base) == (CALL, 32)
        order.append((what, site.part, site.block))
        return x

    def output(x: Tensor, skip: Tensor, site: BlockSite) -> tuple[Tensor, Tensor]:
        tell("output", x, site)
        widths.append((x.shape[1], skip.shape[1]))
        return x, skip

    patch = BlockPatch(
        input=lambda x, site: tell("input", x, site),
        down=lambda x, site: tell("down", x, site),
        middle=lambda x, site: tell("middle", x, site),
        output=output,
    )
    predict(model, blocks=(patch,))
    down = [(what, "input", number) for number in range(4) for what in ("input", "down")]
    assert order == [*down, ("middle", "middle", 0), *[("output", "output", number) for number in range(4)]]
    assert widths == [(64, 64), (64, 32), (64, 32), (32, 32)]


def test_a_kept_map_is_what_input_returned_and_not_what_down_did(model: LatentDiffusion) -> None:
    kept: list[Tensor] = []

    def output(x: Tensor, skip: Tensor, site: BlockSite) -> tuple[Tensor, Tensor]:
        kept.append(skip)
        return x, skip

    def at_first(x: Tensor, site: BlockSite) -> Tensor:
        return torch.full_like(x, 3.0) if site.block == 0 else x

    def skips(*patches: BlockPatch) -> list[Tensor]:
        kept.clear()
        predict(model, blocks=(*patches, BlockPatch(output=output)))
        return kept[::-1]

    plain, changed, later = skips(), skips(BlockPatch(input=at_first)), skips(BlockPatch(down=at_first))
    assert torch.equal(changed[0], torch.full_like(plain[0], 3.0))
    assert torch.equal(later[0], plain[0])
    assert torch.equal(changed[1], later[1]), "the next block gets the same"
    assert not torch.equal(changed[1], plain[1])


@pytest.mark.parametrize("size", [(8, 12), (9, 13)])
def test_maps_may_be_smaller_inside(model: LatentDiffusion, size: tuple[int, int]) -> None:
    """As deep shrink does it: what skips over is as large as ever."""
    inner: list[tuple[int, int]] = []

    def shrink(x: Tensor, site: BlockSite) -> Tensor:
        return F.avg_pool2d(x, 2) if site.block == 1 else x

    def middle(x: Tensor, site: BlockSite) -> Tensor:
        inner.append((x.shape[2], x.shape[3]))
        return x * 2

    def enlarge(x: Tensor, skip: Tensor, site: BlockSite) -> tuple[Tensor, Tensor]:
        return F.interpolate(x, skip.shape[-2:]), skip

    x = latents(*size)
    patch = BlockPatch(down=shrink, middle=middle, output=enlarge)
    assert predict(model, blocks=(patch,), x=x).shape == x.shape
    assert inner == [(2, 3)]


def test_other_calls_see_nothing_of_it(model: LatentDiffusion) -> None:
    plain = model.predict(latents(), 300.0, words(model))
    assert not torch.equal(predict(model, blocks=(BlockPatch(middle=lambda x, site: x * 0),)), plain)
    assert torch.equal(model.predict(latents(), 300.0, words(model)), plain)


def test_a_call_knows_the_rows_of_its_branches() -> None:
    call = NetworkCall(1.0, 5.0, (6, 4, 8, 8), (("negative",), ("positive", "negative"), ("positive",)))
    assert call.rows("negative") == (slice(0, 2), slice(2, 4))
    assert call.rows("positive") == (slice(2, 4), slice(4, 6))
    assert call.rows("else") == ()


def test_a_model_without_an_inside_refuses() -> None:
    toy = ToyModel()
    with pytest.raises(ModelError, match="the toy model 'toy' has no layers and blocks that could be patched"):
        toy.predict(latents(), 300.0, toy.encode_text(plain_prompt("a"), 1), CallPatches(NetworkPatches(), CALL))
