"""The pages that people read: the first page and the reference, both made on the server."""

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from api import page
from api.app import create_app
from api.page import choose_language
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.ingest import ingest
from index.search import Searcher

EVIL = "<script>alert('é')</script> & \"><img src=x onerror=alert(1)>"
VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """Every element of a page with its attributes, and the text of each class or tag; fails where elements do not close."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self._marked = False
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        marked = self._open[-1:] == ["mark"]
        if marked or self._marked:
            # A marked word belongs to the text that it stands in.
            tag, text = (
                self.texts.pop() if self.texts and self.texts[-1][0] == self._open[-1 - marked] else (self._open[-2], "")
            )
            self.texts.append((tag, text + data))
        elif data.strip():
            self.texts.append((self._open[-1], data))
        self._marked = marked

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str) -> list[str]:
        return [text.strip() for name, text in self.texts if name == tag]


@pytest.fixture
def mixed(write: Callable[..., Path], encoder: HashingEncoder) -> Iterator[TestClient]:
    """Entries with markup, of every kind of date."""
    lines = [
        {"_id": "evil", "title": EVIL, "text": f"{EVIL}\nsecond line", "lang": "fr", "url": "javascript:alert(1)"},
        {"_id": "day", "title": "Jour", "text": "Premier jour du mois.", "lang": "fr", "date": "2023-10-01"},
        {
            "_id": "minute",
            "text": "Onze heures cinq.",
            "lang": "fr",
            "date": "2023-05-01T11:05",
            "url": "https://e.org/?a=1&b=2",
        },
        {"_id": "en", "title": "Second", "text": "The second day.", "lang": "en", "date": "2023-10-02T23:59:30"},
    ]
    folder = write("fil/a&b.jsonl", "\n".join(json.dumps(line) for line in lines)).parent
    clock = write("fil/clock.txt", "07h44 : Heure\nSans jour.\n")
    index = folder.parent / "index"
    ingest([folder / "a&b.jsonl", clock], index, encoder, Facts(tz="Europe/Paris"))
    with TestClient(create_app(lambda: Searcher(index, encoder))) as client:
        yield client


def read(client: TestClient, status: int = 200, language: str = "", **asked: Any) -> Page:
    headers = {"Accept-Language": language} if language else {}
    response = client.get("/", params=asked, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (status, "text/html; charset=utf-8")
    return Page(response.text)


# Language


@pytest.mark.parametrize(
    ("asked", "accepted", "chosen"),
    [
        ("", "", "fr"),
        ("", "*", "fr"),
        ("", "de-DE,de;q=0.9", "fr"),
        ("", "en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("", "fr-CA, fr;q=0.9, en;q=0.8", "fr"),
        ("", "EN", "en"),
        ("", "de, en; q=0.5, fr;q=0.4", "en"),
        ("", "en;q=0.4,fr;q=0.5", "fr"),
        ("", "en;q=0.5,fr;q=0.5", "en"),
        ("", "fr;q=0,en;q=0.1", "en"),
        ("", "en;q=0", "fr"),
        ("", "en;q=nan,fr;q=x,;q=1,,", "fr"),
        ("", "english", "fr"),
        ("en", "fr", "en"),
        ("fr", "en", "fr"),
        ("de", "en", "en"),
    ],
)
def test_the_page_speaks_the_language_asked_for_or_else_the_readers(
    client: TestClient, asked: str, accepted: str, chosen: str
) -> None:
    assert choose_language(asked, accepted) == chosen
    assert read(client, language=accepted or "x", ui=asked).all("html") == [{"lang": chosen}]


def test_both_languages_say_the_same_things() -> None:
    french, english = page._STRINGS["fr"], page._STRINGS["en"]
    assert list(french) == list(english)
    assert [name for name in french if french[name] == english[name]] == ["question"]
    # French sets a space before these, and none may break a line.
    assert not [text for text in french.values() if re.search(r"[^\u00a0\u202f][:;!?»]|«[^\u00a0\u202f]", text)]


def test_the_form_is_in_the_readers_language(client: TestClient) -> None:
    french, english = read(client, ui="fr"), read(client, ui="en")
    assert french.text("button") == ["Chercher"]
    assert english.text("button") == ["Search"]
    assert french.text("option") == ["toutes", "français", "anglais"]
    assert english.text("option") == ["any", "French", "English"]
    assert "Posez une question aux directs, en français ou en anglais." in french.text("p")
    assert "Ask live blogs, in French or English." in english.text("p")


def test_the_language_switch_keeps_the_question_and_the_filters(client: TestClient) -> None:
    asked: dict[str, Any] = {"q": "Qui ? « A&B » #1", "lang": "fr", "since": "2023-05-22", "until": "2023-05-24"}
    there = read(client, ui="fr", **asked)
    switch = next(link for link in there.all("a") if link.get("hreflang") == "en")
    back = urlsplit(str(switch["href"]))
    assert parse_qs(back.query) == {**{name: [value] for name, value in asked.items()}, "ui": ["en"]}
    here = Page(client.get(str(switch["href"])).text)
    assert here.all("html") == [{"lang": "en"}]
    assert {one["name"]: one["value"] for one in here.all("input")} == {
        "ui": "en",
        "q": asked["q"],
        "since": asked["since"],
        "until": asked["until"],
    }
    assert [one["value"] for one in here.all("option") if "selected" in one] == ["fr"]
    assert here.text("blockquote") == there.text("blockquote") != []


# Results


def test_results_stand_on_the_page_as_the_search_ranks_them(client: TestClient) -> None:
    hits = client.get("/search", params={"q": "drones à Belgorod"}).json()["hits"]
    shown = read(client, q="drones à Belgorod", ui="fr")
    assert len(hits) == 10
    assert [" ".join(text.split()) for text in shown.text("blockquote")] == [" ".join(hit["text"].split()) for hit in hits]
    assert shown.text("h2") == [hit["title"] or "Chapô" for hit in hits]
    assert [one["lang"] for one in shown.all("article")] == ["fr"] * 10
    links = [str(one["href"]) for one in shown.all("a") if str(one["href"]).startswith("/entries/")]
    assert links == [f"/entries/{hit['entry_id']}" for hit in hits]
    assert client.get(links[0]).status_code == 200
    assert shown.text("title") == ["drones à Belgorod — filrouge"]


def test_the_page_says_why_a_passage_ranks_there_in_the_readers_numbers(client: TestClient) -> None:
    vote = client.get("/search", params={"q": "drones", "k": 1}).json()["hits"][0]["ranks"]["lexical"]
    french, english = read(client, q="drones", ui="fr"), read(client, q="drones", ui="en")
    assert set(french.text("dt")) == {"sens", "sens des mots", "mots"}
    assert set(english.text("dt")) == {"meaning", "meaning of words", "words"}
    number = f"{vote['score']:.3f}".rstrip("0")
    assert f"no. {vote['rank']} ({number})" in english.text("dd")
    assert f"n°\u00a0{vote['rank']} ({number.replace('.', ',')})" in french.text("dd")


def test_dates_are_written_in_the_readers_manner(mixed: TestClient) -> None:
    def dates(language: str) -> set[str]:
        shown = [text for text in read(mixed, q="jour day", ui=language).text("p") if "·" in text]
        return {text.rpartition(" · ")[0] for text in shown}

    assert dates("fr") == {
        "sans date",
        "dimanche 1er octobre 2023",
        "lundi 1er mai 2023 à 11\u202fh\u202f05",
        "lundi 2 octobre 2023 à 23\u202fh\u202f59",
        "07:44",
    }
    assert dates("en") == {
        "undated",
        "Sunday 1 October 2023",
        "Monday 1 May 2023, 11:05",
        "Monday 2 October 2023, 23:59",
        "07:44",
    }


def test_filters_act_on_the_page(mixed: TestClient) -> None:
    assert read(mixed, q="jour day", lang="en", ui="fr").text("blockquote") == ["The second day."]
    assert read(mixed, q="jour day", since="2023-10-01", until="2023-10-02").text("blockquote") == ["Premier jour du mois."]
    assert read(mixed, q="jour", since="2030-01-01", ui="fr").text("p")[-1] == "Aucun passage ne correspond à ces filtres."
    assert read(mixed, q="jour", since="2030-01-01", ui="en").text("p")[-1] == "No passage passes these filters."


def test_without_a_question_there_is_only_the_form(client: TestClient) -> None:
    for question in ({}, {"q": ""}, {"q": "  "}):
        asked: dict[str, Any] = {**question}
        shown = read(client, **asked)
        assert (shown.all("ol"), shown.text("blockquote"), shown.all("article")) == ([], [], [])
    # Once there are results, a keyboard that pops up would cover them.
    assert [("autofocus" in one) for one in read(client).all("input") if one["name"] == "q"] == [True]
    assert [("autofocus" in one) for one in read(client, q="x").all("input") if one["name"] == "q"] == [False]


def test_the_form_asks_for_what_the_search_takes(client: TestClient) -> None:
    shown = read(client)
    assert shown.all("form") == [{"role": "search", "action": "/"}]
    question = next(one for one in shown.all("input") if one["name"] == "q")
    assert (question["type"], question["maxlength"], "required" in question) == ("search", "4000", True)
    assert question["id"] in [one.get("for") for one in shown.all("label")]


# Safety


def test_markup_in_entries_and_questions_is_shown_and_never_run(mixed: TestClient) -> None:
    shown = read(mixed, q=EVIL, ui="fr")
    assert EVIL in shown.text("h2")
    assert any(text.startswith(EVIL) for text in shown.text("blockquote"))
    assert f"{EVIL} — filrouge" in shown.text("title")
    assert next(one for one in shown.all("input") if one["name"] == "q")["value"] == EVIL
    assert {"script", "img"}.isdisjoint(tag for tag, _ in shown.elements)


@pytest.mark.parametrize("name", ["q", "lang", "since", "until", "ui"])
def test_no_part_of_the_address_gets_out_of_its_place(client: TestClient, name: str) -> None:
    source = client.get("/", params={"q": "x", name: EVIL}).text
    assert "<script" not in source
    assert "<img" not in source
    assert {"script", "img"}.isdisjoint(tag for tag, _ in Page(source).elements)


def test_only_web_addresses_become_links(mixed: TestClient) -> None:
    shown = read(mixed, q="jour day", ui="fr")
    assert shown.text("a").count("Page d’origine") == 1
    assert [one for one in shown.all("a") if "rel" in one] == [{"href": "https://e.org/?a=1&b=2", "rel": "noreferrer"}]
    assert not [one for one in shown.all("a") if str(one["href"]).startswith("javascript")]


@pytest.mark.parametrize("address", ["/", "/?q=x", "/?q=x&lang=de", "/docs"])
def test_a_page_may_load_its_own_style_and_nothing_else(client: TestClient, address: str) -> None:
    response = client.get(address)
    assert response.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    shown = Page(response.text)
    # What else is named, a browser loads for who asks for it.
    assert [one["href"] for one in shown.all("link") if one["rel"] not in ("search", "alternate")] == ["/page.css"]
    # What the policy would stop is not there in the first place; without JavaScript everything works.
    assert {"script", "style", "img", "iframe"}.isdisjoint(tag for tag, _ in shown.elements)
    assert not [name for _, attributes in shown.elements for name in attributes if name == "style" or name.startswith("on")]


def test_the_style_is_served_and_needs_nothing_else(client: TestClient) -> None:
    response = client.get("/page.css")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert response.text == page.STYLE
    assert "url(" not in page.STYLE
    assert "@import" not in page.STYLE
    assert page.STYLE.count("{") == page.STYLE.count("}")


def test_a_cache_keeps_the_two_languages_apart(client: TestClient) -> None:
    assert client.get("/").headers["vary"] == "Accept-Language"


# Failures


@pytest.mark.parametrize(
    ("asked", "french", "english"),
    [
        (
            {"q": "a" * 4001},
            "Cette question est trop longue\u202f: 4\u202f000\u00a0caractères au plus.",
            "This question is too long: at most 4,000 characters are read.",
        ),
        (
            {"q": "x", "lang": "de"},
            "Les passages sont en français ou en anglais\u202f: choisissez l’un ou l’autre, ou toutes les langues.",
            "Passages are in French or English: choose one of them, or any.",
        ),
        (
            {"q": "x", "since": "hier"},
            "«\u00a0Depuis\u00a0» n’est pas une date\u202f: écrivez par exemple 2023-05-23.",
            "“Since” is not a date: write, for example, 2023-05-23.",
        ),
        (
            {"q": "x", "since": "2023-05-24", "until": "2023-05-23"},
            "«\u00a0Avant\u00a0» doit être une date, postérieure à «\u00a0Depuis\u00a0».",
            "“Before” must be a date, and later than “Since”.",
        ),
    ],
)
def test_what_is_wrong_is_said_in_the_readers_words(
    client: TestClient, asked: dict[str, Any], french: str, english: str
) -> None:
    for language, told in (("fr", french), ("en", english)):
        shown = read(client, status=422, ui=language, **asked)
        assert shown.text("p")[-1] == told
        assert [one["role"] for one in shown.all("p") if one.get("class") == "failure"] == ["alert"]
        assert shown.all("ol") == []


def test_an_overlong_question_is_not_sent_back_whole(client: TestClient) -> None:
    source = client.get("/", params={"q": "a" * 60_000}).text
    assert len(source) < 20_000


# The reference


def test_the_reference_has_every_address_and_every_field(client: TestClient) -> None:
    api = client.get("/openapi.json").json()
    response = client.get("/docs")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    shown = Page(response.text)
    code = set(shown.text("code"))
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in code
            assert {one["name"] for one in operation.get("parameters", [])} <= code
    for schema in api["components"]["schemas"].values():
        assert set(schema["properties"]) <= code
    assert "Who is training Ukrainian pilots on F-16s?" in code
    assert "integer, 1 to 100; default 10" in shown.text("span")
    assert "string, at most 4000 characters; needed" in shown.text("span")


def test_every_link_of_the_reference_leads_somewhere(client: TestClient) -> None:
    shown = Page(client.get("/docs").text)
    places = {f"#{one['id']}" for one in shown.all("section")}
    for link in shown.all("a"):
        assert link["href"] in places or client.get(str(link["href"])).status_code == 200


def test_the_first_page_leads_to_the_reference(client: TestClient) -> None:
    assert "/docs" in [one["href"] for one in read(client).all("a")]
