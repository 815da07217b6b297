"""HyperTile and token merging: which tokens meet, and that everything comes back to its place."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from sdkit import Pipeline
from sdkit.types import Attend, AttentionSite
from sdkit_unet_patches import HyperTile, TokenMerging
from sdkit_unet_patches.hypertile import in_tiles, out_of_tiles, parts
from sdkit_unet_patches.tome import merging_of

NO_RUN: Any = None
Site = Callable[..., AttentionSite]


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, /) -> torch.Tensor:
    return F.scaled_dot_product_attention(query, key, value)


def through(
    technique: HyperTile | TokenMerging, site: AttentionSite, x: torch.Tensor, inner: Attend = attend
) -> torch.Tensor:
    patch = technique.attention_patches(NO_RUN)
    assert patch.layer is not None
    return patch.layer(inner, x, x, x, site)


# ── HyperTile ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tiles_hold_what_lies_together() -> None:
    pixels = torch.arange(24.0).view(1, 24, 1)  # 4 rows of 6
    tiles = in_tiles(pixels, (2, 2, 3, 2))
    assert tiles[..., 0].tolist()[:2] == [[0, 1, 6, 7], [2, 3, 8, 9]]
    assert tiles[3, :, 0].tolist() == [12, 13, 18, 19]
    assert torch.equal(out_of_tiles(tiles, (2, 2, 3, 2)), pixels)


def test_attention_is_within_tiles(attention_site: Site) -> None:
    """Like attention in every quarter of the map by itself."""
    x = randn(2, 8 * 16, 4)
    came = through(HyperTile(tile_size=32, swap_size=1), attention_site((8, 16), (8, 16)), x)
    rows = x.view(2, 8, 16, 4)
    for top in (0, 4):
        for left in range(0, 16, 4):
            tile = rows[:, top : top + 4, left : left + 4].reshape(2, 16, 4)
            found = came.view(2, 8, 16, 4)[:, top : top + 4, left : left + 4].reshape(2, 16, 4)
            torch.testing.assert_close(found, attend(tile, tile, tile))


def test_as_comfyui_keys_are_strips_and_sides_exchanged(attention_site: Site) -> None:
    x = randn(1, 8 * 16, 4)
    options = HyperTile(tile_size=64, swap_size=1, as_comfyui=True)
    came = through(options, attention_site((8, 16), (8, 16)), x)
    wrong = x.view(1, 16, 8, 4)  # sixteen high and eight wide
    for number, top in enumerate((0, 8)):
        query, keys = wrong[:, top : top + 8].reshape(1, 64, 4), x[:, number * 64 : (number + 1) * 64]
        torch.testing.assert_close(came[:, top * 8 : top * 8 + 64], attend(query, keys, keys))
    assert torch.equal(through(options, attention_site((4, 8), (8, 16)), x[:, :32]), attend(*[x[:, :32]] * 3))


@pytest.mark.parametrize(("scale_depth", "tiles"), [(False, 4), (True, 1)])
def test_how_deep_it_goes(attention_site: Site, scale_depth: bool, tiles: int) -> None:
    batches: list[int] = []

    def counting(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, /) -> torch.Tensor:
        batches.append(len(query))
        return attend(query, key, value)

    options = HyperTile(tile_size=32, swap_size=1, max_depth=1, scale_depth=scale_depth)
    for side in (16, 8, 4):
        through(options, attention_site((side, side), (16, 16)), randn(1, side * side, 4), counting)
    through(options, attention_site((16, 16), (16, 16), kind="cross"), randn(1, 256, 4), counting)
    assert batches == [16, tiles, 1, 1]


def test_parts_are_chosen_by_seeds_of_their_own() -> None:
    assert {parts(64, 8, 3, seed) for seed in range(50)} == {8, 4, 2}
    assert {parts(64, 8, 3, seed, but_last=True) for seed in range(50)} == {8, 4}
    assert {parts(64, 8, 1, seed, but_last=True) for seed in range(9)} == {8}
    assert {parts(6, 8, 3, seed) for seed in range(9)} == {1}
    before = random.getstate()
    assert [parts(64, 8, 3, seed) for seed in range(9)] == [parts(64, 8, 3, seed) for seed in range(9)]
    assert random.getstate() == before


# ── token merging ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_similar_tokens_are_merged_and_everything_comes_back() -> None:
    """Four squares, each of one colour: all that is merged goes into the kept one of its own square."""
    colours = torch.eye(4).view(2, 2, 4).repeat_interleave(2, 0).repeat_interleave(2, 1).reshape(1, 16, 4)
    merging = merging_of(colours, (4, 4), 12, torch.Generator().manual_seed(1))
    assert sorted(merging.kept.tolist() + merging.merged[0].tolist()) == list(range(16))
    merged = merging.merge(colours)
    assert merged.shape == (1, 4, 4)
    torch.testing.assert_close(merging.undo(merged), colours)


def test_the_most_similar_go_first_and_kept_ones_are_means() -> None:
    tokens = randn(2, 35, 6)  # 5 rows of 7: the last row and column belong to no square
    merging = merging_of(tokens, (5, 7), 10, torch.Generator().manual_seed(0))
    assert (len(merging.kept), merging.alone.shape, merging.merged.shape) == (6, (2, 19), (2, 10))
    units = F.normalize(tokens, dim=-1)
    for row in range(2):
        likeness = {
            token: float(max(units[row, token] @ units[row, kept] for kept in merging.kept))
            for token in range(35)
            if token not in merging.kept.tolist()
        }
        assert set(merging.merged[row].tolist()) == set(sorted(likeness, key=likeness.__getitem__, reverse=True)[:10])
        kept = int(merging.into[row, 0])
        members = [merging.kept[kept], *merging.merged[row][merging.into[row] == kept]]
        torch.testing.assert_close(
            merging.merge(tokens)[row, 19 + kept], torch.stack([tokens[row, i] for i in members]).mean(0)
        )
    alone = merging.undo(merging.merge(tokens))[0, merging.alone[0]]
    assert torch.equal(alone, tokens[0, merging.alone[0]])


def test_only_the_finest_maps_queries_are_merged(attention_site: Site) -> None:
    lengths: list[tuple[int, int]] = []

    def counting(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, /) -> torch.Tensor:
        lengths.append((query.shape[1], key.shape[1]))
        return attend(query, key, value)

    options = TokenMerging(ratio=0.5)
    for size in ((8, 8), (4, 4), (1, 8)):
        latents = (8, 8) if size == (4, 4) else size
        assert (
            through(options, attention_site(size, latents), randn(1, size[0] * size[1], 4), counting).shape[1]
            == size[0] * size[1]
        )
    assert lengths == [(32, 64), (16, 16), (8, 8)]
    through(TokenMerging(ratio=1), attention_site((8, 8), (8, 8)), randn(1, 64, 4), counting)
    assert lengths[-1] == (16, 64), "one of four stays"


# ── both, in a pipeline ──────────────────────────────────────────────────────────────────────────────────────────────

ASKED: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "sampler": "euler", "guidance_scale": 3.0}


@pytest.mark.parametrize(
    "technique", [HyperTile(tile_size=32), HyperTile(tile_size=32, as_comfyui=True), TokenMerging(ratio=0.5)]
)
def test_pictures_depend_on_their_own_seeds_only(pipe: Pipeline, technique: object) -> None:
    used = pipe.using(technique)
    state = torch.get_rng_state()
    together = used("a cat", seeds=[3, 4], **ASKED).latents.tensor
    alone = used("a cat", seed=4, **ASKED).latents.tensor
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(together[1:], alone, atol=1e-4, rtol=1e-4)
    assert float((alone - pipe("a cat", seed=4, **ASKED).latents.tensor).abs().max()) > 1e-3
