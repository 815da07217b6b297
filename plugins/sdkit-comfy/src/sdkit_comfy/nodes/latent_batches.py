"""Batches of latents: joined, split, repeated, and which noise each of them gets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdkit import node
from sdkit.editing import join_latents, pick_latents, rebatch_latents, repeat_latents, share_noise
from sdkit_comfy.ranges import Few, Many
from sdkit_comfy.sockets import LATENT
from sdkit_comfy.values.latents import from_batch, to_batch


@node(name="LatentFromBatch", category="latent/batch")
def latent_from_batch(
    *, samples: LATENT, batch_index: Annotated[int, Field(ge=0, le=63)] = 0, length: Few = 1
) -> LATENT:
    """Some of the latents, from this number on; they keep their noise."""
    return from_batch(pick_latents(to_batch(samples), batch_index, length), samples)


@node(name="RepeatLatentBatch", category="latent/batch")
def repeat_latent_batch(*, samples: LATENT, amount: Few = 1) -> LATENT:
    """All latents, so many times one after the other."""
    return from_batch(repeat_latents(to_batch(samples), amount), samples)


@node(name="LatentBatch", category="latent/batch")
def latent_batch(*, samples1: LATENT, samples2: LATENT) -> LATENT:
    """The latents of both, in the first one's size."""
    return from_batch(join_latents((to_batch(samples1), to_batch(samples2))), samples1)


@node(name="LatentBatchSeedBehavior", category="latent/advanced")
def latent_batch_seed_behavior(*, samples: LATENT, seed_behavior: Literal["random", "fixed"] = "fixed") -> LATENT:
    """Whether all latents get the same noise ("fixed"), or each its own."""
    return from_batch(share_noise(to_batch(samples), shared=seed_behavior == "fixed"), samples)


@node(name="RebatchLatents", category="latent/batch", takes_lists=True)
def rebatch(*, latents: list[LATENT], batch_size: list[Many]) -> list[LATENT]:
    """The latents of a list of batches in batches of another size."""
    return [from_batch(batch) for batch in rebatch_latents(map(to_batch, latents), batch_size[0])]
