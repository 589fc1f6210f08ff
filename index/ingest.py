"""The write walk: files -> entries -> what is new -> passages -> vectors -> one commit."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic

from embed import Encoder
from index import lock, readers
from index.carried import Carried
from index.documents import MANIFEST, Document, Facts, Failure, find, size
from index.embedding import Batch, Embedder, Text, embed, passages
from index.errors import UnreadableDocument
from index.growth import Grown, grow
from index.reader import catch_up, show
from index.records import Entry
from index.space import space_of
from index.store import FILE, Origin, Store
from index.tiers import Tier

_COMMIT_EVERY = 2048
"""Passages of a commit. Up to two are held, one that is embedded and one that is read, which bounds memory and what an
interrupted run does again."""
_SHOW_EVERY = 5.0
"""Seconds between two times that a long run lets readers see what it has committed."""
_COMPARE_EVERY = 256
_EMBED_EVERY = 512


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
    read: int = field(default=0, compare=False)
    size: int = field(default=0, compare=False)
    """Bytes of the documents that were read, so far and in all, as they lie on the disk."""
    grown: Grown | None = field(default=None, compare=False)
    """What the vectors are held in since, where the run came to an end."""


Progress = Callable[[Report], None]
"""Called from time to time with the report so far."""


def ingest(
    paths: Iterable[Path],
    folder: Path,
    encoder: Encoder,
    given: Facts | None = None,
    progress: Progress | None = None,
    carried: Carried | None = None,
    tier: Tier | None = None,
) -> Report:
    """Read every document below `paths` into the index in `folder`, made if missing, and say what changed.

    Texts that `carried` has the vectors of are not embedded. `tier` is what vectors are held in, where it is not chosen by
    their number (`index.tiers`).

    Reading the same documents again changes nothing. A document that cannot be read is named in the report, and what the
    index has of it stays. Each commit holds whole entries; what was committed stays when the run is interrupted. Raises
    `ModelMismatch`, `IndexBusy`, `NotAnIndex` and `StorageError`.
    """
    paths, given = list(paths), given or Facts()
    with _writing(folder, encoder, progress, carried, tier) as run:
        run.report.size = size(paths)
        for found in find(paths, given):
            run.begin(found)
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
    folder: Path,
    encoder: Encoder,
    progress: Progress | None,
    carried: Carried | None = None,
    tier: Tier | None = None,
) -> Iterator["_Run"]:
    """A run that writes to the index in `folder`; committed, and the caches brought up, when the block ends."""
    Store.refuse_foreign(folder)
    new = not (folder / FILE).is_file()
    with lock.writing(folder):
        store = Store.create(folder, encoder.card, lambda: carried.space if carried else space_of(encoder))
        try:
            run = _Run(folder, store, encoder, progress or (lambda report: None), carried)
        except BaseException:
            store.close()
            raise
        try:
            with store, run:
                yield run
        finally:
            if new and run.report.generation == 0:
                # Nothing could be read, or not to the first commit: leave nothing behind that would look like an index.
                Store.discard(folder)
        if run.report.generation:
            # The caches follow; a reader that finds them behind would do it itself.
            catch_up(folder, encoder.card, tier)
    if run.report.generation:
        # Others may write meanwhile.
        run.report.grown = grow(folder, encoder.card, tier, threads=os.cpu_count() or 1)


def reembed(
    folder: Path,
    encoder: Encoder,
    progress: Callable[[int], None] | None = None,
    carried: Carried | None = None,
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
        pending: dict[bytes, Text] = {}
        count = 0
        for _, entry in store.all_versions():
            cut_up = passages(entry, encoder)
            count += len(cut_up)
            pending.update((passage.vector_hash, text) for passage, text in cut_up)
            if len(pending) >= _EMBED_EVERY:
                store.add_vectors(embed(pending, store, encoder, space, carried)[0], encoder.card.fingerprint)
                pending = {}
            if progress:
                progress(count)
        store.add_vectors(embed(pending, store, encoder, space, carried)[0], encoder.card.fingerprint)
        store.replace_passages(
            ((version, [passage for passage, _ in passages(entry, encoder)]) for version, entry in store.all_versions()),
            encoder.card,
            space,
        )
        catch_up(folder, encoder.card)
    return count


class _Run:
    """One run of `ingest`: what is read and not yet committed."""

    def __init__(self, folder: Path, store: Store, encoder: Encoder, progress: Progress, carried: Carried | None) -> None:
        self.report = Report(generation=store.generation())
        self._folder = folder
        self._store = store
        self._encoder = encoder
        space = store.space() or space_of(encoder)
        if carried:
            carried.require(space)
        self._progress = progress
        self._embedder = Embedder(store, encoder, space, carried)
        self._batch = Batch()
        self._full: Batch | None = None
        self._origins: dict[str, str] = {}
        self._found: Document | None = None
        self._passed = 0
        self._shown = monotonic()

    def __enter__(self) -> "_Run":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        """Write what is left; of a run that failed, what was whole by then."""
        try:
            if kind is None:
                self._seal()
                self._write()
            elif self._full and self._full.whole:
                self._write()
        finally:
            self._embedder.close()

    def begin(self, found: Document | Failure) -> None:
        """Say which document is read now, or what it holds."""
        if self._found:
            self._passed += self._found.meter.size
        self._found = found if isinstance(found, Document) else None

    def _tell(self) -> None:
        self.report.embedded = self._embedder.embedded
        self.report.read = self._passed + (self._found.meter.position if self._found else 0)
        self._progress(self.report)

    def read(self, document: Document, items: Iterator[Entry | Failure] | None = None) -> None:
        """Compare one document with the store, and note what it changes; `items` is what it holds, where that is known."""
        complete = True
        seen: set[str] = set()
        oldest: datetime | None = None
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
                seen.update(entry.key for entry in entries)
                oldest = min(filter(None, (oldest, *(entry.published for entry in entries))), default=None)
                self._compare(origin, entries)
                self._tell()
        except UnreadableDocument as error:
            self.report.failures.append(Failure(document.source, str(error)))
            return
        # What could not be read may still be there, so it is not taken for gone.
        if complete:
            keys = {key: entry_id for key, entry_id in self._store.keys(document.source).items() if key not in seen}
            if keys and readers.is_window(document):
                keys = {key: keys[key] for key in self._within(document, list(keys), oldest)}
            gone = list(keys.values())
            self._batch.withdrawn.extend(gone)
            self.report.withdrawn += len(gone)
        self._tell()

    def _within(self, document: Document, keys: Sequence[str], oldest: datetime | None) -> list[str]:
        """Those of `keys` that lie within what a window shows: older ones have left it, and are still true."""
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
            batch = self._batch
            batch.passages += len(cut_up)
            batch.texts.update((passage.vector_hash, text) for passage, text in cut_up)
            batch.origins[origin.source] = origin
            batch.entries.append((entry, [passage for passage, _ in cut_up]))
            if len(batch.texts) >= _EMBED_EVERY:
                self._embedder.ask(batch)
                self._tell()
            if self._full and self._full.done:
                self._write()
            if batch.passages >= _COMMIT_EVERY:
                self._seal()

    def _seal(self) -> None:
        """Have the rest of the batch embedded, and begin another, once the one before is written."""
        self._embedder.ask(self._batch)
        self._write()
        self._full, self._batch = self._batch, Batch(before=self._batch.vectors)

    def _write(self) -> None:
        """Commit the batch that is full, if there is one, as soon as it is embedded."""
        full, self._full = self._full, None
        if full and (changes := full.changes()):
            self.report.generation = self._store.commit(changes, self._encoder.card)
            self._tell()
            if monotonic() - self._shown >= _SHOW_EVERY:
                show(self._folder, self._store)
                self._shown = monotonic()


def _batches(items: Iterator[Entry | Failure], size: int) -> Iterator[list[Entry | Failure]]:
    batch: list[Entry | Failure] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
