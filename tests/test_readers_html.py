"""HTML pages. The pages here are written by us, in the shapes of publishers; saved ones are measured where they lie beside
the checkout.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from statistics import mean
from typing import Any
from zoneinfo import ZoneInfo

import lxml.html
import pytest
import trafilatura
from hypothesis import given
from hypothesis import strategies as st

from index.documents import Document, Facts, Failure
from index.errors import UnreadableDocument
from index.readers import html, markup, read
from index.records import Entry, published_text

Write = Callable[..., Path]
PARIS = ZoneInfo("Europe/Paris")
LONDON = timezone(timedelta(hours=1))
FACTS = Facts(tz="Europe/Paris")
PAGES = Path(__file__).resolve().parent.parent.parent / "shared" / "fixtures" / "html"

PARAGRAPH = "Le ministère a confirmé mardi matin que les équipes de secours travaillaient toujours dans la vallée inondée. "
ARTICLE = "".join(f"<p>{PARAGRAPH} Paragraphe numéro {n}.</p>" for n in range(5))


@pytest.fixture
def page(write: Write) -> Callable[..., list[Entry | Failure]]:
    """What is read of a page with this content."""

    def page(content: str | bytes, facts: Facts = FACTS, name: str = "page.html") -> list[Entry | Failure]:
        return list(read(Document(write(name, content), "page", facts)))

    return page


Page = Callable[..., list[Entry | Failure]]


def document(body: str, head: str = "", title: str = "Le fil") -> str:
    return f'<!DOCTYPE html><html lang="fr"><head><title>{title}</title>{head}</head><body>{body}</body></html>'


def ld(**thing: Any) -> str:
    return f'<script type="application/ld+json">{json.dumps({"@context": "https://schema.org", **thing})}</script>'


def entries(found: list[Entry | Failure]) -> list[Entry]:
    assert [one for one in found if isinstance(one, Failure)] == []
    return [one for one in found if isinstance(one, Entry)]


def heads(found: list[Entry | Failure]) -> list[tuple[str, str | None, str, str]]:
    return [(one.key, published_text(one.published, one.precision), one.title, one.text) for one in entries(found)]


# Live pages, in the shapes of publishers

LIVE = ld(
    **{"@type": "LiveBlogPosting"},
    headline="La crue en direct",
    datePublished="2023-05-23T09:00:00+01:00",
    url="https://example.org/fil",
)


def test_an_express_page_gives_its_entries_in_the_zone_of_the_page(page: Page) -> None:
    body = f"""<h1>La crue en direct</h1><article>{ARTICLE}<div class="live-events">
      <div class="live-events__entry" id="live-2" data-sort-time="1684839480"><div class="live-events__entry-info">
        <time data-time="2023-05-23T11:58"><span>21 mins ago</span>11:58</time>
        <a class="live-events__entry-author">J. Roy</a></div>
        <h3 class="live-events__entry-head">Le second titre</h3>
        <div class="live-events__entry-text"><p>Un <b>deux</b>.</p><p>Trois.</p></div>
        <div class="photo"><p>Photo: AFP</p></div></div>
      <div class="live-events__entry" id="live-1" data-sort-time="1684835820"><div class="live-events__entry-info">
        <time data-time="2023-05-23T10:57"><span>1 hour ago</span>10:57</time></div>
        <h3 class="live-events__entry-head">Le premier titre</h3><div class="live-events__entry-text"><p>Quatre.</p></div></div>
    </div></article>"""
    found = entries(page(document(body, LIVE)))
    assert found[0].text == "\n".join(f"{PARAGRAPH.strip()} Paragraphe numéro {n}." for n in range(5))
    address = "https://example.org/fil"
    assert found[0] == Entry(
        "page",
        "lead",
        "La crue en direct",
        found[0].text,
        "fr",
        datetime(2023, 5, 23, 9, tzinfo=LONDON),
        "second",
        None,
        address,
    )
    assert found[1:] == [
        Entry(
            "page",
            key,
            title,
            text,
            "fr",
            datetime(2023, 5, 23, hour, minute, tzinfo=LONDON),
            "second",
            time(hour, minute),
            f"{address}#{key}",
        )
        for key, title, text, hour, minute in (
            ("live-2", "Le second titre", "Un deux.\nTrois.", 11, 58),
            ("live-1", "Le premier titre", "Quatre.", 10, 57),
        )
    ]


def test_a_page_of_reach_gives_its_entries(page: Page) -> None:
    body = """<div class="live-event-entries">
      <div class="live-event-entry" id="2259242" data-post-time="1684839480212"><div class="entry-info"><time>11:58</time>
        <mark>J. Roy</mark></div><div class="entry-content"><h3>Bonne nuit </h3><p>À demain. </p></div></div>
      <div class="live-event-entry" id="2259175" data-post-time="1684835820637"><div class="entry-info"><time>10:57</time></div>
        <div class="entry-content"><h3>Un café ferme</h3>https://example.org/posts/1</div></div></div>"""
    assert heads(page(document(body, LIVE))) == [
        ("2259242", "2023-05-23T11:58:00.212000+01:00", "Bonne nuit", "À demain."),
        ("2259175", "2023-05-23T10:57:00.637000+01:00", "", "Un café ferme"),
    ]


