"""The page as people meet it: in headless Chromium, by hand and keyboard, with and without scripts, in light and in dark."""

import csv
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import uvicorn

from api import server
from api.app import create_app
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.ingest import ingest
from index.search import Searcher

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install 'filrouge[dev]'")
axe_script = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed: pip install 'filrouge[dev]'")

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
EVIL = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>\"'</h3></main>"
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 4
ARABIC = "قال المتحدث باسم الكرملين إن الحادث يثير قلقا عميقا في موسكو."
# Key, time on 22 May 2023, title, text; of these "kept" is edited and "gone" withdrawn.
ENTRIES = [
    ("evil", "09:10", EVIL, f"Belgorod {EVIL} et ensuite."),
    ("long", "09:20", LONG, f"Belgorod {LONG} {LONG}"),
    ("rtl", "10:30", ARABIC, f"{ARABIC} Belgorod."),
    ("emoji", "12:00", "👩🏽‍🚒 Belgorod 🇫🇷", "Belgorod 👨‍👩‍👧‍👦 🏳️‍🌈 ❤️‍🔥 évacuée."),
    ("en", "18:00", "Belgorod attack", "Three drones hit Belgorod. Two people were hurt in the attack."),
    ("kept", "19:30", "Bilan", "L’attaque de Belgorod a fait deux blessés, selon le gouverneur."),
    ("gone", "20:00", "Rumeur", "Une rumeur court à Belgorod."),
]
SOURCE = "fil/direct.jsonl"
ASKED = "Qui a revendiqué l’attaque de Belgorod ?"
CLAIMED = "/entry/ubxvdkf7eu7o63mc"


def lines(entries: list[dict[str, str]]) -> str:
    return "\n".join(json.dumps(one) for one in entries)


class Served:
    """An index over HTTP, from a thread of this process."""

    def __init__(self, folder: Path, threshold: float) -> None:
        self.folder = folder
        self._listening = server.listen("127.0.0.1", 0)
        listener = self._listening.__enter__()
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(lambda: Searcher(folder, HashingEncoder()), threshold)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=2))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        self._listening.__exit__(None, None, None)
        assert not self._thread.is_alive()


def made(folder: Path, seeds: Path) -> Path:
    """The seeds and entries of every hostile kind; one of them edited, one withdrawn."""
    document, index = folder / "fil" / "direct.jsonl", folder / "index"
    document.parent.mkdir()
    before = [
        {"_id": key, "date": f"2023-05-22T{clock}", "title": title, "text": text, "lang": key if key == "en" else "fr"}
        for key, clock, title, text in ENTRIES
    ]
    before[0]["url"] = "javascript:alert(1)"
    after = [{**one, "text": one["text"].replace("deux", "trois")} for one in before if one["_id"] != "gone"]
    for entries in (before, after):
        document.write_text(lines(entries), encoding="utf-8")
        assert ingest([seeds, document.parent], index, HashingEncoder(), Facts(tz="Europe/Paris")).failures == []
    return index


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that tests only read."""
    return made(tmp_path_factory.mktemp("corpus"), Path(__file__).resolve().parent.parent / "seeds")


@pytest.fixture(scope="module")
def served(corpus: Path) -> Iterator[Served]:
    """A server that answers whatever has a quote."""
    one = Served(corpus, threshold=0)
    yield one
    one.close()


@pytest.fixture(scope="module")
def strict(corpus: Path) -> Iterator[Served]:
    """One that is never sure enough."""
    one = Served(corpus, threshold=1)
    yield one
    one.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser, which the machine must have: nothing is downloaded."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Any, served: Served) -> Iterator[Callable[..., Any]]:
    """Open a page in a browser of its own; one in which a script fails, or which asks another machine, fails the test."""
    contexts, wrong = [], []

    def open_tab(path: str = "/", base: str = served.url, failing: bool = False, **how: Any) -> Any:
        how = {"locale": "fr-FR", "viewport": {"width": 1000, "height": 800}, "reduced_motion": "reduce", **how}
        context = chromium.new_context(**how)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("request", lambda request: wrong.extend([] if request.url.startswith(base) else [request.url]))
        if not failing:
            page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.goto(base + path)
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert wrong == []


def ask(page: Any, question: str) -> None:
    """Type a question, press Enter, and wait for what it finds."""
    page.fill("#q", question)
    page.press("#q", "Enter")
    until(page, "q => new URLSearchParams(location.search).get('q') === q", question)
    settled(page)


def settled(page: Any) -> None:
    """Wait until what was asked for last is shown."""
    page.wait_for_timeout(50)
    until(page, "performance.getEntriesByName('filrouge').at(-1)?.detail === `/${location.search}`")


def until(page: Any, holds: str, given: Any = None) -> None:
    """Wait until an expression holds. Playwright's own way of that is stopped by the policy of the page."""
    for _ in range(400):
        if page.evaluate(holds, given):
            return
        page.wait_for_timeout(25)
    raise AssertionError(holds)


