"""The nouns."""

import itertools
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Entry, Hit, Passage, Ranking, Vote, Window, published_text

PARIS = ZoneInfo("Europe/Paris")


def entry(**fields: object) -> Entry:
    return Entry(**{"source": "s", "key": "k", "title": "Titre", "text": "Texte.", "lang": "fr", **fields})  # type: ignore[arg-type]


def test_an_id_comes_from_source_and_key_alone() -> None:
    one = entry()
    edited = entry(title="Autre", text="Autre.", lang="en", published=datetime(2023, 5, 23, tzinfo=UTC), url="https://a.fr")
    assert one.id == edited.id
    assert len({one.id, entry(source="t").id, entry(key="l").id, entry(source="sk", key="").id}) == 4
    assert len(one.id) == 16
    assert one.id.isalnum()
    assert one.id == one.id.lower()


def test_an_id_is_the_same_in_every_release() -> None:
    # Links to entries are made of it.
    assert Entry("le-fil.txt", "2023-05-23T07:44", "", "t", "fr").id == "afr3pt2yimjnsqzy"


def test_any_edit_that_a_reader_sees_changes_the_content_hash() -> None:
    at = datetime(2023, 5, 23, 11, 58, tzinfo=PARIS)
    known = entry(published=at, precision="minute")
    variants = [
        entry(),
        known,
        entry(title="Titre "),
        entry(text="Texte"),
        entry(lang="en"),
        entry(url="https://a.fr"),
        entry(clock=time(11, 58)),
        entry(clock=time(11, 59)),
        entry(published=at + timedelta(minutes=1), precision="minute"),
        entry(published=at, precision="second"),
        # The same moment, which is shown differently.
        entry(published=at.astimezone(UTC), precision="minute"),
        entry(published=at.astimezone(timezone(timedelta(hours=2))), precision="minute"),
        # The same letters, elsewhere.
        entry(title="", text="TitreTexte."),
        entry(title="Titre\0Texte.", text=""),
        entry(title="Titre", text="\0Texte."),
        entry(title="Titre\0", text="Texte."),
    ]
    assert len({variant.content_hash for variant in variants}) == len(variants)


def test_what_no_reader_sees_leaves_the_content_hash() -> None:
    assert entry(source="other", key="other").content_hash == entry().content_hash
    assert entry(text="demi \ud83d").content_hash == entry(text="demi \ud83d").content_hash


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ({}, None),
        ({"clock": time(11, 58)}, None),
        (
            {"published": datetime(2023, 5, 23, 11, 58, tzinfo=PARIS), "precision": "minute"},
            datetime(2023, 5, 23, 11, 58, tzinfo=PARIS),
        ),
        ({"published": datetime(2023, 5, 23, tzinfo=PARIS), "precision": "day"}, datetime(2023, 5, 24, tzinfo=PARIS)),
        # The day on which clocks are set forward has 23 hours.
        ({"published": datetime(2023, 3, 26, tzinfo=PARIS), "precision": "day"}, datetime(2023, 3, 27, tzinfo=PARIS)),
    ],
)
def test_an_entry_known_to_the_day_ends_with_it(fields: dict[str, object], ends: datetime | None) -> None:
    assert entry(**fields).ends == ends


def test_the_day_of_the_spring_change_has_23_hours() -> None:
    day = entry(published=datetime(2023, 3, 26, tzinfo=PARIS), precision="day")
    assert day.published is not None
    assert day.ends is not None
    assert day.ends.astimezone(UTC) - day.published.astimezone(UTC) == timedelta(hours=23)


def test_a_time_is_told_no_more_exactly_than_it_is_known() -> None:
    at = datetime(2023, 5, 23, 11, 58, tzinfo=PARIS)
    assert [published_text(at, "minute"), published_text(at, "day"), published_text(None, None)] == [
        "2023-05-23T11:58:00+02:00",
        "2023-05-23",
        None,
    ]


def test_a_passage_is_counted_in_code_points() -> None:
    text = "« 🙂🙂 » e\u0301te\u0301 – fin"
    assert Passage(1, entry(text=text), 2, 4).text == "🙂🙂"
    assert Passage(1, entry(text=text), 7, 12).text == "e\u0301te\u0301"