def test_a_commented_match_gives_its_minutes_and_no_more_than_the_day(page: Page) -> None:
    body = """<div class="live-match-comments">
      <div class="live-match-comment-block-title text-center"><div>96'<span class="icon"></span>Fin du match</div></div>
      <div class="live-match-comment left" data-time="95"><div class="live-match-comment-time"><span>95'</span></div>
        <div class="live-match-comment-body"><div class="live-match-comment-title"><span></span></div>C'est terminé.</div></div>
      <div class="live-match-comment right" data-time="91"><div class="live-match-comment-body">Une frappe.</div>
        <div class="live-match-comment-time"><span>91'</span></div></div></div>"""
    found = heads(page(document(body, ld(**{"@type": "WebPage"}, datePublished="2023-05-23T16:45:00+00:00"))))
    assert [one[1:] for one in found] == [
        ("2023-05-23", "96'", "Fin du match"),
        ("2023-05-23", "95'", "C'est terminé."),
        ("2023-05-23", "91'", "Une frappe."),
    ]
    assert [key.partition("~")[0] for key, *_ in found] == ["96min", "95min", "91min"]


def test_a_page_of_the_guardian_gives_its_entries(page: Page) -> None:
    body = """<div id="block-b" class="block"><p class="block-time">
        <time datetime="2023-05-23T11:58:00.000Z">11.58am BST</time></p><h2 class="block-title">Second</h2>
        <div class="block-elements"><p>Deux.</p></div></div>
      <div id="block-a" class="block"><p class="block-time"><time datetime="2023-05-23T10:57:00.000Z">10.57am</time></p>
        <div class="block-elements"><p>Un.</p></div></div>"""
    found = page(document(body, LIVE))
    assert [(key, title, text) for key, _, title, text in heads(found)] == [
        ("block-b", "Second", "Deux."),
        ("block-a", "", "Un."),
    ]
    assert [one.published for one in entries(found)] == [
        datetime(2023, 5, 23, 11, 58, tzinfo=UTC),
        datetime(2023, 5, 23, 10, 57, tzinfo=UTC),
    ]


def test_a_page_of_le_monde_gives_its_entries_with_the_day_of_the_page(page: Page) -> None:
    body = """<section class="post post__live-container" id="p2"><span class="date">00:10</span><h2>Second</h2>
        <p>Deux.</p></section>
      <section class="post post__live-container" id="p1"><span class="date">23:50</span><h2>Premier</h2><p>Un.</p></section>"""
    head = '<meta property="og:article:published_time" content="2023-05-22T20:00:00+02:00">'
    assert heads(page(document(body, head))) == [
        ("p2", "2023-05-23T00:10:00+02:00", "Second", "Deux."),
        ("p1", "2023-05-22T23:50:00+02:00", "Premier", "Un."),
    ]


def test_a_page_without_a_day_keeps_the_times_of_its_entries(page: Page) -> None:
    body = '<section class="post__live-container" id="p"><span class="date">11:58</span><h2>Titre</h2><p>Texte.</p></section>'
    [entry] = entries(page(document(body)))
    assert (entry.published, entry.precision, entry.clock) == (None, None, time(11, 58))
    [entry] = entries(page(document(body), Facts(tz="Europe/Paris", day=date(2023, 5, 23))))
    assert entry.published == datetime(2023, 5, 23, 11, 58, tzinfo=PARIS)


