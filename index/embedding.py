"""What a commit is made of: passages, and what the model reads of them, embedded beside the reading of documents."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from embed import Encoder
from index.carried import Carried
from index.chunk import context, cut
from index.records import Entry
from index.space import Space, content_spans, space_of
from index.store import Changes, Encoded, NewPassage, Origin, Store

_TOGETHER = 512
"""Texts that are embedded before their vectors are kept, where they are not a commit's."""
Text = tuple[str, str]
"""What the model reads of a passage, and its language."""


def passages(entry: Entry, encoder: Encoder) -> list[tuple[NewPassage, Text]]:
    """The passages of an entry, each with what the model reads of it."""
    found = []
    for start, end in cut(entry.title, entry.text, encoder.count_tokens, encoder.card.token_limit):
        text = context(entry.title, entry.text[start:end])
        found.append((NewPassage(start, end, text_hash(text, entry.lang)), (text, entry.lang)))
    return found


def text_hash(text: str, lang: str) -> bytes:
    """What the vector of a text is kept under. The language is in it, because the words of a passage are kept less the mean of
    its language.
    """
    return hashlib.blake2b(f"{lang}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def embed_missing(store: Store, encoder: Encoder, carried: Carried | None = None) -> int:
    """Embed the texts of passages, also of earlier versions, that have no vector of the index's model; return how many.

    Texts that `carried` has the vectors of are not embedded.
    """
    space = store.space() or space_of(encoder)
    pending: dict[bytes, Text] = {}
    count = 0

    def keep() -> int:
        vectors, computed = embed(pending, store, encoder, space, carried)
        store.add_vectors(vectors, encoder.card.fingerprint)
        pending.clear()
        return computed

    for _, lang, title, text, key in store.unread_passages():
        pending[key] = (context(title, text), lang)
        if len(pending) >= _TOGETHER:
            count += keep()
    return count + keep()


def embed(
    texts: Mapping[bytes, Text], store: Store, encoder: Encoder, space: Space, carried: Carried | None
) -> tuple[dict[bytes, Encoded], int]:
    """What is kept of the texts that the store has no vectors of, by hash; and how many of those were computed."""
    known = store.known_vectors(texts, encoder.card.fingerprint)
    missing = {key: value for key, value in texts.items() if key not in known}
    found = carried.find(missing) if carried else {}
    missing = {key: value for key, value in missing.items() if key not in found}
    return found | encoded(missing, encoder, space), len(missing)


def encoded(texts: Mapping[bytes, Text], encoder: Encoder, space: Space) -> dict[bytes, Encoded]:
    """What is kept of the model's reading of texts, by hash."""
    readings = encoder.read_passages(
        [text for text, _ in texts.values()], [content_spans(text, lang) for text, lang in texts.values()]
    )
    return {
        key: Encoded(reading.vector, space.codes(reading.words, lang))
        for (key, (_, lang)), reading in zip(texts.items(), readings, strict=True)
    }


@dataclass
class Batch:
    """What one commit will write. `before` has the vectors of the batch before it, which may not be written yet."""

    before: Mapping[bytes, Encoded] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    entries: list[tuple[Entry, list[NewPassage]]] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    passages: int = 0
    texts: dict[bytes, Text] = field(default_factory=dict)
    """Those that nobody has been asked to embed yet."""
    vectors: dict[bytes, Encoded] = field(default_factory=dict)
    coming: list["Future[None]"] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether all of it is embedded, or cannot be."""
        return not self.texts and all(future.done() for future in self.coming)

    @property
    def whole(self) -> bool:
        """Whether all of it is embedded."""
        return self.done and not any(future.exception() for future in self.coming)

    def changes(self) -> Changes:
        """What is to be committed, once all of it is embedded. Raises what embedding raised."""
        for future in self.coming:
            future.result()
        return Changes(list(self.origins.values()), self.entries, self.withdrawn, self.vectors)


class Embedder:
    """Embeds on a thread of its own, in the order of asking: neither model nor reader of documents waits for the other."""

    def __init__(self, store: Store, encoder: Encoder, space: Space, carried: Carried | None) -> None:
        self._what = (store, encoder, space, carried)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self.embedded = 0
        """Passages whose vector was computed."""

    def ask(self, batch: Batch) -> None:
        """Begin to embed the texts of a batch."""
        texts, batch.texts = batch.texts, {}
        if texts:
            batch.coming.append(self._thread.submit(self._embed, batch, texts))

    def _embed(self, batch: Batch, texts: Mapping[bytes, Text]) -> None:
        new = {key: text for key, text in texts.items() if key not in batch.vectors and key not in batch.before}
        vectors, computed = embed(new, *self._what)
        batch.vectors.update(vectors)
        self.embedded += computed

    def close(self) -> None:
        """End the thread; what it has not begun is left."""
        self._thread.shutdown(cancel_futures=True)
