"""The store keeps what it is given, shows each generation as it was, and refuses what is not its own."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed import ModelCard
from embed.encoder import Vectors
from index import migrations
from index.conditions import And, Not, Or, Phrase, Word
from index.errors import ModelMismatch, NotAnIndex, NotFound, StorageError
from index.records import Entry, Ids, Passage, Precision, Window
from index.space import KINDS, Codes, Space
from index.store import FILE, Changes, Encoded, Indexed, NewPassage, Origin, Source, Store
from index.sums import vector_sum

CARD = ModelCard("demo", "1", 4, 64)
# Numbers that single precision has and half precision has not.
SPACE = Space(
    {
        kind: {lang: np.array([number + 0.1, -1, 1 / 3, 0], dtype=np.float32) for number, lang in enumerate(("fr", "en"))}
        for kind in KINDS
    }
)
PARIS = ZoneInfo("Europe/Paris")
NOON = datetime(2023, 5, 23, 12, tzinfo=PARIS)
TABLES = ["entries", "generations", "meta", "passages", "sources", "vectors", "versions"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    return folder


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store.create(folder, CARD, lambda: SPACE) as store:
        yield store


def told(key: str, text: str = "Le texte.", source: str = "fil/a.txt", **known: object) -> Entry:
    return Entry(source, key, "Titre", text, "fr", **known)  # type: ignore[arg-type]


def vector_of(text: str) -> Vectors:
    row = np.array([len(text), text.count("e"), text.count("a"), 1], dtype=np.float32)
    unit: Vectors = row / np.linalg.norm(row)
    return unit


def kept(text: str) -> list[float]:
    """The vector of a text as the store gives it back."""
    found: list[float] = vector_of(text).astype(np.float16).astype(np.float32).tolist()
    return found


def words_of(text: str) -> Codes:
    """A row for each word, of ceil(4 / 8) bytes."""
    return np.array([len(word) % 256 for word in text.split()], dtype=np.uint8)[:, np.newaxis]


def encoded(text: str) -> Encoded:
    return Encoded(vector_of(text), words_of(text))


def whole(entry: Entry) -> NewPassage:
    return NewPassage(0, len(entry.text), entry.text.encode()[:16])


def commit(store: Store, *entries: Entry, withdrawn: Sequence[str] = (), spans: Mapping[str, Sequence[NewPassage]] = {}) -> int:
    """Commit entries of one passage each, where `spans` has no others for their key."""
    passages = [(entry, spans.get(entry.key, [whole(entry)])) for entry in entries]
    return store.commit(
        Changes(
            origins=[Origin(source, f"/tmp/{source}", "Europe/Paris") for source in {entry.source for entry in entries}],
            entries=passages,
            withdrawn=withdrawn,
            vectors={p.vector_hash: encoded(e.text[p.start : p.end]) for e, some in passages for p in some},
        ),
        CARD,
    )


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(folder / FILE)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def both_ways(folder: Path) -> list[Callable[[], Store]]:
    """To read, and to write."""
    return [lambda: Store.open(folder), lambda: Store.create(folder, CARD, lambda: SPACE)]


def alive(store: Store, generation: int) -> set[int]:
    return set(store.allowed(generation, Window()).tolist())


# The layout


def test_an_empty_folder_becomes_an_index_of_the_newest_layout(folder: Path) -> None:
    with Store.create(folder, CARD, lambda: SPACE) as store:
        assert (store.generation(), store.card(), store.counts(0), store.sources(0)) == (0, CARD, (0, 0), [])
        assert store.zone() == "UTC"
    assert rows(folder, "PRAGMA user_version") == [(len(migrations.STEPS),)]
    assert rows(folder, "PRAGMA application_id") == [(int.from_bytes(b"FILR", "big"),)]
    assert rows(folder, "PRAGMA journal_mode") == [("wal",)]
    assert [name for (name,) in rows(folder, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")] == [
        *TABLES[:5],
        "sqlite_sequence",
        *TABLES[5:],
    ]


def test_two_indexes_have_different_identities(tmp_path: Path) -> None:
    names = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with Store.create(tmp_path / name, CARD, lambda: SPACE) as store:
            names.add(store.identity())
        with Store.open(tmp_path / name) as store:
            names.add(store.identity())
    assert len(names) == 2


def test_an_older_layout_is_brought_up_once_and_keeps_its_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.create(folder, CARD, lambda: SPACE) as store:
        commit(store, told("a"))
    ran = []

    def add_a_column(db: sqlite3.Connection) -> None:
        ran.append(1)
        db.execute("ALTER TABLE sources ADD COLUMN note TEXT NOT NULL DEFAULT 'new'")

    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, add_a_column])
    for _ in range(2):
        with Store.open(folder) as store:
            assert store.counts(1) == (1, 1)
    assert ran == [1]
    assert rows(folder, "SELECT name, note FROM sources") == [("fil/a.txt", "new")]
    assert rows(folder, "PRAGMA user_version") == [(len(migrations.STEPS),)]


def test_a_step_that_fails_leaves_the_layout_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.create(folder, CARD, lambda: SPACE).close()

    def stumble(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half (a)")
        db.execute("INSERT INTO nowhere VALUES (1)")

    steps = migrations.STEPS
    monkeypatch.setattr(migrations, "STEPS", [*steps, stumble])
    with pytest.raises(StorageError, match="no such table: nowhere"):
        Store.open(folder)
    monkeypatch.setattr(migrations, "STEPS", steps)
    with Store.open(folder) as store:
        assert store.generation() == 0
    assert rows(folder, "SELECT name FROM sqlite_schema WHERE name = 'half'") == []


def test_an_index_of_a_newer_layout_is_refused_and_left_as_it_was(folder: Path) -> None:
    Store.create(folder, CARD, lambda: SPACE).close()
    db = sqlite3.connect(folder / FILE)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = (folder / FILE).read_bytes()
    for refused in both_ways(folder):
        with pytest.raises(NotAnIndex, match=r"was written by a newer filrouge \(layout 99\); upgrade this one"):
            refused()
    assert (folder / FILE).read_bytes() == before


def test_a_foreign_database_is_refused_and_left_as_it_was(folder: Path) -> None:
    db = sqlite3.connect(folder / FILE)
    db.execute("CREATE TABLE accounts (name TEXT)")
    db.execute("INSERT INTO accounts VALUES ('kept')")
    db.commit()
    db.close()
    before = (folder / FILE).read_bytes()
    for refused in both_ways(folder):
        with pytest.raises(NotAnIndex, match=r"index\.sqlite is not a filrouge index; choose another folder"):
            refused()
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [(FILE, before)]


@pytest.mark.parametrize(
    "content", [b"", b"Bonjour", b"Bonjour, ceci est un texte.\n" * 200, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_only_has_the_name_is_refused_and_left_as_it_was(folder: Path, content: bytes) -> None:
    (folder / FILE).write_bytes(content)
    for refused in both_ways(folder):
        with pytest.raises(NotAnIndex, match=r"is not a filrouge index|is damaged or not an index"):
            refused()
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [(FILE, content)]


def test_a_damaged_database_is_named(folder: Path) -> None:
    with Store.create(folder, CARD, lambda: SPACE) as store:
        commit(store, *(told(f"{n}", "mot " * 300) for n in range(50)))
    content = bytearray((folder / FILE).read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    (folder / FILE).write_bytes(content)
    with pytest.raises(NotAnIndex, match=r"index\.sqlite is damaged or not an index"), Store.open(folder) as store:
        store.counts(1)


def test_a_folder_without_an_index_says_how_to_make_one(tmp_path: Path) -> None:
    for missing in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotAnIndex) as caught:
            Store.open(missing)
        assert str(caught.value) == f"no index in {missing}: make one with filrouge index PATH --index {missing}"


def test_an_index_is_not_made_among_other_files(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(NotAnIndex, match="is not empty and holds no index; choose another folder for --index"):
        Store.create(folder, CARD, lambda: SPACE)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_an_index_is_not_made_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(StorageError, match=r"cannot make an index in .*: Not a directory"):
        Store.refuse_foreign(path)


def test_an_index_that_cannot_be_finished_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO nowhere VALUES (1)")

    monkeypatch.setattr(migrations, "STEPS", [*migrations.STEPS, stumble])
    with pytest.raises(StorageError, match="no such table: nowhere"):
        Store.create(folder, CARD, lambda: SPACE)
    assert list(folder.iterdir()) == []


def test_an_index_whose_maker_was_killed_says_what_to_do(folder: Path) -> None:
    db = sqlite3.connect(folder / FILE)
    db.execute(f"PRAGMA application_id = {int.from_bytes(b'FILR', 'big')}")
    db.close()
    with pytest.raises(NotAnIndex, match="was never finished; delete the folder and index again"):
        Store.create(folder, CARD, lambda: SPACE)


def test_another_model_is_refused_with_the_command_that_repairs_it(folder: Path) -> None:
    Store.create(folder, CARD, lambda: SPACE).close()
    other = ModelCard("other", "7", 8, 64)
    with pytest.raises(ModelMismatch) as caught:
        Store.create(folder, other, lambda: SPACE)
    assert str(caught.value) == (
        f"the index {folder} was built with the model 'demo' (4 dimensions, 1), not with 'other' (8 dimensions, 7): "
        f"drop --model, or embed it anew with filrouge repair --index {folder} --model other"
    )
    with pytest.raises(ModelMismatch, match="built with another build of the model 'demo'"):
        Store.create(folder, ModelCard("demo", "2", 4, 64), lambda: SPACE)
    with Store.create(folder, ModelCard("demo", "1", 4, 64, licence="MIT"), lambda: SPACE) as store:
        assert store.card() == CARD


def said(space: Space | None) -> dict[str, dict[str, list[float]]] | None:
    """A space as a value that can be compared."""
    if space is None:
        return None
    return {kind: {lang: row.tolist() for lang, row in means.items()} for kind, means in space.means.items()}


def test_an_index_keeps_the_space_that_it_was_made_in(folder: Path) -> None:
    with Store.create(folder, CARD, lambda: SPACE) as store:
        assert said(store.space()) == said(SPACE)

    def refuse() -> Space:
        raise AssertionError("the index has one")

    with Store.create(folder, CARD, refuse) as store:
        assert said(store.space()) == said(SPACE)
    with Store.open(folder) as store:
        assert said(store.space()) == said(SPACE)


def test_an_index_whose_space_cannot_be_found_is_not_made(folder: Path) -> None:
    def stumble() -> Space:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Store.create(folder, CARD, stumble)
    assert list(folder.iterdir()) == []


OLD_ENTRY = Entry("fil/a.txt", "k", "Titre", "Oui. Non.", "fr", NOON, "minute")


def first_layout(folder: Path) -> None:
    """An index as the first release wrote it: layout 1, one entry of two passages, vectors in single precision."""
    db = sqlite3.connect(folder / FILE)
    with db:
        db.execute(f"PRAGMA application_id = {int.from_bytes(b'FILR', 'big')}")
        migrations.m001_entries_versions_passages_vectors(db)
        db.execute("PRAGMA user_version = 1")
        db.executemany("INSERT INTO meta VALUES (?, ?)", [("card", CARD.to_json()), ("identity", "0123456789abcdef")])
        db.execute("INSERT INTO generations VALUES (1, 1684836000000000)")
        db.execute("INSERT INTO sources VALUES (1, 'fil/a.txt', '/tmp/fil/a.txt', 'Europe/Paris')")
        db.execute("INSERT INTO entries VALUES (?, 1, 'k')", (OLD_ENTRY.id,))
        db.execute(
            """INSERT INTO versions (id, entry_id, title, text, lang, published, ends, tz, precision, content_hash, born)
               VALUES (1, ?, 'Titre', 'Oui. Non.', 'fr', 1684836000000000, 1684836000000000, 'Europe/Paris', 'minute', ?, 1)""",
            (OLD_ENTRY.id, OLD_ENTRY.content_hash),
        )
        for number, (start, end, text) in enumerate([(0, 4, "Oui."), (5, 9, "Non.")], start=1):
            values = (number, CARD.fingerprint, b"h%d" % number, vector_of(text).astype("<f4").tobytes())
            db.execute("INSERT INTO passages VALUES (?, 1, ?, ?, ?, 1, NULL)", (number, start, end, values[2]))
            db.execute("INSERT INTO vectors VALUES (?, ?, ?, ?)", values)
    db.close()


def test_an_index_of_the_first_layout_keeps_all_that_it_holds(folder: Path) -> None:
    first_layout(folder)
    with Store.open(folder) as store:
        assert (store.card(), store.space(), store.identity()) == (CARD, None, "0123456789abcdef")
        assert (store.generation(), store.counts(1), store.entry(OLD_ENTRY.id, 1)) == (1, (1, 2), OLD_ENTRY)
        assert store.passages_of(OLD_ENTRY.id, 1) == [Passage(1, OLD_ENTRY, 0, 4), Passage(2, OLD_ENTRY, 5, 9)]
        # In single precision, as they were written.
        assert [(ids.tolist(), langs, rows.tolist()) for ids, langs, rows in store.born_vectors(0, 1)] == [
            ([1, 2], ["fr", "fr"], [vector_of("Oui.").tolist(), vector_of("Non.").tolist()])
        ]
        # Without words a vector is not known, so that it is computed again.
        assert store.known_vectors([b"h1", b"h2"], CARD.fingerprint) == set()
    assert rows(folder, "PRAGMA user_version") == [(len(migrations.STEPS),)]
    assert rows(folder, "SELECT hash, words FROM vectors ORDER BY id") == [(b"h1", None), (b"h2", None)]


def test_an_index_of_the_first_layout_is_refused_with_the_command_that_repairs_it(folder: Path) -> None:
    first_layout(folder)
    message = (
        f"the index {folder} was embedded by an earlier release, without words: "
        f"embed it anew with filrouge repair --index {folder}"
    )
    with Store.open(folder) as store, pytest.raises(ModelMismatch) as caught:
        store.require(CARD)
    assert str(caught.value) == message
    with pytest.raises(ModelMismatch) as caught:
        Store.create(folder, CARD, lambda: SPACE)
    assert str(caught.value) == message
    # Another model comes first: the command names it.
    with Store.open(folder) as store, pytest.raises(ModelMismatch, match=r"with filrouge repair --index .* --model other$"):
        store.require(ModelCard("other", "7", 4, 64))


def test_a_vector_without_words_is_replaced_by_one_with_words(folder: Path) -> None:
    first_layout(folder)
    with Store.open(folder) as store:
        store.add_vectors({b"h2": encoded("Autre chose."), b"h3": encoded("Fin.")}, CARD.fingerprint)
        assert store.known_vectors([b"h1", b"h2", b"h3"], CARD.fingerprint) == {b"h2", b"h3"}
    assert rows(folder, "SELECT hash, vector, words FROM vectors ORDER BY id") == [
        (b"h1", vector_of("Oui.").astype("<f4").tobytes(), None),
        (b"h2", vector_of("Autre chose.").astype("<f2").tobytes(), b"\5\6"),
        (b"h3", vector_of("Fin.").astype("<f2").tobytes(), b"\4"),
    ]


# What is written


def test_a_commit_writes_these_rows(store: Store, folder: Path) -> None:
    entry = Entry(
        "fil/a.txt", "k", "Le Kremlin", "Oui. Non.", "fr", NOON, "minute", time(12, 0), "https://example.org/a"
    )  # fmt: skip
    spans = [NewPassage(0, 4, b"h1"), NewPassage(5, 9, b"h2")]
    assert commit(store, entry, spans={"k": spans}) == 1
    noon = 1684836000000000
    assert rows(folder, "SELECT * FROM sources") == [(1, "fil/a.txt", "/tmp/fil/a.txt", "Europe/Paris")]
    assert rows(folder, "SELECT * FROM entries") == [(entry.id, 1, "k")]
    assert rows(folder, "SELECT * FROM versions") == [
        (
            *(1, entry.id, "Le Kremlin", "Oui. Non.", "fr", "https://example.org/a", noon, noon),
            *("Europe/Paris", "minute", "12:00:00", entry.content_hash, 1, None),
        )
    ]
    assert rows(folder, "SELECT * FROM passages") == [(1, 1, 0, 4, b"h1", 1, None), (2, 1, 5, 9, b"h2", 1, None)]
    kept = [
        (b"h1", vector_of("Oui.").astype("<f2").tobytes(), b"\4"),
        (b"h2", vector_of("Non.").astype("<f2").tobytes(), b"\4"),
    ]
    assert rows(folder, "SELECT * FROM vectors") == [
        (number, CARD.fingerprint, *row, vector_sum(*row)) for number, row in enumerate(kept, start=1)
    ]
    assert [(number, sum is None) for number, sum in rows(folder, "SELECT number, sum FROM generations")] == [
        (0, True),
        (1, False),
    ]


def test_an_edited_entry_keeps_its_former_version_and_gets_new_passages(store: Store, folder: Path) -> None:
    commit(store, told("a", "Avant."), told("b"))
    commit(store, told("a", "Après."))
    assert rows(folder, "SELECT entry_id, text, born, died FROM versions ORDER BY id") == [
        (told("a").id, "Avant.", 1, 2),
        (told("b").id, "Le texte.", 1, None),
        (told("a").id, "Après.", 2, None),
    ]
    assert rows(folder, "SELECT id, version_id, born, died FROM passages") == [(1, 1, 1, 2), (2, 2, 1, None), (3, 3, 2, None)]
    assert [store.entry(told("a").id, generation).text for generation in (1, 2)] == ["Avant.", "Après."]
    assert (alive(store, 1), alive(store, 2)) == ({1, 2}, {2, 3})


def test_a_withdrawn_entry_is_gone_and_stays_in_history(store: Store) -> None:
    entry = told("a", "Avant.")
    commit(store, entry, told("b"))
    commit(store, withdrawn=[entry.id])
    assert (store.generation(), store.counts(1), store.counts(2)) == (2, (2, 2), (1, 1))
    assert (store.keys("fil/a.txt"), list(store.current("fil/a.txt", ["a", "b"]))) == ({"b": told("b").id}, ["b"])
    assert (store.entry(entry.id, 1), store.passages_of(entry.id, 2)) == (entry, [])
    with pytest.raises(
        NotFound, match=f"the entry '{entry.id}' is not in the index at this time; its versions say when it was"
    ):
        store.entry(entry.id, 2)
    # Back again, it is a version of the same entry, and its passage is a new one.
    commit(store, entry)
    assert (store.entry(entry.id, 3), alive(store, 3)) == (entry, {2, 3})


def test_every_version_of_an_entry_is_kept_with_the_time_that_it_was_seen(store: Store) -> None:
    other, first, second = told("b"), told("a", "Avant."), told("a", "Après.", published=NOON, precision="minute")
    before = datetime.now(UTC)
    commit(store, first, other)
    commit(store, second)
    commit(store, told("b", "Autre."))
    commit(store, withdrawn=[first.id])
    commit(store, first)
    after = datetime.now(UTC)
    found = store.versions(first.id, 5)
    assert [(one.number, one.entry, one.generation, one.withdrawn, one.current) for one in found] == [
        (1, first, 1, False, False),
        (2, second, 2, True, False),
        (3, first, 5, False, True),
    ]
    assert found[1].ended is not None
    moments = [before, found[0].seen, found[1].seen, found[1].ended, found[2].seen, after]
    assert moments == sorted(moments)
    assert found[0].ended == found[1].seen
    # As a reader of an earlier generation knew it.
    assert [(one.entry.text, one.ended, one.withdrawn) for one in store.versions(first.id, 2)] == [
        ("Avant.", found[1].seen, False),
        ("Après.", None, False),
    ]
    assert [one.withdrawn for one in store.versions(first.id, 4)] == [False, True]
    for entry_id, generation in ((first.id, 0), ("none", 5)):
        with pytest.raises(NotFound, match=f"no entry '{entry_id}' in this index"):
            store.versions(entry_id, generation)


def test_a_clock_that_is_set_back_does_not_turn_history_round(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.commits.time.time_ns", lambda: 5_000_000)
    commit(store, told("a", "Un."))
    monkeypatch.setattr("index.commits.time.time_ns", lambda: 1_000_000)
    commit(store, told("a", "Deux."))
    one, two = store.versions(told("a").id, 2)
    assert (one.entry.text, two.entry.text) == ("Un.", "Deux.")
    assert two.seen - one.seen == timedelta(microseconds=1)


def test_what_engines_decide_alone_is_true_of_every_generation_in_any_order(store: Store) -> None:
    for n in range(4):
        commit(store, told(f"{n}"), told("edited", f"Le texte {n}."))
    commit(store, withdrawn=[told("1").id])
    asked = And((Not(Word("port")), Or((Phrase("quai nord"), Not(Phrase("pont"))))))
    found: dict[Phrase | Word, Ids] = {
        Word("port"): np.array([2, 5]),
        Phrase("quai nord"): np.array([1, 4]),
        Phrase("pont"): np.array([1, 3, 4, 8]),
    }
    for generation in (3, 1, 5, 0, 2, 4, 5):
        # All are French, so that this changes nothing but that rows are read.
        read = store.allowed(generation, Window(), "fr", condition=asked, found=found)
        assert store.allowed(generation, Window(), condition=asked, found=found).tolist() == read.tolist()
        assert alive(store, generation) == set(store.allowed(generation, Window(), "fr").tolist())
    assert store.allowed(5, Window(), condition=asked, found=found).tolist() == [1, 7]


def test_passage_ids_are_never_used_again(store: Store, folder: Path) -> None:
    for _ in range(3):
        commit(store, told("a"))
        commit(store, withdrawn=[told("a").id])
    assert [sorted(alive(store, generation)) for generation in range(7)] == [[], [1], [], [2], [], [3], []]
    # Not even when the last was deleted by other means, which an open store does not look for.
    with store.writing() as db:
        db.execute("DELETE FROM passages WHERE id = 3")
    with Store.open(folder) as anew:
        commit(anew, told("a"))
        assert alive(anew, 7) == {4}


def test_a_commit_that_fails_writes_nothing(store: Store, folder: Path) -> None:
    commit(store, told("a"))
    before = {table: rows(folder, f"SELECT * FROM {table}") for table in TABLES}
    # A passage whose vector hash is missing comes last, behind rows that were written.
    spans = {"c": [NewPassage(0, None, b"h")]}  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="NOT NULL constraint failed"):
        commit(store, told("b"), told("c"), withdrawn=[told("a").id], spans=spans)
    assert {table: rows(folder, f"SELECT * FROM {table}") for table in TABLES} == before
    assert commit(store, told("b")) == 2


def test_the_entries_before_and_after_are_those_of_the_same_source_in_time(store: Store) -> None:
    hours = {key: NOON + timedelta(hours=hour) for key, hour in (("c", 3), ("a", 1), ("b", 2), ("d", 4))}
    entries = {key: told(key, published=at, precision="minute") for key, at in hours.items()}
    unknown = [told("x"), told("y", clock=time(7)), told("z", clock=time(6))]
    commit(store, *entries.values(), *unknown, told("other", source="fil/b.txt", published=NOON, precision="minute"))

    def around(entry: Entry, reach: int) -> tuple[list[str], list[str]]:
        before, after = store.around(entry, store.generation(), reach)
        return [one.key for one in before], [one.key for one in after]

    # Those of no known time come first, those of no known day by their clocks.
    assert around(entries["b"], 9) == (["x", "z", "y", "a"], ["c", "d"])
    assert around(entries["b"], 1) == (["a"], ["c"])
    assert around(unknown[0], 2) == ([], ["z", "y"])
    before = store.generation()
    commit(store, told("a", "Un autre texte.", published=hours["a"], precision="minute"), withdrawn=[entries["c"].id])
    assert around(entries["b"], 1) == (["a"], ["d"])
    # Of an earlier generation, and of an entry that is gone.
    assert [one.text for one in store.around(entries["b"], before, 1)[0]] == ["Le texte."]
    assert [one.key for one in store.around(entries["b"], before, 1)[1]] == ["c"]
    assert around(entries["c"], 1) == (["b"], ["d"])


def test_entries_of_one_minute_follow_one_another_as_they_were_read(store: Store) -> None:
    same = [told(key, published=NOON, precision="minute") for key in "cab"]
    commit(store, *same)
    assert [[one.key for one in side] for side in store.around(same[1], store.generation(), 2)] == [["c"], ["b"]]


def test_the_latest_entries_are_those_that_were_published_last(store: Store) -> None:
    commit(
        store, told("x"), *(told(key, published=NOON + timedelta(hours=n), precision="minute") for n, key in enumerate("abc"))
    )
    assert [one.key for one in store.latest(store.generation(), 2)] == ["c", "b"]
    assert [one.key for one in store.latest(store.generation(), 9)] == ["c", "b", "a", "x"]
    commit(store, withdrawn=[told("c").id])
    assert [one.key for one in store.latest(store.generation(), 1)] == ["b"]
    assert [one.key for one in store.latest(1, 1)] == ["c"]
    assert store.latest(0, 1) == []


def test_the_moments_of_passages_are_those_of_their_entries(store: Store) -> None:
    day = NOON.replace(hour=0)
    commit(store, told("a", published=NOON, precision="minute"), told("b", published=day, precision="day"), told("c"))
    assert store.moments([1, 2, 3]) == {1: (NOON, False), 2: (day, True), 3: (None, False)}
    assert store.moments([]) == {}


def test_the_names_of_sources_are_told_by_name(store: Store) -> None:
    commit(store, told("a", source="fil/b.txt"), told("a", source="fil/a.txt"))
    assert store.source_names() == ["fil/a.txt", "fil/b.txt"]


def test_a_passage_of_no_version_cannot_be_written(store: Store) -> None:
    with pytest.raises(StorageError, match="FOREIGN KEY constraint failed"), store.writing() as db:
        db.execute("INSERT INTO passages (version_id, start, \"end\", vector_hash, born) VALUES (9, 0, 1, x'00', 0)")


WITH_ALL = [
    told("plain"),
    told("noon", published=NOON, precision="minute", clock=time(12, 0), url="https://example.org/?a=1&b=é"),
    told("day", published=datetime(2023, 3, 26, tzinfo=PARIS), precision="day"),
    told("clock", clock=time(7, 44)),
    told("offset", published=datetime(2023, 1, 1, 0, 0, 1, 5, timezone(timedelta(hours=5, minutes=30))), precision="second"),
    told("utc", published=datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), precision="second"),
    told("odd", "« Où ? » e\u0301 é\u00a0🙂👩‍👩‍👧 \u202f ﬁ\n\nligne\t\0 fin 𝒳"),
    Entry("fil/é.txt", "0; DROP TABLE entries --", "", "'\"%_", "und"),
]


def test_entries_come_back_as_they_were(store: Store) -> None:
    commit(store, *WITH_ALL)
    found = [store.entry(entry.id, 1) for entry in WITH_ALL]
    assert found == WITH_ALL
    assert [str(entry.published) for entry in found] == [str(entry.published) for entry in WITH_ALL]
    assert [entry.content_hash for entry in found] == [entry.content_hash for entry in WITH_ALL]
    assert [entry for _, entry in store.all_current()] == WITH_ALL
    for entry in WITH_ALL:
        assert store.current(entry.source, [entry.key]) == {entry.key: entry.content_hash}


def test_passages_come_back_with_their_entry(store: Store) -> None:
    a, b = told("a", "Oui. Non."), told("b", "Peut-être.")
    commit(store, a, b, spans={"a": [NewPassage(5, 9, b"2"), NewPassage(0, 4, b"1")]})
    first, second, third = Passage(1, a, 5, 9), Passage(2, a, 0, 4), Passage(3, b, 0, 10)
    assert store.passages_of(a.id, 1) == [second, first]
    assert store.passages([3, 1]) == {1: first, 3: third}
    with pytest.raises(StorageError, match=r"passage 77 of the index .* is lost: filrouge verify says what else is damaged"):
        store.passages([3, 77])
    assert store.entry_keys([2, 3, 77]) == {2: "a", 3: "b"}
    assert store.passages([]) == {}


def test_more_passages_than_one_statement_takes_come_back_whole(store: Store) -> None:
    text = "x" * 5100
    commit(store, told("a", text), spans={"a": [NewPassage(at, at + 1, b"x") for at in range(5100)]})
    ids = list(range(1, 5101))
    assert {i: (p.start, p.end) for i, p in store.passages(ids[:1200]).items()} == {i: (i - 1, i) for i in ids[:1200]}
    assert store.entry_keys(ids) == dict.fromkeys(ids, "a")
    assert [p.id for batch in store.born(0, 1) for p in batch] == ids
    born = list(store.born_vectors(0, 1))
    assert np.concatenate([some for some, _, _ in born]).tolist() == ids
    assert [lang for _, langs, _ in born for lang in langs] == ["fr"] * 5100
    assert np.concatenate([vectors for _, _, vectors in born]).tolist() == [kept("x")] * 5100
    assert {i: codes.tolist() for i, codes in store.words(ids).items()} == {i: [[1]] for i in ids}


def test_sources_are_counted_by_generation(store: Store) -> None:
    late = told("late", published=NOON + timedelta(hours=3), precision="minute")
    early = Entry("fil/a.txt", "early", "", "Yes. No.", "en", NOON, "minute")
    commit(store, late, early, spans={"early": [NewPassage(0, 4, b"1"), NewPassage(5, 8, b"2")]})
    commit(store, told("x", source="fil/b.txt"), withdrawn=[late.id])
    assert store.sources(0) == []
    assert store.sources(1) == [Source("fil/a.txt", 2, 3, ("en", "fr"), NOON, NOON + timedelta(hours=3))]
    assert store.sources(2) == [
        Source("fil/a.txt", 1, 2, ("en",), NOON, NOON),
        Source("fil/b.txt", 1, 1, ("fr",), None, None),
    ]
    assert (store.origin("fil/b.txt"), store.origin("nowhere")) == ("/tmp/fil/b.txt", None)
    assert store.zone() == "Europe/Paris"


def test_a_source_that_moves_is_told_by_the_next_commit(store: Store) -> None:
    commit(store, told("a"))
    store.commit(Changes([Origin("fil/a.txt", "/elsewhere/a.txt", "UTC")], [(told("b"), [])]), CARD)
    assert (store.origin("fil/a.txt"), store.zone()) == ("/elsewhere/a.txt", "UTC")


# What engines catch up with


@given(
    edits=st.lists(
        st.tuples(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 3)), st.sets(st.sampled_from("abcde"), max_size=2)),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=25, deadline=None)
def test_what_was_born_and_died_leads_from_any_generation_to_any_later(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[dict[str, int], set[str]]]
) -> None:
    with Store.create(tmp_path_factory.mktemp("index"), CARD, lambda: SPACE) as store:
        for number, (written, gone) in enumerate(edits):
            entries = [told(key, f"{key}{number}" * 3) for key in written]
            spans = {
                key: [NewPassage(0, n, f"{key}{number}{n}".encode()) for n in range(1, written[key] + 1)] for key in written
            }
            commit(store, *entries, withdrawn=[told(key).id for key in gone], spans=spans)
        newest = store.generation()
        assert newest == len(edits)
        for after in range(newest + 1):
            for upto in range(after, newest + 1):
                born = [passage for batch in store.born(after, upto) for passage in batch]
                died = set(store.died(after, upto).tolist())
                assert (alive(store, after) - died) | {passage.id for passage in born} == alive(store, upto)
                assert died <= alive(store, after)
                assert not {passage.id for passage in born} & alive(store, after)
                vectors = {
                    i: (lang, row.tolist())
                    for ids, langs, matrix in store.born_vectors(after, upto)
                    for i, lang, row in zip(ids.tolist(), langs, matrix, strict=True)
                }
                assert vectors == {passage.id: ("fr", kept(passage.text)) for passage in born}


def test_a_passage_is_given_to_engines_with_its_title_and_language(store: Store) -> None:
    commit(store, told("a", "🙂 Oui. Non."), spans={"a": [NewPassage(2, 6, b"1"), NewPassage(7, 11, b"2")]})
    assert list(store.born(0, 1)) == [[Indexed(1, "fr", "Titre", "Oui."), Indexed(2, "fr", "Titre", "Non.")]]


def test_a_vector_is_known_by_its_model_and_its_text(store: Store, folder: Path) -> None:
    store.add_vectors({b"1": encoded("a"), b"2": encoded("b")}, "model")
    store.add_vectors({b"2": encoded("other"), b"3": encoded("c")}, "model")
    hashes = [str(n).encode() for n in range(2000)]
    assert store.known_vectors(hashes, "model") == {b"1", b"2", b"3"}
    assert store.known_vectors(hashes, "another") == set()
    assert store.generation() == 0
    # What was there first has stayed.
    assert rows(folder, "SELECT hash, vector, words FROM vectors WHERE model = 'model' ORDER BY hash") == [
        (name, vector_of(text).astype("<f2").tobytes(), b"\1") for name, text in ((b"1", "a"), (b"2", "b"), (b"3", "c"))
    ]


def test_words_come_back_by_passage_also_where_there_are_none(store: Store) -> None:
    a, b = told("a", "Le texte. 🙂 !"), told("b", "Oui.")
    spans = {"a": [NewPassage(0, 9, b"1"), NewPassage(10, 13, b"2")]}
    store.add_vectors({b"2": Encoded(vector_of("🙂 !"), np.zeros((0, 1), dtype=np.uint8))}, CARD.fingerprint)
    commit(store, a, b, spans=spans)
    found = store.words([3, 1, 2, 77])
    assert {i: (codes.dtype.name, codes.shape, codes.tolist()) for i, codes in found.items()} == {
        1: ("uint8", (2, 1), [[2], [6]]),
        2: ("uint8", (0, 1), []),
        3: ("uint8", (1, 1), [[4]]),
    }
    assert store.words([]) == {}


def test_words_are_those_of_the_model_that_the_index_has(store: Store) -> None:
    commit(store, told("a", "Oui. Non."))
    other = ModelCard("other", "7", 12, 64)
    signs = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.uint8)
    store.add_vectors({whole(told("a", "Oui. Non.")).vector_hash: Encoded(np.ones(12, dtype=np.float32), signs)}, "fremd")
    store.add_vectors({b"1": Encoded(np.ones(12, dtype=np.float32), signs)}, other.fingerprint)
    assert {i: codes.tolist() for i, codes in store.words([1]).items()} == {1: [[4], [4]]}
    ((version, _),) = store.all_current()
    store.replace_passages([(version, [NewPassage(0, 9, b"1")])], other, SPACE)
    # Of 12 dimensions, two bytes a word. The passage of before has none of this model.
    assert {i: codes.tolist() for i, codes in store.words([1, 2]).items()} == {2: signs.tolist()}


def test_neighbours_are_passages_beside_each_other_in_one_version(store: Store) -> None:
    text = "x" * 10
    spans = {
        key: [NewPassage(at, at + 1, key.encode() + bytes([at])) for at in range(count)]
        for key, count in (("a", 4), ("b", 1), ("c", 3))
    }
    commit(store, told("a", text), Entry("fil/a.txt", "b", "", text, "en"), told("c", text), spans=spans)
    versions = {entry.key: number for number, entry in store.all_current()}
    a, b, c = (versions["a"], "fr"), (versions["b"], "en"), (versions["c"], "fr")
    assert store.neighbours(np.array([2]), 1, 1) == {1: a, 2: a, 3: a}
    assert store.neighbours(np.array([4, 5]), 2, 1) == {2: a, 3: a, 4: a, 5: b}
    assert store.neighbours(np.array([8]), 9, 1) == {6: c, 7: c, 8: c}
    assert store.neighbours(np.array([1, 6]), 0, 1) == {1: a, 6: c}
    assert store.neighbours(np.zeros(0, dtype=np.int64), 1, 1) == {}
    # What there is not, or not yet, has none.
    assert store.neighbours(np.array([2, 99]), 1, 1) == {1: a, 2: a, 3: a}
    # An edit gives an entry other passages, and the reader of before goes on with its own.
    commit(store, told("a", text + "."), spans={"a": [NewPassage(0, 11, b"new")]})
    edited = {entry.key: number for number, entry in store.all_current()}["a"]
    assert store.neighbours(np.array([9]), 2, 2) == {9: (edited, "fr")}
    assert store.neighbours(np.array([4]), 9, 1) == {1: a, 2: a, 3: a, 4: a}


def test_the_work_of_catching_up_grows_with_the_number_of_passages_and_not_with_its_square(store: Store) -> None:
    work: list[int] = []
    entries = [told(f"{number:04}", f"Le texte {number:04} a une fin.") for number in range(1200)]
    for count in (300, 1200):
        commit(store, *entries[:count], spans={one.key: [NewPassage(0, 20, one.key.encode())] for one in entries[:count]})
        steps = [0]

        def step(steps: list[int] = steps) -> int:
            steps[0] += 1
            return 0

        with store.writing() as db:
            db.set_progress_handler(step, 100)
        found = sum(len(ids) for ids, _, _ in store.born_vectors(store.generation() - 1, store.generation()))
        with store.writing() as db:
            db.set_progress_handler(None, 100)
        assert found == count
        work.append(steps[0])
    assert work[0] > 0
    assert work[1] < 8 * work[0]


def test_passages_are_replaced_for_another_model_in_one_generation(store: Store) -> None:
    commit(store, told("a", "Oui. Non."), told("b"))
    other = ModelCard("other", "7", 4, 64)
    space = Space({kind: dict.fromkeys(("fr", "en"), np.full(4, 0.7, dtype=np.float32)) for kind in KINDS})
    store.add_vectors({b"1": encoded("Oui."), b"2": encoded("Non.")}, other.fingerprint)
    versions = {entry.key: number for number, entry in store.all_current()}
    replacing = {versions["a"]: [NewPassage(0, 4, b"1"), NewPassage(5, 9, b"2")], versions["b"]: []}
    assert store.replace_passages(replacing.items(), other, space) == 2
    assert (store.card(), store.counts(1), store.counts(2)) == (other, (2, 2), (2, 2))
    assert [(p.id, p.text) for p in store.passages_of(told("a").id, 2)] == [(3, "Oui."), (4, "Non.")]
    assert [(ids.tolist(), langs, rows.tolist()) for ids, langs, rows in store.born_vectors(1, 2)] == [
        ([3, 4], ["fr", "fr"], [kept("Oui."), kept("Non.")])
    ]
    assert said(store.space()) == said(space)


# Filters

HOURS = [NOON + timedelta(hours=hours) for hours in (-36, -24, -13, -12, -1, 0, 1, 12, 24, 36)]
DAYS = [datetime(2023, 5, day, tzinfo=PARIS) for day in (22, 23, 24)]
BOUNDS = sorted(
    {
        bound + timedelta(microseconds=nudge)
        for bound in [hour.astimezone(UTC) for hour in HOURS] + [day.astimezone(UTC) for day in DAYS]
        for nudge in (-1, 0, 1)
    }
)
TIMES: list[tuple[datetime | None, Precision | None]] = [
    *((hour, "minute") for hour in HOURS),
    *((hour, "second") for hour in HOURS),
    *((hour, None) for hour in HOURS),
    *((day, "day") for day in DAYS),
    (datetime(2023, 5, 23, tzinfo=ZoneInfo("America/New_York")), "day"),
    (None, None),
]
FILED = [
    Entry(source, f"{n}", "", "Texte.", lang, published, precision)
    for n, (published, precision) in enumerate(TIMES)
    for source, lang in (("fil/a.txt", "fr"), ("fil/b.txt", "en"), ("fil/b.txt", "und"))[n % 3 :][:1]
]


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.create(tmp_path_factory.mktemp("index"), CARD, lambda: SPACE) as store:
        commit(store, *FILED)
        yield store


@given(
    since=st.none() | st.sampled_from(BOUNDS),
    until=st.none() | st.sampled_from(BOUNDS),
    lang=st.none() | st.sampled_from(["fr", "en", "und", "de"]),
    source=st.none() | st.sampled_from(["fil/a.txt", "fil/b.txt", "fil/c.txt", "fil/%"]),
)
@settings(max_examples=300, deadline=None)
def test_the_allowed_passages_are_those_of_entries_within_the_filters(
    filed: Store, since: datetime | None, until: datetime | None, lang: str | None, source: str | None
) -> None:
    window = Window(since, until)
    expected = [
        number
        for number, entry in enumerate(FILED, start=1)
        if window.contains(entry) and lang in (None, entry.lang) and source in (None, entry.source)
    ]
    found = filed.allowed(1, window, lang, source)
    assert found.dtype == np.int64
    assert found.tolist() == expected


def test_a_bound_takes_in_its_own_moment_as_since_and_not_as_until(store: Store) -> None:
    commit(store, told("at", published=NOON, precision="minute"), told("day", published=DAYS[1], precision="day"))
    tick = timedelta(microseconds=1)
    midnight = DAYS[2]
    found = {
        "since noon": store.allowed(1, Window(NOON, None)),
        "since just behind noon": store.allowed(1, Window(NOON + tick, None)),
        "since midnight": store.allowed(1, Window(midnight, None)),
        "since just before midnight": store.allowed(1, Window(midnight - tick, None)),
        "until noon": store.allowed(1, Window(None, NOON)),
        "until just behind noon": store.allowed(1, Window(None, NOON + tick)),
        "until the day": store.allowed(1, Window(None, DAYS[1])),
    }
    assert {name: ids.tolist() for name, ids in found.items()} == {
        "since noon": [1, 2],
        "since just behind noon": [2],
        "since midnight": [],
        "since just before midnight": [2],
        "until noon": [2],
        "until just behind noon": [1, 2],
        "until the day": [],
    }


# Failures


def test_a_full_disk_keeps_the_last_commit_and_says_what_to_do(store: Store, folder: Path) -> None:
    commit(store, told("a"))
    # The pool gives the connection that was used last, so that this limit is the next commit's.
    with store.reading() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageError) as caught:
        commit(store, told("b", "x" * 100_000), withdrawn=[told("a").id])
    assert str(caught.value) == (
        f"the index {folder}: database or disk is full; free some space and run the same command again: "
        "nothing of the unfinished step was kept"
    )
    assert (store.generation(), alive(store, 1), list(store.keys("fil/a.txt"))) == (1, {1}, ["a"])
    with store.reading() as db:
        db.execute("PRAGMA max_page_count = 1000000")
    assert commit(store, told("b", "x" * 100_000)) == 2


def test_an_index_that_may_not_be_written_says_so(store: Store, folder: Path) -> None:
    commit(store, told("a"))
    store.close()
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write anywhere")
        with pytest.raises(StorageError, match="check that the folder exists and may be written"):
            commit(Store(folder), told("b"))
    finally:
        folder.chmod(0o755)


def test_a_closed_store_is_an_error_and_not_an_empty_one(store: Store) -> None:
    store.close()
    with pytest.raises(StorageError, match="closed database"):
        store.generation()


def test_readers_in_other_threads_see_whole_generations_while_one_writes(store: Store) -> None:
    failures: list[object] = []
    written = threading.Event()

    def read() -> None:
        try:
            while not written.is_set():
                generation = store.generation()
                entries, passages = store.counts(generation)
                assert store.passage_count(generation) == passages
                # Every commit adds one entry of two passages, and edits the first.
                if (entries, passages) != (generation, 2 * generation) or len(alive(store, generation)) != passages:
                    failures.append((generation, entries, passages))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    two = [NewPassage(0, 2, b"1"), NewPassage(2, 4, b"2")]
    try:
        for number in range(1, 31):
            entries = {key: told(key, f"Bon{number:06}") for key in ("0", f"{number - 1}")}
            commit(store, *entries.values(), spans=dict.fromkeys(entries, two))
    finally:
        written.set()
        for reader in readers:
            reader.join()
    assert failures == []
    assert store.counts(30) == (30, 60)


def test_an_index_that_is_read_without_locks_says_when_another_has_written_it(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, told("a"))
    store.close()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    with Store.open(folder) as reader:
        assert reader.generation() == 1
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", access)
            with Store.open(folder) as writer:
                commit(writer, told("b"))
        with pytest.raises(StorageError, match="was written by another while this process, which may not write there, read it"):
            reader.generation()
    with Store.open(folder) as reader:
        assert reader.generation() == 2