UPDATES = [
    {
        "@type": "BlogPosting",
        "headline": "L&#39;été",
        "articleBody": "Un &amp; deux.\nTrois.",
        "datePublished": "2023-05-23T11:58:00+02:00",
        "url": "https://example.org/fil#2",
    },
    {
        "@type": "BlogPosting",
        "headline": "Premier",
        "articleBody": "<p>Quatre.</p><p>Cinq.</p>",
        "datePublished": "2023-05-23T10:57:30+02:00",
        "url": "https://example.org/fil#1",
    },
]


def test_a_page_that_states_its_updates_gives_them(page: Page) -> None:
    head = ld(**{"@type": ["LiveBlogPosting"]}, headline="Fil", liveBlogUpdate=UPDATES)
    expected = [
        ("2", "2023-05-23T11:58:00+02:00", "L'été", "Un & deux.\nTrois."),
        ("1", "2023-05-23T10:57:30+02:00", "Premier", "Quatre.\nCinq."),
    ]
    assert heads(page(document("<p>Bientôt.</p>", head))) == expected
    graph = ld(**{"@graph": [{"@type": "WebSite"}, {"@type": "LiveBlogPosting", "liveBlogUpdate": UPDATES}]})
    assert heads(page(document("<p>Bientôt.</p>", graph))) == expected


def test_updates_that_share_an_address_are_told_apart_by_their_times(page: Page) -> None:
    updates = [{**update, "url": "https://example.org/fil#live"} for update in UPDATES]
    found = page(document("", ld(**{"@type": "LiveBlogPosting"}, liveBlogUpdate=updates)))
    assert [(one.key, one.url) for one in entries(found)] == [("2023-05-23T11:58", None), ("2023-05-23T10:57", None)]


def test_microdata_states_updates_too(page: Page) -> None:
    body = """<div itemscope itemtype="http://schema.org/LiveBlogPosting">
      <div itemprop="liveBlogUpdate" itemscope itemtype="http://schema.org/BlogPosting" id="u1">
        <meta itemprop="datePublished" content="2023-05-23T11:58:00+02:00"><h2 itemprop="headline">Titre</h2>
        <div itemprop="articleBody"><p>Un.</p><p>Deux.</p></div></div></div>"""
    assert heads(page(document(body))) == [("u1", "2023-05-23T11:58:00+02:00", "Titre", "Un.\nDeux.")]


def feed(count: int, name: str, text: str) -> str:
    return "".join(
        f'<li class="{name}"><time datetime="2023-05-23T{8 + n:02}:30:00+02:00">{8 + n}:30</time><h3>Titre {n}</h3>'
        f"<p>{text} Numéro {n}.</p></li>"
        for n in range(count)
    )


def test_a_live_page_of_no_known_shape_gives_what_repeats_with_a_time(page: Page) -> None:
    body = f"<h1>La crue en direct</h1><main><ul>{feed(4, 'direct-item', PARAGRAPH)}</ul></main>"
    found = heads(page(document(body, title="La crue en direct")))
    assert [one for one in found if one[0] != "lead"] == [
        (f"2023-05-23T{8 + n:02}:30", f"2023-05-23T{8 + n:02}:30:00+02:00", f"Titre {n}", f"{PARAGRAPH.strip()} Numéro {n}.")
        for n in range(4)
    ]


def test_headlines_with_times_beside_an_article_are_not_its_entries(page: Page) -> None:
    body = (
        f"<article><h1>La crue en direct</h1>{ARTICLE}</article><aside><ul>{feed(6, 'live-item', 'Autre chose.')}</ul></aside>"
    )
    [entry] = entries(page(document(body, LIVE)))
    assert (entry.key, entry.text.count("\n")) == ("lead", 4)
    assert "Autre chose" not in entry.text


def test_menus_above_the_entries_are_no_lead(page: Page) -> None:
    menu = "".join(f"<div><a href='/{n}'>Rubrique {n}</a></div>" for n in range(40))
    entry = '<div class="live-event-entry" id="1"><div class="entry-content"><h3>Titre</h3><p>Oui.</p></div></div>'
    body = f"<div>{menu}</div>{entry}"
    assert [one.key for one in entries(page(document(body)))] == ["1"]


