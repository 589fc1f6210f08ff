"""The pages that people read, as the server makes them; tests/test_page_browser.py has them in a browser."""

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
from api.page.entry import changes
from api.page.words import STRINGS, choose_language
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.errors import StorageError
from index.ingest import ingest
from index.search import Searcher

EVIL = "<script>alert('é')</script> & \"><img src=x onerror=alert(1)>"
VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """Every element of a page with its attributes, and with its text; fails where elements do not close."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str | None, str]] = []
        self._open: list[tuple[str, str | None, list[str]]] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append((tag, dict(attributes).get("class"), []))

    def handle_endtag(self, tag: str) -> None:
        opened, name, parts = self._open.pop()
        assert opened == tag
        self.texts.append((tag, name, " ".join("".join(parts).split(" "))))

    def handle_data(self, data: str) -> None:
        for _, _, parts in self._open:
            parts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str, named: str | None = None) -> list[str]:
        """The text of each element of a kind, and of a class."""
        return [text.strip() for name, its, text in self.texts if name == tag and named in (None, its)]


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
    french, english = STRINGS["fr"], STRINGS["en"]
    assert list(french) == list(english)
    same = ["api", "confidence", "hits", "found", "source", "sources", "corpus"]
    assert {name for name in french if french[name] == english[name]} <= set(same)
    # What is filled in is the same.
    for name in french:
        assert sorted(re.findall(r"{\w*}", french[name])) == sorted(re.findall(r"{\w*}", english[name])), name
    # French sets a space before these, and none may break a line.
    assert not [text for text in french.values() if re.search(r"[^\u00a0\u202f][:;!?»]|«[^\u00a0\u202f]", text)]


def test_the_form_is_in_the_readers_language(client: TestClient) -> None:
    french, english = read(client, ui="fr"), read(client, ui="en")
    assert french.text("button")[0] == "Chercher"
    assert english.text("button")[0] == "Search"
    source = "seeds/000_43b67c511cce9011.txt"
    assert french.text("option") == ["Toutes les langues", "français", "anglais", "Toutes les sources", source]
    assert english.text("option") == ["Any language", "French", "English", "Any source", source]
    assert "Interrogez les directs, en français ou en anglais. Les réponses sont des citations exactes." in french.text("p")
    assert "Ask live blogs, in French or English. Answers are exact quotes." in english.text("p")


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


def test_an_address_says_no_language_that_nobody_chose(client: TestClient) -> None:
    shown = read(client, q="drones", language="en")
    assert shown.all("html") == [{"lang": "en"}]
    switch = str(next(link for link in shown.all("a") if link.get("hreflang") == "fr")["href"])
    assert [one["href"] for one in shown.all("a") if "ui=" in str(one["href"])] == [switch]


# Results


def passages(shown: Page) -> list[str]:
    """The texts of the hits, without those of the answer."""
    return (
        [text for tag, _, text in shown.texts if tag == "blockquote"][-len(shown.all("article")) :]
        if shown.all("article")
        else []
    )


def test_results_stand_on_the_page_as_the_search_ranks_them(client: TestClient) -> None:
    hits = client.get("/search", params={"q": "drones à Belgorod"}).json()["hits"]
    shown = read(client, q="drones à Belgorod", ui="fr")
    assert len(hits) == 10
    assert [" ".join(text.split()) for text in passages(shown)] == [" ".join(hit["text"].split()) for hit in hits]
    assert shown.text("h3") == [hit["title"] or "Sans titre" for hit in hits]
    assert [one["lang"] for one in shown.all("article")] == ["fr"] * 10
    links = [str(one["href"]) for one in shown.all("a") if "#passage" in str(one["href"])]
    assert links[::2] == links[1::2]
    assert [link.partition("?")[0] for link in links[::2]] == [f"/entry/{hit['entry_id']}" for hit in hits]
    for link, hit in zip(links[::2], hits, strict=True):
        assert parse_qs(urlsplit(link).query)["at"] == [f"{hit['start']}-{hit['end']}"]
    assert client.get(links[0]).status_code == 200
    assert shown.text("title")[0] == "drones à Belgorod — filrouge"


def test_the_answer_comes_first_with_its_source_its_time_and_how_sure_it_is(seed_index: Path) -> None:
    question = "Qui a revendiqué l’attaque de Belgorod ?"
    with TestClient(create_app(lambda: Searcher(seed_index, HashingEncoder()), threshold=0)) as client:
        answer = client.get("/ask", params={"q": question}).json()
        shown = read(client, q=question, ui="fr")
    assert answer["answered"]
    assert shown.text("h2")[0] == "Réponse"
    assert shown.text("blockquote")[: len(answer["answer"])] == [one["text"] for one in answer["answer"]]
    assert shown.text("p", "confidence")[0].endswith(f"({round(100 * answer['confidence'])}\u00a0%)")
    assert "seeds/000_43b67c511cce9011.txt" in shown.text("p", "from")[0]
    assert "mardi 23 mai 2023" in shown.text("p", "from")[0]


def test_entries_that_say_the_same_are_shown_once_with_their_twins(tmp_path: Path, encoder: HashingEncoder) -> None:
    text = "Le préfet a fermé la route de la vallée après l’éboulement de la nuit."
    (tmp_path / "fil").mkdir()
    for name in ("a", "b"):
        lines = {"_id": name, "title": f"Titre {name}", "text": text, "lang": "fr", "date": "2023-05-22T09:00"}
        (tmp_path / "fil" / f"{name}.jsonl").write_text(json.dumps(lines), encoding="utf-8")
    ingest([tmp_path / "fil"], tmp_path / "index", encoder, Facts(tz="Europe/Paris"))
    with TestClient(create_app(lambda: Searcher(tmp_path / "index", encoder))) as client:
        shown = read(client, q="route de la vallée", ui="fr")
        assert passages(shown) == [text]
        assert "1 autre entrée dit la même chose" in shown.text("summary")
        assert "Titre b" in shown.text("a")
        (twin,) = [
            str(one["href"]) for one in shown.all("a") if str(one["href"]).startswith("/entry/") and "at=" not in str(one)
        ]
        assert "Disent la même chose" in Page(client.get(twin).text).text("h2")


def test_what_is_fetched_by_scripts_is_what_stands_on_the_page(client: TestClient) -> None:
    for asked in ({}, {"q": "drones"}, {"q": "x", "lang": "de"}, {"q": "x", "since": "2030-01-01"}):
        whole, part = client.get("/", params=asked), client.get("/page/results", params=asked)
        assert (part.status_code, part.headers["content-type"]) == (whole.status_code, "text/html; charset=utf-8")
        assert part.text.strip() in whole.text
        assert "<html" not in part.text
    assert re.fullmatch(r"ask;dur=\d+\.\d", client.get("/page/results", params={"q": "x"}).headers["server-timing"])


def test_what_was_found_can_be_taken_away_and_followed(client: TestClient) -> None:
    shown = read(client, q="drones à Belgorod le 23 mai 2023", lang="fr", ui="fr")
    links = [str(one["href"]) for one in shown.all("a") if "download" in one]
    formats = [parse_qs(urlsplit(link).query)["format"][0] for link in links]
    assert formats == ["csv", "jsonl", "ris", "bibtex", "csl-json", "trec"]
    for link in links:
        assert client.get(link).status_code == 200
        # The time in the question narrows an export as it narrowed the page.
        assert parse_qs(urlsplit(link).query)["since"] == ["2023-05-23T00:00:00+02:00"]
    hits = [
        one["passage_id"]
        for one in client.get("/ask", params={"q": "drones à Belgorod le 23 mai 2023", "lang": "fr"}).json()["hits"]
    ]
    exported = [json.loads(row)["passage_id"] for row in client.get(links[1]).text.splitlines() if "passage_id" in row]
    assert set(hits) <= set(exported)
    (feed,) = {str(one["href"]) for one in (*shown.all("a"), *shown.all("link")) if str(one["href"]).startswith("/feed")}
    assert client.get(feed).headers["content-type"].startswith("application/atom+xml")


def test_the_page_says_why_a_passage_ranks_there_in_the_readers_numbers(client: TestClient) -> None:
    vote = client.get("/search", params={"q": "drones", "k": 1}).json()["hits"][0]["ranks"]["lexical"]
    french, english = read(client, q="drones", ui="fr"), read(client, q="drones", ui="en")
    assert set(french.text("dt")) == {"Pertinence", "Sens du passage", "Sens des mots", "Mots de la question"}
    assert set(english.text("dt")) == {"Relevance", "Meaning of the passage", "Meaning of its words", "Words of the question"}
    number = f"{vote['score']:.3f}".rstrip("0")
    assert f"no. {vote['rank']} ({number})" in english.text("dd")
    assert f"n°\u00a0{vote['rank']} ({number.replace('.', ',')})" in french.text("dd")


def test_dates_are_written_in_the_readers_manner(mixed: TestClient) -> None:
    def dates(language: str) -> set[str]:
        return set(read(mixed, q="jour day", ui=language).text("time"))

    assert dates("fr") == {
        "sans date",
        "dimanche 1er octobre 2023",
        "lundi 1er mai 2023 à 11\u202fh\u202f05",
        "lundi 2 octobre 2023 à 23\u202fh\u202f59",
        "7\u202fh\u202f44, jour inconnu",
    }
    assert dates("en") == {
        "undated",
        "Sunday 1 October 2023",
        "Monday 1 May 2023, 11:05",
        "Monday 2 October 2023, 23:59",
        "07:44, day unknown",
    }


def test_filters_act_on_the_page(mixed: TestClient) -> None:
    assert passages(read(mixed, q="jour day", lang="en", ui="fr")) == ["The second day."]
    assert passages(read(mixed, q="jour day", since="2023-10-01", until="2023-10-02")) == ["Premier jour du mois."]
    for language, told in (("fr", "Aucun passage ne correspond à ces filtres."), ("en", "No passage passes these filters.")):
        assert any(text.startswith(told) for text in read(mixed, q="jour", since="2030-01-01", ui=language).text("p"))


def test_without_a_question_there_is_only_the_form(client: TestClient) -> None:
    for question in ({}, {"q": ""}, {"q": "  "}):
        asked: dict[str, Any] = {**question}
        shown = read(client, **asked)
        assert (shown.all("ol"), shown.text("blockquote"), shown.all("article")) == ([], [], [])
        # And what there is to ask.
        assert "6 entrées, 1 source." in shown.text("p")
        assert len([one for one in shown.all("a") if str(one["href"]).startswith("/entry/")]) == 5
    # Once there are results, a keyboard that pops up would cover them.
    assert [("autofocus" in one) for one in read(client).all("input") if one["name"] == "q"] == [True]
    assert [("autofocus" in one) for one in read(client, q="x").all("input") if one["name"] == "q"] == [False]


def test_the_form_asks_for_what_the_search_takes(client: TestClient) -> None:
    shown = read(client)
    assert shown.all("form") == [{"id": "ask", "role": "search", "action": "/", "autocomplete": "off"}]
    question = next(one for one in shown.all("input") if one["name"] == "q")
    assert (question["type"], question["maxlength"], "required" in question) == ("search", "4000", True)
    assert question["id"] in [one.get("for") for one in shown.all("label")]


# Safety


def test_markup_in_entries_and_questions_is_shown_and_never_run(mixed: TestClient) -> None:
    shown = read(mixed, q=EVIL, ui="fr")
    assert EVIL in shown.text("h3")
    assert any(text.startswith(EVIL) for text in shown.text("blockquote"))
    assert f"{EVIL} — filrouge" in shown.text("title")
    assert next(one for one in shown.all("input") if one["name"] == "q")["value"] == EVIL
    assert foreign(shown) == []


def foreign(shown: Page) -> list[dict[str, str | None]]:
    """Images, and scripts that are not the page's own."""
    return [one for one in (*shown.all("img"), *shown.all("script")) if one.get("src") != page.file("page.js")]


