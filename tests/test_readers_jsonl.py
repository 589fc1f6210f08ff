"""JSON Lines."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from index.documents import Document, Facts, Failure
from index.errors import UnreadableDocument
from index.readers import read
from index.records import Entry

Write = Callable[..., Path]
Lines = Callable[..., list[Entry | Failure]]
PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def lines(write: Write) -> Lines:
    """The entries of a file with these lines; what is not text is written as JSON."""

    def lines(*content: object, name: str = "c.jsonl", facts: Facts | None = None) -> list[Entry | Failure]:
        written = [line if isinstance(line, str) else json.dumps(line) for line in content]
        return list(read(Document(write(name, "\n".join(written) + "\n"), "c", facts or Facts(lang="fr"))))

    return lines


def test_the_fields_of_a_judged_collection_are_read(lines: Lines) -> None:
    found = lines(
        {"_id": "d1", "title": "Titre", "text": "Texte.", "metadata": {"a": 1}},
        {"_id": "d2", "title": "", "text": " Un texte\nde deux lignes. "},
        {"_id": "d3", "text": "Sans titre."},
    )
    assert found == [
        Entry("c", "d1", "Titre", "Texte.", "fr"),
        Entry("c", "d2", "", " Un texte\nde deux lignes. ", "fr"),
        Entry("c", "d3", "", "Sans titre.", "fr"),
    ]


def test_every_documented_field_is_read(lines: Lines) -> None:
    fields = {"id": 7, "title": "T", "text": "Text.", "lang": "en", "url": "https://a.org/7", "published": "2023-05-23T11:58Z"}
    facts = Facts("fr", "Europe/Paris", url="https://a.org")
    at = datetime(2023, 5, 23, 11, 58, tzinfo=UTC)
    assert lines(fields, {"id": "8", "text": "x"}, facts=facts) == [
        Entry("c", "7", "T", "Text.", "en", at, "minute", None, "https://a.org/7"),
        Entry("c", "8", "", "x", "fr", url="https://a.org"),
    ]


def test_the_language_is_found_out_where_it_is_not_known(lines: Lines) -> None:
    found = lines(
        {"_id": "1", "title": "Le Kremlin réagit", "text": "Il a exprimé sa profonde préoccupation."},
        {"_id": "2", "text": "The Kremlin expressed its deep concern."},
        {"_id": "3", "text": "12 345"},
        facts=Facts(),
    )
    assert [entry.lang for entry in found if isinstance(entry, Entry)] == ["fr", "en", "und"]


@pytest.mark.parametrize(
    ("written", "published", "precision"),
    [
        ("2023-05-23", datetime(2023, 5, 23, tzinfo=PARIS), "day"),
        ("20230523", datetime(2023, 5, 23, tzinfo=PARIS), "day"),
        (" 2023-05-23 ", datetime(2023, 5, 23, tzinfo=PARIS), "day"),
        ("2023-05-23T11:58", datetime(2023, 5, 23, 11, 58, tzinfo=PARIS), "minute"),
        ("2023-05-23 11:58", datetime(2023, 5, 23, 11, 58, tzinfo=PARIS), "minute"),
        ("20230523T1158", datetime(2023, 5, 23, 11, 58, tzinfo=PARIS), "minute"),
        ("2023-05-23T11:58+02:00", datetime(2023, 5, 23, 11, 58, tzinfo=timezone(timedelta(hours=2))), "minute"),
        ("2023-05-23T11:58Z", datetime(2023, 5, 23, 11, 58, tzinfo=UTC), "minute"),
        ("2023-05-23T11:58:00", datetime(2023, 5, 23, 11, 58, tzinfo=PARIS), "second"),
        ("20230523T115830", datetime(2023, 5, 23, 11, 58, 30, tzinfo=PARIS), "second"),
        ("2023-05-23 11:58:30.25-04:00", datetime(2023, 5, 23, 11, 58, 30, 250_000, timezone(timedelta(hours=-4))), "second"),
        ("", None, None),
        (None, None, None),
    ],
)
@pytest.mark.parametrize("key", ["date", "published"])
def test_a_time_is_as_exact_as_it_is_written(
    lines: Lines, key: str, written: str | None, published: datetime | None, precision: str | None
) -> None:
    [entry] = lines({"_id": "1", "text": "x", key: written}, facts=Facts("fr", "Europe/Paris"))
    assert isinstance(entry, Entry)
    assert (entry.published, entry.precision, entry.clock) == (published, precision, None)
    # Equal moments in other zones are shown otherwise.
    assert str(entry.published) == str(published)


def test_published_wins_over_date(lines: Lines) -> None:
    [entry] = lines({"_id": "1", "text": "x", "date": "2020-01-01", "published": "2023-05-23"}, facts=Facts("fr"))
    assert isinstance(entry, Entry)
    assert entry.published == datetime(2023, 5, 23, tzinfo=UTC)


def test_a_title_alone_is_the_text(lines: Lines) -> None:
    assert lines({"_id": "1", "title": "Le Kremlin réagit", "text": " "}, {"_id": "2", "title": "Fin"}) == [
        Entry("c", "1", "", "Le Kremlin réagit", "fr"),
        Entry("c", "2", "", "Fin", "fr"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"_id": "3", "text": "x"', "is not JSON: Expecting ',' delimiter, at character 26"),
        ("texte", "is not JSON: Expecting value, at character 1"),
        ("[" * 100_000, "is not JSON: "),
        ('{"_id": ' + "9" * 5000 + "}", "is not JSON: "),
        ("[1, 2]", "is not a JSON object"),
        ('"texte"', "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("{}", "has no '_id'"),
        ({"text": "x"}, "has no '_id'"),
        ({"_id": "", "text": "x"}, "has no '_id'"),
        ({"_id": None, "id": "3", "text": "x"}, "has no '_id'"),
        ({"_id": True, "text": "x"}, "'_id' is bool, not text"),
        ({"_id": 1.5, "text": "x"}, "'_id' is float, not text"),
        ({"_id": ["3"], "text": "x"}, "'_id' is list, not text"),
        ({"_id": "3"}, "the entry '3' has no text"),
        ({"_id": "3", "text": None}, "the entry '3' has no text"),
        ({"_id": "3", "text": " \n\u00a0"}, "the entry '3' has no text"),
        ({"_id": "3", "text": 3}, "'text' is int, not text"),
        ({"_id": "3", "text": ["x"]}, "'text' is list, not text"),
        ({"_id": "3", "text": "x", "title": {}}, "'title' is dict, not text"),
        ({"_id": "3", "text": "x", "lang": 1}, "'lang' is int, not text"),
        ({"_id": "3", "text": "x", "url": False}, "'url' is bool, not text"),
        ({"_id": "3", "text": "x", "date": 20230523}, "'date' is int, not text"),
        ({"_id": "2", "text": "x"}, "the id '2' was used before"),
        ({"id": 2, "text": "x"}, "the id '2' was used before"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_goes_on(lines: Lines, line: object, reason: str) -> None:
    found = lines({"_id": "1", "text": "un"}, {"_id": "2", "text": "deux"}, line, "", {"_id": "5", "text": "cinq"})
    bad = found.pop(2)
    assert isinstance(bad, Failure)
    assert bad.source == "c, line 3"
    assert bad.reason == reason or (reason.endswith(": ") and bad.reason.startswith(reason))
    assert "\n" not in bad.reason
    assert found == [Entry("c", key, "", text, "fr") for key, text in (("1", "un"), ("2", "deux"), ("5", "cinq"))]


@pytest.mark.parametrize(
    ("date", "reason"),
    [
        ("2023-02-31", "there is no day '2023-02-31': correct it in the document"),
        ("mardi", "'mardi' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        ("1997", "'1997' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        ("9999-12-31", "'9999-12-31' is out of reach: years 2 to 9998"),
        ("0001-01-01", "'0001-01-01' is out of reach: years 2 to 9998"),
    ],
)
def test_a_time_that_cannot_be_read_is_named_and_costs_the_entry_no_more_than_that(
    lines: Lines, date: str, reason: str
) -> None:
    found = lines({"_id": "1", "text": "un", "date": date}, {"_id": "2", "text": "deux"})
    assert found == [
        Entry("c", "1", "", "un", "fr"),
        Failure("c, line 1", f"{reason}; the entry is kept without a time", kept=True),
        Entry("c", "2", "", "deux", "fr"),
    ]


def test_of_a_time_that_cannot_be_read_the_day_or_the_time_of_day_is_kept(lines: Lines) -> None:
    found = lines(
        {"_id": "1", "text": "un", "date": "2023-02-31T11:58:00+02:00"},
        {"_id": "2", "text": "deux", "date": "2023-05-23T25:61"},
    )
    assert found == [
        Entry("c", "1", "", "un", "fr", clock=time(11, 58)),
        Failure(
            "c, line 1",
            "there is no day '2023-02-31': correct it in the document; the entry is kept with its time of day alone",
            kept=True,
        ),
        Entry("c", "2", "", "deux", "fr", datetime(2023, 5, 23, tzinfo=UTC), "day"),
        Failure(
            "c, line 2",
            "'2023-05-23T25:61' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00; "
            "the entry is kept with its day alone",
            kept=True,
        ),
    ]


def test_the_manifest_dates_the_lines_that_say_nothing_of_their_time(lines: Lines) -> None:
    found = lines(
        {"_id": "1", "text": "un"}, {"_id": "2", "text": "deux", "date": "2023-05-24"}, facts=Facts("fr", day=date(2023, 5, 23))
    )
    assert [(one.published, one.precision, one.dated) for one in found if isinstance(one, Entry)] == [
        (datetime(2023, 5, 23, tzinfo=UTC), "day", "manifest"),
        (datetime(2023, 5, 24, tzinfo=UTC), "day", "entry"),
    ]


def test_a_line_that_is_not_utf_8_is_named(write: Write) -> None:
    path = write("c.jsonl", b'{"_id": "1", "text": "un"}\n{"_id": "2", "text": "\xe9"}\n{"_id": "3", "text": "trois"}\n')
    found = list(read(Document(path, "c", Facts("fr"))))
    assert isinstance(found[1], Failure)
    assert (found[1].source, found[1].reason[:12]) == ("c, line 2", "is not JSON:")
    assert [entry.key for entry in found if isinstance(entry, Entry)] == ["1", "3"]


def test_a_bad_line_does_not_use_up_its_id(lines: Lines) -> None:
    assert lines({"_id": "1"}, {"_id": "1", "text": "x"})[1] == Entry("c", "1", "", "x", "fr")


def test_half_a_character_becomes_a_replacement_and_two_halves_a_whole(lines: Lines) -> None:
    line = r'{"_id": "a\ud83d", "title": "\ude42", "text": "\ud83d\ude42 et \ud83d fin", "url": "u\udc00"}'
    assert lines(line) == [Entry("c", "a\ufffd", "\ufffd", "🙂 et \ufffd fin", "fr", url="u\ufffd")]


def test_text_stays_as_it_is_written(lines: Lines) -> None:
    text = "« L’e\u0301te\u0301 🙂 »\u202f: \r\n\t1\u00a0000 \x00 ﬁn "
    assert lines({"_id": "1", "title": text, "text": text}) == [Entry("c", "1", text, text, "fr")]


@pytest.mark.parametrize("name", ["c.jsonl", "c.ndjson", "c.txt", "c.json", "corpus"])
def test_a_file_is_known_by_its_content_whatever_its_name(lines: Lines, name: str) -> None:
    assert lines({"_id": "1", "text": "x"}, {"_id": "2", "text": "y"}, name=name) == [
        Entry("c", "1", "", "x", "fr"),
        Entry("c", "2", "", "y", "fr"),
    ]


@pytest.mark.parametrize("name", ["c.jsonl", "c.txt"])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(write: Write, name: str) -> None:
    path = write(name, b'\xef\xbb\xbf{"_id": "1", "text": "x"}\r\n\r\n{"_id": "2", "text": "y"}')
    assert list(read(Document(path, "c", Facts("fr")))) == [Entry("c", "1", "", "x", "fr"), Entry("c", "2", "", "y", "fr")]


def test_a_first_line_longer_than_what_is_looked_at_is_still_json(lines: Lines) -> None:
    text = "mot " * 50_000
    assert lines({"_id": "1", "text": text}, name="c.txt") == [Entry("c", "1", "", text, "fr")]


@pytest.mark.parametrize("content", ["{vidéo} Le Kremlin réagit.\nSuite.", '["Oui", dit-il.]', "{} et {}"])
def test_a_text_that_begins_with_a_bracket_is_text(write: Write, content: str) -> None:
    [entry] = read(Document(write("a.txt", content), "a", Facts("fr")))
    assert isinstance(entry, Entry)
    assert (entry.key, entry.text) == ("lead", content)


def test_a_compressed_file_is_read(write: Write) -> None:
    content = gzip.compress(b'{"_id": "1", "text": "x"}\n{"_id": "2", "text": "y"}\n')
    for name in ("c.jsonl.gz", "c.ndjson.gz"):
        found = list(read(Document(write(name, content), "c", Facts("fr"))))
        assert found == [Entry("c", "1", "", "x", "fr"), Entry("c", "2", "", "y", "fr")]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-20], "cannot be read to its end: Compressed file ended before the end-of-stream marker"),
        (lambda data: data[:-8] + bytes(8), "cannot be read to its end: "),
        (lambda data: data[:200] + bytes(200) + data[400:], "cannot be read to its end: Error -3 while decompressing"),
        (lambda data: gzip.compress(b""), "is empty"),
        (lambda data: gzip.compress(b"\n \n"), "is empty"),
        (lambda data: b"", "is empty"),
    ],
    ids=["cut off", "wrong checksum", "garbled", "nothing in it", "blank lines", "no bytes"],
)
def test_a_compressed_file_that_is_damaged_or_empty_is_refused(
    write: Write, damage: Callable[[bytes], bytes], reason: str
) -> None:
    # Letters that do not compress away.
    whole = "\n".join(json.dumps({"_id": str(n), "text": f"{n * 7919:x} {n**5:x}"}) for n in range(1000))
    path = write("c.jsonl.gz", damage(gzip.compress(whole.encode(), mtime=0)))
    with pytest.raises(UnreadableDocument) as caught:
        list(read(Document(path, "c", Facts("fr"))))
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


def test_what_stands_before_the_damage_is_given_first(write: Write) -> None:
    whole = "\n".join(json.dumps({"_id": str(n), "text": f"{n * 7919:x} {n**5:x}"}) for n in range(1000))
    path = write("c.jsonl.gz", gzip.compress(whole.encode(), mtime=0)[:-2000])
    reading = read(Document(path, "c", Facts("fr")))
    first = next(reading)
    assert isinstance(first, Entry)
    assert first.key == "0"
    with pytest.raises(UnreadableDocument):
        list(reading)


def test_a_line_without_a_text_may_be_a_message_of_a_live_service(lines: Lines) -> None:
    message = {"_id": "7", "body": "<p>Un.</p><p>Deux.</p>", "created_at": "2023-05-23T09:58:00Z"}
    at = datetime(2023, 5, 23, 9, 58, tzinfo=UTC)
    assert lines(message, {"_id": "8", "text": "Trois."}) == [
        Entry("c", "7", "", "Un.\nDeux.", "fr", at, "second"),
        Entry("c", "8", "", "Trois.", "fr"),
    ]
