"""RSS and Atom feeds."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from index.documents import Document, Facts, Failure
from index.errors import UnreadableDocument
from index.readers import read
from index.records import Entry, published_text

FACTS = Facts(tz="Europe/Paris")
Write = Callable[..., Path]
Feed = Callable[..., list[Entry | Failure]]

ITEMS = """
<item><guid isPermaLink="false">b-2</guid><title>L&#39;été &amp; moi</title><link>https://example.org/b</link>
  <pubDate>Tue, 23 May 2023 11:58:00 +0200</pubDate>
  <description><![CDATA[<p>Un <b>deux</b>.</p><p>Trois.</p>]]></description></item>
<item><title>Premier</title><link>https://example.org/a</link><description>Court.</description>
  <content:encoded><![CDATA[<p>Le texte entier.</p><script>x()</script>]]></content:encoded></item>
"""


def rss(items: str = ITEMS, declaration: str = '<?xml version="1.0" encoding="utf-8"?>') -> str:
    return (
        f'{declaration}<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>'
        f"<title>Le fil</title><link>https://example.org</link><language>fr-FR</language>{items}</channel></rss>"
    )


ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>Live</title><id>urn:live</id>
<entry><id>urn:1</id><title type="html">One &amp;amp; two</title><updated>2023-05-23T11:58:30Z</updated>
<link href="https://example.org/1"/>
<content type="html">&lt;p&gt;First.&lt;/p&gt;&lt;p&gt;Second.&lt;/p&gt;</content></entry></feed>"""


@pytest.fixture
def feed(write: Write) -> Feed:
    """What is read of a feed with this content."""

    def feed(content: str | bytes, facts: Facts = FACTS) -> list[Entry | Failure]:
        return list(read(Document(write("feed.txt", content), "feed", facts)))

    return feed


def rows(found: list[Entry | Failure]) -> list[tuple[str, str, str, str | None, str, str | None]]:
    return [
        (one.key, one.title, one.text, published_text(one.published, one.precision), one.lang, one.url)
        for one in found
        if isinstance(one, Entry)
    ]


def test_an_rss_feed_gives_its_items(feed: Feed) -> None:
    found = feed(rss())
    assert rows(found) == [
        ("b-2", "L'été & moi", "Un deux.\nTrois.", "2023-05-23T11:58:00+02:00", "fr", "https://example.org/b"),
        ("https://example.org/a", "Premier", "Le texte entier.", None, "fr", "https://example.org/a"),
    ]
    assert len(found) == 2


def test_an_atom_feed_gives_its_entries(feed: Feed) -> None:
    found = feed(ATOM)
    assert rows(found) == [
        ("urn:1", "One & two", "First.\nSecond.", "2023-05-23T11:58:30+00:00", "en", "https://example.org/1")
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252", "utf-16"])
def test_a_feed_is_read_in_the_encoding_that_it_declares(feed: Feed, encoding: str) -> None:
    content = rss(declaration=f'<?xml version="1.0" encoding="{encoding}"?>')
    assert rows(feed(content.encode(encoding))) == rows(feed(rss()))


def test_an_item_without_text_or_with_a_day_that_there_is_not_is_named(feed: Feed) -> None:
    bad = "<item><guid>x</guid><link>https://example.org/x</link></item>"
    wrong = "<item><guid>y</guid><title>T</title><description>t</description><pubDate>2023-02-31</pubDate></item>"
    found = feed(rss(ITEMS + bad + wrong))
    assert [one for one in found if isinstance(one, Failure)] == [
        Failure("feed, item 3", "the entry 'x' has no text"),
        Failure(
            "feed, item 4",
            "there is no day '2023-02-31': correct it in the document; the entry is kept without a time",
            kept=True,
        ),
    ]
    assert [(key, moment) for key, _, _, moment, *_ in rows(found)][2:] == [("y", None)]


def test_a_time_in_a_spelling_that_only_feeds_use_is_read(feed: Feed) -> None:
    item = (
        "<item><guid>x</guid><title>T</title><description>t</description><pubDate>Tue May 23 09:58:00 GMT 2023</pubDate></item>"
    )
    assert [one[3] for one in rows(feed(rss(item)))] == ["2023-05-23T11:58:00+02:00"]


def test_the_same_item_twice_counts_once_and_another_under_its_id_is_named(feed: Feed) -> None:
    other = "<item><guid>b-2</guid><title>Autre</title><description>Autre.</description></item>"
    found = feed(rss(ITEMS + ITEMS + other))
    assert len(rows(found)) == 2
    assert [one for one in found if isinstance(one, Failure)] == [
        Failure("feed, item 5", "the id 'b-2' was used before, with another content: give it an id of its own")
    ]


def test_a_feed_that_breaks_off_gives_what_stands_before(feed: Feed) -> None:
    whole = rss()
    found = feed(whole[: whole.index("<item><title>Premier")] + "<item><title>Cou")
    assert isinstance(found[0], Failure)
    assert found[0].reason.startswith("is a broken feed, and entries may be missing: ")
    assert rows(found)[0][0] == "b-2"


def test_a_feed_without_entries_is_refused(feed: Feed) -> None:
    with pytest.raises(UnreadableDocument, match=r"^is a feed without entries"):
        feed(rss(""))


def test_entities_that_multiply_are_not_unfolded(feed: Feed) -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY l0 "ha">{entities}]>' + rss(
        "<item><title>&l9;</title><description>x</description></item>", ""
    )
    try:
        found = feed(bomb)
    except UnreadableDocument:
        return
    assert sum(len(one.text) + len(one.title) for one in found if isinstance(one, Entry)) < 10_000


def test_xml_that_is_neither_a_feed_nor_a_page_is_refused(feed: Feed) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        feed('<?xml version="1.0"?><note><to>x</to></note>')
    assert str(caught.value) == "is XML, but neither a feed nor a page"


@pytest.mark.parametrize(
    ("more", "published"), [("", None), ("<updated>2023-05-23T11:58:00Z</updated>", datetime(2023, 5, 23, 11, 58, tzinfo=UTC))]
)
def test_an_item_with_an_empty_time_has_the_other_one_or_none(feed: Feed, more: str, published: datetime | None) -> None:
    (entry,) = feed(rss(f"<item><title>T</title><description>Un texte.</description><pubDate> </pubDate>{more}</item>"))
    assert isinstance(entry, Entry)
    assert entry.published == published


@pytest.mark.parametrize("written", ["LE MARCHÉ\xa0: la chute", "mà««m", "Il a dit à\xa0«\xa0non\xa0»", "CAFÉ»", "Ç\xa0a"])
@pytest.mark.parametrize("form", ["{}", "<![CDATA[{}]]>", "<![CDATA[<p>{}</p>]]>"])
@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_letters_that_would_be_the_bytes_of_another_stay_what_they_are(
    feed: Feed, written: str, form: str, encoding: str
) -> None:
    item = f"<item><title>{written}</title><description>{form.format(written)}</description></item>"
    ((_, title, text, *_),) = rows(feed(rss(item, f'<?xml version="1.0" encoding="{encoding}"?>').encode(encoding)))
    assert (title, text) == (" ".join(written.split(" ")), written)


def test_a_feed_that_was_read_in_the_wrong_encoding_is_repaired(feed: Feed) -> None:
    wrong = "L’été à Paris, déjà là-bas.".encode().decode("cp1252")
    ((_, title, text, *_),) = rows(feed(rss(f"<item><title>{wrong}</title><description>{wrong}</description></item>")))
    assert (title, text) == ("L’été à Paris, déjà là-bas.",) * 2
