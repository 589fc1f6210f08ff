"""Which time a question speaks of: expressions with their windows, names that are no times, and what there is not."""

import json
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Window
from index.when import TimePhrase, When, Why, asks_when, read_when
from index.when.local import begins, ends, is_shown
from index.when.tokens import tokens

HERE = Path(__file__).parent
PARIS = ZoneInfo("Europe/Paris")
LONDON = ZoneInfo("Europe/London")
NOW = datetime(2023, 5, 23, 10, 30, tzinfo=PARIS)
"""A Tuesday."""
PRESENTS = [
    NOW,
    datetime(2024, 1, 1, 0, 30, tzinfo=PARIS),
    datetime(2023, 10, 29, 2, 30, fold=1, tzinfo=PARIS),
    datetime(2023, 3, 26, 12, 0, tzinfo=PARIS),
    datetime(2024, 2, 29, 23, 59, tzinfo=UTC),
]


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


EXPRESSIONS = rows("when_expressions.jsonl")
TRAPS = rows("when_traps.jsonl")


def iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="minutes") if moment else None


def read(text: str, lang: str = "fr", now: datetime = NOW, zone: ZoneInfo = PARIS) -> When:
    return read_when(text, lang, now, zone)


def window(text: str, lang: str = "fr", now: datetime = NOW, zone: ZoneInfo = PARIS) -> tuple[str | None, str | None] | None:
    found = read(text, lang, now, zone).window
    return (iso(found.since), iso(found.until)) if found else None


# Expressions and traps


@pytest.mark.parametrize("row", EXPRESSIONS, ids=lambda row: f"{row['lang']} {row['now']} {row['text']}")
def test_an_expression_has_the_window_that_the_calendar_gives_it(row: dict[str, Any]) -> None:
    found = read(row["text"], row["lang"], datetime.fromisoformat(row["now"]), ZoneInfo(row["zone"]))
    assert found.window is not None
    assert (iso(found.window.since), iso(found.window.until)) == (row["since"], row["until"])
    assert found.impossible is None


@pytest.mark.parametrize("row", TRAPS, ids=lambda row: f"{row['lang']} {row['text']}")
def test_a_name_that_looks_like_a_time_is_left_alone(row: dict[str, Any]) -> None:
    for now in PRESENTS:
        found = read(row["text"], row["lang"], now)
        assert (found.phrases, found.window) == ((), None)
        assert [row["text"][start:end] for start, end in found.names] == ([row["name"]] if "name" in row else [])


def test_there_are_as_many_of_each_as_were_asked_for() -> None:
    assert min(sum(row["lang"] == lang for row in EXPRESSIONS) for lang in ("fr", "en")) >= 200
    assert len({(row["lang"], row["now"], row["text"]) for row in EXPRESSIONS}) == len(EXPRESSIONS) >= 400
    assert len({row["text"] for row in TRAPS}) == len(TRAPS) >= 120


@pytest.mark.parametrize("row", EXPRESSIONS, ids=lambda row: f"{row['lang']} {row['now']} {row['text']}")
def test_writing_it_another_way_changes_nothing(row: dict[str, Any]) -> None:
    written = row["text"]
    expected = (row["since"], row["until"])
    now, zone = datetime.fromisoformat(row["now"]), ZoneInfo(row["zone"])
    for other in (
        written.replace("'", "’"),
        written.replace(" h", "\u202fh").replace("h ", "h\u202f"),
        written.replace(" ", "\u00a0"),
        written.upper(),
    ):
        assert window(other, row["lang"], now, zone) == expected, other
    if row["lang"] == "fr":
        plain = written.translate(str.maketrans("éèêëàâùûîïôçÉÈÊÀ", "eeeeaauuiiocEEEA"))
        assert window(plain, "fr", now, zone) == expected, plain


# What there is not


