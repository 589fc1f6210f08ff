"""What can an index be asked that is open in a program?"""

from datetime import date, datetime, tzinfo
from pathlib import Path

from embed import Encoder
from index import dates
from index.answer import ask, seen_from
from index.entries import whole_entry
from index.errors import FilrougeError
from index.notebook import EntryView, Hits, Reply, Sources
from index.own_model import own_encoder
from index.place import Place, place_of, store_of
from index.reader import Filters
from index.search import Searcher

Moment = str | date
"""A date, a time, or either in ISO 8601; without an offset it is in the zone of the index."""


class Corpus:
    """An index, open for questions; `index.open_index` gives one. Safe for several threads.

    Close it, or use it in a `with` block. `searcher` is what the other doors work with.

    >>> import tempfile
    >>> from index import open_index
    >>> from index.documents import Facts
    >>> from index.ingest import ingest
    >>> folder = tempfile.TemporaryDirectory()
    >>> page = Path(folder.name, "fil.txt")
    >>> _ = page.write_text("12h10 : Éruption du volcan\\nLe volcan est entré en éruption.\\n", encoding="utf-8")
    >>> report = ingest([page], Path(folder.name, "index"), own_encoder(Path("nowhere"), "hashing"), Facts(tz="Europe/Paris"))
    >>> with open_index(f"{folder.name}/index") as fil:
    ...     hits = fil.search("Que fait le volcan ?", k=1)
    >>> hits[0].text, hits[0].entry.title
    ('Le volcan est entré en éruption.', 'Éruption du volcan')
    >>> hits[0].text == hits[0].entry.text[hits[0].start : hits[0].end]
    True
    >>> folder.cleanup()
    """

    def __init__(self, folder: Place, encoder: Encoder) -> None:
        self.folder = folder
        self._searcher: Searcher | None = Searcher(folder, encoder)

    @classmethod
    def at(
        cls,
        folder: str | Path,
        model: str | None = None,
        device: str | None = None,
        cache: str | Path | None = None,
        token: str = "",
    ) -> "Corpus":
        """The index in `folder`, or on a server: see `index.open_index`."""
        place = place_of(folder, token) if isinstance(folder, str) else folder.expanduser()
        # The index first: a model is long to load for nothing.
        store_of(place).close()
        return cls(place, own_encoder(place, model, device, None if cache is None else Path(cache).expanduser()))

    @property
    def searcher(self) -> Searcher:
        """What answers. Raises `FilrougeError` once the index was closed."""
        if self._searcher is None:
            raise FilrougeError(f"the index {self.folder} was closed: open it again")
        return self._searcher

    def close(self) -> None:
        """Close the index; what it answered stays."""
        if self._searcher is not None:
            self._searcher.close()
            self._searcher = None

    def __enter__(self) -> "Corpus":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._searcher is None:
            return f"index {self.folder}, closed"
        snapshot = self._searcher.reader.snapshot()
        entries, passages = self._searcher.reader.store.counts(snapshot.generation)
        told = f"{entries} entries, {passages} passages, generation {snapshot.generation}"
        return f"index {self.folder}: {told}, model {snapshot.card.name}"

    def search(
        self,
        question: str,
        k: int = 10,
        *,
        lang: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        source: str | None = None,
        as_of: Moment | None = None,
        literal: bool = False,
        cursor: str | None = None,
    ) -> Hits:
        """The `k` passages that answer `question` best.

        Those published in `[since, until)`, in the language `lang` ("fr" or "en") and of `source`, where these are given; of
        what was known at `as_of`. They come best first, can be gone through, show as a table, and have `to_pandas`.

        Operators in the question (`"exact phrase"`, `-word`, `field:value`) are filters too: see `index.operators`.

        Raises `InvalidRequest`: see `Searcher.search`.
        """
        moment, zone = self._then(as_of)
        filters = Filters(dates.window(since, until, zone), lang, source)
        return Hits(self.searcher.search(question, k, filters, moment, cursor=cursor, literal=literal), zone)

    def ask(
        self,
        question: str,
        k: int = 10,
        *,
        lang: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        source: str | None = None,
        as_of: Moment | None = None,
        now: Moment | None = None,
        times: bool = True,
        threshold: float | None = None,
        literal: bool = False,
    ) -> Reply:
        """One to three sentences that answer `question`, word for word, or why there are none.

        A time that it speaks of narrows the search, unless `times` is false, and is seen from `now`: a moment, `"newest"` for
        that of the newest entry, else the present. It counts as answered from a confidence of `threshold` on. The others are
        those of `search`.

        Raises `InvalidRequest`: see `Searcher.search`.
        """
        moment, zone = self._then(as_of)
        filters, seen = Filters(dates.window(since, until, zone), lang, source), seen_from(self.searcher, now, moment)
        return Reply(ask(self.searcher, question, k, filters, moment, seen, threshold, times=times, literal=literal), zone)

    def entry(self, entry_id: str, *, as_of: Moment | None = None) -> EntryView:
        """The whole entry of that id, as it is or as it was known at `as_of`. Raises `NotFound`."""
        return EntryView(whole_entry(self.searcher, entry_id, self._then(as_of)[0]))

    def sources(self) -> Sources:
        """The documents and live blogs that are indexed."""
        reader = self.searcher.reader
        return Sources(reader.store.sources(reader.snapshot().generation), self.searcher.zone())

    def _then(self, as_of: Moment | None) -> tuple[datetime | None, tzinfo]:
        """The moment that is meant, and the zone of the index as it was then."""
        moment = None if as_of is None else dates.moment(as_of, self.searcher.zone(), "as_of")
        return moment, self.searcher.zone(moment)
