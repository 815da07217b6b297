"""CLIP's towers (arXiv:2103.00020), under the names of Hugging Face's CLIPModel, which SD1 checkpoints use.

OpenCLIP's towers are the same networks under other names; `renaming.py` shows them under these.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdkit.models.architecture import ClipImageArchitecture, ClipTextArchitecture, TransformerArchitecture
from sdkit.models.networks.layers import Conv2d, LayerNorm
from sdkit.models.networks.layers import Linear as PlainLinear

SUMMED_AT_ONCE = 192
"""Products that `Linear` adds up before it begins another sum."""


def _table(rows: int, width: int) -> nn.Embedding:
    """An embedding without initial values: drawing them on the meta device would import torch's compiler, a second's
    work."""
    return nn.Embedding.from_pretrained(torch.empty(rows, width))  # pyright: ignore[reportUnknownMemberType] - torch's


class Linear(PlainLinear):
    """A linear layer that adds up as other programs' figures were added up: `[…, I]` → `[…, O]`.

    How many products a matrix product adds up before it begins another sum is the kernel's matter: 192 for those of
    processors with AVX2, more with AVX-512. Over the layers of a tower that moves features by 3e-5. So on a CPU the
    sums are cut here, which also rounds less, for a tenth to a quarter more time; elsewhere it is the plain layer.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        if input.device.type != "cpu" or input.dtype != torch.float32:
            return super().forward(input)
        rows = input.reshape(-1, self.in_features)
        sums = torch.zeros(()) if self.bias is None else self.bias  # pyright: ignore[reportUnnecessaryComparison] - torch's stubs forget None
        sums = sums.expand(len(rows), self.out_features).clone()
        for start in range(0, self.in_features, SUMMED_AT_ONCE):
            some = slice(start, start + SUMMED_AT_ONCE)
            sums.addmm_(rows[:, some], self.weight[:, some].T)
        return sums.view(*input.shape[:-1], self.out_features)


class SelfAttention(nn.Module):
    """Multi-head attention among the tokens, `[B, T, C]`.

    Scores are whole and softmax is torch's: for so few tokens that is as fast as a fused kernel, and rounds as other
    programs do.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = Linear(width, width)
        self.k_proj = Linear(width, width)
        self.v_proj = Linear(width, width)
        self.out_proj = Linear(width, width)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        query, key, value = (
            each(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (self.q_proj, self.k_proj, self.v_proj)
        )
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        if causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        return self.out_proj((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """The inner network of a layer."""

    def __init__(self, width: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.fc1 = Linear(width, hidden)
        self.fc2 = Linear(hidden, width)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        inner = self.fc1(x)
        return self.fc2(inner * torch.sigmoid(1.702 * inner) if self.activation == "quick_gelu" else F.gelu(inner))


class Layer(nn.Module):
    """Attention and feed-forward, each normalised first and added."""

    def __init__(self, a: TransformerArchitecture) -> None:
        super().__init__()
        self.layer_norm1 = LayerNorm(a.width)
        self.self_attn = SelfAttention(a.width, a.heads)
        self.layer_norm2 = LayerNorm(a.width)
        self.mlp = FeedForward(a.width, a.hidden, a.activation)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x), causal)
        return x + self.mlp(self.layer_norm2(x))


class Transformer(nn.Module):
    """The layers of a tower."""

    def __init__(self, a: TransformerArchitecture) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(a) for _ in range(a.layers))

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        for layer in self.layers:
            x = layer(x, causal)
        return x


class TextEmbeddings(nn.Module):
    """Token and position vectors, added."""

    def __init__(self, a: ClipTextArchitecture) -> None:
        super().__init__()
        self.token_embedding = _table(a.vocabulary, a.transformer.width)
        self.position_embedding = _table(a.positions, a.transformer.width)

    def forward(self, ids: Tensor, vectors: Mapping[tuple[int, int], Tensor]) -> Tensor:
        tokens = self.token_embedding(ids.clamp(min=0))
        for (row, position), vector in vectors.items():
            tokens[row, position] = vector.to(tokens)
        return tokens + self.position_embedding.weight[: ids.shape[1]]


class TextModel(nn.Module):
    """The layers of the text tower."""

    def __init__(self, architecture: ClipTextArchitecture) -> None:
        super().__init__()
        self.embeddings = TextEmbeddings(architecture)
        self.encoder = Transformer(architecture.transformer)
        self.final_layer_norm = LayerNorm(architecture.transformer.width)


class ClipText(nn.Module):
    """The text tower, with the projection of its summary where the architecture has one."""

    def __init__(self, architecture: ClipTextArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.text_model = TextModel(architecture)
        if architecture.projection:
            self.text_projection = Linear(architecture.transformer.width, architecture.projection, bias=False)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.text_model.final_layer_norm.weight.device

    def forward(
        self, ids: Tensor, skip: int = 0, norm: bool = True, vectors: Mapping[tuple[int, int], Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Ids `[B, T]` → features `[B, T, C]` without the last `skip` layers, after the final norm unless `norm` is
        False; and those of the last layer, always after the norm.

        `vectors`: what stands at (row, position) instead of the id's own vector, `[C]` each.
        """
        x = self.text_model.embeddings(ids, vectors or {})
        layers, finish = self.text_model.encoder.layers, self.text_model.final_layer_norm
        features = x
        for number, layer in enumerate(layers, start=1):
            x = layer(x, causal=True)
            if number == len(layers) - skip:
                features = x
        last = finish(x)
        if not norm:
            return features, last
        return (finish(features) if skip else last), last

    def project(self, summary: Tensor) -> Tensor:
        """The projection of features `[B, C]`, `[B, P]`; themselves where there is none."""
        return self.text_projection(summary) if self.architecture.projection else summary


class ImageEmbeddings(nn.Module):
    """A picture as patches, with a class token in front, and position vectors."""

    def __init__(self, a: ClipImageArchitecture) -> None:
        super().__init__()
        width = a.transformer.width
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.patch_embedding = Conv2d(3, width, a.patch, stride=a.patch, bias=False)
        self.position_embedding = _table((a.side // a.patch) ** 2 + 1, width)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(pixels), 1, -1)
        return torch.cat((first, patches), dim=1) + self.position_embedding.weight


class ImageTower(nn.Module):
    """Normalised pictures → one vector each, `[B, C]`."""

    def __init__(self, a: ClipImageArchitecture) -> None:
        super().__init__()
        self.embeddings = ImageEmbeddings(a)
        self.pre_layrnorm = LayerNorm(a.transformer.width)  # sic, in every CLIP checkpoint
        self.encoder = Transformer(a.transformer)
        self.post_layernorm = LayerNorm(a.transformer.width)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.encoder(self.pre_layrnorm(self.embeddings(pixels)), causal=False)
        return self.post_layernorm(tokens[:, 0])


class ClipImage(nn.Module):
    """The image tower and the two projections into the space where texts and pictures are compared."""

    def __init__(self, architecture: ClipImageArchitecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        self.vision_model = ImageTower(a)
        self.visual_projection = Linear(a.transformer.width, a.projection, bias=False)
        self.text_projection = Linear(a.text_width, a.projection, bias=False)

    def picture_vectors(self, pixels: Tensor) -> Tensor:
        """Normalised pictures `[B, 3, side, side]` → unit vectors `[B, P]`."""
        return F.normalize(self.visual_projection(self.vision_model(pixels)), dim=-1)

    def text_vectors(self, pooled: Tensor) -> Tensor:
        """The text tower's features at each text's end token, `[B, C]` → unit vectors `[B, P]`."""
        return F.normalize(self.text_projection(pooled), dim=-1)
