"""How a text is cut into tokens, without the whole vocabulary in memory.

A multilingual unigram tokenizer has 250,000 pieces. Its library makes a tree of them when it opens the file: most of a second
and 280 MB, for a question that holds a few dozen. But the best cut of a word depends on nothing except the pieces that stand
in the word, and on the score of the worst piece of all, which is what unknown letters are measured against. So `write` keeps
the pieces in a table, and `PieceTokenizer` looks up those that stand in its texts and lets the library cut with a tokenizer
of these alone. The tokens and their places are those of the whole tokenizer (`tests/test_pieces.py` compares them).

    pieces.npy   a row for each piece, ascending by key: key (CRC-32 of the piece, times 256, plus its bytes), id, start, score
    pieces.bin   the pieces in the same order, UTF-8
    tokenizer.json   the tokenizer with the few pieces that every text needs, and their ids in the whole one
"""

import json
import re
import threading
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from embed.encoder import Span

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.models import Unigram

TABLE, TEXT, JSON = "pieces.npy", "pieces.bin", "tokenizer.json"
_ROW = np.dtype([("key", "<u8"), ("id", "<i4"), ("start", "<u4"), ("score", "<f8")])
_REMEMBERED = 16_000
"""Words whose pieces are kept, in 6 MB: most words of a text were in the one before."""
_BYTES = 255


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text, special ones included, and the place of each in the text, in code points."""

    ids: list[int]
    places: list[Span]


class Tokenizing(Protocol):
    """Cuts texts into the tokens of one model. Safe for several threads."""

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text, with the special ones that the model expects."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, without the special ones that the model expects."""
        ...