def test_a_hit_without_ranks_has_none() -> None:
    passage = Passage(1, entry(), 0, 5)
    assert Hit(1, passage, 0.5).ranks == {}
    assert Hit(1, passage, 0.5, {"terms": Vote(1, 2.0)}) != Hit(1, passage, 0.5, {"terms": Vote(2, 2.0)})


NUMBERS = st.lists(
    st.tuples(st.integers(1, 10**12), st.sampled_from([0.0, 0.25, 0.5, -1.0, 3.5])), unique_by=lambda pair: pair[0]
)


@given(NUMBERS, st.none() | st.integers(0, 5))
def test_a_ranking_is_what_sorting_gives(pairs: list[tuple[int, float]], k: int | None) -> None:
    ids = np.array([i for i, _ in pairs], dtype=np.int64)
    scores = np.array([s for _, s in pairs], dtype=np.float32)
    ranking = Ranking.best(ids, scores, k)
    assert list(ranking) == sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]
    assert len(ranking) == len(list(ranking))
    assert (ranking.ids.dtype.name, ranking.scores.dtype.name) == ("int64", "float32")


def test_nothing_ranked_is_a_ranking() -> None:
    assert (list(Ranking.empty()), len(Ranking.empty()), repr(Ranking.empty())) == ([], 0, "Ranking([])")


def test_rankings_of_the_same_ids_and_scores_are_equal() -> None:
    ids, scores = np.array([4, 2, 9]), np.array([0.5, 0.5, 0.7], dtype=np.float32)
    assert Ranking.best(ids, scores) == Ranking.best(ids[::-1], scores[::-1])
    for other in (Ranking.best(ids, scores, 2), Ranking.best(ids, -scores), Ranking.empty(), [(9, 0.7)]):
        assert Ranking.best(ids, scores) != other


def test_a_passage_has_a_name_for_elsewhere_and_a_hit_its_passage_s_place() -> None:
    entry = Entry("le-fil.txt", "07:44", "", "Deux blessés. Un mort.", "fr")
    hit = Hit(1, Passage(7, entry, 14, 22), 0.5)
    assert (hit.entry, hit.text, hit.start, hit.end) == (entry, "Un mort.", 14, 22)
    assert hit.passage.name == f"{entry.id}:14-22"


MINUTE = {"published": datetime(2023, 5, 23, 11, 58, tzinfo=PARIS), "precision": "minute"}
DAY = {"published": datetime(2023, 5, 23, tzinfo=PARIS), "precision": "day"}


def paris(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2023, 5, day, hour, minute, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("since", "until", "minute", "day", "undated"),
    [
        (None, None, True, True, True),
        # `since` is in the window, `until` is not.
        (paris(23, 11, 58), None, True, True, False),
        (paris(23, 11, 59), None, False, True, False),
        (None, paris(23, 11, 58), False, True, False),
        (None, paris(23, 11, 59), True, True, False),
        # Any moment of the day will do for an entry known to the day.
        (paris(23), paris(24), True, True, False),
        (paris(23, 23, 59), None, False, True, False),
        (paris(24), None, False, False, False),
        (None, paris(23), False, False, False),
        (paris(22), paris(23), False, False, False),
        # 22:00 UTC is midnight in Paris.
        (datetime(2023, 5, 23, 22, tzinfo=UTC), None, False, False, False),
        (datetime(2023, 5, 23, 21, 59, tzinfo=UTC), None, False, True, False),
        (None, datetime(2023, 5, 22, 22, tzinfo=UTC), False, False, False),
        (None, datetime(2023, 5, 22, 22, 1, tzinfo=UTC), False, True, False),
    ],
)
def test_a_window_is_half_open(since: datetime | None, until: datetime | None, minute: bool, day: bool, undated: bool) -> None:
    window = Window(since, until)
    held = [window.contains(entry(**fields)) for fields in (MINUTE, DAY, {"clock": time(11, 58)})]
    assert held == [minute, day, undated]


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.sampled_from(["Europe/Paris", "America/New_York", "UTC"]))
def test_every_day_is_in_its_own_window_and_in_no_neighbours(day: date, zone: str) -> None:
    within = ZoneInfo(zone)
    starts = [datetime.combine(day + timedelta(days=shift), time(), within) for shift in (-1, 0, 1, 2)]
    whole = entry(published=starts[1], precision="day")
    held = [Window(since, until).contains(whole) for since, until in itertools.pairwise(starts)]
    assert held == [False, True, False]