@pytest.mark.parametrize("name", ["q", "lang", "source", "since", "until", "as_of", "now", "times", "k", "ui"])
def test_no_part_of_the_address_gets_out_of_its_place(client: TestClient, name: str) -> None:
    source = client.get("/", params={"q": "x", name: EVIL}).text
    assert source.count("<script") == 1
    assert "<img" not in source
    assert foreign(Page(source)) == []


def test_only_web_addresses_become_links(mixed: TestClient) -> None:
    shown = read(mixed, q="jour day", ui="fr")
    assert shown.text("a").count("Page d’origine") == 1
    assert [one for one in shown.all("a") if "rel" in one] == [
        # To the words themselves, where the browser can.
        {"href": "https://e.org/?a=1&b=2#:~:text=Onze%20heures%20cinq.", "rel": "noreferrer"}
    ]
    assert not [text for text in shown.text("p", "quoted") if "javascript" in text]
    assert not [one for one in shown.all("a") if str(one["href"]).startswith("javascript")]


@pytest.mark.parametrize("address", ["/", "/?q=x", "/?q=x&lang=de", "/docs", "/entry/u4awslt5gpi37xjl", "/entry/none"])
def test_a_page_may_load_what_is_its_own_and_nothing_else(client: TestClient, address: str) -> None:
    response = client.get(address)
    assert response.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    shown = Page(response.text)
    # What else is named, a browser loads for who asks for it.
    links = [one["href"] for one in shown.all("link") if one["rel"] not in ("search", "alternate")]
    loaded = links + [one["src"] for one in shown.all("script")]
    assert loaded
    assert [one for one in loaded if str(one).rpartition("/")[0] != f"/page/{page.VERSION}"] == []
    # What the policy would stop is not there in the first place.
    assert {"style", "img", "iframe"}.isdisjoint(tag for tag, _ in shown.elements)
    assert not [name for _, attributes in shown.elements for name in attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("name", page.FILES)
def test_what_pages_load_is_kept_for_ever_under_its_own_address(client: TestClient, name: str) -> None:
    content, media = page.FILES[name]
    response = client.get(page.file(name))
    assert (response.status_code, response.content) == (200, content)
    assert response.headers["content-type"].partition(";")[0] == media
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    # An older address gives what there is, and that is not kept.
    assert client.get(f"/page/old/{name}").headers["cache-control"] == "no-cache"
    # Nothing in it is from elsewhere.
    assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)|url\(|@import|innerHTML =|eval\(", content)


def test_there_is_nothing_else_to_load(client: TestClient) -> None:
    for name in ("page.html", "routes.py", "..%2Fapp.py"):
        assert client.get(f"/page/{page.VERSION}/{name}").status_code == 404


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
            "«\u00a0À partir du\u00a0» n’est pas une date\u202f: écrivez par exemple 2023-05-23.",
            "“From” is not a date: write, for example, 2023-05-23.",
        ),
        (
            {"q": "x", "source": "none"},
            "L’index n’a pas de source de ce nom\u202f: choisissez-en une dans la liste.",
            "The index has no source of this name: choose one of the list.",
        ),
        (
            {"q": "x", "as_of": "2001-01-01"},
            "L’index n’a pas d’état à ce moment-là\u202f: il n’existait pas encore, ou ce moment est à venir.",
            "The index has no state of that time: it did not exist yet, or the time is still to come.",
        ),
        (
            {"q": "x", "now": "soon"},
            "«\u00a0now\u00a0» doit être une date, ou «\u00a0newest\u00a0» dans un corpus daté.",
            "“now” must be a date, or “newest” in a corpus that has dates.",
        ),
        (
            {"q": "x", "k": "101"},
            "«\u00a0k\u00a0» est un nombre de passages, de 1 à 100.",
            "“k” is a number of passages, 1 to 100.",
        ),
        (
            {"q": "x", "times": "perhaps"},
            "«\u00a0times\u00a0» vaut «\u00a0yes\u00a0» ou «\u00a0no\u00a0».",
            "“times” is “yes” or “no”.",
        ),
        (
            {"q": "x", "since": "2023-05-24", "until": "2023-05-23"},
            "«\u00a0Avant le\u00a0» doit être une date, postérieure à «\u00a0À partir du\u00a0».",
            "“Before” must be a date, and later than “From”.",
        ),
    ],
)
def test_what_is_wrong_is_said_in_the_readers_words(
    client: TestClient, asked: dict[str, Any], french: str, english: str
) -> None:
    for language, told in (("fr", french), ("en", english)):
        shown = read(client, status=422, ui=language, **asked)
        assert told in shown.text("p")
        assert [one["role"] for one in shown.all("section") if one.get("class") == "failure"] == ["alert", "alert"]
        assert shown.all("ol") == []


