"""What is mended on the way: out of memory, and NaN in half precision. The result says so; nothing is silent."""

from __future__ import annotations

import logging

import pytest
import torch

from sdkit.errors import NonFiniteError
from sdkit.testing import ToyModel, make_pipeline
from tests.pipeline._pictures import PROMPT, paint, pixels


class Small(ToyModel):
    """Decodes one picture at a time, and runs out of memory for more."""

    most = 1

    def __init__(self) -> None:
        super().__init__()
        self.decoded: list[int] = []

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        self.decoded.append(len(latents))
        if len(latents) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory (pretended)")
        return super().decode(latents)


def test_out_of_memory_while_decoding_splits_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    model = Small()
    with caplog.at_level(logging.WARNING, "sdkit"):
        result = make_pipeline(model=model)(PROMPT, seed=7, count=3)
    assert model.decoded == [3, 1, 1, 1]
    assert torch.equal(pixels(result), paint(make_pipeline(), count=3))
    how = "decoded picture by picture, because all at once did not fit into memory"
    assert result.recovered == (how,)
    assert caplog.messages == [how]
    assert how in result.images[0].text["sdkit"], "the picture's record says it, too"


def test_every_batch_that_was_mended_is_named() -> None:
    result = make_pipeline(model=Small())(PROMPT, seed=7, count=4, batch_size=2)
    assert len(result.recovered) == 2


def test_out_of_memory_for_a_single_picture_is_an_error_and_the_pipeline_stays_usable() -> None:
    model = Small()
    model.most = 0
    pipe = make_pipeline(model=model)
    with pytest.raises(torch.OutOfMemoryError):
        pipe(PROMPT)
    model.most = 9
    result = pipe(PROMPT, seed=7)
    assert torch.equal(pixels(result), paint(make_pipeline()))
    assert result.recovered == ()


class Half(ToyModel):
    """Says that it computes in float16, in which its decoder gives NaN; perhaps in float32, too."""

    def __init__(self, dtype: torch.dtype = torch.float16, *, damaged: bool = False) -> None:
        super().__init__()
        self._dtype, self.damaged = dtype, damaged

    @property
    def dtype(self) -> torch.dtype:
        return self._dtype

    def to(self, device: str, dtype: str) -> ToyModel:
        assert (device, dtype) == ("cpu", "float32")
        return Half(torch.float32, damaged=self.damaged)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        pictures = super().decode(latents)
        return pictures * float("nan") if self._dtype == torch.float16 or self.damaged else pictures


def test_nan_in_half_precision_is_decoded_again_in_float32() -> None:
    result = make_pipeline(model=Half())(PROMPT, seed=7, count=2)
    assert torch.equal(pixels(result), paint(make_pipeline(), count=2))
    assert result.recovered == ("decoded again in float32, because torch.float16 gave NaN or infinity",)


def test_nan_in_float32_too_is_an_error() -> None:
    with pytest.raises(NonFiniteError, match="the decoder's pixels are NaN or infinite"):
        make_pipeline(model=Half(damaged=True))(PROMPT)


def test_what_was_mended_in_one_run_is_not_told_of_the_next() -> None:
    model = Small()
    pipe = make_pipeline(model=model)
    assert pipe(PROMPT, count=2).recovered
    model.most = 9
    assert not pipe(PROMPT, count=2).recovered
