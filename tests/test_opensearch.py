"""How browsers find out how to ask."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from starlette.testclient import TestClient

from api.opensearch import MEDIA, describe

SPEC = "{http://a9.com/-/spec/opensearch/1.1/}"


class Links(HTMLParser):
    """The `link` elements of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "link":
            self.found.append(dict(attrs))

    def of(self, rel: str) -> list[dict[str, Any]]:
        return [link for link in self.found if link["rel"] == rel]


def test_a_browser_finds_the_description_from_the_page_and_asks_as_it_says(client: TestClient) -> None:
    (link,) = Links(client.get("/").text).of("search")
    assert (link["type"], link["title"]) == (MEDIA, "filrouge")
    response = client.get(link["href"])
    assert (response.status_code, response.headers["content-type"]) == (200, MEDIA)
    root = ElementTree.fromstring(response.content)
    assert root.tag == f"{SPEC}OpenSearchDescription"
    templates = {url.get("type"): str(url.get("template")) for url in root.iter(f"{SPEC}Url")}
    assert templates.pop(MEDIA) == "http://testserver/opensearch.xml"
    assert set(templates) == {"text/html", "application/atom+xml", "application/json"}
    for kind, template in templates.items():
        assert template.startswith("http://testserver/")
        answered = client.get(template.replace("{searchTerms}", quote("Qui a revendiqué l’attaque de Belgorod & d’où ?")))
        assert answered.status_code == 200
        assert answered.headers["content-type"].partition(";")[0] == kind
        assert "Belgorod" in answered.text


def test_the_description_keeps_to_the_limits_of_its_specification() -> None:
    root = ElementTree.fromstring(describe("https://example.org/a&b"))
    assert 0 < len(str(root.findtext(f"{SPEC}ShortName"))) <= 16
    assert 0 < len(str(root.findtext(f"{SPEC}Description"))) <= 1024
    assert [one.text for one in root.iter(f"{SPEC}Language")] == ["fr", "en"]
    assert all(str(url.get("template")).startswith("https://example.org/a&b/") for url in root.iter(f"{SPEC}Url"))


def test_the_page_of_a_question_leads_to_its_feed(client: TestClient) -> None:
    assert Links(client.get("/").text).of("alternate") == []
    assert Links(client.get("/", params={"q": "Belgorod", "lang": "xx"}).text).of("alternate") == []
    page = client.get("/", params={"q": "Belgorod & « drones »", "lang": "fr", "since": "2023-05-23", "until": ""})
    (link,) = Links(page.text).of("alternate")
    assert (link["type"], link["title"]) == ("application/atom+xml", "Belgorod & « drones »")
    feed = client.get(link["href"])
    assert feed.status_code == 200
    assert "Belgorod" in feed.text


def test_who_has_the_description_already_is_told_so(client: TestClient) -> None:
    tag = client.get("/opensearch.xml").headers["etag"]
    assert client.get("/opensearch.xml", headers={"If-None-Match": tag}).status_code == 304