@pytest.mark.parametrize(
    ("lang", "text", "why"),
    [
        ("fr", "Que s'est-il passé le 31 février ?", Why.DAY),
        ("fr", "le 29 février 2023", Why.DAY),
        ("fr", "le 31/02/2023", Why.DAY),
        ("fr", "le 31/02", Why.DAY),
        ("fr", "le 31 novembre à 14 h", Why.DAY),
        ("fr", "le 0 mai", Why.DAY),
        ("fr", "depuis le 31 avril", Why.DAY),
        ("fr", "du 3 au 32 mai", Why.DAY),
        ("fr", "2023-13-01", Why.DAY),
        ("fr", "lundi 23 mai 2023", Why.WEEKDAY),
        ("fr", "depuis le lundi 23 mai 2023", Why.WEEKDAY),
        ("fr", "à 25h61", Why.TIME),
        ("fr", "25h61", Why.TIME),
        ("fr", "à 25 h", Why.TIME),
        ("fr", "hier à 12h75", Why.TIME),
        ("fr", "depuis 24h30", Why.TIME),
        ("fr", "entre 16 h et 14 h", Why.BACKWARDS),
        ("fr", "mardi de 16 h à 14 h", Why.BACKWARDS),
        ("fr", "du 5 au 3 mai 2023", Why.BACKWARDS),
        ("fr", "du 5 mai 2023 au 3 avril 2023", Why.BACKWARDS),
        ("fr", "de 2022 à 2020", Why.BACKWARDS),
        ("fr", "de mercredi prochain à hier", Why.BACKWARDS),
        ("fr", "dans la nuit de lundi à jeudi", Why.BACKWARDS),
        ("fr", "le 3 mai 12023", Why.REACH),
        ("fr", "le 3 mai 0000", Why.REACH),
        ("fr", "il y a 5000 ans", Why.REACH),
        ("fr", "il y a 12 000 ans", Why.REACH),
        ("fr", "depuis 999999 jours", Why.REACH),
        ("fr", "dans 9000 ans", Why.REACH),
        ("en", "What happened on 31 February?", Why.DAY),
        ("en", "on 29 February 2023", Why.DAY),
        ("en", "April 31st, 2023", Why.DAY),
        ("en", "32 May 2023", Why.DAY),
        ("en", "Monday 23 May 2023", Why.WEEKDAY),
        ("en", "Monday, May 23, 2023", Why.WEEKDAY),
        ("en", "at 25:61", Why.TIME),
        ("en", "at 13pm", Why.TIME),
        ("en", "at 9.75pm", Why.TIME),
        ("en", "since 0am", Why.TIME),
        ("en", "between 4pm and 2pm", Why.BACKWARDS),
        ("en", "from 2022 to 2020", Why.BACKWARDS),
        ("en", "from 5 to 3 May 2023", Why.BACKWARDS),
        ("en", "5000 years ago", Why.REACH),
        ("en", "3 May 12023", Why.REACH),
    ],
)
def test_a_time_that_there_is_not_is_named(lang: str, text: str, why: Why) -> None:
    found = read(text, lang)
    assert found.impossible is why
    assert found.window is None
    assert [phrase.window for phrase in found.phrases] == [None]


@pytest.mark.parametrize(
    ("lang", "text", "now"),
    [
        ("fr", "à 2 h 30", datetime(2023, 3, 26, 12, tzinfo=PARIS)),
        ("fr", "à 2 h", datetime(2023, 3, 26, 12, tzinfo=PARIS)),
        ("fr", "dimanche à 2h59", datetime(2023, 3, 27, 12, tzinfo=PARIS)),
        ("fr", "dimanche entre 2 h 15 et 4 h", datetime(2023, 3, 27, 12, tzinfo=PARIS)),
        ("fr", "entre 1 h et 2 h 30 le 26 mars 2023", NOW),
        ("fr", "depuis 2 h 30 le 26 mars 2023", NOW),
        ("en", "at 2.30am on 26 March 2023", NOW),
    ],
)
def test_an_hour_that_clocks_jumped_over_is_named(lang: str, text: str, now: datetime) -> None:
    assert read(text, lang, now).impossible is Why.SKIPPED


def test_an_hour_that_clocks_show_twice_is_taken_both_times() -> None:
    assert window("le 29 octobre 2023 à 2 h 30") == ("2023-10-29T02:30+02:00", "2023-10-29T02:31+01:00")


def test_a_possible_phrase_counts_beside_an_impossible_one() -> None:
    found = read("Qu'a dit Macron hier du discours du 31 février ?")
    assert [(phrase.window is None, phrase.impossible) for phrase in found.phrases] == [(False, None), (True, Why.DAY)]
    assert found.impossible is Why.DAY
    assert window("Qu'a dit Macron hier du discours du 31 février ?") == window("hier")


# Several phrases


