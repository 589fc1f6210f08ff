"""What the collections of a Milvus server hold, and what becomes of entries, passages, terms and words there.

Every row is born in a generation and dies in one, as in the store; one that has not died has the largest number there is. The
generation that readers see is a row of its own, written when all else is there: half a publication is never seen.

Milvus has no texts of any length, and compares them with what a caller wrote in a language of its own. So long texts lie in
parts, and what is compared is spelt in letters alone (`spelt`): no word of a filter can be taken for anything else.
"""

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from embed.encoder import Vectors
from index.bm25 import rounded_length, saturated, term_number
from index.milvus import Collection, Row
from index.phrases import plain_forms
from index.records import Entry
from index.rows import Encoded, entry_with
from index.space import Codes, Space
from index.terms import passage_terms
from index.where import local_day

NEVER = 1 << 62
"""The generation in which a row dies that has not died."""
NO_TIME = -(1 << 62)
"""The time of what has none: before all others."""
NO_YEAR = -1
_PART = 60_000
"""Bytes of a part of a long text."""
PARTS = 1 << 12
"""So many parts a text has at most; 245 MB."""
_SPARSE = 4_294_967_291
"""Dimensions of sparse vectors: the greatest prime that Milvus has room for."""

META = Collection("filrouge_meta", {"key": "text", "value": "text", "unused": "vector"})
"""What is known of the whole index, by name. Milvus wants a vector in every collection."""
VERSIONS = Collection(
    "filrouge_versions",
    {
        "part": "number", "place": "number", "version": "number", "entry": "text", "source": "text", "key": "text",
        "titled": "number", "text": "text", "lang": "text", "published": "number", "ends": "number", "reaches": "number",
        "tz": "text", "precision": "text", "clock": "text", "url": "text", "passages": "number", "born": "number",
        "died": "number", "unused": "vector",
    },
)  # fmt: skip
"""What entries said: a row for each part of a version's text, all of it with the first."""
READINGS = Collection("filrouge_readings", {"part": "number", "passage": "number", "value": "text", "unused": "vector"})
"""What the model made of each passage: its vector in half precision, and its words as signs."""


def passages_of(dimension: int) -> Collection:
    """The collection that searches go through; vectors have that dimension."""
    return Collection(
        "filrouge_passages",
        {
            "id": "number", "version": "number", "start": "number", "end": "number", "born": "number", "died": "number",
            "lang": "text", "source": "text", "entry_id": "text", "key": "text", "title": "text", "url": "text",
            "url_folded": "text", "published": "number", "ends": "number", "day_only": "flag", "precision": "text",
            "day": "text", "year": "number", "said_title": "text", "said_text": "text", "hash": "text", "packed": "text",
            "terms": "numbers", "dense": "vector", "sparse": "sparse",
        },
        dimension,
    )  # fmt: skip


COLLECTIONS = (META.name, VERSIONS.name, READINGS.name, passages_of(2).name)


def spelt(text: str | None) -> str:
    """A text in letters alone, in the order of its code points, with every part of it where it is; nothing for None.

    >>> spelt("é") < spelt("ê"), spelt("b")[1:] in spelt("abc"), spelt(None) < spelt("")
    (True, True, True)
    """
    return "" if text is None else "a" + "".join(_SPELLINGS[byte] for byte in text.encode())


