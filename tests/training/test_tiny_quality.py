"""A small version of `benchmarks/tiny_quality.py`: bars that a broken model or loader fails, with room above noise."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

import sdkit
from benchmarks._tiny_prompts import measure, unseen_prompts
from benchmarks.tiny_quality import CARD, END, START, Row, retrieval, warm_share, write_card
from sdkit.models import embedded_checkpoint

Draw = Callable[[str, Sequence[int]], Tensor]


@pytest.fixture(scope="module")
def pipe() -> sdkit.Pipeline:
    return sdkit.Pipeline.load(device="cpu")


def drawn_by(pipe: sdkit.Pipeline, guidance_scale: float | None = None) -> Draw:
    def draw(prompt: str, seeds: Sequence[int]) -> Tensor:
        result = pipe(prompt, seeds=list(seeds), guidance_scale=guidance_scale)
        return torch.stack([image.pixels for image in result.images])

    return draw


@pytest.mark.slow
def test_unseen_prompts_are_drawn(pipe: sdkit.Pipeline) -> None:
    tally, failed = measure(drawn_by(pipe), unseen_prompts(18, 6), [1])
    names = ("background", "colour", "shape", "position", "size")
    shares = {name: round(tally.share(name), 2) for name in names}
    assert all(share >= bar for share, bar in zip(shares.values(), (0.8, 0.7, 0.55, 0.6, 0.6), strict=True)), (
        shares,
        [wanted.prompt for wanted, _ in failed],
    )


@pytest.mark.slow
def test_guidance_and_negative_prompts_do_something(pipe: sdkit.Pipeline) -> None:
    assert warm_share(pipe, "red", 12) < warm_share(pipe, "", 12)
    prompts = unseen_prompts(10, 0)
    guided, _ = measure(drawn_by(pipe), prompts, [2])
    unguided, _ = measure(drawn_by(pipe, guidance_scale=1.0), prompts, [2])
    assert unguided.share("everything") < guided.share("everything")


@pytest.mark.slow
def test_texts_find_their_pictures(pipe: sdkit.Pipeline) -> None:
    assert retrieval(pipe, rounds=1) >= 0.8


def test_the_file_is_small_and_in_half_precision() -> None:
    path = embedded_checkpoint()
    assert path.stat().st_size <= 32_000_000
    with safe_open(path, "pt") as weights:
        assert {str(weights.get_slice(key).get_dtype()) for key in weights.keys()} == {"F16"}  # noqa: SIM118
        assert weights.metadata()["modelspec.license"] == "CC0-1.0"


def test_the_model_card_holds_a_table_between_its_marks(tmp_path: Path) -> None:
    card = CARD.read_text(encoding="utf-8")
    assert card.index(START) < card.index("| shape |") < card.index(END)
    copy = tmp_path / "card.md"
    copy.write_text(card, encoding="utf-8")
    write_card(copy, ["| shape | 12.0 % |"])
    assert "| shape | 12.0 % |" in copy.read_text(encoding="utf-8")
    assert copy.read_text(encoding="utf-8").startswith(card[: card.index(START)])


def test_a_row_knows_when_it_misses_its_bar() -> None:
    assert Row("shape", 0.79, 0.80).missed
    assert not Row("shape", 0.80, 0.80).missed
    assert Row("time", 1.6, 1.5, unit="s", lower=True).missed
    assert str(Row("time", 1.25, 1.5, unit="s", lower=True)) == "| time | 1.25 s | ≤ 1.50 s |  |"