def test_phrases_narrow_each_other() -> None:
    assert window("la semaine dernière, vendredi à 14 h ?") == ("2023-05-19T14:00+02:00", "2023-05-19T14:01+02:00")
    assert window("en mai 2023, depuis le 10 mai") == ("2023-05-10T00:00+02:00", "2023-06-01T00:00+02:00")
    assert window("after 1 May and before 10 May", "en") == ("2023-05-02T00:00+02:00", "2023-05-10T00:00+02:00")


def test_phrases_that_have_nothing_in_common_give_the_span_from_the_first_to_the_last() -> None:
    assert window("Qu'a dit Macron hier de l'attaque de samedi ?") == ("2023-05-20T00:00+02:00", "2023-05-23T00:00+02:00")


def test_a_time_of_day_is_on_the_day_that_the_question_names_elsewhere() -> None:
    assert window("Qui parlait à 20 h à Kiev dimanche ?") == ("2023-05-21T20:00+02:00", "2023-05-21T20:01+02:00")
    assert window("Who spoke at 8pm in Kyiv on Sunday?", "en") == ("2023-05-21T20:00+02:00", "2023-05-21T20:01+02:00")


def test_a_name_does_not_hide_the_time_beside_it() -> None:
    found = read("Que disait 20 Minutes hier soir ?")
    assert [len(found.names), len(found.phrases)] == [1, 1]
    assert window("Que disait 20 Minutes hier soir ?") == window("hier soir")
    assert window("le vendredi 13 novembre 2015") == ("2015-11-13T00:00+01:00", "2015-11-14T00:00+01:00")
    assert window("on September 11, 2022", "en") == ("2022-09-11T00:00+02:00", "2022-09-12T00:00+02:00")


def test_a_phrase_says_where_it_stands() -> None:
    text = "🚁 Où l’armée a-t-elle frappé depuis mardi\u202f?"
    (phrase,) = read(text).phrases
    assert text[phrase.start : phrase.end] == "depuis mardi"
    assert phrase == TimePhrase(
        phrase.start, phrase.end, Window(datetime(2023, 5, 23, tzinfo=timezone(timedelta(hours=2))), None)
    )


def test_the_present_may_be_in_another_zone_than_the_corpus() -> None:
    late = datetime(2023, 5, 23, 23, 30, tzinfo=UTC)
    assert window("aujourd'hui", now=late) == ("2023-05-24T00:00+02:00", "2023-05-25T00:00+02:00")


def test_a_zone_may_be_an_offset() -> None:
    found = read_when("today", "en", NOW, timezone(timedelta(hours=-3, minutes=-30))).window
    assert found is not None
    assert iso(found.since) == "2023-05-23T00:00-03:30"


# When?


@pytest.mark.parametrize(
    ("lang", "question"),
    [
        ("fr", "Quand l'incursion a-t-elle commencé ?"),
        ("fr", "Quand l’incursion a-t-elle commencé ?"),
        ("fr", "quand a commencé l'incursion"),
        ("fr", "Quand est-ce que Macron a parlé"),
        ("fr", "Depuis quand la ville est-elle assiégée ?"),
        ("fr", "Jusqu'à quand dure la trêve ?"),
        ("fr", "L'élection a lieu quand ?"),
        ("fr", "Sait-on quand il est arrivé ?"),
        ("fr", "À quelle heure l'attaque a-t-elle eu lieu ?"),
        ("fr", "a quelle heure parle le ministre"),
        ("fr", "En quelle année la Crimée a-t-elle été annexée ?"),
        ("fr", "Quel jour Zelensky est-il arrivé ?"),
        ("fr", "À quelle date a-t-il démissionné ?"),
        ("fr", "Il y a combien de temps qu'il est parti ?"),
        ("fr", "Quelle est la date de la fête nationale ?"),
        ("fr", "C'était quand, la chute du mur ?"),
        ("fr", "Depuis combien de temps dure la guerre ?"),
        ("en", "When did the incursion start?"),
        ("en", "when was he born"),
        ("en", "Since when has the city been under siege?"),
        ("en", "What time did the attack happen?"),
        ("en", "At what time does he speak?"),
        ("en", "What year was Crimea annexed?"),
        ("en", "In which year was Crimea annexed?"),
        ("en", "What day did Zelensky arrive?"),
        ("en", "On what date did he resign?"),
        ("en", "How long ago did he leave?"),
        ("en", "Do you know when he left?"),
        ("en", "The vote is when?"),
    ],
)
def test_a_question_asks_for_a_time(lang: str, question: str) -> None:
    assert asks_when(question, lang)


