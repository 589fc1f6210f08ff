"""JSON documents: messages of live services, JSON Feed, exports."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

from index.documents import Document, Facts, Failure
from index.errors import UnreadableDocument
from index.readers import read
from index.records import Entry

FACTS = Facts("fr")
Write = Callable[..., Path]
Read = Callable[..., list[Entry | Failure]]

MESSAGE = {
    "_id": "64",
    "type": "text",
    "body": "<p>Un <b>deux</b>.</p><p>Trois.</p>",
    "plain_text": "Un deux.\nTrois.",
    "created_at": "2023-05-23T09:58:00.000Z",
    "updated_at": "2023-05-23T10:10:00.000Z",
    "url": "https://example.org/fil#64",
}
ENTRY = Entry(
    "m",
    "64",
    "",
    "Un deux.\nTrois.",
    "fr",
    datetime(2023, 5, 23, 9, 58, tzinfo=UTC),
    "second",
    None,
    "https://example.org/fil#64",
)


@pytest.fixture
def messages(write: Write) -> Read:
    """What is read of a JSON document with this value."""

    def messages(value: Any, facts: Facts = FACTS, name: str = "m.json") -> list[Entry | Failure]:
        content = value if isinstance(value, str | bytes) else json.dumps(value)
        return list(read(Document(write(name, content), "m", facts)))

    return messages


@pytest.mark.parametrize(
    "value",
    [
        [MESSAGE],
        {"messages": [MESSAGE]},
        {"data": {"live": {"posts": [MESSAGE], "tags": ["a"]}}},
        [{**MESSAGE, "plain_text": ""}],
        [{**MESSAGE, "_id": 64}],
        [{**MESSAGE, "created_at": 1684835880}],
        [{**MESSAGE, "created_at": 1684835880000}],
        [MESSAGE, MESSAGE],
        MESSAGE,
    ],
    ids=["list", "object", "deep", "body", "number", "seconds", "milliseconds", "twice", "alone"],
)
def test_messages_of_a_live_service_are_entries(messages: Read, value: Any) -> None:
    assert messages(value) == [ENTRY]
    assert messages(json.dumps(value, indent=2)) == [ENTRY]


def test_a_message_a_line_is_read_too(messages: Read) -> None:
    lines = "\n".join(json.dumps({**MESSAGE, "_id": key}) for key in ("1", "2"))
    assert [one.key for one in messages(lines) if isinstance(one, Entry)] == ["1", "2"]


def test_a_json_feed_is_read_with_its_language(messages: Read) -> None:
    item = {"id": "1", "title": "T", "content_html": "<p>Un.</p>", "date_published": "2023-05-23T11:58:00+02:00", "url": "u"}
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "Fil", "language": "fr-FR", "items": [item]}
    [entry] = messages(feed, Facts())
    assert isinstance(entry, Entry)
    assert (entry.key, entry.title, entry.text, entry.lang, entry.url) == ("1", "T", "Un.", "fr", "u")


def test_what_is_wrong_with_a_message_is_named_and_the_rest_goes_on(messages: Read) -> None:
    found = messages(
        [
            {"_id": "a", "type": "image"},
            3,
            {**MESSAGE, "_id": "b", "plain_text": "Sans jour.", "created_at": "2023-02-31T10:30:00Z"},
            {**MESSAGE, "plain_text": "Autre."},
            {"_id": "c", "body": {"x": 1}},
            MESSAGE,
        ]
    )
    assert [(one.source, one.reason) for one in found if isinstance(one, Failure)] == [
        ("m, message 1", "the entry 'a' has no text"),
        ("m, message 2", "is not a JSON object"),
        (
            "m, message 3",
            "there is no day '2023-02-31': correct it in the document; the entry is kept with its time of day alone",
        ),
        ("m, message 5", "'body' is dict, not text"),
        ("m, message 6", "the id '64' was used before, with another content: give it an id of its own"),
    ]
    assert [(one.text, one.published is None, one.clock) for one in found if isinstance(one, Entry)] == [
        ("Sans jour.", True, time(10, 30)),
        ("Autre.", False, None),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('[{"a": 1}', "is not JSON: Expecting ',' delimiter, at line 1, character 10"),
        ('{\n"a": ' + "[" * 100_000, "is not JSON: "),
        ('[{"a": 1}]', "is JSON without a list of entries: each is an object with at least a text"),
        ('{\n"_id": "1"\n}', "is JSON without a list of entries: each is an object with at least a text"),
    ],
)
def test_json_that_gives_no_entries_is_refused_in_one_sentence(messages: Read, content: str, reason: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        messages(content)
    assert str(caught.value) == reason or (reason.endswith(": ") and str(caught.value).startswith(reason))


def test_half_a_character_becomes_a_replacement(messages: Read) -> None:
    [entry] = messages(r'[{"_id": "a\ud83d", "text": "\ud83d\ude42 et \ud83d fin"}]')
    assert isinstance(entry, Entry)
    assert (entry.key, entry.text) == ("a\ufffd", "🙂 et \ufffd fin")
