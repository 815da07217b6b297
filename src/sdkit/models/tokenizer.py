"""CLIP's byte-pair tokenizer: prompt text → ids, and prompts → windows of 77.

The vocabulary is the merge list that OpenAI published with CLIP (`data/`, with its licence); normalising, splitting
and merging are done by the library `tokenizers`, by the rules of transformers 5, whose ids the other front ends get:
Unicode NFC, white space as one blank, lower case character by character, nothing dropped and nothing put between CJK
characters.
"""

from __future__ import annotations

import functools
import gzip
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.models.windows import Token, Tokens, windows_of
from sdkit.types import Prompt, Segment, TokenChunk

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 49408
BOS = 49406
EOS = 49407
WINDOW = 77
"""Tokens that the text encoder sees at once, `BOS` and `EOS` included."""

INVERSION = -1
"""The id of a place where a vector stands that no token has."""

_MERGES = 49152 - 256 - 2

_PATTERN = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class ClipTokenizer:
    """Text → CLIP token ids. Building one takes about a tenth of a second; keep it. Thread-safe."""

    def __init__(self) -> None:
        self._tokenizer = _build()
        self._texts = {BOS: "<|startoftext|>", EOS: "<|endoftext|>"}

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without beginning and end marks; any length. Lone surrogates, as a command line may pass
        them on, are read as the replacement character."""
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def text(self, token: int) -> str:
        """What one token stands for, readable: `cat`, `�` for part of a character."""
        known = self._texts.get(token)
        if known is None:
            known = self._texts[token] = self._tokenizer.decode([token]).removesuffix("</w>")
        return known

    def chunks(
        self, prompt: Prompt, *, padding: int = EOS, encoder: str = "l", width: int | None = None
    ) -> tuple[TokenChunk, ...]:
        """The prompt in windows of 77: `BOS`, up to 75 tokens, `EOS`, then `padding`; always at least one.

        Each segment's tokens carry its weight; where a window ends is the dialect's rule, see `sdkit.models.windows`.
        A textual inversion stands as so many tokens as it has vectors; those that are not `width` wide, if it is given,
        are left out once the windows are made, and inversions that nobody looked up at once. Edits count from the first
        step on only if they do so always; see `sdkit.prompts.at_step`.
        """
        pieces: list[Tokens] = []
        for segment in prompt.segments:
            if segment.inversion is None:
                found = [Token(token, segment.weight) for token in self.ids(segment.text)]
            elif isinstance(segment.inversion, str):
                found = []
            else:
                vectors = segment.inversion.of(encoder)
                found = [Token(INVERSION, segment.weight, segment.text, vector) for vector in vectors]
            pieces.append(Tokens(found, segment.starts_window, segment.inversion is not None))
        windows = windows_of(pieces, prompt.dialect, WINDOW - 2, self.comma)
        return tuple(self._chunk(window, padding, width) for window in windows)

    @functools.cached_property
    def comma(self) -> int:
        """The id of a comma."""
        (comma,) = self.ids(",")
        return comma

    def _chunk(self, window: Sequence[Token], padding: int, width: int | None) -> TokenChunk:
        tokens = [Token(BOS), *(token for token in window if token.fits(width)), Token(EOS)]
        tokens += [Token(padding)] * (WINDOW - len(tokens))
        return TokenChunk(
            ids=tuple(token.id for token in tokens),
            weights=tuple(token.weight for token in tokens),
            texts=tuple(token.text or self.text(token.id) for token in tokens),
            vectors={place: token.vector for place, token in enumerate(tokens) if token.vector is not None},
        )


def plain_prompt(text: str) -> Prompt:
    """A text as one segment of neutral weight."""
    return Prompt(text, (Segment(text),))


def merges_and_vocabulary() -> tuple[list[tuple[str, str]], dict[str, int]]:
    """CLIP's merges, in order, and its symbols with their ids."""
    path = Path(__file__).with_name("data") / "bpe_simple_vocab_16e6.txt.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        next(lines)  # the version
        merges = [(first, second) for first, second in (line.split() for line in islice(lines, _MERGES))]
    letters = _byte_letters()
    symbols = [*letters, *(letter + "</w>" for letter in letters), *(first + second for first, second in merges)]
    symbols += ["<|startoftext|>", "<|endoftext|>"]
    return merges, {symbol: index for index, symbol in enumerate(symbols)}


def _build() -> Tokenizer:
    from tokenizers import Regex, Tokenizer
    from tokenizers.decoders import ByteLevel as ByteLevelDecoder
    from tokenizers.models import BPE
    from tokenizers.normalizers import NFC, Lowercase, Replace
    from tokenizers.normalizers import Sequence as Normalizers
    from tokenizers.pre_tokenizers import ByteLevel, Split
    from tokenizers.pre_tokenizers import Sequence as PreTokenizers

    merges, vocabulary = merges_and_vocabulary()
    tokenizer = Tokenizer(BPE(vocabulary, merges, end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = Normalizers([NFC(), Replace(Regex(r"\s+"), " "), Lowercase()])
    tokenizer.pre_tokenizer = PreTokenizers(
        [Split(Regex(_PATTERN), behavior="removed", invert=True), ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])  # pyright: ignore[reportUnknownMemberType]
    return tokenizer


def _byte_letters() -> list[str]:
    """A printable character for each byte, in the vocabulary's order: GPT-2's table, which CLIP took over."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(256 - len(printable))]
