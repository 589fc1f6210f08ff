"""Is an index as it should be? Everything in it is checked against everything else in it, and nothing is written."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from embed import Encoder, ModelCard
from index import migrations, seal, tierfile
from index.chunk import context
from index.database import APPLICATION_ID, FILE
from index.embedding import text_hash
from index.errors import NotAnIndex
from index.growth import opened, owner_of
from index.integrity import REPAIR, RESTORE, Finding, damage
from index.lexical import TantivyTerms
from index.phrases import plain_forms
from index.records import Passage, Window
from index.space import Space, content_spans
from index.store import Store
from index.termfile import CacheUnusable
from index.terms import passage_terms
from index.vectors import FaissVectors

SAMPLE = 256
"""Passages that caches and the model are asked about; all of an index that has no more."""
_SAME_VECTOR = 0.98
"""The least cosine between a vector and that of the same text made again: 8-bit weights reach .99 on any processor."""
_SAME_WORDS = 0.9
"""The least share of signs that two readings of a passage's words have in common."""
_NEAR = 0.01
"""How far a vector cache may be from the cosine of a vector with itself."""
_CACHE = "filrouge repair makes the caches anew, as the next to write does"


@dataclass
class Verified:
    """What was looked at, and what is wrong with it; `notes` are what is no fault, as that a cache is behind."""

    generation: int = 0
    checked: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(folder: Path, model: Callable[[], Encoder] | None = None, sample: int = SAMPLE) -> Verified:
    """Check the index in `folder`, in one state of it, while others read and write it or on a disk that cannot be written.

    Looked at are all rows of the database, the seal beside it, the caches, and of `sample` passages whether the caches find
    them and whether the `model`, opened when all else is well, makes the same vectors of them; without one, none is asked.
    Raises `NotAnIndex` where there is none, or one of an earlier or newer release.
    """
    found = Verified()
    with closing(Store.look(folder)) as store:
        if not _is_readable(store, folder, found):
            return found
        with store.reading() as db:
            found.findings += damage(db)
            found.checked = (
                {
                    table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                    for table in ("sources", "entries", "versions", "passages", "vectors", "generations")
                }
                if not found.findings
                else {}
            )
        if found.findings:
            # What is made from damaged rows says nothing that these do not.
            return found
        found.generation = store.generation()
        found.findings += _seal(store, folder)
        _unused(store, found)
        found.findings += _hashes(store)
        card, space = store.card(), store.space()
        if space is None:
            offence = "was embedded by an earlier release, without words"
            found.findings.append(Finding("vectors", offence, f"{REPAIR} embeds them again"))
            return found
        chosen = _chosen(store, found.generation, sample)
        found.checked["passages asked of the caches"] = len(chosen)
        _terms(store, folder, chosen, found)
        _vectors(store, folder, chosen, card, space, found)
        # An index in which something is wrong may not lead to its model.
        if model is not None and not found.findings:
            found.checked["passages embedded again"] = len(chosen)
            found.findings += _model(store, chosen, card, space, model())
    return found


def _is_readable(store: Store, folder: Path, found: Verified) -> bool:
    try:
        with store.reading() as db:
            application, layout = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    except NotAnIndex as error:
        found.findings.append(Finding(FILE, str(error), RESTORE))
        return False
    if application != APPLICATION_ID:
        raise NotAnIndex(f"{folder / FILE} is not a filrouge index; choose another folder")
    if layout > len(migrations.STEPS):
        raise NotAnIndex(f"{folder} was written by a newer filrouge (layout {layout}); upgrade this one")
    if layout < len(migrations.STEPS):
        raise NotAnIndex(
            f"{folder} was written by an earlier filrouge (layout {layout}); a search or filrouge repair brings it up"
        )
    return True


def _seal(store: Store, folder: Path) -> Iterator[Finding]:
    left = seal.sealed(folder / FILE)
    if left and left.generation > store.generation():
        offence = f"generations {store.generation() + 1} to {left.generation} were committed and are gone"
        yield Finding(f"{FILE}-wal", offence, f"{RESTORE}, or take what is left for all there is with {REPAIR}")


def _unused(store: Store, found: Verified) -> None:
    count = store.unused_vectors()
    if count:
        found.notes.append(
            f"{count} vectors are of no passage: what an interrupted run had computed, which {REPAIR} clears away"
        )


def _hashes(store: Store) -> Iterator[Finding]:
    """Whether each passage has the vector of its own text."""
    for passage, lang, title, text, kept in store.all_passages():
        if text_hash(context(title, text), lang) != kept:
            yield Finding(f"passage {passage}", "its vector is kept under the hash of another text", RESTORE)


def _chosen(store: Store, generation: int, sample: int) -> list[Passage]:
    ids = store.allowed(generation, Window()).tolist()
    # The same at every run, so that what was found is found again.
    some = ids if len(ids) <= sample else sorted(random.Random(len(ids)).sample(ids, sample))
    return list(store.passages(some).values())


