"""Speed of the whole walks, beside a named rival in the same run; `embed.bench` has the embedding alone."""

import itertools
import json
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from embed import Encoder, ModelCard
from embed.bench import Comparison, Rival, Row, alternate
from embed.encoder import Vectors
from embed.sample import sample_texts
from index import evaluate, lock, measures, readers
from index.answer import ask
from index.bench_vectors import like_passages
from index.documents import Document, Facts, Failure, find
from index.embedding import passages
from index.errors import UnreadableDocument
from index.evidence import REACH, understand
from index.growth import grow
from index.ingest import ingest
from index.judgements import EvaluationSet, Question
from index.language import LANGUAGES
from index.reader import Filters, catch_up
from index.records import Entry, Ranking
from index.search import CANDIDATES, Searcher
from index.space import content_spans, matches, space_of
from index.store import Changes, Encoded, NewPassage, Origin, Store
from index.store_view import StoreView

_PASSAGES = 96
_PASSAGES_SEARCHED = 200_000
_QUESTIONS = 20
_COMMIT = 5000


def ingesting(encoder: Encoder, rival: Rival) -> Comparison:
    """File to searchable index, beside sentence-transformers' `encode` alone, which makes no index of anything."""
    rounds = itertools.count()

    def texts() -> list[str]:
        # Other texts each time: the index must not find them done.
        return sample_texts(_PASSAGES, seed=next(rounds), lengths=(3,))

    def walk() -> None:
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "direct.txt"
            lines = [f"{n // 60:02}h{n % 60:02} : Titre {n}\n{text}" for n, text in enumerate(texts())]
            file.write_text("\n".join(lines), encoding="utf-8")
            ingest([file], Path(name) / "index", encoder)

    ours, theirs = alternate(walk, lambda: rival.encode(texts()))
    return Comparison(
        "ingest",
        f"{rival.name} alone",
        [Row("entries/s", _PASSAGES / ours, _PASSAGES / theirs, theirs / ours)],
        [f"{_PASSAGES} entries with a title and three sentences; ours reads, cuts, embeds, commits and indexes them"],
    )


