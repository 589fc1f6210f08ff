"""Links to a passage on its own page."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.links import deep_link


def directive(text: str) -> list[str]:
    """The texts that a browser looks for: the parts between commas, decoded."""
    link = deep_link("https://example.org/direct", text)
    assert link is not None
    found = urlsplit(link).fragment.partition(":~:text=")[2]
    return [unquote(part) for part in found.split(",")]


def test_a_short_passage_is_looked_for_whole_and_a_long_one_by_its_ends() -> None:
    assert directive("Deux blessés, dit-on & un mort.") == ["Deux blessés, dit-on & un mort."]
    long = " ".join(f"mot{i}" for i in range(100))
    assert directive(long) == ["mot0 mot1 mot2 mot3 mot4", "mot95 mot96 mot97 mot98 mot99"]
    assert directive("Un deux trois.\n\nQuatre cinq six.") == ["Un deux trois.", "Quatre cinq six."]


def test_a_fragment_that_the_address_has_stays_before_the_text() -> None:
    assert deep_link("https://example.org/d#e7", "Oui.") == "https://example.org/d#e7:~:text=Oui."
    assert deep_link("https://example.org/d", "Oui.") == "https://example.org/d#:~:text=Oui."


def test_a_hyphen_and_a_comma_of_the_text_part_nothing() -> None:
    link = str(deep_link("https://example.org/", "a-,b-&c"))
    assert link.endswith(":~:text=a%2D%2Cb%2D%26c")


@pytest.mark.parametrize("url", [None, "", "javascript:alert(1)", "urn:isbn:1", "/direct"])
def test_what_is_no_page_has_no_link(url: str | None) -> None:
    assert deep_link(url, "Oui.") is None


def test_an_empty_passage_is_the_page() -> None:
    assert deep_link("https://example.org/", " \n ") == "https://example.org/"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_link_is_ascii_and_its_parts_stand_in_the_text(text: str) -> None:
    link = str(deep_link("https://example.org/", text))
    assert link.isascii()
    assert " " not in link
    folded = " ".join(text.split())
    for part in directive(text) if folded else []:
        assert part in folded
