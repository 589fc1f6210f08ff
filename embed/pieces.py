"""How a text is cut into tokens, without the whole vocabulary in memory.

A multilingual unigram tokenizer has 250,000 pieces. Its library makes a tree of them when it opens the file: most of a second
and 280 MB, for a question that holds a few dozen. But the best cut of a word depends on nothing except the pieces that stand
in the word, and on the score of the worst piece of all, which is what unknown letters are measured against. So `write` keeps
the pieces in a table, and `PieceTokenizer` looks up those that stand in a word that it meets, lets the library cut the word
with a model of these alone, and remembers how it was cut. Where a text and its normal form are alike letter for letter, its
tokens are those of its words; others the library cuts, with the pieces that are known to be needed. The tokens and their places
are those of the whole tokenizer (`tests/test_pieces.py` compares them).

    pieces.npy   a row for each piece, ascending by key: key (CRC-32 of the piece, times 256, plus its bytes), id, start, score
    pieces.bin   the pieces in the same order, UTF-8
    tokenizer.json   the tokenizer with the few pieces that every text needs, and their ids in the whole one
"""

import functools
import json
import re
import threading
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embed.encoder import Span

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.models import Unigram

TABLE, TEXT, JSON = "pieces.npy", "pieces.bin", "tokenizer.json"
_ROW = np.dtype([("key", "<u8"), ("id", "<i4"), ("start", "<u4"), ("score", "<f8")])
_REMEMBERED = 16_000
"""Words whose tokens are kept, in 6 MB: most words of a text were in the one before."""
_BYTES = 255