# Articles


def test_an_article_is_one_entry_with_what_the_page_says_of_it(page: Page) -> None:
    head = ld(**{"@type": "NewsArticle"}, headline="Le titre", datePublished="2023-05-23 16:38:37 +02:00")
    head += '<link rel="canonical" href="https://example.org/a">'
    [entry] = entries(page(document(f"<nav><a href='/'>Accueil</a></nav><article><h1>Le titre</h1>{ARTICLE}</article>", head)))
    at = datetime(2023, 5, 23, 16, 38, 37, tzinfo=timezone(timedelta(hours=2)))
    text = "\n".join(f"{PARAGRAPH.strip()} Paragraphe numéro {n}." for n in range(5))
    assert entry == Entry("page", "lead", "Le titre", text, "fr", at, "second", None, "https://example.org/a")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ('<meta property="article:published_time" content="2023-05-23T16:38:00+02:00">', "2023-05-23T16:38:00+02:00"),
        ('<meta itemprop="datePublished" content="2023-05-23">', "2023-05-23"),
        # A page that knows the day alone still writes a time.
        (ld(**{"@type": "NewsArticle"}, datePublished="2023-05-23T00:00:00+02:00"), "2023-05-23"),
        (ld(**{"@type": "RadioEpisode"}, headline="x", datePublished="2023-05-23"), "2023-05-23"),
        ("", None),
    ],
)
def test_the_time_of_an_article_is_as_exact_as_the_page_says(page: Page, head: str, expected: str | None) -> None:
    [entry] = entries(page(document(f"<article>{ARTICLE}</article>", head)))
    assert published_text(entry.published, entry.precision) == expected


def test_the_page_goes_before_the_manifest_which_fills_what_it_leaves_open(page: Page) -> None:
    known = Facts("en", "Europe/Paris", date(2020, 1, 1), "Titre connu", "https://example.org/known")
    [entry] = entries(page(document(f"<article>{ARTICLE}</article>"), known))
    assert (entry.lang, published_text(entry.published, entry.precision), entry.url) == (
        "en",
        "2020-01-01",
        "https://example.org/known",
    )
    head = '<meta itemprop="datePublished" content="2023-05-23"><link rel="canonical" href="https://example.org/a">'
    [entry] = entries(page(document(f"<article>{ARTICLE}</article>", head), known))
    assert (published_text(entry.published, entry.precision), entry.url) == ("2023-05-23", "https://example.org/a")


@pytest.mark.parametrize(
    "furniture",
    [
        '<p>À lire aussi <a href="/b">Une autre histoire à lire sur notre site</a></p>',
        '<p><strong>Read more:</strong> <a href="/b">Another story of the same day</a></p>',
        "<p>Passer la publicité</p>",
        "<p>Commenter cet article</p>",
        '<form><p>Recevez chaque matin notre lettre du jour.</p><input name="email"></form>',
        '<div class="newsletter-box"><p>Recevez chaque matin notre lettre du jour, gratuitement.</p></div>',
        '<div class="factbox"><p>Never miss the latest news by signing up to our newsletter!</p><p>Pop your email '
        '<a href="/sign-up">into the box</a>, and unsubscribe when you like.</p></div>',
        "<!-- Une note de la rédaction qui ne doit pas paraître. -->",
        "<script>var texte = 'Le texte du script';</script>",
    ],
)
def test_furniture_within_an_article_is_left_out(page: Page, furniture: str) -> None:
    [entry] = entries(page(document(f"<article><h1>Le titre</h1>{ARTICLE}{furniture}{ARTICLE}</article>")))
    assert {line.partition("Paragraphe")[0] for line in entry.text.splitlines()} == {PARAGRAPH}


def test_a_sentence_that_begins_like_a_pointer_is_text(page: Page) -> None:
    line = "À lire ce rapport, on comprend que la digue ne pouvait pas tenir plus longtemps sans travaux."
    [entry] = entries(page(document(f'<article>{ARTICLE}<p>{line} <a href="/r">Rapport</a></p></article>')))
    assert line in entry.text


def test_a_page_that_shows_less_than_it_states_is_read_from_what_it_states(page: Page) -> None:
    whole = [f"{PARAGRAPH}Suite numéro {n}." for n in range(8)]
    head = ld(**{"@type": "NewsArticle"}, headline="Le titre", articleBody="\n".join(whole))
    [entry] = entries(page(document(f"<article><h1>Le titre</h1><p>{whole[0]}</p></article>", head)))
    assert entry.text.splitlines() == whole


