"""The write walk: files -> entries -> what is new -> passages -> vectors -> one commit."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from embed import Encoder
from index import lock, readers
from index.carried import CarriedVectors
from index.chunk import context, cut
from index.documents import MANIFEST, Document, Facts, Failure, find
from index.errors import UnreadableDocument
from index.reader import Reader
from index.records import Entry
from index.space import Space, content_spans, space_of
from index.store import FILE, Changes, Encoded, NewPassage, Origin, Store

_COMMIT_EVERY = 2048
"""Passages held before a commit: bounds memory, and what an interrupted run does again."""
_COMPARE_EVERY = 256
_EMBED_EVERY = 256


@dataclass
class Report:
    """What a run did. `added`, `changed`, `unchanged` and `withdrawn` count entries."""

    documents: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    passages: int = 0
    embedded: int = 0
    """Passages whose vector was computed; the others had one."""
    failures: list[Failure] = field(default_factory=list)
    generation: int = 0
    dated: dict[str, int] = field(default_factory=dict, compare=False)
    """Entries by where their day comes from: "entry", "document", "manifest", or "unknown"."""


Progress = Callable[[Report], None]
"""Called from time to time with the report so far."""


def ingest(
    paths: Iterable[Path],
    folder: Path,
    encoder: Encoder,
    given: Facts | None = None,
    progress: Progress | None = None,
    carried: CarriedVectors | None = None,
) -> Report:
    """Read every document below `paths` into the index in `folder`, made if missing, and say what changed.

    Texts that `carried` has the vectors of are not embedded.

    Reading the same documents again changes nothing. A document that cannot be read is named in the report, and what the
    index has of it stays. Each commit holds whole entries; what was committed stays when the run is interrupted. Raises
    `ModelMismatch`, `IndexBusy`, `NotAnIndex` and `StorageError`.
    """
    with _writing(folder, encoder, progress, carried) as run:
        for found in find(paths, given or Facts()):
            for document in [found] if isinstance(found, Failure) else readers.expand(found):
                if isinstance(document, Failure):
                    run.report.documents += 1
                    run.report.failures.append(document)
                else:
                    run.read(document)
    return run.report


def ingest_read(document: Document, items: Iterable[Entry | Failure], folder: Path, encoder: Encoder) -> Report:
    """Take in one document that has been read into `items`, as `ingest` would."""
    with _writing(folder, encoder, None) as run:
        run.read(document, iter(items))
    return run.report


@contextmanager
def _writing(
    folder: Path, encoder: Encoder, progress: Progress | None, carried: CarriedVectors | None = None
) -> Iterator["_Run"]:
    """A run that writes to the index in `folder`; committed, and the caches brought up, when the block ends."""
    Store.refuse_foreign(folder)
    new = not (folder / FILE).is_file()
    with lock.writing(folder):
        store = Store.create(folder, encoder.card, lambda: carried.space if carried else space_of(encoder))
        try:
            run = _Run(store, encoder, progress or (lambda report: None), carried)
        except BaseException:
            store.close()
            raise
        try:
            with store:
                yield run
                run.commit()
        finally:
            if new and run.report.generation == 0:
                # Nothing could be read, or not to the first commit: leave nothing behind that would look like an index.
                Store.discard(folder)
        if run.report.generation:
            # The caches follow; a reader that finds them behind would do it itself.
            Reader(folder, encoder.card, writing=True).close()


def reembed(
    folder: Path,
    encoder: Encoder,
    progress: Callable[[int], None] | None = None,
    carried: CarriedVectors | None = None,
) -> int:
    """Cut and embed every version of every entry anew with `encoder`, whose card becomes the index's; return how many passages.

    Vectors are kept as they are made, so that an interrupted run goes on where it was; readers see the old ones until the
    end. With the model that the index has, nothing is computed that is there already, nor what is in `carried`.
    """
    # Opened before the lock, which would leave its file in a folder that is no index.
    with Store.open(folder) as store, lock.writing(folder):
        space = store.space() if store.card().fingerprint == encoder.card.fingerprint else None
        space = space or (carried.space if carried else space_of(encoder))
        if carried:
            carried.require(space)
        pending: dict[bytes, _Text] = {}
        count = 0
        for _, entry in store.all_versions():
            cut_up = passages(entry, encoder)
            count += len(cut_up)
            pending.update((passage.vector_hash, text) for passage, text in cut_up)
            if len(pending) >= _EMBED_EVERY:
                store.add_vectors(_embed(pending, store, encoder, space, carried)[0], encoder.card.fingerprint)
                pending = {}
            if progress:
                progress(count)
        store.add_vectors(_embed(pending, store, encoder, space, carried)[0], encoder.card.fingerprint)
        store.replace_passages(
            ((version, [passage for passage, _ in passages(entry, encoder)]) for version, entry in store.all_versions()),
            encoder.card,
            space,
        )
        Reader(folder, encoder.card, writing=True).close()
    return count


def embed_missing(store: Store, encoder: Encoder, carried: CarriedVectors | None = None) -> int:
    """Embed the texts of passages, also of earlier versions, that have no vector of the index's model; return how many.

    Texts that `carried` has the vectors of are not embedded.
    """
    space = store.space() or space_of(encoder)
    pending: dict[bytes, _Text] = {}
    count = 0

    def keep() -> int:
        vectors, computed = _embed(pending, store, encoder, space, carried)
        store.add_vectors(vectors, encoder.card.fingerprint)
        pending.clear()
        return computed

    for _, lang, title, text, key in store.unread_passages():
        pending[key] = (context(title, text), lang)
        if len(pending) >= _EMBED_EVERY:
            count += keep()
    return count + keep()


class _Run:
    """One run of `ingest`: what is read and not yet committed."""

    def __init__(self, store: Store, encoder: Encoder, progress: Progress, carried: CarriedVectors | None) -> None:
        self.report = Report(generation=store.generation())
        self._store = store
        self._encoder = encoder
        self._space = store.space() or space_of(encoder)
        self._carried = carried
        if carried:
            carried.require(self._space)
        self._progress = progress
        self._entries: list[tuple[Entry, list[NewPassage]]] = []
        self._withdrawn: list[str] = []
        self._texts: dict[bytes, _Text] = {}
        self._vectors: dict[bytes, Encoded] = {}
        self._passages = 0
        self._pending: dict[str, Origin] = {}
        self._origins: dict[str, str] = {}

    def read(self, document: Document, items: Iterator[Entry | Failure] | None = None) -> None:
        """Compare one document with the store, and note what it changes; `items` is what it holds, where that is known."""
        complete = True
        seen: dict[str, datetime | None] = {}
        try:
            if self._origins.get(document.source) == document.origin:
                return  # named twice
            self.report.documents += 1
            origin = self._origin(document)
            for batch in _batches(readers.read(document) if items is None else items, _COMPARE_EVERY):
                entries = [item for item in batch if isinstance(item, Entry)]
                failures = [item for item in batch if isinstance(item, Failure)]
                self.report.failures.extend(failures)
                # What is only named does not hide an entry.
                complete = complete and all(failure.kept for failure in failures)
                seen.update((entry.key, entry.published) for entry in entries)
                self._compare(origin, entries)
                self._progress(self.report)
        except UnreadableDocument as error:
            self.report.failures.append(Failure(document.source, str(error)))
            return
        # What could not be read may still be there, so it is not taken for gone.
        if complete:
            keys = {key: entry_id for key, entry_id in self._store.keys(document.source).items() if key not in seen}
            if keys and readers.is_window(document):
                keys = {key: keys[key] for key in self._within(document, list(keys), list(seen.values()))}
            gone = list(keys.values())
            self._withdrawn.extend(gone)
            self.report.withdrawn += len(gone)
        self._progress(self.report)

    def _within(self, document: Document, keys: Sequence[str], shown: Sequence[datetime | None]) -> list[str]:
        """Those of `keys` that lie within what a window shows: older ones have left it, and are still true."""
        oldest = min((moment for moment in shown if moment), default=None)
        published = self._store.published(document.source, keys)
        return [key for key in keys if oldest and (moment := published.get(key)) and moment > oldest]

    def _origin(self, document: Document) -> Origin:
        """Where the document is read from.

        Two files under one name are refused, since each would take the other's entries for withdrawn; a file that has moved
        is not one of them.
        """
        path = document.origin
        other = self._origins.get(document.source) or self._store.origin(document.source)
        if other is not None and other != path and Path(other).exists():
            raise UnreadableDocument(
                f"another file is indexed as '{document.source}'; give this one a 'source' of its own in a {MANIFEST}"
            )
        self._origins[document.source] = path
        return Origin(document.source, path, document.facts.tz)

    def _compare(self, origin: Origin, entries: Sequence[Entry]) -> None:
        known = self._store.current(origin.source, [entry.key for entry in entries])
        for entry in entries:
            self.report.dated[entry.dated or "unknown"] = self.report.dated.get(entry.dated or "unknown", 0) + 1
            before = known.get(entry.key)
            if before == entry.content_hash:
                self.report.unchanged += 1
                continue
            cut_up = passages(entry, self._encoder)
            if before is None:
                self.report.added += 1
            else:
                self.report.changed += 1
            self.report.passages += len(cut_up)
            self._passages += len(cut_up)
            self._texts.update((passage.vector_hash, text) for passage, text in cut_up)
            self._pending[origin.source] = origin
            self._entries.append((entry, [passage for passage, _ in cut_up]))
            if len(self._texts) >= _EMBED_EVERY:
                self._embed()
                self._progress(self.report)
            if self._passages >= _COMMIT_EVERY:
                self.commit()

    def _embed(self) -> None:
        new = {key: text for key, text in self._texts.items() if key not in self._vectors}
        vectors, computed = _embed(new, self._store, self._encoder, self._space, self._carried)
        self.report.embedded += computed
        self._vectors.update(vectors)
        self._texts = {}

    def commit(self) -> None:
        """Write what is pending, if anything."""
        self._embed()
        changes = Changes(list(self._pending.values()), self._entries, self._withdrawn, self._vectors)
        if changes:
            self.report.generation = self._store.commit(changes, self._encoder.card)
        self._pending, self._entries, self._withdrawn, self._vectors, self._passages = {}, [], [], {}, 0


_Text = tuple[str, str]
"""What the model reads of a passage, and its language."""


def passages(entry: Entry, encoder: Encoder) -> list[tuple[NewPassage, _Text]]:
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


def _embed(
    texts: dict[bytes, _Text], store: Store, encoder: Encoder, space: Space, carried: CarriedVectors | None
) -> tuple[dict[bytes, Encoded], int]:
    """What is kept of the texts that the store has no vectors of, by hash; and how many of those were computed."""
    known = store.known_vectors(texts, encoder.card.fingerprint)
    missing = {key: value for key, value in texts.items() if key not in known}
    found = carried.find(missing) if carried else {}
    missing = {key: value for key, value in missing.items() if key not in found}
    readings = encoder.read_passages(
        [text for text, _ in missing.values()], [content_spans(text, lang) for text, lang in missing.values()]
    )
    for (key, (_, lang)), reading in zip(missing.items(), readings, strict=True):
        found[key] = Encoded(reading.vector, space.codes(reading.words, lang))
    return found, len(missing)


def _batches(items: Iterator[Entry | Failure], size: int) -> Iterator[list[Entry | Failure]]:
    batch: list[Entry | Failure] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