_Word = tuple[str, Span]
"""A word as the library cuts it for itself, with the mark of its space, and its place in the normal form of the text."""
_Cut = tuple["array[int]", "array[int] | None"]
"""The tokens of a word, and where each ends, in code points; None where they stand for single bytes."""


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
        self._normalizer = self._tokenizer.normalizer
        self._pre_tokenizer = self._tokenizer.pre_tokenizer
        model = kept["tokenizer"]["model"]
        self._always = [(str(text), float(score)) for text, score in model["vocab"]]
        self._ids = [int(i) for i in kept["ids"]]
        self._options = {name: model.get(name) for name in ("unk_id", "byte_fallback")}
        self._before, self._after = _around(kept["tokenizer"]["post_processor"], self._ids)
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
        self._always_rows = {row for row in self._find([text.encode() for text, _ in self._always]) if row >= 0}
        self._known: dict[str, _Cut] = {}
        # The library's tokenizer is given other pieces for each call.
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """See `Tokenizing.encode`."""
        words = [self._words(text) for text in texts]
        cuts = self._cuts({word for some, _ in words for word, _ in some})
        found = [self._joined(some, cuts) if plain else None for some, plain in words]
        left = [place for place, one in enumerate(found) if one is None]
        if left:
            needed = {word for place in left for word, _ in words[place][0]}
            for place, one in zip(left, self._cut_by_library([texts[place] for place in left], needed, cuts), strict=True):
                found[place] = one
        return [one for one in found if one is not None]

    def count(self, texts: Sequence[str]) -> list[int]:
        """See `Tokenizing.count`."""
        words = [self._words(text)[0] for text in texts]
        cuts = self._cuts({word for some in words for word, _ in some})
        special = [len(self._special.findall(text)) if self._special else 0 for text in texts]
        return [sum(len(cuts[word][0]) for word, _ in some) + count for some, count in zip(words, special, strict=True)]

    def _words(self, text: str) -> tuple[list[_Word], bool]:
        """The words of `text`; and whether their places are those in `text` itself, and nothing in it is a special token."""
        parts = self._special.split(text)[::2] if self._special else [text]
        found: list[_Word] = []
        plain = len(parts) == 1
        for part in filter(None, parts):
            normal = self._normalizer.normalize_str(part) if self._normalizer else part
            plain = plain and self._alike(part, normal)
            if self._pre_tokenizer:
                found.extend(self._pre_tokenizer.pre_tokenize_str(normal))
            else:
                found.append((normal, (0, len(normal))))
        return found, plain

    def _alike(self, text: str, normal: str) -> bool:
        """Whether each letter of `text` has become the one of `normal` that stands in its place."""
        return text == normal or (
            len(text) == len(normal)
            and all(a == b or self._normalizer.normalize_str(a) == b for a, b in zip(text, normal, strict=True))
        )

    def _joined(self, words: Sequence[_Word], cuts: Mapping[str, _Cut]) -> Tokens | None:
        """The tokens of a text from those of its words, the special ones around them; None where their places are not known."""
        ids, places = [*self._before], [(0, 0)] * len(self._before)
        for word, (start, end) in words:
            tokens, ends = cuts[word]
            missing = len(word) - (end - start)
            if ends is None or missing not in (0, 1):
                return None
            ids.extend(tokens)
            if len(tokens) == 1:
                places.append((start, end))
            elif missing:
                # The mark of a space that the text does not have stands where the first letter does.
                places.extend((start + max(a, 1) - 1, start + max(b, 2) - 1) for a, b in pairwise([1, *ends]))
            else:
                places.extend(pairwise([start, *(start + stop for stop in ends)]))
        return Tokens(ids + self._after, places + [(0, 0)] * len(self._after))

    def _cut_by_library(self, texts: Sequence[str], words: Iterable[str], cuts: Mapping[str, _Cut]) -> list[Tokens]:
        """What the library makes of `texts` with the pieces of the best cuts of their `words`; no other cut is better."""
        wanted = set().union(*(cuts[word][0] for word in words)).difference(self._ids)
        rows = self._row_of_id[list(wanted)].tolist()
        model, ids = self._model(rows)
        with self._lock:
            self._tokenizer.model = model
            found = _encoded(self._tokenizer, texts)
        return [Tokens([ids[i] for i in one.ids], one.places) for one in found]

    @functools.cached_property
    def _row_of_id(self) -> NDArray[np.int32]:
        found = np.zeros(int(self._rows["id"].max()) + 1, dtype=np.int32)
        found[self._rows["id"]] = np.arange(len(self._rows))
        return found

    def _cuts(self, words: Set[str]) -> dict[str, _Cut]:
        """How each of `words` is cut."""
        found = {word: cut for word in words if (cut := self._known.get(word))}
        new = words - found.keys()
        if new:
            parts = {part for word in new for part in _parts(word, self._longest)}
            rows = set(self._find([part.encode() for part in parts])) - self._always_rows - {-1}
            model, ids = self._model(list(rows))
            cuts = {word: _cut(word, model, ids) for word in new}
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            self._known.update(cuts)
            found.update(cuts)
        return found

    def _model(self, rows: Sequence[int]) -> tuple["Unigram", list[int]]:
        """A model with the pieces in these `rows`, and the id in the whole tokenizer of each of its own."""
        from tokenizers.models import Unigram

        some = self._rows[rows]
        sizes = (some["key"] & 0xFF).tolist()
        texts = [self._text[start : start + size].decode() for start, size in zip(some["start"].tolist(), sizes, strict=True)]
        vocabulary = [*self._always, *zip(texts, some["score"].tolist(), strict=True)]
        return Unigram(vocabulary, **self._options), [*self._ids, *some["id"].tolist()]

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


def _cut(word: str, model: "Unigram", ids: Sequence[int]) -> _Cut:
    tokens = model.tokenize(word)
    found = array("i", [ids[token.id] for token in tokens])
    ends = array("i", accumulate(len(token.value) for token in tokens))
    return found, ends if "".join(token.value for token in tokens) == word else None


def _around(template: dict[str, Any] | None, ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """The special tokens before and after those of a text, in the whole tokenizer, as the small one's template has them."""
    sides: tuple[list[int], list[int]] = ([], [])
    side = 0
    if template is None:
        return sides
    for part in template["single"]:
        if "Sequence" in part:
            side = 1
        else:
            sides[side].extend(ids[i] for i in template["special_tokens"][part["SpecialToken"]["id"]]["ids"])
    return sides


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