# High bits in small letters and low bits in capitals: what is found is found between characters.
_SPELLINGS = [chr(ord("a") + byte // 16) + chr(ord("A") + byte % 16) for byte in range(256)]


def sparse_place(number: int) -> int:
    """Where a term stands in sparse vectors; what two terms that share a place add up to is never less than either's own."""
    return number % _SPARSE


_COUNTED = np.dtype([("term", "<i8"), ("often", "<i4")])


def packed(counts: Mapping[int, int]) -> str:
    """Terms by number, and how often each stands in a passage, as one text: a tenth of the time of reading lists.

    >>> unpacked(packed({7: 2, 9: 1}))
    {7: 2, 9: 1}
    """
    return base64.b64encode(np.array(list(counts.items()), dtype=_COUNTED).tobytes()).decode()


def unpacked(text: str) -> dict[int, int]:
    """What `packed` wrote."""
    rows = np.frombuffer(base64.b64decode(text), dtype=_COUNTED)
    return dict(zip(rows["term"].tolist(), rows["often"].tolist(), strict=True))


def parts(text: str) -> Iterator[str]:
    """A text in parts that a field has room for; one part for an empty one.

    >>> [len(part) for part in parts("é" * 70_000)]
    [30000, 30000, 10000]
    """
    data = text.encode()
    start = 0
    while len(data) - start > _PART:
        end = start + _PART
        # Never within a character.
        while data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end].decode()
        start = end
    yield data[start:].decode()


def meta_rows(key: str, value: object) -> list[Row]:
    """The rows of something that is known of the index: its first part says how many there are."""
    texts = list(parts(json.dumps(value)))
    return [
        {"key": f"{key}/{number}" if number else key, "value": f"{len(texts)} {text}" if not number else text, "unused": _ZEROS}
        for number, text in enumerate(texts)
    ]


_ZEROS = [0.0, 0.0]


def version_rows(
    version: int, entry: Entry, published: int | None, ends: int | None, tz: str | None, passages: int, born: int, died: int
) -> list[Row]:
    """The rows of a version. `published` and `ends` are in microseconds, and `passages` is how many it was cut into."""
    first: dict[str, Any] = {
        "version": version,
        "entry": spelt(entry.id),
        "source": spelt(entry.source),
        "key": entry.key,
        "titled": len(entry.title),
        "lang": entry.lang,
        "published": NO_TIME if published is None else published,
        "ends": NO_TIME if ends is None else ends,
        "reaches": _reaches(published, ends, entry.day_only),
        "tz": tz or "",
        "precision": entry.precision or "",
        "clock": entry.clock.isoformat() if entry.clock else "",
        "url": spelt(entry.url),
        "passages": passages,
        "born": born,
        "died": died,
        "unused": _ZEROS,
    }
    return [
        {"part": version * PARTS + number, "place": number, "text": text, **first}
        for number, text in enumerate(parts(f"{entry.title}{entry.text}"))
    ]


def _reaches(published: int | None, ends: int | None, day_only: bool) -> int:
    """The end of the minute, or else of the day, in which an entry was published."""
    if published is None:
        return NO_TIME
    return ends - 1 if day_only and ends is not None else published + 60_000_000


def entry_in(rows: Sequence[Row]) -> Entry:
    """The entry in the rows of a version."""
    first, *more = sorted(rows, key=lambda row: int(row["part"]))
    text = "".join([first["text"], *(row["text"] for row in more)])
    titled = int(first["titled"])
    return entry_with(
        (
            unspelt(first["source"]),
            first["key"],
            text[:titled],
            text[titled:],
            first["lang"],
            known_time(first["published"]),
            first["tz"] or None,
            first["precision"] or None,
            first["clock"] or None,
            unspelt(first["url"]),
        )
    )


def unspelt(text: str) -> str | None:
    """What `spelt` made it of.

    >>> unspelt(spelt("l’été")), unspelt(spelt(None))
    ('l’été', None)
    """
    if not text:
        return None
    pairs = zip(text[1::2], text[2::2], strict=True)
    return bytes((ord(high) - ord("a")) * 16 + ord(low) - ord("A") for high, low in pairs).decode()


def known_time(micros: int) -> int | None:
    """A time as rows have it; None of NO_TIME."""
    return None if micros == NO_TIME else int(micros)


def passage_row(
    id: int,
    version: int,
    entry: Entry,
    span: tuple[int, int],
    alive: tuple[int, int],
    times: tuple[int | None, int | None, str | None],
    reading: Encoded,
    vector_hash: bytes,
    space: Space,
    mean: float,
) -> Row:
    """The row of a passage of an entry: `span` is where it stands, `alive` when it was born and died, `times` when the entry
    was published, when that ends, and in which zone; `mean` is the number of terms that scores are stored for.
    """
    published, ends, tz = times
    text = entry.text[slice(*span)]
    counts = counted(entry.title, text, entry.lang)
    length = rounded_length(sum(counts.values()))
    places: dict[int, float] = {}
    for number, often in counts.items():
        place = sparse_place(number)
        places[place] = places.get(place, 0.0) + float(saturated(often, length, mean))
    day = local_day(published, tz)
    return {
        "id": id,
        "version": version,
        "start": span[0],
        "end": span[1],
        "born": alive[0],
        "died": alive[1],
        "lang": spelt(entry.lang),
        "source": spelt(entry.source),
        "entry_id": spelt(entry.id),
        "key": spelt(entry.key),
        "title": spelt(entry.title),
        "url": spelt(entry.url),
        "url_folded": spelt(entry.url and entry.url.casefold()),
        "published": NO_TIME if published is None else published,
        "ends": NO_TIME if ends is None else ends,
        "day_only": entry.day_only,
        "precision": spelt(entry.precision),
        "day": spelt(day),
        "year": date.fromisoformat(day).year if day else NO_YEAR,
        "said_title": said(plain_forms(entry.title)),
        "said_text": said(plain_forms(text)),
        "hash": vector_hash.hex(),
        "packed": packed(counts),
        "terms": list(counts),
        "dense": space.passages(reading.vector[np.newaxis], [entry.lang])[0],
        # Milvus takes no vector without a place; nothing asks for this one.
        "sparse": places or {_SPARSE: 0.0},
    }


def counted(title: str, text: str, lang: str) -> dict[int, int]:
    """How often each term stands in a passage, the title of its entry with it, by its number."""
    counts: dict[int, int] = {}
    for term in passage_terms(f"{title}\n{text}", lang):
        number = term_number(term)
        counts[number] = counts.get(number, 0) + 1
    return counts


def said(words: Sequence[str]) -> str:
    """Words in order, each between blanks: whoever looks for some of them looks for a part of it."""
    return f" {' '.join(words)} "


def reading_rows(passage: int, reading: Encoded) -> list[Row]:
    """The rows of what the model made of a passage."""
    data = reading.vector.astype("<f2").tobytes() + reading.words.tobytes()
    return [
        {"part": passage * PARTS + number, "passage": passage, "value": text, "unused": _ZEROS}
        for number, text in enumerate(parts(base64.b64encode(data).decode()))
    ]


def readings_in(rows: Iterable[Row], dimension: int) -> dict[int, Encoded]:
    """What the model made of each passage, in rows of whatever order."""
    texts: dict[int, list[str]] = {}
    for row in sorted(rows, key=lambda row: int(row["part"])):
        texts.setdefault(int(row["passage"]), []).append(row["value"])
    found = {}
    for passage, some in texts.items():
        data = base64.b64decode("".join(some))
        vector: Vectors = np.frombuffer(data[: 2 * dimension], dtype="<f2").astype(np.float32)
        words: Codes = np.frombuffer(data[2 * dimension :], dtype=np.uint8).reshape(-1, math.ceil(dimension / 8))
        found[passage] = Encoded(vector, words)
    return found


def there(generation: int) -> str:
    """The condition for a row to be there in a generation."""
    return f"born <= {int(generation)} and died > {int(generation)}"


def listed(name: str, numbers: Iterable[int]) -> str:
    """The condition for the field to be one of these numbers, of which there is one at least."""
    return f"{name} in [{','.join(str(int(number)) for number in numbers)}]"
