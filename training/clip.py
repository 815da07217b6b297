"""Stage ``clip``: text and image towers, trained contrastively on near-miss scenes with attribute heads beside them."""

import random
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPConfig
from transformers.models.clip.modeling_clip import CLIPModel

from training.captions import CHOICES, FIELDS, Caption, caption, plain, truth
from training.render import SIDE, Renderer
from training.state import Loop, load, warm_cosine
from training.tokens import BOS, EOS, LENGTH, Tokens
from training.world import POSITIONS, Scene, World, make_split

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's own normalisation of pictures."""


@dataclass(frozen=True)
class ClipRecipe:
    """What decides the result, with the values of the shipped file.

    From ``vision_from`` on only the image tower learns, with a second warm-up: the U-Net trains on the text tower
    meanwhile.
    """

    width: int = 128
    text_layers: int = 3
    vision_layers: int = 3
    patch: int = 16
    projection: int = 128
    steps: int = 1500
    vision_from: int = 1200
    scenes: int = 48
    near: int = 3
    rate: float = 1e-3
    heads: float = 0.5
    pair_share: float = 0.35
    tokens: int = 24
    seed: int = 12


def build_clip(recipe: ClipRecipe, vocabulary: int = 49408, end: int = EOS) -> CLIPModel:
    """Both towers; training uses a small vocabulary, whose id for the end of text is ``end``."""
    shared = {
        "hidden_size": recipe.width,
        "intermediate_size": 4 * recipe.width,
        "num_attention_heads": recipe.width // 64,
        "hidden_act": "quick_gelu",
        "projection_dim": recipe.projection,
    }
    text = {
        **shared,
        "num_hidden_layers": recipe.text_layers,
        "max_position_embeddings": LENGTH,
        "vocab_size": vocabulary,
        "eos_token_id": end,
    }
    vision = {**shared, "num_hidden_layers": recipe.vision_layers, "image_size": SIDE, "patch_size": recipe.patch}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=recipe.projection)
    # The fused attention of torch 2.13 is many times slower backwards on a CPU than three plain products.
    return CLIPModel._from_config(config, attn_implementation="eager")


def used_tokens(tokens: Tokens, seed: int, count: int = 20_000) -> Tensor:
    """The ids that captions of the world contain, ascending; EOS is the last."""
    rng, world = random.Random(f"vocabulary {seed}"), World()
    ids = {BOS, EOS}
    for _ in range(count):
        ids.update(tokens.encode(caption(rng, world.scene(rng, 0.3)).text))
    return torch.tensor(sorted(ids))


class AttributeHeads(nn.Module):
    """One linear classifier per attribute on a tower's pooled output; used in training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, count) for count in CHOICES)

    def loss(self, pooled: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross entropy and accuracy over the attributes that apply (``wanted [B, 8]`` is -1 elsewhere)."""
        losses, right = [], []
        for layer, column in zip(self.layers, wanted.T, strict=True):
            if (column >= 0).any():
                logits = layer(pooled)
                losses.append(F.cross_entropy(logits, column, ignore_index=-1))
                right.append((logits.argmax(-1) == column)[column >= 0].float().mean())
        return torch.stack(losses).mean(), torch.stack(right).mean()


def compatible(said: Tensor, true: Tensor, places: Tensor) -> Tensor:
    """``[captions, pictures]``: is every word of the caption true of the picture?

    ``said [B, 8]`` and ``true [B, 8]`` are attribute indices (-1: silent), ``places [B, 5]`` which position words hold.
    """
    position = FIELDS.index("position")
    same = (said[:, None] == true[None]) | (said[:, None] < 0)
    same[..., position] = (said[:, None, position] < 0) | places.T[said[:, position].clamp(min=0)]
    return same.all(-1)


def attributes(scenes: list[Scene]) -> tuple[Tensor, Tensor]:
    """What is true of each scene: attribute indices ``[B, 8]`` and position words ``[B, 5]``."""
    places = [[len(s.things) == 1 and name in s.things[0].positions for name in POSITIONS] for s in scenes]
    return torch.tensor([truth(s) for s in scenes]), torch.tensor(places)


