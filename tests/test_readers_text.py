"""Text live blogs."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.documents import Document, Facts, Failure, find
from index.errors import UnreadableDocument
from index.readers import read, text
from index.records import Entry, published_text

Write = Callable[..., Path]
PARIS = ZoneInfo("Europe/Paris")
FACTS = Facts(lang="fr", tz="Europe/Paris", day=date(2023, 5, 23))


@pytest.fixture
def page(write: Write) -> Callable[..., list[Entry | Failure]]:
    """The entries of a page with this content."""

    def page(content: str | bytes, facts: Facts = FACTS) -> list[Entry | Failure]:
        return list(read(Document(write("fil.txt", content), "fil.txt", facts)))

    return page


Page = Callable[..., list[Entry | Failure]]


def heads(entries: list[Entry | Failure]) -> list[tuple[str, str, str]]:
    """Key, title and text."""
    return [(entry.key, entry.title, entry.text) for entry in entries if isinstance(entry, Entry)]


def keys(entries: list[Entry | Failure]) -> list[str]:
    return [entry.key for entry in entries if isinstance(entry, Entry)]


def test_the_seed_gives_six_entries(seeds: Path) -> None:
    [document] = find([seeds], Facts())
    assert isinstance(document, Document)
    lines = document.path.read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "Commenter cet article"

    def timed(key: str, title: str, first: int, last: int) -> Entry:
        clock = time.fromisoformat(key[-5:])
        at = datetime(2023, 5, 23, clock.hour, clock.minute, tzinfo=PARIS)
        text = "\n".join(lines[first:last])
        return Entry(document.source, key, title, text, "fr", at, "minute", clock)

    lead = Entry(document.source, "lead", "", "\n".join(lines[:4]), "fr", datetime(2023, 5, 23, tzinfo=PARIS), "day")
    assert list(read(document)) == [
        lead,
        timed(
            "2023-05-23T11:58",
            "« Profonde préoccupation » du Kremlin du fait de l’incursion armée dans la région de Belgorod",
            5,
            7,
        ),
        timed(
            "2023-05-23T07:58",
            "Plusieurs attaques de drones dans la région de Belgorod, après une incursion armée",
            8,
            10,
        ),
        timed("2023-05-23T07:44", "Des combattants venus d’Ukraine font une incursion armée en Russie", 11, 13),
        timed("2023-05-23T06:35", "Le Premier ministre russe à Shanghai pour notamment rencontrer Xi Jinping", 14, 17),
        timed("2023-05-23T06:25", "« Légion Liberté pour la Russie » revendique l’attaque de Belgorod", 18, 21),
    ]


def test_a_page_without_headings_is_one_article(page: Page) -> None:
    facts = Facts("fr", "Europe/Paris", date(2023, 5, 23), "Le titre", "https://example.org/a")
    assert page("Premier paragraphe.\n\n  Second paragraphe. \n", facts) == [
        Entry(
            "fil.txt",
            "lead",
            "Le titre",
            "Premier paragraphe.\nSecond paragraphe.",
            "fr",
            datetime(2023, 5, 23, tzinfo=PARIS),
            "day",
            None,
            "https://example.org/a",
        )
    ]


def test_without_a_day_the_clock_is_all_that_is_known(page: Page) -> None:
    assert page("Chapeau de la page.\n11h58 : Titre\nTexte.", Facts(lang="fr", url="https://example.org/a")) == [
        Entry("fil.txt", "lead", "", "Chapeau de la page.", "fr", url="https://example.org/a"),
        Entry("fil.txt", "day0T11:58", "Titre", "Texte.", "fr", clock=time(11, 58), url="https://example.org/a"),
    ]


def test_the_language_is_found_out_where_it_is_not_known(page: Page) -> None:
    found = page(
        "11h58 : Le Kremlin réagit\nIl a exprimé sa profonde préoccupation.\n"
        "11h50 : The Kremlin reacts\nIt expressed its deep concern about the incursion.\n11h40 : 12 345\n67 890\n",
        Facts(),
    )
    assert [entry.lang for entry in found if isinstance(entry, Entry)] == ["fr", "en", "und"]


def test_the_zone_of_the_page_gives_the_moment(page: Page) -> None:
    for name, utc in (("Europe/Paris", 9), ("UTC", 11), ("-04:00", 15)):
        [entry] = page("11h58 : T\nx", Facts(lang="fr", tz=name, day=date(2023, 5, 23)))
        assert isinstance(entry, Entry)
        assert entry.published == datetime(2023, 5, 23, utc, 58, tzinfo=UTC)


@pytest.mark.parametrize(
    ("heading", "clock", "title"),
    [
        ("11h58 : Titre", time(11, 58), "Titre"),
        ("11h58: Titre", time(11, 58), "Titre"),
        ("11h58\u00a0: Titre", time(11, 58), "Titre"),
        ("11\u202fh\u202f58\u202f: Titre", time(11, 58), "Titre"),
        ("11 h 58 : Titre", time(11, 58), "Titre"),
        ("11H58 : Titre", time(11, 58), "Titre"),
        ("  11h58 : Titre  ", time(11, 58), "Titre"),
        ("7h05 : Titre", time(7, 5), "Titre"),
        ("0h00 : Titre", time(0, 0), "Titre"),
        ("23h59 : Titre", time(23, 59), "Titre"),
        ("20h : Titre", time(20, 0), "Titre"),
        ("11:58 – Titre", time(11, 58), "Titre"),
        ("11:58 — Titre", time(11, 58), "Titre"),
        ("11:58 - Titre", time(11, 58), "Titre"),
        ("11:58 | Titre", time(11, 58), "Titre"),
        ("11:58:30 | Titre", time(11, 58), "Titre"),
        ("10:30:15 morts", time(10, 30), "15 morts"),
        ("11.58am: Title", time(11, 58), "Title"),
        ("1.05 pm – Title", time(13, 5), "Title"),
        ("1:05 p.m. – Title", time(13, 5), "Title"),
        ("12:05am – Title", time(0, 5), "Title"),
        ("12:05 PM – Title", time(12, 5), "Title"),
        ("[11h58] : Titre", time(11, 58), "Titre"),
        ("## 11h58 : Titre", time(11, 58), "Titre"),
        ("**11h58 : Titre**", time(11, 58), "Titre"),
        ("**11h58** : Titre", time(11, 58), "Titre"),
        ("**11h58 :** Titre", time(11, 58), "Titre"),
        ("11h58 : 12h30 : Titre", time(11, 58), "12h30 : Titre"),
        ("11h58 : « Titre » : suite", time(11, 58), "« Titre » : suite"),
        ("11h58 : 🙂", time(11, 58), "🙂"),
        ("11h58", time(11, 58), ""),
        ("11h58 :", time(11, 58), ""),
        ("**11:58**", time(11, 58), ""),
        ("11 h 58 - Titre", time(11, 58), "Titre"),
        ("9h05 - Titre", time(9, 5), "Titre"),
        ("[11:58] Titre", time(11, 58), "Titre"),
        ("(11h58) Titre", time(11, 58), "Titre"),
        ("[11:58]", time(11, 58), ""),
        ("5pm – Title", time(17, 0), "Title"),
        ("• 11h58 : Titre", time(11, 58), "Titre"),
    ],
)
def test_a_heading_in_any_usual_spelling_begins_an_entry(page: Page, heading: str, clock: time, title: str) -> None:
    assert page(f"Chapeau.\n{heading}\nTexte.")[1:] == [
        Entry(
            "fil.txt",
            f"2023-05-23T{clock:%H:%M}",
            title,
            "Texte.",
            "fr",
            datetime.combine(date(2023, 5, 23), clock, PARIS),
            "minute",
            clock,
        )
    ]


@pytest.mark.parametrize(
    "line",
    [
        "9h30 ce matin, le Kremlin a réagi.",
        "11h58 Titre sans séparateur",
        "À 11h58 : le Kremlin réagit",
        "111h58 : Titre",
        "11h588 : Titre",
        "2-1 : but",
        "1 : Premier point",
        "2023 : une année",
    ],
)
def test_a_line_that_is_no_heading_is_text(page: Page, line: str) -> None:
    assert heads(page(f"11h50 : Titre\nTexte.\n{line}\nFin.")) == [("2023-05-23T11:50", "Titre", f"Texte.\n{line}\nFin.")]


@pytest.mark.parametrize(
    "line",
    [
        "Commenter cet article",
        "COMMENTER CET ARTICLE",
        "  Commenter l’article  ",
        "Commenter",
        "Réagir",
        "Réagir à cet article",
        "Voir les commentaires",
        "Lire les commentaires",
        "12 commentaires",
        "1 commentaire",
        "Partager sur Facebook",
        "Partager cet article",
        "Publicité",
        "La suite après cette publicité",
        "Suite après la publicité",
        "À lire aussi :",
        "Lire la suite…",
        "S’abonner",
        "Abonnez-vous !",
        "Imprimer",
        "Envoyer par e-mail",
        "Comment on this article",
        "View comments",
        "3 comments",
        "Share on Twitter",
        "Advertisement",
        "Read more",
        "Subscribe now",
        "Print",
    ],
)
def test_furniture_of_the_page_is_dropped(page: Page, line: str) -> None:
    assert heads(page(f"{line}\n11h58 : Titre\n{line}\nTexte.\n{line}\n")) == [("2023-05-23T11:58", "Titre", "Texte.")]


@pytest.mark.parametrize(
    "line",
    [
        "Commenter cet article, a dit le ministre.",
        "Il veut commenter cet article",
        "Publicité : le Kremlin accuse",
        "La publicité",
        "12 commentaires hostiles au Kremlin",
        "Partager le gâteau",
        "Partager sur Facebook n’est pas un délit",
        "Read more books",
        "Imprimer, c’est voter",
        "Advertisement spending fell.",
    ],
)
def test_a_line_that_only_begins_like_furniture_is_text(page: Page, line: str) -> None:
    assert heads(page(f"11h58 : Titre\n{line}")) == [("2023-05-23T11:58", "Titre", line)]


def test_furniture_in_a_heading_is_its_title(page: Page) -> None:
    assert heads(page("11h58 : Publicité\nTexte.")) == [("2023-05-23T11:58", "Publicité", "Texte.")]


def test_a_heading_with_nothing_below_it_is_an_entry_of_one_line(page: Page) -> None:
    assert heads(page("11h58 : Le Kremlin réagit\n11h50 : Titre\nTexte.\n11h40 : Fin\nCommenter cet article")) == [
        ("2023-05-23T11:58", "", "Le Kremlin réagit"),
        ("2023-05-23T11:50", "Titre", "Texte."),
        ("2023-05-23T11:40", "", "Fin"),
    ]


def test_a_time_alone_is_a_failure_that_names_it_and_the_rest_goes_on(page: Page) -> None:
    found = page("11h58\n11h50 : Titre\nTexte.")
    assert found[0] == Failure("fil.txt, entry of 11:58", "has neither a title nor a text")
    assert keys(found) == ["2023-05-23T11:50"]


def test_a_page_that_begins_with_a_heading_has_no_lead(page: Page) -> None:
    assert keys(page("\n\n11h58 : Titre\nTexte.")) == ["2023-05-23T11:58"]


NEWEST_FIRST = "00h10 : C\nc\n23h50 : B\nb\n22h00 : A\na\n"
OLDEST_FIRST = "22h00 : A\na\n23h50 : B\nb\n00h10 : C\nc\n00h20 : D\nd\n"


def test_midnight_on_a_page_with_the_newest_first(page: Page) -> None:
    # Its date is that of the topmost entry.
    found = page(NEWEST_FIRST)
    assert keys(found) == ["2023-05-23T00:10", "2023-05-22T23:50", "2023-05-22T22:00"]
    assert [entry.published for entry in found if isinstance(entry, Entry)] == [
        datetime(2023, 5, 23, 0, 10, tzinfo=PARIS),
        datetime(2023, 5, 22, 23, 50, tzinfo=PARIS),
        datetime(2023, 5, 22, 22, 0, tzinfo=PARIS),
    ]
    assert keys(page(NEWEST_FIRST, Facts(lang="fr"))) == ["day1T00:10", "day0T23:50", "day0T22:00"]


def test_midnight_on_a_page_with_the_oldest_first(page: Page) -> None:
    assert keys(page(OLDEST_FIRST)) == ["2023-05-23T22:00", "2023-05-23T23:50", "2023-05-24T00:10", "2023-05-24T00:20"]
    assert keys(page(OLDEST_FIRST, Facts(lang="fr"))) == ["day0T22:00", "day0T23:50", "day1T00:10", "day1T00:20"]


def test_an_entry_a_little_out_of_order_is_not_a_day_away(page: Page) -> None:
    found = page("12h00 : D\nd\n11h40 : C\nc\n11h42 : B\nb\n11h30 : A\na\n")
    assert keys(found) == ["2023-05-23T12:00", "2023-05-23T11:40", "2023-05-23T11:42", "2023-05-23T11:30"]


@pytest.mark.parametrize("facts", [FACTS, Facts(lang="fr")])
def test_a_newer_entry_on_top_leaves_the_keys_of_the_others(page: Page, facts: Facts) -> None:
    below = "11h58 : Second\ny\n11h58 : Premier\nx\n11h40 : A\na\n"
    before = {entry.title: entry for entry in page(below, facts) if isinstance(entry, Entry)}
    for added in ("11h58 : Troisième\nz\n", "12h30 : Autre\nz\n", "11h58 : Second\nz\n12h00 : Autre\nz\n"):
        found = [entry for entry in page(added + below, facts) if isinstance(entry, Entry)]
        assert {entry.title: entry for entry in found[-3:]} == before
        assert len({entry.key for entry in found}) == len(found)


def test_an_entry_past_midnight_on_top_leaves_the_keys_of_the_others(page: Page) -> None:
    below = "23h50 : B\nb\n23h40 : A\na\n"
    before = page(below, Facts(lang="fr"))
    assert page("00h10 : C\nc\n" + below, Facts(lang="fr"))[1:] == before
    # With the page's new date.
    before = page(below, FACTS)
    assert page("00h10 : C\nc\n" + below, Facts("fr", "Europe/Paris", date(2023, 5, 24)))[1:] == before


def test_a_newer_entry_at_the_bottom_leaves_the_keys_of_the_others(page: Page) -> None:
    above = "11h30 : A\na\n11h58 : Premier\nx\n11h58 : Second\ny\n"
    before = page(above)
    assert page(above + "11h58 : Troisième\nz\n12h10 : B\nb\n")[:3] == before


def test_a_page_of_one_minute_is_taken_to_have_the_newest_first(page: Page) -> None:
    below = "11h58 : Premier\nx\n"
    assert keys(page(below)) == ["2023-05-23T11:58"]
    found = keys(page("11h58 : Second\ny\n" + below))
    assert (found[0][:17], found[1]) == ("2023-05-23T11:58~", "2023-05-23T11:58")


def test_entries_of_one_minute_are_told_apart_by_age_then_title(page: Page) -> None:
    content = "12h00 : Z\nz\n11h58 : Même\n4\n11h58 : Même\n3\n11h58 : Même\n2\n11h58 : Même\n1\n"
    found = heads(page(content))
    marked = found[3][0]
    assert marked.startswith("2023-05-23T11:58~")
    assert found == [
        ("2023-05-23T12:00", "Z", "z"),
        (f"{marked}~3", "Même", "4"),
        (f"{marked}~2", "Même", "3"),
        (marked, "Même", "2"),
        ("2023-05-23T11:58", "Même", "1"),
    ]


def test_editing_an_entry_keeps_its_key(page: Page) -> None:
    before = page("12h00 : B\nb\n11h58 : A\na\n")
    after = page("12h00 : B bis\nb\n11h58 : A\na, corrigé\n")
    assert keys(after) == keys(before)


CLOCKS = st.lists(st.integers(0, 30), min_size=1, max_size=12)


@given(gaps=CLOCKS, titles=st.lists(st.sampled_from("AB"), min_size=12, max_size=12), dated=st.booleans())
def test_a_page_that_grows_at_the_top_keeps_every_key(
    gaps: list[int], titles: list[str], dated: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # A day's page, from eight in the morning; gaps of 0 are entries of one minute.
    minutes = [8 * 60]
    for gap in gaps[1:]:
        minutes.append(minutes[-1] + gap)
    path = tmp_path_factory.getbasetemp() / "growing.txt"
    before: list[str] = []
    for count in range(1, len(minutes) + 1):
        shown = zip(minutes[:count], titles, strict=False)
        path.write_text("".join(f"{m // 60}h{m % 60:02} : {title}\n{title}\n" for m, title in list(shown)[::-1]))
        now = keys(list(read(Document(path, "fil.txt", FACTS if dated else Facts(lang="fr")))))
        assert now[1:] == before
        assert len(set(now)) == count
        before = now


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \r\n\t\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        ("Commenter cet article\n\nPublicité\n".encode(), "holds no text besides page furniture"),
        ("\u00a0\u200a\n".encode(), "holds no text besides page furniture"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is a picture"),
        (b"\0\1\2\3", "is not text: it holds NUL bytes"),
        (
            b"\x81\x8d\x8f\x90\x9d\x01\x02\x03" * 50,
            "is in no encoding that could be found out: convert it, as with iconv -f cp1252 -t utf-8",
        ),
    ],
)
def test_a_file_that_is_no_text_is_refused_in_one_sentence(page: Page, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        page(content)
    assert str(caught.value) == reason


def test_a_file_that_vanished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        list(read(Document(tmp_path / "gone.txt", "gone.txt", FACTS)))
    assert str(caught.value) == "cannot be read: No such file or directory"


def test_a_byte_order_mark_and_any_line_end_change_nothing(page: Page) -> None:
    content = "Chapeau.\n11h58 : Été\nPremier.\n\nSecond.\n"
    plain = page(content)
    assert heads(plain) == [("lead", "", "Chapeau."), ("2023-05-23T11:58", "Été", "Premier.\nSecond.")]
    for other in (
        b"\xef\xbb\xbf" + content.encode(),
        content.replace("\n", "\r\n"),
        content.replace("\n", "\r"),
        content.replace("\n", "\u2028"),
        content.rstrip("\n"),
    ):
        assert page(other) == plain


def test_accents_quotes_emoji_and_decomposed_letters_stay_as_they_are(page: Page) -> None:
    text = "« L’e\u0301te\u0301 🙂 »\u202f: l\u00a0000 – ﬁn 👩‍🚀 œuvre"
    assert heads(page(f"11h58 : {text}\n{text}\n")) == [("2023-05-23T11:58", text, text)]


@pytest.mark.parametrize("line", [" " * 100_000 + "x", "11h58" + " " * 100_000 + "x", "*" * 100_000, "1" * 100_000 + " x"])
def test_a_line_made_to_be_slow_is_read_like_another(page: Page, line: str) -> None:
    # White space at the head of a line took the square of its length.
    assert heads(page(f"10h00 : T\n{line}")) == [("2023-05-23T10:00", "T", line.strip())]


# Days


def whens(entries: list[Entry | Failure]) -> list[tuple[str, str | None]]:
    """Key and moment, or day."""
    return [(entry.key, published_text(entry.published, entry.precision)) for entry in entries if isinstance(entry, Entry)]


@pytest.mark.parametrize(
    "line",
    [
        "MARDI 23 MAI 2023",
        "Mardi 23 mai 2023",
        "**Mardi 23 mai 2023**",
        "## 23 mai 2023",
        "--- 23/05/2023 ---",
        "2023-05-23",
        "23.05.2023",
        "Tuesday 23 May 2023",
        "Tuesday, May 23rd, 2023",
        "mardi 23\u00a0mai\u00a02023 :",
    ],
)
def test_a_line_that_is_a_day_dates_the_headings_below_it(page: Page, line: str) -> None:
    # Before what the manifest says.
    found = page(f"{line}\n11h58 : B\nb\n11h50 : A\na\n", Facts("fr", "Europe/Paris", date(2020, 1, 1)))
    assert whens(found) == [
        ("2023-05-23T11:58", "2023-05-23T11:58:00+02:00"),
        ("2023-05-23T11:50", "2023-05-23T11:50:00+02:00"),
    ]


def test_a_day_in_a_sentence_or_in_an_article_is_text(page: Page) -> None:
    assert heads(page("11h58 : Titre\nMardi 23 mai 2023, le Kremlin a réagi.")) == [
        ("2023-05-23T11:58", "Titre", "Mardi 23 mai 2023, le Kremlin a réagi.")
    ]
    assert heads(page("Un article.\nMARDI 23 MAI 2023\nFin.")) == [("lead", "", "Un article.\nMARDI 23 MAI 2023\nFin.")]


def test_days_follow_their_headings_in_either_order(page: Page) -> None:
    newest = "MARDI 23 MAI 2023\n00h10 : C\nc\nLUNDI 22 MAI 2023\n23h50 : B\nb\n09h00 : A\na\n"
    assert [key for key, _ in whens(page(newest, Facts("fr")))] == [
        "2023-05-23T00:10", "2023-05-22T23:50", "2023-05-22T09:00",
    ]  # fmt: skip
    oldest = "LUNDI 22 MAI 2023\n09h00 : A\na\n23h50 : B\nb\nMARDI 23 MAI 2023\n00h10 : C\nc\n"
    assert [key for key, _ in whens(page(oldest, Facts("fr")))] == [
        "2023-05-22T09:00", "2023-05-22T23:50", "2023-05-23T00:10",
    ]  # fmt: skip


def test_midnight_passes_below_the_last_day_heading(page: Page) -> None:
    assert [key for key, _ in whens(page("LUNDI 22 MAI 2023\n23h50 : A\na\n00h10 : B\nb\n", Facts("fr")))] == [
        "2023-05-22T23:50", "2023-05-23T00:10",
    ]  # fmt: skip


def test_a_day_without_its_year_takes_the_one_near_what_is_known(page: Page) -> None:
    content = "MARDI 2 JANVIER\n11h58 : B\nb\nDIMANCHE 31 DÉCEMBRE\n11h50 : A\na\n"
    assert whens(page(content, Facts("fr", "Europe/Paris", date(2024, 1, 2)))) == [
        ("2024-01-02T11:58", "2024-01-02T11:58:00+01:00"),
        ("2023-12-31T11:50", "2023-12-31T11:50:00+01:00"),
    ]
    # Nothing is known: the time of day is kept, and the days are told apart.
    assert whens(page(content, Facts("fr"))) == [("--01-02T11:58", None), ("--12-31T11:50", None)]


def test_a_heading_may_have_its_day_with_it(page: Page) -> None:
    content = "Mardi 23 mai 2023 à 11h58 : B\nb\n22/05/2023 11:50 - A\na\n2023-05-22 11:40 | Z\nz"
    assert [key for key, _ in whens(page(content, Facts("fr")))] == ["2023-05-23T11:58", "2023-05-22T11:50", "2023-05-22T11:40"]


@pytest.mark.parametrize(
    ("line", "days"),
    [
        ("Publié le 22 mai 2023 à 18h00", ["2023-05-23", "2023-05-22"]),
        ("Published on Monday 22 May 2023", ["2023-05-23", "2023-05-22"]),
        ("Mis à jour le 23/05/2023 à 00h12", ["2023-05-23", "2023-05-22"]),
        ("Updated: 23 May 2023", ["2023-05-23", "2023-05-22"]),
        ("Publié hier", ["day1", "day0"]),
    ],
)
def test_the_lead_may_say_of_which_day_the_page_is(page: Page, line: str, days: list[str]) -> None:
    # Published with its oldest entry, changed with its newest.
    found = page(f"Chapeau.\n{line}\n00h10 : B\nb\n23h50 : A\na\n", Facts("fr"))
    assert [key.partition("T")[0] for key, _ in whens(found)[1:]] == days


def test_a_lead_that_names_no_day_is_named(page: Page) -> None:
    found = page("Publié le 31 février 2023 à 11h\n11h58 : Titre\nTexte.", Facts("fr"))
    assert found[0] == Failure("fil.txt", "there is no day '31 février 2023': correct it in the document", kept=True)
    assert [key for key, _ in whens(found)] == ["lead", "day0T11:58"]


def test_a_heading_may_name_its_zone(page: Page) -> None:
    [entry] = page("11:58 GMT – Title\nText.", Facts("en", "Europe/Paris", date(2023, 5, 23)))
    assert isinstance(entry, Entry)
    assert (entry.title, entry.published) == ("Title", datetime(2023, 5, 23, 11, 58, tzinfo=UTC))


@pytest.mark.parametrize("line", ["25h61 : Autre", "24h00 : Autre", "11h60 : Autre", "13:05 pm – Autre", "0:30 am – Autre"])
def test_a_time_that_there_is_not_is_named_and_its_entry_is_kept_whole_with_its_day(page: Page, line: str) -> None:
    found = page(f"11h58 : Titre\nTexte.\n{line}\nTexte à part.\n11h50 : Fin\nFin.")
    [failure] = [one for one in found if isinstance(one, Failure)]
    assert failure.source == "fil.txt, heading 'Autre'"
    assert (
        failure.reason
        == f"there is no time of day '{line.partition(' : ')[0].partition(' – ')[0]}': correct it in the document"
    )
    entries = [one for one in found if isinstance(one, Entry)]
    assert [(entry.title, entry.text) for entry in entries] == [
        ("Titre", "Texte."),
        ("Autre", "Texte à part."),
        ("Fin", "Fin."),
    ]
    assert (entries[1].published, entries[1].precision, entries[1].clock) == (datetime(2023, 5, 23, tzinfo=PARIS), "day", None)


@pytest.mark.parametrize("day", ["31 février 2023", "31 FÉVRIER 2023,", "30/02/2023", "2023-13-01", "Mercredi 23 mai 2023 -"])
def test_a_heading_with_a_day_that_there_is_not_is_named_and_keeps_its_time_of_day(page: Page, day: str) -> None:
    # Nor is it of the day that its neighbours are of.
    found = page(f"0h10 : Titre\nTexte.\n{day} 23h58 : Autre\nTexte à part.\n23h50 : Fin\nFin.")
    assert found[1] == Failure("fil.txt, heading 'Autre'", getattr(found[1], "reason", ""), kept=True)
    assert "correct it in the document" in getattr(found[1], "reason", "")
    entries = [one for one in found if isinstance(one, Entry)]
    assert [(one.key, one.title, one.text, one.clock) for one in entries] == [
        ("2023-05-23T00:10", "Titre", "Texte.", time(0, 10)),
        ("undatedT23:58", "Autre", "Texte à part.", time(23, 58)),
        ("2023-05-22T23:50", "Fin", "Fin.", time(23, 50)),
    ]
    assert (entries[1].published, entries[1].precision, entries[1].dated) == (None, None, None)


def test_an_impossible_time_on_a_page_without_any_other_is_text(page: Page) -> None:
    assert heads(page("Match.\n45:75 : un score\nFin.")) == [("lead", "", "Match.\n45:75 : un score\nFin.")]


@pytest.mark.parametrize("line", ["31 FÉVRIER 2023", "Mercredi 23 mai 2023", "30/02/2023", "2023-13-01"])
def test_a_day_that_there_is_not_is_named_and_leaves_the_day_unknown(page: Page, line: str) -> None:
    found = page(f"{line}\n11h58 : Titre\nTexte.", Facts("fr"))
    assert isinstance(found[0], Failure)
    assert found[0].source == f"fil.txt, line '{line}'"
    assert "correct it in the document" in found[0].reason
    assert found[1:] == [Entry("fil.txt", "day0T11:58", "Titre", "Texte.", "fr", clock=time(11, 58))]


# Encodings

ACCENTED = "Le fil de l’été à Besançon\n11h58 : « Très préoccupé »\nL’œuvre coûte 3 € – dit-il.\nÀ bientôt, là-bas."


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "mac_roman"]
)
def test_a_page_is_read_in_whatever_encoding_it_is(page: Page, encoding: str) -> None:
    assert heads(page(ACCENTED.encode(encoding))) == heads(page(ACCENTED))


def test_mojibake_is_repaired_where_it_is_certain(page: Page) -> None:
    assert heads(page(ACCENTED.encode().decode("cp1252").encode())) == heads(page(ACCENTED))


def test_a_text_about_mojibake_stays_as_it_is(page: Page) -> None:
    line = "Un « é » mal lu devient « Ã© »."
    assert heads(page(f"11h58 : Titre\n{line}")) == [("2023-05-23T11:58", "Titre", line)]


def test_a_page_cut_off_within_a_letter_is_utf_8_all_the_same(page: Page) -> None:
    found = page("11h58 : Été\nDéjà l’été à Orléans é".encode()[:-1])
    assert found[0] == Failure("fil.txt", "has bytes that are no letters, in 1 place: each became U+FFFD")
    assert heads(found) == [("2023-05-23T11:58", "Été", "Déjà l’été à Orléans \ufffd")]
    # One that was written so is its own.
    assert heads(page("11h58 : Été\nDéjà \ufffd")) == [("2023-05-23T11:58", "Été", "Déjà \ufffd")]


def test_a_single_line_of_a_hundred_megabytes_is_refused_with_the_reason(write: Write) -> None:
    path = write("fil.txt", "")
    with path.open("wb") as file:
        file.truncate(100 * 1024**2)
        file.write(b"texte " * 20_000)
    with pytest.raises(UnreadableDocument) as caught:
        list(text.read(Document(path, "fil.txt", FACTS)))
    assert (
        str(caught.value) == "has more than 64 MiB, and a document of its kind is read whole: split it, or make it JSON Lines"
    )


# There and back

WORD = st.text(st.sampled_from("abcdéèàçœÉÀ«»’…,;!?(0123456789)🙂 "), min_size=1, max_size=30).map(lambda t: f"x{t}".strip())
PARAGRAPHS = st.lists(WORD, min_size=1, max_size=3)
STORY = st.tuples(st.integers(1, 300), WORD, PARAGRAPHS)
SPELLINGS = ("{h}h{m:02} : {t}", "{h} h {m:02} - {t}", "{h:02}:{m:02} – {t}", "[{h:02}:{m:02}] {t}", "{h}h{m:02}\u00a0: {t}")


@given(
    stories=st.lists(STORY, min_size=1, max_size=12),
    start=st.integers(0, 23 * 60),
    spelling=st.sampled_from(SPELLINGS),
    newest_first=st.booleans(),
    headed=st.booleans(),
    blank=st.booleans(),
)
def test_a_page_that_is_written_out_gives_its_entries_back(
    stories: list[tuple[int, str, list[str]]],
    start: int,
    spelling: str,
    newest_first: bool,
    headed: bool,
    blank: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # Gaps of at most five hours, over as many midnights as may be.
    at, moments = start, []
    for gap, title, paragraphs in stories:
        at += gap
        moments.append((datetime(2023, 5, 23) + timedelta(minutes=at), title, paragraphs))
    shown = moments[::-1] if newest_first else moments
    # Two entries do not tell the order of a page at midnight from that of the day before; headings of days do.
    lines: list[str] = []
    day = None
    for moment, title, paragraphs in shown:
        if headed and moment.date() != day:
            day = moment.date()
            lines.append(f"{day:%d/%m/%Y}")
        lines.append(spelling.format(h=moment.hour, m=moment.minute, t=title))
        lines.extend(paragraphs)
        lines.extend([""] if blank else [])
    path = tmp_path_factory.getbasetemp() / "written.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    facts = Facts("fr", "Europe/Paris", None if headed else shown[0][0].date())
    found = list(text.read(Document(path, "fil.txt", facts)))
    assert [
        (one.published and one.published.replace(tzinfo=None), one.title, one.text) for one in found if isinstance(one, Entry)
    ] == [(moment, title, "\n".join(paragraphs)) for moment, title, paragraphs in shown]
    assert len(found) == len(shown)
    assert len({one.key for one in found if isinstance(one, Entry)}) == len(shown)
