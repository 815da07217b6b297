"""CLIP's byte-pair tokenizer: prompt text → ids, and prompts → windows of 77.

The vocabulary is the merge list that OpenAI published with CLIP (`data/`, with its licence); normalising, splitting
and merging are done by the library `tokenizers`, by the rules of transformers 5, whose ids the other front ends get:
Unicode NFC, white space as one blank, lower case character by character, nothing dropped and nothing put between CJK
characters.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.types import Prompt, Segment, TokenChunk

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 49408
BOS = 49406
EOS = 49407
WINDOW = 77
"""Tokens that the text encoder sees at once, `BOS` and `EOS` included."""

_MERGES = 49152 - 256 - 2
_LARGE = 8
"""A segment of fewer tokens is never cut in two by the end of a window."""

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

    def chunks(self, prompt: Prompt, *, padding: int = EOS) -> tuple[TokenChunk, ...]:
        """The prompt in windows of 77: `BOS`, up to 75 tokens, `EOS`, then `padding`; always at least one.

        Each segment's tokens carry its weight. A segment of fewer than eight tokens that does not fit into the rest
        of a window moves whole into the next one; longer ones are cut where the window ends.
        """
        room = WINDOW - 2
        windows: list[list[tuple[int, float]]] = [[]]
        for segment in prompt.segments:
            tokens = [(token, segment.weight) for token in self.ids(segment.text)]
            if len(tokens) < _LARGE and len(windows[-1]) + len(tokens) > room:
                windows.append([])
            while tokens:
                free = room - len(windows[-1])
                if not free:
                    windows.append([])
                    continue
                windows[-1] += tokens[:free]
                tokens = tokens[free:]
        return tuple(self._chunk(window, padding) for window in windows)

    def _chunk(self, tokens: Sequence[tuple[int, float]], padding: int) -> TokenChunk:
        ids = [BOS, *(token for token, _ in tokens), EOS]
        weights = [1.0, *(weight for _, weight in tokens), 1.0]
        missing = WINDOW - len(ids)
        return TokenChunk(
            ids=(*ids, *[padding] * missing),
            weights=(*weights, *[1.0] * missing),
            texts=tuple(self.text(token) for token in (*ids, *[padding] * missing)),
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