class WholeTokenizer:
    """The library's own tokenizer, as it stands in the file."""

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """See `Tokenizing.encode`."""
        return _encoded(self._tokenizer, texts)

    def count(self, texts: Sequence[str]) -> list[int]:
        """See `Tokenizing.count`."""
        return [len(one.ids) for one in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


class PieceTokenizer:
    """A unigram tokenizer that holds the pieces of the texts at hand; `folder` is one that `write` wrote to."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        kept = json.loads((folder / JSON).read_text(encoding="utf-8"))
        self._tokenizer = Tokenizer.from_str(json.dumps(kept["tokenizer"]))
        self._always = [(str(text), float(score)) for text, score in kept["tokenizer"]["model"]["vocab"]]
        self._ids = [int(i) for i in kept["ids"]]
        self._options = {name: kept["tokenizer"]["model"].get(name) for name in ("unk_id", "byte_fallback")}
        self._longest = int(kept["longest"])
        special = sorted((token["content"] for token in kept["tokenizer"]["added_tokens"]), key=len, reverse=True)
        self._special = re.compile("(" + "|".join(map(re.escape, special)) + ")") if special else None
        rows = np.load(folder / TABLE)
        self._text = (folder / TEXT).read_bytes()
        if rows.dtype != _ROW or rows.ndim != 1 or len(rows) < len(self._ids):
            raise ValueError(f"{TABLE} is no table of pieces")
        # Searched by the key alone, which is faster where keys lie side by side.
        self._keys = np.ascontiguousarray(rows["key"])
        self._starts = np.ascontiguousarray(rows["start"])
        self._rows = rows
        # As arrays: a list would hold each number as an object of its own, and take several times as much.
        self._known: dict[str, array[int]] = {}
        self._pieces: dict[int, str] = {}
        self._always_rows = {row for row in self._find([text.encode() for text, _ in self._always]) if row >= 0}
        self._counts: dict[str, int] = {}
        # The library's tokenizer is given other pieces for each call.
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """See `Tokenizing.encode`."""
        with self._lock:
            model, ids = self._model({word for text in texts for word in self._words(text)})
            self._tokenizer.model = model
            found = _encoded(self._tokenizer, texts)
        return [Tokens([ids[i] for i in one.ids], one.places) for one in found]

    def count(self, texts: Sequence[str]) -> list[int]:
        """See `Tokenizing.count`; each word is counted once, and remembered."""
        found = []
        with self._lock:
            cut = [self._words(text) for text in texts]
            new = {word for words in cut for word in words if word not in self._counts}
            if new:
                if len(self._counts) > _REMEMBERED:
                    self._counts.clear()
                    new = {word for words in cut for word in words}
                model, _ = self._model(new)
                self._counts.update((word, len(model.tokenize(word))) for word in new)
            for text, words in zip(texts, cut, strict=True):
                special = len(self._special.findall(text)) if self._special else 0
                found.append(sum(self._counts[word] for word in words) + special)
        return found

    def _words(self, text: str) -> list[str]:
        """What the library cuts each for itself: words, each with the mark of its space."""
        found: list[str] = []
        tokenizer = self._tokenizer
        for part in self._special.split(text)[::2] if self._special else [text]:
            if part:
                normal = tokenizer.normalizer.normalize_str(part) if tokenizer.normalizer else part
                if tokenizer.pre_tokenizer:
                    found.extend(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
                else:
                    found.append(normal)
        return found

    def _model(self, words: Iterable[str]) -> tuple["Unigram", list[int]]:
        """A model with the pieces that stand in `words`, and the id in the whole tokenizer of each of its own."""
        from tokenizers.models import Unigram

        self._look_up(words)
        rows = list(set().union(*(self._known[word] for word in words)) - self._always_rows)
        vocabulary = [*self._always, *zip(map(self._pieces.__getitem__, rows), self._rows["score"][rows].tolist(), strict=True)]
        return Unigram(vocabulary, **self._options), [*self._ids, *self._rows["id"][rows].tolist()]

    def _look_up(self, words: Iterable[str]) -> None:
        """Learn which pieces stand in each of `words`."""
        if len(self._known) > _REMEMBERED:
            self._known.clear()
            self._pieces.clear()
        parts = {word: _parts(word, self._longest) for word in words if word not in self._known}
        asked = list(set().union(*parts.values()))
        found = dict(zip(asked, self._find([part.encode() for part in asked]), strict=True))
        found = {part: row for part, row in found.items() if row >= 0}
        self._pieces.update((row, part) for part, row in found.items())
        for word, some in parts.items():
            self._known[word] = array("i", [found[part] for part in some if part in found])

    def _find(self, pieces: Sequence[bytes]) -> list[int]:
        """The row of each; -1 where it is no piece."""
        keys = np.fromiter(map(_key, pieces), dtype=np.uint64, count=len(pieces))
        at = np.searchsorted(self._keys, keys)
        at[at == len(self._keys)] = 0
        missed = self._keys[at] != keys
        at[missed] = -1
        found: list[int] = at.tolist()
        for number in np.flatnonzero(~missed).tolist():
            found[number] = self._row(found[number], pieces[number])
        return found

    def _row(self, row: int, piece: bytes) -> int:
        """The row of `piece`, the first of those with its key being `row`; -1 when it is none of them."""
        key = self._keys[row]
        while row < len(self._keys) and self._keys[row] == key:
            if self._text.startswith(piece, int(self._starts[row])):
                return row
            row += 1
        return -1


def _encoded(tokenizer: "Tokenizer", texts: Sequence[str]) -> list[Tokens]:
    # Handing a single text to the library's threads takes longer than doing it here.
    found = [tokenizer.encode(texts[0])] if len(texts) == 1 else tokenizer.encode_batch(list(texts))
    return [Tokens(one.ids, one.offsets) for one in found]


def _key(piece: bytes) -> int:
    return zlib.crc32(piece) << 8 | len(piece)


def _parts(word: str, longest: int) -> set[str]:
    """Every run of up to `longest` letters of `word`.

    >>> sorted(_parts("oui", 2))
    ['i', 'o', 'ou', 'u', 'ui']
    """
    return {word[start:end] for start in range(len(word)) for end in range(start + 1, min(start + longest, len(word)) + 1)}


def write(tokenizer: "Tokenizer", folder: Path) -> None:
    """Write `tokenizer` to `folder` for `opened`: as a table of pieces where it is a unigram tokenizer, else as it is."""
    whole = json.loads(tokenizer.to_str())
    pieces = _always(whole)
    if pieces is None:
        (folder / JSON).write_text(tokenizer.to_str(), encoding="utf-8")
        return
    vocabulary = whole["model"]["vocab"]
    # Of two pieces that are the same the library takes the last.
    ids = {text.encode(): number for number, (text, _) in enumerate(vocabulary)}
    order = sorted(ids, key=lambda piece: (_key(piece), piece))
    rows = np.zeros(len(order), dtype=_ROW)
    rows["key"] = [_key(piece) for piece in order]
    rows["id"] = [ids[piece] for piece in order]
    rows["start"] = np.cumsum([0, *map(len, order[:-1])])
    rows["score"] = [vocabulary[ids[piece]][1] for piece in order]
    np.save(folder / TABLE, rows)
    (folder / TEXT).write_bytes(b"".join(order))
    model = {**whole["model"], "vocab": [vocabulary[i] for i in pieces], "unk_id": pieces.index(whole["model"]["unk_id"])}
    small = {number: place for place, number in enumerate(pieces)}
    kept = {
        "tokenizer": {
            **whole,
            "model": model,
            "added_tokens": [{**token, "id": small[token["id"]]} for token in whole["added_tokens"]],
            "post_processor": _renumbered(whole["post_processor"], small),
        },
        "ids": pieces,
        "longest": max(len(text) for text, _ in vocabulary),
    }
    (folder / JSON).write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def _always(whole: dict[str, Any]) -> list[int] | None:
    """The ids of the pieces that every text needs: special ones, single bytes, the unknown and the worst; None when the
    tokenizer is of another kind, or has something that this module knows nothing of.
    """
    model, added, after = whole["model"], whole["added_tokens"], whole["post_processor"]
    if model["type"] != "Unigram" or model["unk_id"] is None:
        return None
    vocabulary = model["vocab"]
    plain = all(
        token["id"] < len(vocabulary)
        and vocabulary[token["id"]][0] == token["content"]
        and not (token["single_word"] or token["lstrip"] or token["rstrip"] or token["normalized"])
        for token in added
    )
    if not plain or (after is not None and after["type"] != "TemplateProcessing"):
        return None
    if any(len(text.encode()) > _BYTES for text, _ in vocabulary):
        return None
    found = {token["id"] for token in added} | {model["unk_id"]}
    found.add(min(range(len(vocabulary)), key=lambda i: vocabulary[i][1]))
    if model["byte_fallback"]:
        found.update(i for i, (text, _) in enumerate(vocabulary) if re.fullmatch(r"<0x[0-9A-F]{2}>", text))
    return sorted(found)


def _renumbered(template: dict[str, Any] | None, ids: dict[int, int]) -> dict[str, Any] | None:
    if template is None:
        return None
    tokens = {name: {**token, "ids": [ids[i] for i in token["ids"]]} for name, token in template["special_tokens"].items()}
    return {**template, "special_tokens": tokens}


def opened(folder: Path) -> Tokenizing:
    """The tokenizer that `write` wrote to `folder`. Raises whatever the damage to its files gives rise to."""
    if (folder / TABLE).exists():
        return PieceTokenizer(folder)
    from tokenizers import Tokenizer

    return WholeTokenizer(Tokenizer.from_file(str(folder / JSON)))