# What is wrong with pages


def test_broken_json_ld_beside_valid_does_not_take_it_along(page: Page) -> None:
    broken = '<script type="application/ld+json">{"@type": "LiveBlogPosting", "liveBlogUpdate": [</script>'
    other = '<script type="application/ld+json">{"@type": "Ad", oops}</script>'
    found = page(document("", broken + other + ld(**{"@type": "LiveBlogPosting"}, liveBlogUpdate=UPDATES)))
    [failure] = [one for one in found if isinstance(one, Failure)]
    assert failure.source == "page"
    assert failure.reason.startswith("JSON-LD of script 1 is not JSON: ")
    assert [one.key for one in found if isinstance(one, Entry)] == ["2", "1"]


@pytest.mark.parametrize(
    "written",
    [
        '<!-- {"@type": "LiveBlogPosting", "liveBlogUpdate": [{"headline": "T", "articleBody": "x"}]} -->',
        '{"@type": "LiveBlogPosting", "liveBlogUpdate": [{"headline": "T", "articleBody": "x"},],}',
        '{"@type": "LiveBlogPosting", "liveBlogUpdate": {"headline": "T", "articleBody": "x"}};',
        '[[{"@type": "LiveBlogPosting", "liveBlogUpdate": [{"headline": ["T"], "articleBody": "x"}]}]]',
        '{"@type": "LiveBlogPosting", "description": "a\nb", "liveBlogUpdate": [{"headline": "T", "articleBody": "x"}]}',
    ],
)
def test_json_ld_is_read_as_pages_write_it(page: Page, written: str) -> None:
    [entry] = entries(page(document("", f'<script type="application/ld+json">{written}</script>')))
    assert (entry.title, entry.text) == ("T", "x")


def test_a_page_that_breaks_off_gives_what_there_is_and_says_so(page: Page) -> None:
    whole = document(f"<article><h1>Le titre</h1>{ARTICLE}</article>")
    found = page(whole[: whole.index("numéro 3")])
    assert found[0] == Failure("page", "ends before its </body>: what there was is read; save the page again for the rest")
    [entry] = [one for one in found if isinstance(one, Entry)]
    assert entry.text.startswith(PARAGRAPH.strip())
    assert "numéro 2." in entry.text


def test_a_page_that_leaves_out_what_may_be_left_out_is_whole(page: Page) -> None:
    [entry] = entries(
        page(f"<!doctype html><html lang=fr><title>Le titre</title><article><h1>Le titre</h1>{ARTICLE}</article>")
    )
    assert entry.title == "Le titre"


def test_a_date_that_there_is_not_is_named_and_the_entry_kept(page: Page) -> None:
    updates = [{**UPDATES[0], "datePublished": "2023-02-31T11:58:00+02:00"}, UPDATES[1]]
    found = page(document("", ld(**{"@type": "LiveBlogPosting"}, liveBlogUpdate=updates)))
    [failure] = [one for one in found if isinstance(one, Failure)]
    assert failure.reason == "there is no day '2023-02-31': correct it in the document"
    [first, second] = [one for one in found if isinstance(one, Entry)]
    assert (first.key, first.published, first.precision, first.clock) == ("2", None, None, time(11, 58))
    assert second.published is not None
    found = page(document(f"<article>{ARTICLE}</article>", '<meta itemprop="datePublished" content="31/02/2023">'))
    assert found[0] == Failure("page", "there is no day '31/02/2023': correct it in the document", kept=True)
    assert isinstance(found[1], Entry)
    assert found[1].published is None
    # The day is still one.
    found = page(document(f"<article>{ARTICLE}</article>", '<meta itemprop="datePublished" content="23/05/2023 25h61">'))
    assert found[0] == Failure("page", "there is no time of day '25h61': correct it in the document", kept=True)
    assert isinstance(found[1], Entry)
    assert (published_text(found[1].published, found[1].precision), found[1].dated) == ("2023-05-23", "document")


