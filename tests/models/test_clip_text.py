"""How the text tower adds up: in short sums, so that other programs' figures come out to the last digit."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from sdkit.models.architecture import ClipTextArchitecture, TransformerArchitecture
from sdkit.models.networks.clip import SUMMED_AT_ONCE, ClipText, Linear, SelfAttention


def filled(module: torch.nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / 30


@torch.no_grad()
def test_sums_are_cut_after_192_products() -> None:
    layer, x = Linear(500, 7), torch.randn(2, 3, 500, generator=torch.Generator().manual_seed(1))
    filled(layer)
    expected = layer.bias.expand(6, 7)
    for part in range(0, 500, SUMMED_AT_ONCE):
        columns = slice(part, part + 192)
        expected = torch.addmm(expected, x.view(6, 500)[:, columns], layer.weight[:, columns].T)
    assert torch.equal(layer(x), expected.view(2, 3, 7))
    exact = F.linear(x.double(), layer.weight.double(), layer.bias.double())
    assert float((layer(x) - exact).abs().max()) < 1e-6


@torch.no_grad()
def test_other_numbers_take_torchs_way() -> None:
    layer = Linear(500, 7, bias=False)
    filled(layer)
    x = torch.randn(5, 500, dtype=torch.float64)
    layer.double()
    assert torch.equal(layer(x), F.linear(x, layer.weight))


@torch.no_grad()
def test_attention_is_that_of_the_fused_kernel() -> None:
    layer, x = SelfAttention(48, 3), torch.randn(2, 9, 48, generator=torch.Generator().manual_seed(2)) * 30
    filled(layer)
    for causal in (True, False):
        heads = (each(x).unflatten(-1, (3, -1)).transpose(1, 2) for each in (layer.q_proj, layer.k_proj, layer.v_proj))
        fused = F.scaled_dot_product_attention(*heads, is_causal=causal)
        assert torch.allclose(layer(x, causal), layer.out_proj(fused.transpose(1, 2).flatten(2)), atol=1e-6)


@torch.no_grad()
def test_a_prompts_features_do_not_depend_on_what_shares_its_batch() -> None:
    tower = ClipText(ClipTextArchitecture(TransformerArchitecture(64, 2, 2, 128, "gelu"), 50, 12, 32))
    filled(tower)
    ids = torch.randint(0, 50, (3, 12), generator=torch.Generator().manual_seed(3))
    together, alone = tower(ids)[0], torch.cat([tower(row[None])[0] for row in ids])
    assert torch.allclose(together, alone, atol=1e-6)