def _terms(store: Store, folder: Path, chosen: Sequence[Passage], found: Verified) -> None:
    place = "cache/lexical"
    try:
        terms = TantivyTerms(folder / place, store.identity())
    except CacheUnusable as error:
        if (folder / place).exists():
            found.findings.append(Finding(place, f"cannot be used: {error}", _CACHE))
        else:
            found.notes.append("there is no term cache; the next to write or search makes one")
        return
    _behind("the term cache", terms.generation, found)
    if terms.generation > found.generation:
        offence = f"is of generation {terms.generation}, and the database of {found.generation}"
        found.findings.append(Finding(place, offence, _CACHE))
        return
    view = terms.view()
    living = store.counts(terms.generation)[1]
    if len(view) != living:
        found.findings.append(Finding(place, f"holds {len(view)} passages of {living}", _CACHE))
    alive = set(store.allowed(terms.generation, Window()).tolist())
    for passage in chosen:
        if passage.id in alive:
            own, entry = np.array([passage.id], dtype=np.int64), passage.entry
            wanted = sorted(set(passage_terms(f"{entry.title}\n{passage.text}", entry.lang)))
            counted = view.scored([{term: 1.0} for term in wanted], own)[0]
            lost = [
                term for term, score in zip(wanted, counted, strict=True) if not score or not len(view.matching([term], 1, own))
            ]
            words = plain_forms(passage.text)[:4]
            if lost:
                found.findings.append(Finding(place, f"does not find passage {passage.id} by '{lost[0]}'", _CACHE))
            elif words and passage.id not in view.saying(words, "text"):
                found.findings.append(Finding(place, f"does not find passage {passage.id} by '{' '.join(words)}'", _CACHE))


def _behind(what: str, generation: int, found: Verified) -> None:
    if generation < found.generation:
        found.notes.append(f"{what} is of generation {generation}, and is brought up by the next to write or search")


def _vectors(store: Store, folder: Path, chosen: Sequence[Passage], card: ModelCard, space: Space, found: Verified) -> None:
    owner = owner_of(store, card)
    for path in sorted((folder / "cache").glob("vectors-*.faiss")):
        if not FaissVectors.is_whole(path):
            found.findings.append(Finding(f"cache/{path.name}", "is damaged", _CACHE))
        elif not path.name.startswith(f"vectors-{owner}-"):
            found.notes.append(f"cache/{path.name} is of another index or model, and nothing reads it")
    for path in sorted((folder / "cache").glob("tier-*")):
        try:
            tierfile.verify(path, tierfile.read(path))
        except tierfile.DamagedTier as error:
            found.findings.append(Finding(f"cache/{path.name}", f"cannot be used: {error}", _CACHE))
    tier = opened(folder / "cache", owner, card.dimension, found.generation)
    engine = (
        FaissVectors(card.dimension, tier)
        if tier
        else FaissVectors.load(folder / "cache", owner, card.dimension, upto=found.generation)
    )
    if engine.generation < 0:
        return
    _behind("the vector cache", engine.generation, found)
    place, living = "cache/vectors", store.counts(engine.generation)[1]
    if len(engine) != living:
        found.findings.append(Finding(place, f"holds {len(engine)} vectors of {living}", _CACHE))
    alive = set(store.allowed(engine.generation, Window()).tolist())
    view = engine.view()
    for passage in chosen:
        if passage.id in alive:
            langs, kept = store.vectors([passage.id])
            wanted = space.passages(kept, langs)[0]
            ranking = view.nearest(wanted, 1, np.array([passage.id], dtype=np.int64))
            expected = float(wanted @ wanted)
            if not len(ranking) or not abs(float(ranking.scores[0]) - expected) <= _NEAR:
                found.findings.append(Finding(place, f"has not the vector of passage {passage.id}", _CACHE))


def _model(store: Store, chosen: Sequence[Passage], card: ModelCard, space: Space, encoder: Encoder) -> Iterator[Finding]:
    if encoder.card.fingerprint != card.fingerprint:
        store.require(encoder.card)
    texts = [context(one.entry.title, one.text) for one in chosen]
    langs = [one.entry.lang for one in chosen]
    readings = encoder.read_passages(texts, [content_spans(text, lang) for text, lang in zip(texts, langs, strict=True)])
    words = store.words([one.id for one in chosen])
    for passage, lang, reading in zip(chosen, langs, readings, strict=True):
        kept = store.vectors([passage.id])[1][0]
        again = space.codes(reading.words, lang)
        same = words[passage.id].shape == again.shape and (
            not again.size or float(np.unpackbits(words[passage.id] ^ again).mean()) <= 1 - _SAME_WORDS
        )
        # A text without a word may be nothing to a model.
        if (float(kept @ reading.vector) < _SAME_VECTOR and (kept.any() or reading.vector.any())) or not same:
            yield Finding(
                f"passage {passage.id}", f"'{card.name}' makes another vector or other words of it", f"{REPAIR} embeds it again"
            )