def test_a_moment_of_the_markup_that_there_is_not_is_named_where_readers_see_no_other(page: Page) -> None:
    def block(shown: str) -> str:
        return (
            f'<div id="block-a"><time datetime="2023-02-31T11:58:00Z">{shown}</time><h2 class="block-title">Un</h2>'
            '<div class="block-elements"><p>Deux blessés.</p></div></div>'
        )

    found = page(document(block("il y a peu"), LIVE))
    assert [one.reason for one in found if isinstance(one, Failure)] == [
        "there is no day '2023-02-31': correct it in the document"
    ]
    assert [(one.published, one.clock) for one in found if isinstance(one, Entry)] == [(None, time(11, 58))]
    [entry] = page(document(block("12h58"), LIVE))
    assert isinstance(entry, Entry)
    assert entry.clock == time(12, 58)


def test_an_update_without_a_text_is_named(page: Page) -> None:
    found = page(document("", ld(**{"@type": "LiveBlogPosting"}, liveBlogUpdate=[*UPDATES, {"url": "https://example.org/x"}])))
    assert [one for one in found if isinstance(one, Failure)] == [
        Failure("page, entry 'https://example.org/x'", "has neither a title nor a text")
    ]


@pytest.mark.parametrize("content", [document(""), document("<nav><a href='/'>Accueil</a></nav>"), "<html>"])
def test_a_page_without_text_is_refused_in_one_sentence(page: Page, content: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        [*page(content)]
    assert str(caught.value) == "is a page without an article or live entries: nothing but furniture was found on it"


@pytest.mark.parametrize("depth", [html.DEEPEST, 2_000, 20_000])
def test_a_page_that_nests_without_end_is_refused(page: Page, depth: int) -> None:
    deep = "<div>" * depth + f"<p>{ARTICLE}</p>"
    with pytest.raises(UnreadableDocument, match="has elements more than 512 deep within each other"):
        page(f"<!DOCTYPE html><html><body>{deep}</body></html>")


@pytest.mark.parametrize("control", ["\x02", "\x1b", "\uffff", "&#2;", "&#x1F;", "&#65534;", "&#11;"])
def test_control_characters_are_left_out_of_a_page(page: Page, control: str) -> None:
    lead = "".join(f"<p>{PARAGRAPH}{control}</p>" for _ in range(3))
    entries = f'<div class="live-event-entry"><div class="entry-content">Un{control} texte assez long.</div></div>{control}'
    found = page(f"<body><div>{lead}{control}{entries * 3}</div></body>")
    texts = [one.text for one in found if isinstance(one, Entry)]
    assert "Un texte assez long." in texts
    assert PARAGRAPH.strip() in texts[-1] + texts[0]
    assert not any(letter in text for text in texts for letter in "\x02\x1b\x1f\x0b\uffff\ufffe")


def test_a_page_that_nests_as_deep_as_browsers_go_is_read(page: Page) -> None:
    # The body, the article, and what is in that stand in it too.
    deep = "<div>" * (html.DEEPEST - 10) + f"<article><h1>Été</h1>{ARTICLE}</article>"
    assert page(f"<!DOCTYPE html><html><body>{deep}</body></html>")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "iso-8859-1", "utf-16"])
def test_a_page_is_read_in_the_encoding_that_it_is_in(page: Page, encoding: str) -> None:
    content = document(f"<article><h1>Été</h1>{ARTICLE}</article>", f'<meta charset="{encoding}">')
    [entry] = entries(page(content.encode("cp1252" if encoding == "iso-8859-1" else encoding)))
    assert (entry.title, entry.text.splitlines()[0]) == ("Été", f"{PARAGRAPH.strip()} Paragraphe numéro 0.")


@pytest.mark.parametrize("name", ["page.html", "page.txt", "page", "page.jsonl.bak"])
def test_a_page_is_known_by_its_content(page: Page, name: str) -> None:
    assert len(entries(page(document(f"<article>{ARTICLE}</article>"), name=name))) == 1


@given(st.text(max_size=300) | st.text(st.sampled_from('<>/pdivhtmlscriptaliv="- \n&;#39 entry'), max_size=300))
def test_any_fragment_becomes_lines_without_a_crash(fragment: str) -> None:
    assert all(line.strip() == line and line and "\n" not in line for line in markup.fragment_lines(f"<p>{fragment}"))


