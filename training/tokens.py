"""CLIP's byte-pair tokens for plain English captions, from the published merge list."""

import gzip
import os
import re
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

BOS, EOS = 49406, 49407
LENGTH = 77
MERGES = 49152 - 256 - 2


def merges_file() -> Path:
    """The merge list: the copy that ships with the package, or the file named by ``SDKIT_TINY_BPE``."""
    if named := os.environ.get("SDKIT_TINY_BPE"):
        return Path(named)
    found = sorted(Path(__file__).parents[1].glob("src/sdkit/**/bpe_simple_vocab_16e6.txt.gz"))
    if not found:
        raise FileNotFoundError("bpe_simple_vocab_16e6.txt.gz is not under src/sdkit; set SDKIT_TINY_BPE to it")
    return found[0]


class Tokens:
    """Turns captions into CLIP token ids, padded with EOS as SD1 does. Words are remembered once split."""

    def __init__(self, path: Path | None = None) -> None:
        lines = gzip.decompress((path or merges_file()).read_bytes()).decode().split("\n")[1 : MERGES + 1]
        pairs = [tuple(line.split()) for line in lines]
        self.ranks = {pair: rank for rank, pair in enumerate(pairs)}
        printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
        letters = [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]
        symbols = [*letters, *(c + "</w>" for c in letters), *("".join(pair) for pair in pairs)]
        self.ids = {symbol: index for index, symbol in enumerate(symbols)}
        self.words: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Ids between BOS and EOS, for ASCII text."""
        ids: list[int] = []
        for word in re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", text.lower()):
            if word not in self.words:
                self.words[word] = [self.ids[symbol] for symbol in self._split(word)]
            ids += self.words[word]
        return ids

    def __call__(self, texts: list[str], length: int = LENGTH) -> Tensor:
        """Token ids ``[B, length]`` with BOS in front and EOS as the end and the padding."""
        rows = torch.full((len(texts), length), EOS)
        rows[:, 0] = BOS
        for row, text in zip(rows, texts, strict=True):
            ids = self.encode(text)[: length - 2]
            row[1 : 1 + len(ids)] = torch.tensor(ids, dtype=torch.long)
        return rows

    def _split(self, word: str) -> list[str]:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            merged: list[str] = []
            for part in parts:
                if merged and (merged[-1], part) == best:
                    merged[-1] += part
                else:
                    merged.append(part)
            parts = merged
        return parts
