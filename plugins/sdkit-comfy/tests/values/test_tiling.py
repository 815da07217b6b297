"""Tiles against the whole."""

from __future__ import annotations

import torch

from sdkit_comfy.values.tiling import decode_tiled, encode_tiled


def enlarged(latents: torch.Tensor) -> torch.Tensor:
    """A decoder that looks at one latent at a time: tiles make no difference."""
    return latents[:, :3].repeat_interleave(8, 2).repeat_interleave(8, 3).movedim(1, -1)


def shrunk(pictures: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(pictures.movedim(-1, 1), 8)


def test_tiles_of_a_local_function_are_the_whole() -> None:
    latents = torch.rand(2, 4, 40, 24, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(decode_tiled(enlarged, latents, 8, 16, 4), enlarged(latents), atol=1e-6)
    pictures = enlarged(latents)
    assert torch.allclose(encode_tiled(shrunk, pictures, 8, 128, 32), shrunk(pictures), atol=1e-6)


def test_tiles_are_no_larger_than_said_and_blend() -> None:
    sizes: set[tuple[int, int]] = set()

    def by_tile(latents: torch.Tensor) -> torch.Tensor:
        sizes.add((latents.shape[-2], latents.shape[-1]))
        return torch.full((1, latents.shape[-2] * 8, latents.shape[-1] * 8, 3), float(latents.mean()))

    ramp = torch.linspace(0, 1, 40).expand(1, 4, 16, 40)
    made = decode_tiled(by_tile, ramp, 8, 16, 4)
    assert max(high for high, _ in sizes) <= 32
    assert max(wide for _, wide in sizes) <= 32
    steps = made[0, 0, :, 0].diff()
    assert float(steps.min()) >= -1e-6  # no seam goes back
    assert float(steps.max()) < 0.02
