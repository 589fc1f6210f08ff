"""The declaration of what each address asks for."""

import pytest

from api.keys import Scope
from api.scopes import NEEDS, WITHOUT_KEY, Addresses, described_as


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("/search", "/search"),
        ("/search/", "/search"),
        ("/entries/a", "/entries/{entry_id}"),
        ("/entries/a/versions", "/entries/{entry_id}/versions"),
        ("/page/results", "/page/results"),
        ("/page/abc/page.css", "/page/{version}/{name}"),
        ("/v1/models/a/b/c", "/v1/models/{model:path}"),
        ("/v1/vector_stores/vs_1/search", "/v1/vector_stores/{vector_store_id}/search"),
        ("/search\n", None),
        ("/SEARCH", None),
        ("//search", None),
        ("/search/..", None),
        ("/entries/a/b", None),
        ("/nowhere", None),
        ("/health/x", None),
        ("", "/"),
    ],
)
def test_an_address_falls_under_one_declaration_or_none(path: str, template: str | None) -> None:
    found = Addresses(NEEDS).declared(path)
    assert (found and found[0]) == template


def test_what_needs_no_key_is_told_here_once_more() -> None:
    assert {template for template, need in NEEDS.items() if need is None} == {
        "/health",
        "/ready",
        "/page/{version}/{name}",
        "/opensearch.xml",
    }


def test_without_a_key_nothing_is_ever_written() -> None:
    assert Scope.WRITE not in WITHOUT_KEY


def test_templates_are_written_as_in_the_description() -> None:
    assert described_as("/entries/{entry_id}") == "/entries/{entry_id}"
    assert described_as("/v1/models/{model:path}") == "/v1/models/{model}"