def reading(encoder: Encoder, paths: Sequence[Path] = ()) -> Comparison:
    """Documents to entries, beside embedding what was read: how many times as fast the one is as the other.

    `paths` are documents to read; without any, a live blog as text, as JSON Lines and as a page, and an article are made of the
    sample texts. Each kind of document is a row. Of long documents the beginning is embedded, which is enough for a rate.
    """
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as name:
        groups: dict[str, list[Document]] = defaultdict(list)
        held: dict[str, list[Entry]] = defaultdict(list)
        for document in find(paths or _made(Path(name)), Facts(tz="Europe/Paris")):
            try:
                if isinstance(document, Failure):
                    raise UnreadableDocument(document.reason)
                entries = list(_read(document))
                kind = _kind(document, entries)
            except UnreadableDocument as error:
                notes.append(f"{document.source}: {error}")
                continue
            groups[kind].append(document)
            held[kind].extend(entries)
        for kind, documents in groups.items():
            entries = held[kind]
            if not entries:
                notes.append(f"{kind}: {len(documents)} documents without entries")
                continue
            sample = entries[:: max(1, len(entries) // _PASSAGES)]
            found_in = [passages(entry, encoder) for entry in sample]
            texts = [text for one in found_in for _, text in one][: 2 * _PASSAGES]
            share = len(texts) / sum(map(len, found_in))
            ours, theirs = alternate(
                lambda d=documents: [entry for document in d for entry in _read(document)],  # type: ignore[misc]
                lambda t=texts: encoder.read_passages([text for text, _ in t], [content_spans(*one) for one in t]),  # type: ignore[misc]
            )
            read, embedded = len(entries) / ours, len(sample) * share / theirs
            rows.append(Row(f"entries/s, {kind}", read, embedded, read / embedded))
            size = sum(document.path.stat().st_size for document in documents) / len(documents) / 1024
            long = sum(len(entry.text) for entry in entries) / len(entries)
            notes.append(
                f"{kind}: {len(documents)} documents of {size:,.0f} kB, {len(entries) / len(documents):,.1f} entries each, "
                f"of {long:,.0f} characters"
            )
    return Comparison("read", "embedding the same", rows, notes)


def _kind(document: Document, entries: Sequence[Entry]) -> str:
    """The kind of a document; of pages, whether they are live blogs."""
    kind = readers.kind(document)
    page = "live page" if len(entries) > 1 else "article page"
    return page if kind == "html" else kind


def _read(document: Document) -> Iterator[Entry]:
    return (item for item in readers.read(document) if isinstance(item, Entry))


def _made(folder: Path) -> list[Path]:
    """A live blog in three formats, and articles, of the sample texts, with as much markup as pages have."""
    texts = sample_texts(_PASSAGES, seed=8, lengths=(3,))
    clocks = [f"{12 + n // 60:02}:{n % 60:02}" for n in range(len(texts))]
    menu = "".join(f'<li class="nav-item" data-id="{n}"><a class="link" href="/{n}">Rubrique {n}</a></li>' for n in range(400))
    head = '<!DOCTYPE html><html lang="fr"><head><title>En direct</title></head>'
    frame = f'{head}<body><ul class="menu">{menu}</ul>%s</body></html>'
    blocks = "".join(
        f'<div id="block-{n}" class="block"><p class="block-time"><time datetime="2023-05-23T{clock}:00Z">{clock}</time></p>'
        f'<h2 class="block-title">Titre {n}</h2><div class="block-elements"><p>{escape(text)}</p></div></div>'
        for n, (clock, text) in enumerate(zip(clocks, texts, strict=True))
    )
    lines = [json.dumps({"_id": str(n), "text": text, "title": f"Titre {n}", "lang": "fr"}) for n, text in enumerate(texts)]
    made = {
        "direct.txt": "\n".join(f"{clock} : Titre\n{text}" for clock, text in zip(clocks, texts, strict=True)),
        "direct.jsonl": "\n".join(lines),
        "direct.html": frame % blocks,
    }
    for at in range(0, len(texts), 12):
        body = "".join(f"<p>{escape(text)}</p>" for text in texts[at : at + 12])
        made[f"article{at}.html"] = frame % f"<article><h1>Titre {at}</h1>{body}</article>"
    for name, content in made.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [folder / name for name in made]


def walking(encoder: Encoder, passages: int = _PASSAGES_SEARCHED) -> Comparison:
    """A question from its text to its hits among 200,000 passages, beside plain dense search with the same encoder: encode,
    nearest ten, load them; with exact vectors, and with the tier that the search has.

    What is measured is time and space, not quality: see `synthesise`.
    """
    dimension = encoder.card.dimension
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "index"
        folder.mkdir()
        texts = synthesise(folder, encoder, passages)
        written = sum(len(text.encode()) for text in texts)
        words = sum(len(content_spans(text, LANGUAGES[n % 2])) for n, text in enumerate(texts)) * -(-dimension // 8)
        size, lexical, cached = (_size(folder, pattern) for pattern in ("**/*", "cache/lexical/*", "cache/tier-*/*"))
        with Searcher(folder, encoder) as searcher, Searcher(folder, encoder, "exact") as exact:

            def plain(question: str, among: Searcher) -> object:
                snapshot = among.reader.snapshot()
                vector = snapshot.space.question(encoder.encode_query(question), "fr")
                return among.reader.store.passages(snapshot.vectors.nearest(vector, 10).ids.tolist())

            times: list[tuple[float, ...]] = []
            asked = sample_texts(_QUESTIONS, seed=6, lengths=(1,))
            steps = [costs(searcher, question) for question in asked]
            for question in asked:
                times.append(
                    alternate(
                        lambda q=question: searcher.search(q),  # type: ignore[misc]
                        lambda q=question: plain(q, exact),  # type: ignore[misc]
                        lambda q=question: plain(q, searcher),  # type: ignore[misc]
                    )
                )
            pairs = [alternate(lambda q=q: ask(searcher, f"{q} ?"), lambda q=q: searcher.search(f"{q} ?")) for q in asked]  # type: ignore[misc]
    answered, found = (statistics.median(side) * 1000 for side in zip(*pairs, strict=True))
    ours, flat, same = (statistics.median(side) * 1000 for side in zip(*times, strict=True))
    tokens = sum(encoder.count_tokens(texts[:100])) / 100
    return Comparison(
        "search",
        "plain dense search",
        [
            Row("question to hits, p50, ms; theirs with exact vectors", ours, flat, flat / ours),
            Row("the same; theirs with our tier", ours, same, same / ours),
        ],
        [
            f"{passages} passages of {tokens:.0f} tokens, {dimension} dimensions",
            f"on disk {(size - written) / passages:,.0f} bytes a passage beside its text, of which "
            f"{cached / passages:,.0f} are its vector in the cache, {2 * dimension:,} the same in the database, "
            f"{words / passages:,.0f} its words, {lexical / passages:,.0f} its terms",
            f"an answer takes {answered:.1f} ms, p50, beside {found:.1f} for the hits alone: {answered / found:.2f} times",
            "ms, p50: "
            + ", ".join(f"{name} {statistics.median(cost[name] for cost in steps) * 1000:.1f}" for name in steps[0]),
        ],
    )


def synthesise(folder: Path, encoder: Encoder, passages: int) -> list[str]:
    """Make an index of so many passages in the empty `folder`, and return their texts.

    They are sentences of the sample put together by lot; their vectors lie to each other as those of passages do, and their
    words are noise.
    """
    texts = sample_texts(passages, seed=5, lengths=(3, 4))
    with (
        tempfile.TemporaryDirectory() as name,
        lock.writing(folder),
        Store.create(folder, encoder.card, lambda: space_of(encoder)) as store,
    ):
        like_passages(Path(name) / "vectors.npy", passages, encoder.card.dimension)
        vectors = np.load(Path(name) / "vectors.npy", mmap_mode="r")
        for at in range(0, passages, _COMMIT):
            commit(store, encoder.card, texts[at : at + _COMMIT], np.asarray(vectors[at : at + _COMMIT]), at)
        catch_up(folder, encoder.card)
    grow(folder, encoder.card)
    return texts


def costs(searcher: Searcher, question: str) -> dict[str, float]:
    """Seconds that each kind of evidence takes for a question, the best of three, warm."""
    snapshot = searcher.reader.snapshot()
    store, asked = searcher.reader.store, understand(question, searcher.encoder, snapshot)
    terms = asked.spelled()
    ids = np.unique(snapshot.vectors.nearest(asked.vector, 2 * CANDIDATES).ids)
    near = np.array(sorted(snapshot.neighbours(ids, REACH)), dtype=np.int64)
    best = ids[:10].tolist()
    steps: dict[str, Callable[[], object]] = {
        "reading the question": lambda: understand(question, searcher.encoder, snapshot),
        "nearest vectors": lambda: snapshot.vectors.nearest(asked.vector, CANDIDATES),
        "terms": lambda: snapshot.terms.matching(terms, CANDIDATES),
        "translated terms": lambda: snapshot.terms.matching(asked.translated(), CANDIDATES),
        "finding neighbours": lambda: snapshot.neighbours(ids, REACH),
        "their vectors": lambda: snapshot.vectors.nearest(asked.vector, len(near), near),
        "their terms": lambda: [
            snapshot.terms.scored(words, near)
            for words in ([word.terms for word in asked.terms], [word.translated for word in asked.terms])
        ],
        "their words": lambda: matches(asked.words, list(store.words(near.tolist()).values())),
        "loading ten hits": lambda: store.passages(best),
    }
    return {name: min(_seconds(step) for _ in range(3)) for name, step in steps.items()}


def _seconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def _size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def commit(store: Store, card: ModelCard, texts: Sequence[str], vectors: Vectors, first: int) -> None:
    """Commit entries of one passage each, numbered from `first`, with these vectors, and words drawn by lot."""
    lot = np.random.default_rng(first)
    entries, encoded = [], {}
    for number, (text, vector) in enumerate(zip(texts, vectors, strict=True), start=first):
        lang = LANGUAGES[number % 2]
        key = number.to_bytes(16, "big")
        words = lot.integers(0, 256, (len(content_spans(text, lang)), -(-card.dimension // 8)), dtype=np.uint8)
        encoded[key] = Encoded(vector, words)
        entries.append((Entry("direct.txt", str(number), "", text, lang), [NewPassage(0, len(text), key)]))
    store.commit(Changes([Origin("direct.txt", "direct.txt", "UTC")], entries, (), encoded), card)


@dataclass(frozen=True)
class _Measured:
    """nDCG@10 of each question of one direction: as `filrouge search` ranks, and by the vectors of the whole alone."""

    ranked: list[float]
    dense: list[float]


def losing(
    encoder: Encoder,
    exact: Encoder,
    sets: Sequence[EvaluationSet],
    questions: int,
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """What `encoder` loses of nDCG@10 by its arithmetic, beside `exact`, the same model in float32, on the same questions.

    Each set is indexed whole with either, below `cache`. `questions` bounds those of a direction, drawn by lot. Every
    direction counts alike in the mean, whose error is that of the differences, question by question.
    """
    asked = [
        (chosen, direction, _drawn(chosen.judged(direction), questions))
        for chosen in sets
        for direction in chosen.directions()
        # Its questions are those of fr-mix and en-mix, asked already.
        if direction != "mix" or chosen.directions() == ["mix"]
    ]
    total, done = sum(len(some) for _, _, some in asked) * 2, 0
    found: list[list[_Measured]] = [[], []]
    for chosen in sets:
        own = [(direction, some) for which, direction, some in asked if which is chosen]
        for which, one in enumerate((encoder, exact)):
            with Searcher(evaluate.prepare(chosen, cache, one), one) as searcher:
                for direction, some in own:
                    found[which].append(_measured(searcher, direction, some))
                    done += len(some)
                    if progress:
                        progress(done, total)
    rows = []
    for (chosen, direction, some), ours, theirs in zip(asked, *found, strict=True):
        a, b = statistics.fmean(ours.ranked), statistics.fmean(theirs.ranked)
        # Nothing found by either is nothing lost.
        rows.append(Row(f"nDCG@10, {chosen.name} {direction}, {len(some)} questions", a, b, a / b if b else 1.0))
    notes = [
        f"{name}: {_loss([getattr(one, part) for one in found[0]], [getattr(one, part) for one in found[1]])}"
        for name, part in (("as ranked", "ranked"), ("by vectors alone", "dense"))
    ]
    return Comparison("precision", exact.card.precision, rows, notes)


def _drawn(questions: list[Question], most: int) -> list[Question]:
    return questions if len(questions) <= most else random.Random(1).sample(questions, most)


def _measured(searcher: Searcher, direction: str, questions: Sequence[Question]) -> _Measured:
    searched = direction.rpartition("-")[2]
    filters = Filters(lang=None if searched == "mix" else searched)
    found = _Measured([], [])
    for question in questions:
        ranked = searcher.rank(question.text, CANDIDATES, filters, searcher.reader.snapshot())
        for ranking, values in ((ranked.fused, found.ranked), (ranked.votes["dense"], found.dense)):
            values.append(measures.ndcg(_items(searcher.reader.store, ranking), question.grades))
    return found


def _items(store: StoreView, ranking: Ranking) -> list[str]:
    """The corpus items of a ranking's passages, each at its best place."""
    keys = store.entry_keys(ranking.ids.tolist())
    return list(dict.fromkeys(keys[i] for i in ranking.ids.tolist()))


def _loss(ours: Sequence[Sequence[float]], exact: Sequence[Sequence[float]]) -> str:
    """The mean over directions of either, and what is lost with its standard error.

    >>> _loss([[1.0, 0.5]], [[1.0, 0.5]])
    'mean nDCG@10 0.7500 beside 0.7500; lost 0.0000 ± 0.0000'
    """
    a, b = (statistics.fmean(map(statistics.fmean, side)) for side in (ours, exact))
    variance = (
        sum(float(np.var(np.subtract(theirs, mine))) / len(mine) for mine, theirs in zip(ours, exact, strict=True))
        / len(ours) ** 2
    )
    return f"mean nDCG@10 {a:.4f} beside {b:.4f}; lost {b - a:.4f} ± {variance**0.5:.4f}"