TREES = st.recursive(
    st.text("ab \n\u00a0é", max_size=6),
    lambda inner: st.tuples(
        st.sampled_from(["div", "p", "li", "b", "a", "br", "script", "section", "svg"]), st.lists(inner, max_size=4)
    ).map(lambda node: f"<{node[0]}>{''.join(node[1])}</{node[0]}>"),
    max_leaves=25,
)


@given(TREES, st.integers(0, 30))
def test_the_short_texts_of_a_page_are_the_texts_of_its_elements_that_are_short(written: str, most: int) -> None:
    tags = frozenset(["div", "p", "li"])
    page = lxml.html.fragment_fromstring(f"{written}<!-- no --><?no?>", create_parent="div")
    found = dict(markup.small_texts(page, tags, most))
    for node in page.iter(*tags):
        silent = any(above.tag in ("script", "svg") for above in node.iterancestors())
        text = markup.text(node)
        if not silent and len("".join(node.itertext())) + 2 * len(list(node.iter())) <= most:
            assert found[node] == text
        assert found.get(node, text) == text
        assert (node in found) <= (len(text) <= most)


WORDS = st.text(st.sampled_from("abcdéèàçœ’«»&<>'\" "), min_size=1, max_size=20).map(lambda t: f"m{t}".strip())