def normalise(pictures: Tensor) -> Tensor:
    """Pictures in 0..1 as the image tower expects them."""
    return (pictures - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def train_clip(folder: Path, recipe: ClipRecipe) -> None:
    """Train, or go on from ``folder/clip.pt``."""
    torch.manual_seed(recipe.seed)
    world, render, tokens = World(frozenset(make_split())), Renderer(), Tokens()
    used = used_tokens(tokens, recipe.seed)
    model = build_clip(recipe, len(used), len(used) - 1)
    towers = AttributeHeads(recipe.width), AttributeHeads(recipe.width)
    heads = nn.ModuleDict({"text": towers[0], "vision": towers[1]})
    parameters = [*model.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, recipe.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    modules = {"model": model, "heads": heads, "optimizer": optimizer}
    loop = Loop(
        "clip",
        folder,
        recipe.steps,
        lambda step: {
            **{name: module.state_dict() for name, module in modules.items()},
            "recipe": asdict(recipe),
            "used": used,
        },
        every=200,
    )
    if (folder / "clip.pt").exists():
        state = load(folder / "clip.pt")
        for name, module in modules.items():
            module.load_state_dict(state[name])
        loop.step = state["step"]
    test = retrieval_test(recipe.seed)
    for step in loop:
        rng = random.Random(f"{recipe.seed} {step}")
        late = step >= recipe.vision_from
        if late:
            for part in (model.text_model, model.text_projection):
                part.requires_grad_(False)
            factor = 0.5 * warm_cosine(step - recipe.vision_from, recipe.steps - recipe.vision_from, 20)
        else:
            factor = warm_cosine(step, recipe.vision_from)
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * factor
        scenes = []
        for _ in range(recipe.scenes):
            scene = world.scene(rng, recipe.pair_share)
            scenes += [scene, *(world.near_miss(rng, scene) for _ in range(recipe.near))]
        captions = [caption(rng, scene, full=0.7 if late else 0.3) for scene in scenes]
        ids = torch.searchsorted(used, tokens([c.text for c in captions], recipe.tokens))
        loss, numbers = _loss(model, towers, render(scenes), ids, captions, scenes, recipe.heads)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            model.logit_scale.clamp_(max=4.6052)
        if step % 200 == 199:
            ids = torch.searchsorted(used, tokens(test[1]))
            numbers["unseen"] = retrieval(model, render(test[0]), ids) * loop.log_every
        loop.add(**numbers)


def _loss(
    model: CLIPModel,
    heads: tuple[AttributeHeads, AttributeHeads],
    pictures: Tensor,
    ids: Tensor,
    captions: list[Caption],
    scenes: list[Scene],
    weight: float,
) -> tuple[Tensor, dict[str, float]]:
    """Contrastive loss in which captions that happen to be true of another picture do not count against it."""
    said = torch.tensor([c.said for c in captions])
    true, places = attributes(scenes)
    with torch.autocast("cpu", torch.bfloat16):
        text = model.text_model(input_ids=ids).pooler_output
        image = model.vision_model(pixel_values=normalise(pictures)).pooler_output
        text_vector, image_vector = model.text_projection(text), model.visual_projection(image)
    text_vector = F.normalize(text_vector.float(), dim=-1)
    image_vector = F.normalize(image_vector.float(), dim=-1)
    logits = model.logit_scale.exp() * text_vector @ image_vector.T
    diagonal = torch.eye(len(scenes), dtype=torch.bool)
    logits = logits.masked_fill(compatible(said, true, places) & ~diagonal, -1e4)
    target = torch.arange(len(scenes))
    contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    text_loss, text_right = heads[0].loss(text.float(), said)
    image_loss, image_right = heads[1].loss(image.float(), true)
    numbers = {
        "contrast": contrast.item(),
        "matched": (logits.argmax(1) == target).float().mean().item(),
        "text": text_right.item(),
        "image": image_right.item(),
    }
    return contrast + weight * (text_loss + image_loss), numbers


def retrieval_test(seed: int, count: int = 64, rounds: int = 4) -> tuple[list[Scene], list[str]]:
    """``rounds`` groups of ``count`` held-out scenes whose full captions differ within the group."""
    held = frozenset(make_split())
    rng, world = random.Random(f"retrieval {seed}"), World()
    scenes: list[Scene] = []
    while len(scenes) < count * rounds:
        scene = world.scene(rng, 0.25)
        group = scenes[len(scenes) // count * count :]
        if held.issuperset(scene.triples) and plain(scene) not in {plain(s) for s in group}:
            scenes.append(scene)
    return scenes, [plain(s) for s in scenes]


@torch.no_grad()
def retrieval(model: CLIPModel, pictures: Tensor, ids: Tensor, count: int = 64) -> float:
    """Share of captions whose own picture scores highest among ``count``."""
    text = model.text_projection(model.text_model(input_ids=ids).pooler_output)
    image = model.visual_projection(model.vision_model(pixel_values=normalise(pictures)).pooler_output)
    text, image = (F.normalize(v, dim=-1).view(-1, count, v.shape[-1]) for v in (text, image))
    return ((text @ image.transpose(1, 2)).argmax(-1) == torch.arange(count)).float().mean().item()


def load_clip(folder: Path) -> CLIPModel:
    """The trained towers in fp32 with CLIP's whole vocabulary; rows that training never used are zero."""
    state = load(folder / "clip.pt")
    model = build_clip(ClipRecipe(**state["recipe"]))
    weights, name = dict(state["model"]), "text_model.embeddings.token_embedding.weight"
    whole = torch.zeros(49408, weights[name].shape[1])
    whole[state["used"]] = weights[name]
    model.load_state_dict({**weights, name: whole})
    return model.eval().requires_grad_(False)
