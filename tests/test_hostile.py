"""Questions and documents that mean harm: each is refused in words or shown as text, at every door.

`hostile.jsonl` is the table: a kind and a text, or what is repeated so many times. Each is a question first, and then the title
and text of an entry. Files that mean harm as files are those of `test_hostile_files.py`.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import feedparser
import pytest
import rispy
from httpx2 import Response
from lxml import etree, html
from pybtex.database import parse_string
from starlette.testclient import TestClient

from api.app import create_app
from api.tables import guarded
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.ingest import ingest
from index.search import MAX_QUESTION, Searcher

ROWS = [json.loads(line) for line in (Path(__file__).parent / "hostile.jsonl").read_text(encoding="utf-8").splitlines()]
TEXTS = {f"{row['kind']}-{number}": row["text"] * row.get("times", 1) + row.get("end", "") for number, row in enumerate(ROWS)}
PATIENCE = 120
"""Seconds after which something hangs: what is slow on a busy machine takes a few."""
TAGS_OF_OURS = set(
    "html head title meta link script body header main footer nav section article form fieldset legend label input "
    "select option button details summary p a ul ol li dl dt dd h1 h2 h3 span strong em mark b i q cite blockquote "
    "time small code pre br hr div data table thead tbody tr th td svg rect g path text line circle use figure "
    "figcaption output template ins del abbr noscript datalist progress aside ".split()
)
# Every fourth is tried with all other tests, and all of them by `make hostile`.
NAMES = [pytest.param(name, marks=[pytest.mark.hostile] if number % 4 else []) for number, name in enumerate(TEXTS)]
each_name = pytest.mark.parametrize("name", NAMES, ids=list(TEXTS))


def soon(ask: Callable[[], Response]) -> Response:
    """An answer that must come: one that hangs is a failure here and not a run without an end."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result(PATIENCE)


def test_there_are_two_hundred_and_each_is_another() -> None:
    assert len(set(TEXTS.values())) == len(ROWS) >= 200


def check_page(told: str) -> Any:
    """A page as a real parser reads it: elements of ours alone, and nothing that would run or load what is not ours."""
    page = html.document_fromstring(told)
    for element in page.iter():
        if not isinstance(element.tag, str):
            continue
        assert element.tag in TAGS_OF_OURS, element.tag
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (element.tag, name)
            assert name not in ("style", "srcdoc"), (element.tag, name)
            if name in ("href", "src", "action", "formaction", "poster", "data"):
                where = value.strip().lower()
                assert where.startswith(("/", "#", "?", "http://testserver/", "https://fil.example/")), (
                    element.tag,
                    value[:99],
                )
                assert not where.startswith("//")
        if element.tag == "script":
            assert element.get("src", "").startswith("/page/")
            assert not (element.text or "").strip()
        assert element.tag != "meta" or element.get("http-equiv") is None
    return page


def unharmed(answer: Response) -> None:
    assert answer.status_code in (200, 422), answer.text[:300]
    assert "set-cookie" not in answer.headers
    assert "x-zanzibar" not in answer.headers
    assert "location" not in answer.headers


# As questions


@each_name
def test_a_hostile_question_is_refused_in_words_or_taken_for_words(client: TestClient, name: str) -> None:
    text = TEXTS[name]
    answer = soon(lambda: client.get("/ask", params={"q": text, "k": "3"}))
    posted = soon(lambda: client.post("/ask", json={"question": text, "k": 3}))
    unharmed(answer)
    assert answer.headers["content-type"] in ("application/json", "application/problem+json")
    told, again = answer.json(), posted.json()
    assert answer.status_code == posted.status_code
    if answer.status_code == 200:
        assert told["question"] == again["question"] == text
        assert [hit["passage_id"] for hit in told["hits"]] == [hit["passage_id"] for hit in again["hits"]]
    else:
        assert {one["field"] for one in told["errors"]} <= {"q"}
        assert told["errors"]
        assert len(told["detail"]) < 500


@each_name
def test_on_the_page_it_is_text(client: TestClient, name: str) -> None:
    text = TEXTS[name]
    answer = soon(lambda: client.get("/", params={"q": text, "ui": "en"}, headers={"Accept": "text/html"}))
    unharmed(answer)
    page = check_page(answer.text)
    # White space and controls are what parsers change among themselves.
    given = [one.get("value") for one in page.iter("input") if one.get("name") == "q"]
    assert not text.strip() or [bare(one) for one in given] == [bare(text)[:MAX_QUESTION]]