def test_an_overlong_question_is_not_sent_back_whole(client: TestClient) -> None:
    source = client.get("/", params={"q": "a" * 60_000}).text
    assert len(source) < 20_000


def test_an_index_that_cannot_be_read_is_told_on_the_page(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageError("the disk of /secret is gone")

    monkeypatch.setattr(Searcher, "find", fail)
    shown = read(client, status=503, q="x", ui="fr")
    assert "L’index ne peut pas être lu pour le moment. Réessayez dans un instant." in shown.text("p")
    assert "secret" not in client.get("/", params={"q": "x"}).text


BROWSER = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "en"}


def test_a_browser_is_told_of_a_busy_server_on_a_page_and_a_program_in_json(seed_index: Path) -> None:
    app = create_app(lambda: Searcher(seed_index, HashingEncoder()), at_once=0, waiting=0)
    with TestClient(app) as client:
        response = client.get("/", params={"q": "x"}, headers=BROWSER)
        assert (response.status_code, response.headers["retry-after"]) == (503, "2")
        shown = Page(response.text)
        assert "The server has too much to do, or the index cannot be read. Try again in a moment." in shown.text("p")
        assert [one["href"] for one in shown.all("a") if one.get("class") == "button"] == ["/?q=x"]
        assert client.get("/", params={"q": "x"}).headers["content-type"] == "application/problem+json"