@pytest.mark.parametrize(
    ("lang", "question"),
    [
        ("fr", "Quand les Bleus dominent"),
        ("fr", "Que fait la police quand les gens manifestent ?"),
        ("fr", "Quand même, qui a gagné ?"),
        ("fr", "Qui a parlé mardi ?"),
        ("fr", "Où étaient-ils quand la bombe a explosé ?"),
        ("fr", ""),
        ("en", "When the levee breaks"),
        ("en", "Who attacked when it was dark?"),
        ("en", "Who spoke on Tuesday?"),
        ("en", "Where were they when the bomb went off?"),
        ("en", ""),
    ],
)
def test_a_question_or_headline_asks_for_no_time(lang: str, question: str) -> None:
    assert not asks_when(question, lang)


# On any text

WORDS = sorted({token.raw for row in [*EXPRESSIONS, *TRAPS] for token in tokens(row["text"])})
SENTENCES = st.lists(
    st.sampled_from(WORDS) | st.integers(0, 100_000).map(str) | st.sampled_from(list(" ,.:/-’'%h?")), max_size=25
).flatmap(lambda words: st.sampled_from([" ", "", "-"]).map(lambda gap: gap.join(words)))
LANGS = st.sampled_from(["fr", "en", "de", ""])


@given(st.text() | SENTENCES, LANGS, st.sampled_from(PRESENTS), st.sampled_from([PARIS, LONDON, ZoneInfo("America/Sao_Paulo")]))
def test_any_text_is_read(text: str, lang: str, now: datetime, zone: ZoneInfo) -> None:
    found = read_when(text, lang, now, zone)
    asks_when(text, lang)
    end = 0
    for phrase in found.phrases:
        assert end <= phrase.start < phrase.end <= len(text)
        assert (phrase.window is None) == (phrase.impossible is not None)
        end = phrase.end
    for start, stop in found.names:
        assert 0 <= start < stop <= len(text)
        assert not any(phrase.start < stop and start < phrase.end for phrase in found.phrases)
    for one in [found.window, *(phrase.window for phrase in found.phrases)]:
        if one is not None:
            assert one.since is not None or one.until is not None
            for bound in (one.since, one.until):
                assert bound is None or bound.utcoffset() == bound.astimezone(zone).utcoffset()
            assert one.since is None or one.until is None or one.since < one.until


@given(st.lists(st.sampled_from("le chat de la maison who sees a cat in house by tree et".split()), max_size=20), LANGS)
def test_text_without_words_for_times_has_none(words: list[str], lang: str) -> None:
    assert read_when(" ".join(words), lang, NOW, PARIS) == When()


@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from(["Europe/Paris", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "UTC"]),
)
def test_a_day_begins_where_the_one_before_ends(moment: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    day = moment.date()
    start, end = begins(day, 0, zone), begins(day + timedelta(days=1), 0, zone)
    assert ends(day, 24 * 60, zone) == end
    assert start.astimezone(zone).date() == day
    assert (start - timedelta(microseconds=1)).astimezone(zone).date() < day
    assert timedelta(hours=22) < end - start < timedelta(hours=26)
    minutes = moment.hour * 60 + moment.minute
    # Of all moments of the day, just those whose clock shows that minute or a later one come at or after the first such.
    first, last = begins(day, minutes, zone), ends(day, minutes + 1, zone)
    assert start <= first <= last <= end
    assert (first < last) == is_shown(day, minutes, zone)


@pytest.mark.parametrize("lang", ["fr", "en"])
@pytest.mark.parametrize(
    "piece",
    [
        "la journée de ",
        "the week of ",
        "entre lundi et mardi ",
        "between Monday and ",
        "le 23 mai ",
        "a ",
        "14h30 ",
        "1 000 ",
        "de ",
        "1.",
        "' ",
        "quatre-vingt-",
        "mardi soir à ",
        "x",
        "é",
        "\u0301",
    ],
)
def test_time_to_read_grows_with_the_text_and_no_faster(lang: str, piece: str) -> None:
    # Far above what it takes; a reading that goes through the text again for each word takes minutes.
    for text in (piece * (10_000 // len(piece)),):
        begun = time.perf_counter()
        read(text, lang)
        asks_when(text, lang)
        assert time.perf_counter() - begun < 10