def titles(page: Any) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(".hits h3").all_inner_texts()]


def asked(page: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


# Asking


def test_a_question_is_answered_without_a_reload_in_french(tab: Callable[..., Any]) -> None:
    page = tab()
    page.evaluate("window.stayed = true")
    ask(page, ASKED)
    assert page.evaluate("window.stayed && document.documentElement.lang") == "fr"
    assert page.locator(".answer h2").text_content() == "Réponse"
    assert "Légion Liberté pour la Russie" in page.locator(".answer .from").first.inner_text()
    assert "mardi 23 mai 2023 à 6\u202fh\u202f25" in page.locator(".answer").inner_text()
    assert re.search(
        r"Réponse (très probable|probable|possible|incertaine) \(\d+\u00a0%\)", page.locator(".confidence").inner_text()
    )
    assert page.locator("#status").inner_text() == "10 passages. Une réponse est citée."
    assert page.title() == f"{ASKED} — filrouge"
    assert len(titles(page)) == 10
    assert page.locator(".hits mark").count() > 5
    assert page.locator(".hits .best").count() > 0


def test_a_question_is_answered_in_english_from_the_browsers_language(tab: Callable[..., Any]) -> None:
    page = tab(locale="en-GB")
    ask(page, "Who claimed the Belgorod attack?")
    assert page.locator(".answer h2").text_content() == "Answer"
    assert "Monday 22 May 2023, 18:00" in page.locator(".hits").inner_text()
    page.click("text=Français")
    assert page.locator("button", has_text="Chercher").count() == 1
    assert asked(page) == {"q": "Who claimed the Belgorod attack?", "ui": "fr"}
    assert page.locator(".answer h2").text_content() == "Réponse"


def test_what_the_corpus_does_not_say_is_told_with_the_nearest_passages(tab: Callable[..., Any], strict: Served) -> None:
    page = tab(f"/?q={quote(ASKED)}", strict.url)
    assert page.locator(".verdict h2").text_content() == "Pas dans le corpus"
    assert page.locator(".answer").count() == 0
    assert len(titles(page)) == 10


def test_results_come_while_one_types_and_the_caret_stays(tab: Callable[..., Any]) -> None:
    page = tab()
    page.locator("#q").press_sequentially("drones à Belgorod", delay=20)
    until(page, "new URLSearchParams(location.search).get('q') === 'drones à Belgorod'")
    settled(page)
    assert page.locator(".hits > li").count() == 10
    assert page.evaluate("[document.activeElement.id, document.activeElement.selectionStart]") == ["q", 17]
    # All of it is one page of the history.
    page.go_back()
    assert page.locator(".start").count() == 1
    assert page.input_value("#q") == ""


def test_the_page_says_why_a_passage_ranks_where_it_does(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}")
    page.locator(".why summary").first.click()
    told = page.locator(".why").first.inner_text()
    assert "Pertinence" in told
    assert "Mots de la question" in told
    assert re.search(r"n°\u00a0\d+ \(\d+(,\d+)?\)", told)


def test_a_quote_is_copied_with_its_source(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}", permissions=["clipboard-read", "clipboard-write"])
    page.locator(".answer .cite summary").first.click()
    page.locator(".answer .copy").first.click()
    until(page, "document.querySelector('.answer .cite [role=status]').textContent === 'Citation copiée.'")
    copied = page.evaluate("navigator.clipboard.readText()")
    said = page.locator(".answer blockquote").first.inner_text()
    assert copied.startswith(f"«\u00a0{said}\u00a0» — ")
    assert "mardi 23 mai 2023 à 6\u202fh\u202f25" in copied
    assert copied.endswith(CLAIMED)


def test_a_quote_is_copied_where_the_browser_has_no_clipboard_of_its_own(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.locator(".answer .cite summary").first.click()
    page.locator(".answer .copy").first.click()
    until(page, "document.querySelector('.answer .cite [role=status]').textContent === 'Citation copiée.'")
    assert page.evaluate("getSelection().toString()").startswith("«\u00a0")


def test_more_passages_come_below_those_that_are_read(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}")
    before = titles(page)
    further = page.locator(".further a")
    further.scroll_into_view_if_needed()
    top = page.evaluate("scrollY")
    further.click()
    settled(page)
    assert titles(page)[:10] == before
    assert len(titles(page)) == 17
    assert page.evaluate("scrollY") == top
    # There is nothing beyond them.
    assert page.locator(".further").count() == 0


def test_what_was_found_is_exported(tab: Callable[..., Any], tmp_path: Path) -> None:
    page = tab(f"/?q={quote(ASKED)}&lang=en")
    page.click(".export summary")
    with page.expect_download() as taken:
        page.click("text=CSV")
    taken.value.save_as(tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["text"] == page.locator(".hits blockquote").inner_text()


# Narrowing


def test_a_language_is_filtered_by_and_its_chip_takes_it_away(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}")
    page.click(".filters summary")
    page.select_option("#lang", "en")
    settled(page)
    assert titles(page) == ["Belgorod attack"]
    assert asked(page)["lang"] == "en"
    page.click(".chip")
    settled(page)
    assert len(titles(page)) == 10
    assert (asked(page).get("lang"), page.input_value("#lang")) == (None, "")


def test_a_source_and_a_day_are_filtered_by(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}", failing=True)
    page.click(".filters summary")
    page.select_option("#source", label=SOURCE)
    settled(page)
    assert len(titles(page)) == 6
    page.fill("#since", "2023-05-22")
    page.fill("#until", "2023-05-23")
    settled(page)
    assert page.locator(".chip").all_inner_texts()[1].endswith("le lundi 22 mai 2023 ×")
    page.fill("#until", "2023-05-22")
    page.wait_for_selector(".failure")
    assert "postérieure" in page.locator(".failure").inner_text()


def test_the_time_in_a_question_is_a_chip_that_can_be_taken_away(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote('Que s’est-il passé à Belgorod le 22 mai 2023 ?')}")
    chip = page.locator(".chip")
    assert "«\u00a0le 22 mai 2023\u00a0»\u00a0: le lundi 22 mai 2023" in chip.inner_text()
    narrowed = set(titles(page))
    chip.click()
    settled(page)
    assert asked(page)["times"] == "no"
    assert page.locator(".chip").count() == 0
    assert not set(titles(page)) <= narrowed
    # A filter does not bring it back; another question does.
    page.click(".filters summary")
    page.select_option("#lang", "fr")
    settled(page)
    assert asked(page)["times"] == "no"
    ask(page, "Que s’est-il passé à Belgorod le 23 mai 2023 ?")
    assert "times" not in asked(page)


def within(page: Any) -> bool:
    """Whether every passage was published in the window of the address."""
    since, until = (datetime.fromisoformat(asked(page)[name]) for name in ("since", "until"))
    stamps = page.locator(".hits time").evaluate_all("all => all.map(one => one.dateTime)")
    shown = [datetime.fromisoformat(stamp).replace(tzinfo=None) for stamp in stamps]
    return bool(shown) and all(since <= one < until for one in shown)


def test_a_period_is_chosen_by_dragging_over_the_timeline(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}")
    box = page.locator(".bars").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + 30, steps=5)
    assert page.locator(".selection").count() == 1
    page.mouse.up()
    until(page, "location.search.includes('since')")
    settled(page)
    assert within(page)
    assert page.input_value("#since") == asked(page)["since"]
    page.click(".chip")
    settled(page)
    assert len(titles(page)) == 10


def test_a_period_is_chosen_with_the_keyboard(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}")
    assert page.locator(".chosen button").is_hidden()
    since = page.get_by_label("Début de la période")
    since.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    assert re.fullmatch(r"22 mai 2023 à \d+\u202fh(\u202f\d\d)?", str(since.get_attribute("aria-valuetext")))
    page.get_by_label("Fin de la période").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    until(page, "location.search.includes('since')")
    settled(page)
    assert within(page)


def test_the_ends_of_a_period_never_cross(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}")
    page.get_by_label("Début de la période").focus()
    page.keyboard.press("End")
    page.get_by_label("Fin de la période").focus()
    page.keyboard.press("Home")
    assert page.evaluate("[...document.querySelectorAll('.sliders input')].map(one => +one.value)") == [0, 1]


def test_a_bar_is_a_link_to_its_own_period(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}", java_script_enabled=False)
    page.locator(".bars a").first.click()
    assert within(page)


# Entries


def test_an_entry_is_read_in_its_place_and_one_comes_back(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}&lang=fr")
    page.locator(".answer .from a").first.click()
    assert page.url.partition("?")[0].endswith(CLAIMED)
    said = page.locator("#passage").inner_text()
    assert said.startswith("L’opération a pour l’instant été revendiquée")
    assert page.locator("#passage").evaluate("one => one.getBoundingClientRect().bottom < innerHeight")
    assert page.locator(".thread li").count() == 3
    page.locator(".thread li a", has_text="Shanghai").click()
    assert "Shanghai" in page.locator("h1").inner_text()
    page.click("text=Retour aux résultats")
    assert asked(page) == {"q": ASKED, "lang": "fr"}
    page.go_back()
    page.go_back()
    page.go_back()
    assert asked(page) == {"q": ASKED, "lang": "fr"}
    assert page.locator(".answer").count() == 1


def test_versions_show_what_an_entry_said_before(tab: Callable[..., Any], served: Served) -> None:
    page = tab(f"/?q={quote('Combien de blessés a fait l’attaque de Belgorod ?')}&lang=fr")
    page.locator(".hits h3 a", has_text="Bilan").click()
    assert page.locator(".versions li").count() == 2
    page.locator(".versions summary").click()
    assert (page.locator(".versions del").inner_text(), page.locator(".versions ins").inner_text()) == ("deux", "trois")
    page.click("text=Lien permanent")
    assert "as_of" in asked(page)
    assert "trois blessés" in page.locator(".entry .text").inner_text()
    assert page.locator(".note").inner_text().startswith("Telle qu’on la lisait le ")
    page.click("text=Voir ce qu’elle dit maintenant")
    assert asked(page) == {}


def test_a_withdrawn_entry_says_so(tab: Callable[..., Any], corpus: Path) -> None:
    with Searcher(corpus, HashingEncoder()) as searcher:
        store = searcher.reader.store
        gone = next(entry for entry in store.latest(1, 50) if entry.key.endswith("gone"))
    page = tab(f"/entry/{gone.id}")
    assert page.locator(".note").inner_text().startswith("Cette entrée a été retirée du direct le ")
    assert "Une rumeur court" in page.locator(".entry .text").inner_text()


def test_an_entry_that_was_never_there_is_told_so(tab: Callable[..., Any]) -> None:
    page = tab("/entry/none", failing=True)
    assert page.locator("[role=alert]").inner_text().splitlines()[2] == "L’index n’a pas d’entrée à cette adresse."
    page.click("text=English")
    assert "The index has no entry at this address." in page.locator("[role=alert]").inner_text()


def test_the_permalink_of_results_finds_them_again(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}&lang=fr")
    before = titles(page)
    page.click("text=Lien permanent")
    assert {"q", "lang", "as_of"} == set(asked(page))
    assert titles(page) == before
    assert "état de l’index\u00a0: " in page.locator(".chip").all_inner_texts()[1]


# History


def test_back_and_forward_show_what_was_asked(tab: Callable[..., Any]) -> None:
    page = tab()
    ask(page, ASKED)
    first = titles(page)
    page.evaluate("scrollTo(0, 900)")
    # Without scrolling to the field.
    page.evaluate("lang.value = 'en'; lang.dispatchEvent(new Event('change', { bubbles: true }))")
    settled(page)
    ask(page, "Shanghai")
    page.go_back()
    until(page, "document.getElementById('q').value !== 'Shanghai'")
    assert titles(page) == ["Belgorod attack"]
    assert page.input_value("#lang") == "en"
    page.go_back()
    until(page, "document.getElementById('lang').value === ''")
    assert titles(page) == first
    until(page, "scrollY === 900")
    page.go_back()
    page.wait_for_selector(".start")
    assert page.title() == "filrouge"
    page.go_forward()
    page.wait_for_selector(".hits")
    assert titles(page) == first
    assert (page.input_value("#q"), page.title()) == (ASKED, f"{ASKED} — filrouge")
    page.reload()
    assert titles(page) == first


# Without what others have


def test_everything_but_comfort_works_without_scripts(tab: Callable[..., Any]) -> None:
    page = tab(java_script_enabled=False)
    page.fill("#q", ASKED)
    page.click("text=Filtrer")
    page.select_option("#lang", "fr")
    page.fill("#since", "2023-05-23")
    page.click("button")
    assert asked(page) == {"q": ASKED, "lang": "fr", "since": "2023-05-23"}
    assert page.locator(".answer").is_visible()
    page.locator(".why summary").first.click()
    assert page.locator(".why dl").first.is_visible()
    page.locator(".cite summary").first.click()
    assert page.locator(".quoted").first.is_visible()
    # A button that needs a script is not shown without.
    assert page.locator(".copy").first.is_hidden()
    page.locator(".hits h3 a").first.click()
    assert page.locator("#passage").is_visible()


def test_all_of_it_is_reached_with_the_keyboard(tab: Callable[..., Any]) -> None:
    page = tab()
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type(ASKED)
    page.keyboard.press("Enter")
    settled(page)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.type === 'range' ? 'slider' : document.activeElement.tagName"))
        # A slider is outlined at its thumb.
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid" or reached[-1] == "slider"
        if page.evaluate("document.activeElement.closest('h3') !== null"):
            break
    assert reached[:2] == ["BUTTON", "SUMMARY"]
    # A stop for each bar would be dozens.
    assert (reached.count("slider"), reached.count("a")) == (2, 0)
    assert page.evaluate("document.activeElement.closest('.hits') !== null")
    page.keyboard.press("Enter")
    page.wait_for_selector("#passage")


def test_the_content_is_one_key_away(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}")
    page.locator(".why summary").first.evaluate("one => one.click()")
    page.keyboard.press("Tab")
    assert page.locator(".skip").evaluate("one => one === document.activeElement && one.getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    # What was open stays open.
    assert page.locator(".why dl").first.is_visible()


# What goes wrong


def test_a_server_that_is_away_is_told_plainly_and_asked_again(tab: Callable[..., Any]) -> None:
    page = tab(failing=True)
    page.route("**/page/results*", lambda route: route.abort())
    page.fill("#q", ASKED)
    page.press("#q", "Enter")
    page.wait_for_selector(".failure[role=alert]")
    assert "Le serveur ne répond pas." in page.locator(".failure").inner_text()
    # What was there can still be read.
    assert page.locator(".start").count() == 1
    page.unroute("**/page/results*")
    page.click("text=Réessayer")
    page.wait_for_selector(".hits")
    assert page.locator(".failure").count() == 0


def test_a_server_that_refuses_is_told_too(tab: Callable[..., Any]) -> None:
    page = tab(failing=True)
    problem = {"status": 503, "content_type": "application/problem+json", "body": "{}"}
    page.route("**/page/results*", lambda route: route.fulfill(**problem))
    page.fill("#q", ASKED)
    page.press("#q", "Enter")
    page.wait_for_selector(".failure[role=alert]")


def test_a_loss_of_the_network_is_said_and_its_return(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote(ASKED)}", failing=True)
    page.context.set_offline(True)
    page.wait_for_selector("#notice:not([hidden])")
    assert page.locator("#notice").inner_text() == "Vous êtes hors ligne. Ce qui est affiché reste lisible."
    page.context.set_offline(False)
    page.wait_for_selector("#notice[hidden]", state="attached")


def test_hostile_text_is_shown_and_does_nothing(tab: Callable[..., Any]) -> None:
    page = tab(f"/?q={quote('Belgorod ' + EVIL)}&source=fil/direct.jsonl", viewport={"width": 360, "height": 800})
    assert EVIL in titles(page)
    assert page.input_value("#q") == f"Belgorod {EVIL}"
    assert page.evaluate("window.ran") is None
    assert page.locator("main").count() == 1
    assert page.locator(f"h3:has-text('{ARABIC[:20]}')").evaluate("one => getComputedStyle(one).direction") == "rtl"
    assert page.locator("h3", has_text="👩🏽‍🚒").count() == 1
    assert overflow(page) == []
    page.locator(".hits h3 a", has_text="<script>").click()
    assert page.locator("h1").inner_text() == EVIL
    assert page.evaluate("window.ran") is None
    assert page.locator("a[href^=javascript]").count() == 0
    page.locator(".thread a", has_text=LONG[:30]).click()
    assert overflow(page) == []


def overflow(page: Any) -> list[str]:
    """What reaches beyond the right edge of the window."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll('main *, header *')].filter(one =>
            one.checkVisibility() && !one.closest('.unseen, .sliders') && one.getBoundingClientRect().right > innerWidth + .5
        ).map(one => one.outerHTML.slice(0, 80))"""
    )
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("the page can be scrolled sideways")
    return found


# Live


def test_new_entries_are_announced_without_moving_what_is_read(
    tab: Callable[..., Any], corpus: Path, tmp_path: Path, seeds: Path
) -> None:
    index = made(tmp_path, seeds)
    live = Served(index, threshold=0)
    try:
        page = tab("/", live.url)
        page.clock.install()
        page.goto(f"{live.url}/?q={quote(ASKED)}")
        page.evaluate("scrollTo(0, 700)")
        reading = page.locator(".hits > li").nth(3)
        place = reading.bounding_box()
        texts = ("Attaque de Belgorod revendiquée encore : qui donc ?", "Le marché ouvre.")
        news = [{"_id": str(n), "text": text, "lang": "fr", "date": "2023-05-24T08:00"} for n, text in enumerate(texts)]
        document = tmp_path / "news.jsonl"
        document.write_text(lines(news), encoding="utf-8")
        ingest([document], index, HashingEncoder(), Facts(tz="Europe/Paris"))
        page.clock.fast_forward(16_000)
        page.wait_for_selector("#notice:not([hidden])")
        assert page.locator("#notice").inner_text().split("\n")[0].startswith("2 nouvelles entrées")
        assert reading.bounding_box() == place
        page.click("text=Afficher")
        page.wait_for_selector("#notice[hidden]", state="attached")
        assert page.locator(".hits", has_text=texts[0]).count() == 1
    finally:
        live.close()


# Of every state


STATES = {
    "start": "/",
    "answer": f"/?q={quote(ASKED)}",
    "narrowed": f"/?q={quote(ASKED)}&lang=fr&since=2023-05-22&source=fil/direct.jsonl",
    "hostile": "/?q=Belgorod&source=fil/direct.jsonl&ui=en",
    "nothing": "/?q=Belgorod&since=2030-01-01",
    "wrong": "/?q=Belgorod&since=hier",
    "entry": f"{CLAIMED}?q={quote(ASKED)}&at=0-120",
    "missing": "/entry/none",
    "reference": "/docs",
}


# The two themes have nothing but their colours to themselves.
RULES = {
    "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "dark": ["color-contrast"],
}


@pytest.mark.parametrize("scheme", RULES)
def test_axe_finds_nothing_wrong_in_any_state(tab: Callable[..., Any], served: Served, strict: Served, scheme: str) -> None:
    pages = {one: tab("/", one, color_scheme=scheme, failing=True) for one in (served.url, strict.url)}
    script = Path(axe_script.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    wrong = {}
    states = {name: (served.url, path) for name, path in STATES.items()} | {"refused": (strict.url, STATES["answer"])}
    if scheme == "dark":
        # As long as all the others, and of no colour of its own.
        del states["reference"]
    for name, (base, path) in states.items():
        page = pages[base]
        page.goto(base + path)
        for summary in page.locator("summary").all():
            summary.click()
        if name == "wrong":
            page.evaluate("document.getElementById('notice').append('x'); document.getElementById('notice').hidden = false")
        page.evaluate(script)
        found = page.evaluate("rules => axe.run({ runOnly: rules })", RULES[scheme])
        wrong[name] = [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]]
        assert found["passes"]
    assert {name: found for name, found in wrong.items() if found} == {}


def test_nothing_reaches_beyond_a_telephone_in_any_state(tab: Callable[..., Any]) -> None:
    page = tab(viewport={"width": 360, "height": 740}, failing=True)
    base = page.url.rstrip("/")
    wrong = {}
    for name, path in STATES.items():
        page.goto(base + path)
        for summary in page.locator("summary").all():
            summary.click()
        wrong[name] = overflow(page)
    assert {name: found for name, found in wrong.items() if found} == {}


def test_the_first_load_is_under_a_hundred_kilobytes(chromium: Any, served: Served) -> None:
    for path in ("/", STATES["answer"], STATES["entry"]):
        page = chromium.new_page()
        loaded: list[float] = []
        network = page.context.new_cdp_session(page)
        network.on("Network.loadingFinished", lambda one, loaded=loaded: loaded.append(one["encodedDataLength"]))
        network.send("Network.enable")
        page.goto(served.url + path, wait_until="networkidle")
        page.close()
        assert len(loaded) >= 4
        assert sum(loaded) < 100_000