def test_a_browser_that_is_lost_is_told_so_on_a_page(client: TestClient) -> None:
    response = client.get("/nowhere", headers=BROWSER)
    assert response.status_code == 404
    assert "There is nothing at this address." in Page(response.text).text("p")
    assert client.get("/nowhere").json()["detail"] == "there is nothing at this address; see /docs"


def test_a_fault_of_ours_is_told_on_a_page_and_goes_to_the_log(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(Searcher, "find", fail)
    response = client.get("/", params={"q": "x"}, headers=BROWSER)
    assert response.status_code == 500
    assert "The index cannot be read at present. Try again in a moment." in Page(response.text).text("p")
    assert "secret" not in response.text
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


# An entry


def test_an_entry_stands_between_those_before_and_after_it(client: TestClient) -> None:
    shown = Page(client.get("/entry/ubxvdkf7eu7o63mc?ui=fr").text)
    whole = client.get("/entries/ubxvdkf7eu7o63mc").json()
    assert shown.text("h1") == [whole["title"]]
    assert shown.text("div", "text") == [whole["text"].strip()]
    assert shown.text("time") == [
        "mardi 23 mai 2023",
        "mardi 23 mai 2023 à 6\u202fh\u202f25",
        "mardi 23 mai 2023 à 6\u202fh\u202f35",
        "mardi 23 mai 2023 à 7\u202fh\u202f44",
    ]


@pytest.mark.parametrize("at", ["", "x", "5", "7-3", "0-999999999", "-1-5", "٣-٥", "1-2-3", "9" * 5000 + "-1"])
def test_a_stretch_that_there_is_not_is_not_marked(client: TestClient, at: str) -> None:
    response = client.get("/entry/ubxvdkf7eu7o63mc", params={"at": at})
    assert response.status_code == 200
    assert 'id="passage"' not in response.text


def test_what_two_versions_have_not_in_common_puts_both_together_again() -> None:
    before, after = "Deux blessés, dit-il.\nFin.", "Trois blessés graves.\nFin, dit-il."
    found = changes(before, after)
    assert found is not None
    assert "".join(text for kind, text in found if kind != "new") == before
    assert "".join(text for kind, text in found if kind != "gone") == after
    # The time goes with the square of the words.
    assert changes("mot " * 5000, "mot") is None


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