def bare(text: str | None) -> str:
    return "".join(one for one in text or "" if one.isprintable() and not one.isspace() and one != "\ufffd")


@each_name
def test_over_mcp_it_is_text(client: TestClient, name: str) -> None:
    text = TEXTS[name]
    call = {"name": "ask", "arguments": {"question": text, "k": 3}}
    sent = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    accept = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
    told = soon(lambda: client.post("/mcp", json=sent, headers=accept)).json()["result"]
    [content] = told["content"]
    assert content["type"] == "text"
    if not told.get("isError"):
        assert json.loads(content["text"]) == told["structuredContent"]
        assert told["structuredContent"]["question"] == text


def test_in_a_table_of_them_each_has_its_rows_and_no_cell_is_a_formula(client: TestClient) -> None:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerows([["question"], *([guarded(text)] for text in TEXTS.values())])
    sent = table.getvalue().encode()
    answer = soon(lambda: client.post("/batch?k=1", content=sent, headers={"Content-Type": "text/csv"}))
    assert answer.status_code == 200, answer.text[:300]
    check_cells(answer.text)


def check_cells(text: str) -> list[list[str]]:
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    for row in rows[1:]:
        for cell in row:
            number = cell.replace(".", "").replace("e-", "").removeprefix("-").isdigit()
            # What a spreadsheet takes for a formula, also behind blanks that it drops.
            assert number or not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")), cell[:50]
            assert not cell.startswith(("\t", "\r", "\n")), cell[:50]
    return rows


HALVES = ["\ud800", "a\udfffb", "x\ud83d"]


@pytest.mark.parametrize("text", HALVES, ids=["high", "low", "first"])
def test_half_a_character_is_refused(client: TestClient, text: str) -> None:
    for address, name in (("/search", "query"), ("/ask", "question"), ("/v1/embeddings", "input"), ("/v2/rerank", "query")):
        sent = json.dumps({name: text, "documents": ["a"], "model": "hashing"} if "/v" in address else {name: text})
        answer = client.post(address, content=sent, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), address


@pytest.mark.parametrize("depth", [100, 10_000, 400_000])
@pytest.mark.parametrize("shape", ['{"query": ', "[", '{"type": "and", "filters": [', '{"a": {"b": '])
def test_json_of_any_depth_is_refused(client: TestClient, shape: str, depth: int) -> None:
    for address in ("/search", "/ask", "/v1/vector_stores/vs_filrouge/search", "/v1/embeddings", "/v2/rerank", "/mcp"):
        body = (shape * depth).encode()[:1_000_000]
        answer = soon(partial(client.post, address, content=body, headers={"Content-Type": "application/json"}))
        assert 400 <= answer.status_code < 500, (address, answer.status_code)


def test_filters_of_any_depth_are_refused_or_answered(client: TestClient) -> None:
    for depth in (5, 50, 500, 5_000):
        filters: Any = '{"type": "eq", "key": "lang", "value": "fr"}'
        filters = '{"type": "and", "filters": [' * depth + filters + "]}" * depth
        body = f'{{"query": "Belgorod", "filters": {filters}}}'.encode()
        headers = {"Content-Type": "application/json"}
        answer = soon(partial(client.post, "/v1/vector_stores/vs_filrouge/search", content=body, headers=headers))
        assert answer.status_code in (200, 400), (depth, answer.text[:200])


