"""BM25 over terms, and phrases, with tantivy: a `TermEngine` on disk.

Terms and words come ready made from `index.terms` and `index.phrases`, so tantivy only splits at spaces. The scores are those
of `ExactTerms`, but for two roundings of tantivy's: lengths above 40 terms are kept in steps (of up to an eighth), and removed
passages count in the statistics until their segment is merged or, when they are many, the index is made anew.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tantivy

from embed.stages import stage
from index.engine import Part, Said, Terms, settled, weighted
from index.forward import Counted, Forward
from index.records import Ids, Ranking, Scores
from index.termfile import CacheUnusable, check_files, commit_number, read_stamp, sweep, write_stamp

_MEMORY = 64 * 1024 * 1024
_FEW = 4096
"""Up to so many allowed ids are looked up one by one; above, it is faster to rank all and pass over the others."""
_HOLDERS = 16
"""So many passages that hold a term are ranked in the time that one allowed id is looked up."""
_MOST = 0.5
"""Share of passages from which on, where they are allowed, the best of all are asked for: not many of those are passed over."""


def _schema() -> tantivy.Schema:
    return (
        tantivy.SchemaBuilder()
        .add_unsigned_field("id", indexed=True, fast=True)
        .add_text_field("terms", tokenizer_name="terms", index_option="freq")
        .add_text_field("title", tokenizer_name="terms", index_option="position")
        .add_text_field("text", tokenizer_name="terms", index_option="position")
        .build()
    )


class TantivyTerms:
    """A `TermEngine` in a folder of its own. Opening raises `CacheUnusable` unless `create` made it for the same `owner`.

    The generation is in a stamp beside tantivy's files, together with tantivy's own number of the commit: when the two
    disagree, the process ended between the commit and the stamp, and the stamp's older generation is the safe one to catch
    up from, because adding replaces and removing passes over.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder
        self._owner = owner
        self._schema = _schema()
        self._writer: tantivy.IndexWriter | None = None
        self._links: tempfile.TemporaryDirectory[str] | None = None
        stamp = read_stamp(folder, owner)
        check_files(folder, stamp)
        self._index = self._opened()
        self._forward = _forward(folder, stamp)
        self.generation = int(stamp["generation"])
        self._removed = int(stamp["removed"])

    @classmethod
    def create(cls, folder: Path, owner: str) -> "TantivyTerms":
        """Make an empty index in `folder`, whatever was there before."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(".lexical-*"):
            # A process was killed here.
            shutil.rmtree(left, ignore_errors=True)
        # Made beside its place: a half-made folder must not look like an index.
        fresh = Path(tempfile.mkdtemp(prefix=".lexical-", dir=folder.parent))
        try:
            tantivy.Index(_schema(), str(fresh))
            write_stamp(fresh, owner, -1, 0, Forward.create(fresh))
            shutil.rmtree(folder, ignore_errors=True)
            if folder.is_file():
                folder.unlink()
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return cls(folder, owner)

    def _opened(self) -> tantivy.Index:
        try:
            folder = self._folder
            if not os.access(folder, os.W_OK):
                # tantivy makes a lock in the folder of an index even to read it: a folder of links will do.
                self._links = tempfile.TemporaryDirectory(prefix="filrouge-terms-", ignore_cleanup_errors=True)
                for path in folder.resolve().iterdir():
                    if not path.name.endswith(".lock"):
                        Path(self._links.name, path.name).symlink_to(path)
                folder = Path(self._links.name)
            index = tantivy.Index.open(str(folder))
            index.register_tokenizer("terms", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
            index.reload()
        except (OSError, ValueError) as error:
            raise CacheUnusable(str(error)) from error
        return index

    def refresh(self) -> None:
        """See what another process has committed; what is open stays good while it is at work.

        Raises `CacheUnusable` when the folder is no longer what was opened.
        """
        stamp = read_stamp(self._folder, self._owner)
        try:
            if stamp["commit"] != commit_number(self._folder) or int(stamp["generation"]) <= self.generation:
                return
            index = self._opened()
            if stamp["commit"] != commit_number(self._folder):
                # Another commit came on the way, and may be what was opened: its terms would count in this generation.
                return
        except (OSError, ValueError, KeyError) as error:
            raise CacheUnusable(str(error)) from error
        self._index = index
        self._forward = _forward(self._folder, stamp)
        self.generation = int(stamp["generation"])

    def add(self, passages: Sequence[tuple[int, Sequence[str]]], said: Mapping[int, Said] | None = None) -> None:
        """See `TermEngine.add`."""
        writer = self._writing()
        newest = dict(passages)
        self._delete(writer, list(newest))
        for i, terms in newest.items():
            document = tantivy.Document()
            document.add_unsigned("id", i)
            document.add_text("terms", " ".join(terms))
            if said is not None and i in said:
                document.add_text("title", " ".join(said[i].title))
                document.add_text("text", " ".join(said[i].text))
            writer.add_document(document)
            self._forward.add(i, terms)

    def remove(self, ids: Ids) -> None:
        """See `TermEngine.remove`."""
        if len(ids):
            self._delete(self._writing(), ids.tolist())
            self._forward.remove(ids)
            self._removed += len(ids)

    def _delete(self, writer: tantivy.IndexWriter, ids: Sequence[int]) -> None:
        # Never by term: tantivy reads a number from Python as signed, and so finds none in an unsigned field.
        writer.delete_documents_by_query(tantivy.Query.term_set_query(self._schema, "id", ids))

    def commit(self, generation: int) -> None:
        """See `TermEngine.commit`. What was committed survives the end of the process, but is a cache all the same."""
        if self._writer is not None:
            self._forward.write()
            self._writer.commit()
            # It owns threads and a lock: a command that has ended must leave neither.
            self._writer.wait_merging_threads()
            self._writer = None
        write_stamp(self._folder, self._owner, generation, self._removed, self._forward.extents)
        self._index.reload()
        self._forward.commit()
        self.generation = generation

    def _writing(self) -> tantivy.IndexWriter:
        if self._writer is None:
            sweep(self._folder)
            self._writer = self._index.writer(_MEMORY, num_threads=1)
        return self._writer

    @property
    def stale(self) -> bool:
        """Whether so many passages were removed that making the index anew gives better statistics."""
        return self._removed > 1000 and self._removed > self._index.searcher().num_docs // 4

    def view(self) -> "TantivyView":
        """See `TermEngine.view`."""
        return TantivyView(self.generation, self._schema, self._index.searcher(), self._forward.counted)


@dataclass(frozen=True)
class TantivyView:
    """A `TermView`; see `index.engine`."""

    generation: int
    schema: tantivy.Schema
    searcher: tantivy.Searcher
    counted: Counted

    def __len__(self) -> int:
        return int(self.searcher.num_docs)

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """See `TermView.frequencies`."""
        return [self.searcher.doc_freq("terms", term) for term in terms]

    @stage("terms")
    def matching(self, terms: Terms, k: int, among: Ids | None = None) -> Ranking:
        """See `TermView.matching`."""
        total = self.searcher.num_docs
        if not terms or k < 1 or total == 0 or (among is not None and len(among) == 0):
            return Ranking.empty()
        # Built from terms, never parsed: a question is not query syntax.
        query = tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Should, tantivy.Query.boost_query(self._term(term), weight) if weight != 1 else self._term(term))
                for term, weight in weighted(terms).items()
            ]
        )
        if among is None:
            return settled(lambda depth: self._search(query, depth), k, total)
        holders = min(sum(self.frequencies(list(weighted(terms)))), total)
        if len(among) < _MOST * total and holders <= _HOLDERS * len(among):
            found = self._search(query, max(holders, 1))
            kept = np.isin(found.ids, among)
            return Ranking(found.ids[kept][:k], found.scores[kept][:k])
        if len(among) <= _FEW:
            allowed = tantivy.Query.const_score_query(tantivy.Query.term_set_query(self.schema, "id", among.tolist()), 0.0)
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, allowed)])
            return settled(lambda depth: self._search(query, depth), k, total)
        depth = k
        while True:
            depth = min(depth * max(2, total // len(among) + 1), total)
            found = self._search(query, depth)
            kept = np.isin(found.ids, among)
            ids, scores = found.ids[kept], found.scores[kept]
            if len(found) < depth or depth == total or (len(ids) >= k and scores[k - 1] > found.scores[-1]):
                return Ranking(ids[:k], scores[:k])

    @stage("terms")
    def scored(self, words: Sequence[Mapping[str, float]], ids: Ids) -> Scores:
        """See `TermView.scored`."""
        terms = sorted({term for word in words for term in word})
        holders = dict(zip(terms, self.frequencies(terms), strict=True))
        return self.counted.scored(words, holders, len(self), ids)

    def saying(self, words: Sequence[str], part: Part) -> Ids:
        """See `TermView.saying`."""
        # As many as have the rarest word at most; what was removed may be counted too.
        most = min((self.searcher.doc_freq(part, word) for word in words), default=0)
        if most == 0:
            return np.zeros(0, dtype=np.int64)
        if len(words) == 1:
            query = tantivy.Query.term_query(self.schema, part, words[0], "basic")
        else:
            query = tantivy.Query.phrase_query(self.schema, part, list(words))
        found = self._search(tantivy.Query.const_score_query(query, 1.0), most).ids
        found.sort()
        return found

    def _term(self, term: str) -> tantivy.Query:
        return tantivy.Query.term_query(self.schema, "terms", term, "freq")

    def _search(self, query: tantivy.Query, k: int) -> Ranking:
        hits = self.searcher.search(query, k, count=False).hits
        ids = self.searcher.fast_field_values("id", [address for _, address in hits])
        return Ranking.best(np.array(ids, dtype=np.int64), np.array([score for score, _ in hits], dtype=np.float32))


def _forward(folder: Path, stamp: Mapping[str, Any]) -> Forward:
    """The counts as far as the stamp says."""
    try:
        return Forward(folder, stamp["forward"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheUnusable(str(error)) from error