@given(
    stories=st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3), st.integers(0, 23 * 60)), min_size=1, max_size=8)
)
def test_a_live_page_that_is_written_out_gives_its_entries_back(
    stories: list[tuple[str, list[str], int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    from html import escape

    midnight = datetime(2023, 5, 23, tzinfo=UTC)
    shown = "".join(
        f'<div class="live-event-entry" id="e{n}" data-post-time="{int((midnight + timedelta(minutes=m)).timestamp())}000">'
        f'<time>{m // 60:02}:{m % 60:02}</time><div class="entry-content"><h3>{escape(title)}</h3>'
        + "".join(f"<p>{escape(line)}</p>" for line in lines)
        + "</div></div>"
        for n, (title, lines, m) in enumerate(stories)
    )
    path = tmp_path_factory.getbasetemp() / "written.html"
    path.write_text(document(shown), encoding="utf-8")
    found = [one for one in html.read(Document(path, "page", Facts(tz="UTC"))) if one.key != "lead"]  # type: ignore[union-attr]
    assert [(one.key, one.title, one.text, one.published) for one in entries(found)] == [
        (f"e{n}", " ".join(title.split()), "\n".join(" ".join(line.split()) for line in lines), midnight + timedelta(minutes=m))
        for n, (title, lines, m) in enumerate(stories)
    ]


# Saved pages, where they are


@pytest.fixture
def saved() -> Callable[[str], Path]:
    """A saved page by its name; the test is skipped where they are absent."""

    def find(name: str) -> Path:
        if not (PAGES / name).is_file():
            pytest.skip(f"saved page {name} is not beside this checkout")
        return PAGES / name

    return find


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


def recall_and_precision(found: str, expected: str) -> tuple[float, float]:
    """Shares of the expected words that were found, and of the found words that were expected, as often as they stand."""
    common = sum((words(found) & words(expected)).values())
    return common / sum(words(expected).values()), common / max(sum(words(found).values()), 1)


def expected_text(path: Path) -> str:
    """What a hand-checked extraction says: summary, headings and paragraphs."""
    if path.suffix == ".html":
        return str(lxml.html.fromstring(path.read_bytes().decode()).text_content())
    body = json.loads(path.read_text(encoding="utf-8"))["body"]
    parts = [line for section in body["sections"] for line in (*section["headline"], *section["paragraphs"])]
    return "\n".join([*body["summary"], *parts])


CHECKED = {
    "fundus__EuronewsEN_2024_04_30.html": "fundus__EuronewsEN_2024_04_30.expected.json",
    "fundus__EuronewsFR_2024_04_30.html": "fundus__EuronewsFR_2024_04_30.expected.json",
    "fundus__Express_2024_07_18.html": "fundus__Express_2024_07_18.expected.json",
    "fundus__LeFigaro_2024_11_22.html": "fundus__LeFigaro_2024_11_22.expected.json",
    "readability__liberation-1__source.html": "readability__liberation-1__expected.html",
}


def saved_entries(path: Path) -> list[Entry]:
    return [one for one in read(Document(path, "page", FACTS)) if isinstance(one, Entry)]


def test_saved_pages_give_the_expected_words_and_better_than_trafilatura_alone(saved: Callable[[str], Path]) -> None:
    # Words of texts and of entries' titles; the title of the page itself is in no expectation.
    ours, theirs = [], []
    for name, checked in CHECKED.items():
        expected = expected_text(saved(checked))
        read_of_it = "\n".join(f"{one.title if one.key != 'lead' else ''}\n{one.text}" for one in saved_entries(saved(name)))
        ours.append(recall_and_precision(read_of_it, expected))
        alone = trafilatura.extract(saved(name).read_bytes(), include_comments=False) or ""
        theirs.append(recall_and_precision(alone, expected))
    recall, precision = (mean(values) for values in zip(*ours, strict=True))
    rival_recall, rival_precision = (mean(values) for values in zip(*theirs, strict=True))
    figures = f"recall {recall:.4f} and {rival_recall:.4f}, precision {precision:.4f} and {rival_precision:.4f}"
    assert min(recall, precision) >= 0.95, figures
    assert recall >= rival_recall, figures
    assert precision > rival_precision, figures


def test_a_saved_page_whose_beginning_alone_is_expected_begins_with_it(saved: Callable[[str], Path]) -> None:
    expected = json.loads(saved("goose3__test_lefigaro.json").read_text(encoding="utf-8"))["expected"]["cleaned_text"]
    [entry] = saved_entries(saved("goose3__test_lefigaro.html"))
    assert entry.text.startswith(expected)


@pytest.mark.parametrize("name", [name for name in CHECKED if name.startswith("fundus")])
def test_a_saved_page_has_the_expected_time(saved: Callable[[str], Path], name: str) -> None:
    expected = json.loads(saved(CHECKED[name]).read_text(encoding="utf-8"))["publishing_date"]
    assert saved_entries(saved(name))[0].published == datetime.fromisoformat(expected)


def test_the_saved_live_page_of_express_gives_its_entries_with_their_times(saved: Callable[[str], Path]) -> None:
    body = json.loads(saved(CHECKED["fundus__Express_2024_07_18.html"]).read_text(encoding="utf-8"))["body"]
    found = saved_entries(saved("fundus__Express_2024_07_18.html"))[1:]
    assert [(one.title, one.text.splitlines()) for one in found] == [
        (section["headline"][0], section["paragraphs"]) for section in body["sections"] if section["headline"]
    ]
    tree = lxml.html.fromstring(saved("fundus__Express_2024_07_18.html").read_bytes())
    shown = tree.xpath('//div[@class="live-events__entry"]//time/@data-time')
    assert [one.published and one.published.isoformat()[:16] for one in found] == shown
    assert {one.published and one.published.utcoffset() for one in found} == {timedelta(hours=1)}


def test_the_saved_live_page_of_cork_beo_gives_its_entries_as_they_are_stated(saved: Callable[[str], Path]) -> None:
    tree = lxml.html.fromstring(saved("trafilatura__corkbeo.ie.level.html").read_bytes())
    scripts = [json.loads(one.text, strict=False) for one in tree.xpath('//script[@type="application/ld+json"]')]
    [stated] = [one["liveBlogUpdate"] for one in scripts if one.get("@type") == "LiveBlogPosting"]
    found = saved_entries(saved("trafilatura__corkbeo.ie.level.html"))[1:]
    assert [one.published for one in found] == [datetime.fromisoformat(update["datePublished"]) for update in stated]
    assert [one.title or one.text for one in found] == [update["headline"].strip() for update in stated]
    assert all(one.text for one in found)


def test_the_saved_match_gives_every_comment_with_its_minute(saved: Callable[[str], Path]) -> None:
    tree = lxml.html.fromstring(saved("trafilatura__sports.fr.lorient.html").read_bytes())
    minutes = [int(one) for one in tree.xpath('//div[contains(@class, "live-match-comment ")]/@data-time')]
    found = [one for one in saved_entries(saved("trafilatura__sports.fr.lorient.html")) if one.title.endswith("'")]
    assert len(minutes) > 70
    assert Counter(int(one.title[:-1]) for one in found) >= Counter(minutes)
    assert {published_text(one.published, one.precision) for one in found} == {"2020-09-27"}