# As documents


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of entries whose titles and texts are the table."""
    folder = tmp_path_factory.mktemp("hostile")
    lines = [
        {"_id": f"h{number}", "title": text[:300], "text": f"Début {text} fin.", "lang": "fr",
         "date": f"2024-01-01T00:{number % 60:02d}",
         "url": "javascript:alert(1)" if number % 2 else "https://fil.example/" + quote(text[:50])}
        for number, text in enumerate(TEXTS.values())
    ]  # fmt: skip
    file = folder / "fil.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    report = ingest([file], folder / "index", HashingEncoder(), Facts(tz="Europe/Paris"))
    assert (report.failures, report.added) == ([], len(lines))
    return folder / "index"


@pytest.fixture(scope="module")
def shown(corpus: Path) -> Iterator[TestClient]:
    app = create_app(lambda: Searcher(corpus, HashingEncoder()))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def entries(shown: TestClient) -> dict[str, str]:
    """The ids of the entries, by the names of their texts."""
    rows = [json.loads(line) for line in shown.get("/export?format=jsonl").text.split("\n") if line]
    ids: dict[str, str] = {}
    for row in rows:
        ids.setdefault(row["url"] + row["title"], row["entry_id"])
    found = list(dict.fromkeys(row["entry_id"] for row in rows))
    texts = {entry: shown.get(f"/entries/{entry}").json()["text"] for entry in found}
    named = {
        name: [entry for entry, text in texts.items() if bare(text) == bare(f"Début {hostile} fin.")]
        for name, hostile in TEXTS.items()
    }
    assert all(named.values()), [name for name, one in named.items() if not one]
    return {name: one[0] for name, one in named.items()}


@each_name
def test_a_hostile_entry_is_shown_as_text(shown: TestClient, entries: Mapping[str, str], name: str) -> None:
    told = soon(lambda: shown.get(f"/entries/{entries[name]}")).json()
    # Places are counted in the text as it is told, whatever stands in it.
    for passage in told["passages"]:
        assert 0 <= passage["start"] < passage["end"] <= len(told["text"])
    answer = soon(lambda: shown.get(f"/entry/{entries[name]}?ui=en", headers={"Accept": "text/html"}))
    unharmed(answer)
    page = check_page(answer.text)
    assert bare(TEXTS[name]) in bare(page.text_content())


def test_over_mcp_a_hostile_entry_is_text(shown: TestClient, entries: Mapping[str, str]) -> None:
    accept = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
    for name, entry in entries.items():
        sent = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "fetch", "arguments": {"id": entry}}}
        result = shown.post("/mcp", json=sent, headers=accept).json()["result"]
        [content] = result["content"]
        assert bare(TEXTS[name]) in bare(json.loads(content["text"])["text"])


def test_in_every_export_a_hostile_entry_is_one_record_of_text(shown: TestClient, entries: Mapping[str, str]) -> None:
    got = {form: soon(partial(shown.get, f"/export?format={form}")) for form in ("csv", "jsonl", "ris", "bibtex", "csl-json")}
    for answer in got.values():
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith('attachment; filename="filrouge-')
    total = len(TEXTS)
    rows = check_cells(got["csv"].text)
    assert len({row[rows[0].index("entry_id")] for row in rows[1:]}) == total
    assert len({json.loads(line)["entry_id"] for line in got["jsonl"].text.split("\n") if line}) == total
    assert len(rispy.loads(got["ris"].content.decode())) == total
    assert len(parse_string(got["bibtex"].content.decode(), "bibtex").entries) == total
    assert len(json.loads(got["csl-json"].content)) == total
    # Who manages references makes links of addresses; one is for the web, or is left out.
    for form, link in (("ris", "UR  - javascript:"), ("bibtex", "url = {javascript:"), ("csl-json", '"URL": "javascript:')):
        assert link not in got[form].text


def test_a_feed_of_hostile_entries_is_one_of_text(shown: TestClient) -> None:
    for text in list(TEXTS.values())[::16]:
        answer = soon(partial(shown.get, "/feed.atom", params={"q": f"Début fin {text[:500]}"}))
        assert answer.status_code in (200, 422)
        if answer.status_code == 200:
            # Without a declaration of its own there is nothing that a parser could be made to fetch or to grow.
            assert b"<!DOCTYPE" not in answer.content
            root = etree.fromstring(answer.content, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
            assert {etree.QName(one).localname for one in root.iter() if isinstance(one.tag, str)} <= {
                "feed", "id", "title", "subtitle", "updated", "published", "link", "entry", "author", "name", "content",
                "summary", "generator", "category", "source", "rights", "uri",
            }  # fmt: skip
            parsed = feedparser.parse(answer.content)
            assert not parsed.bozo
            links = [link["href"] for entry in parsed.entries for link in entry.get("links", [])]
            assert not any(link.lower().startswith(("javascript:", "data:")) for link in links)
