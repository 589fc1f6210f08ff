"""Measure the page in Chromium, beside the API in the same run: python tests/bench/measure_page.py INDEX [--questions N]

For each question all but the last letter stands in the box; the letter is typed, and the time is taken from its event to the
paint of what it finds. Beside it stand what the server says that answering took, and a `GET /ask` of the same question from the
same browser, which goes first every other time. The index is only read, but for its caches.
"""

import argparse
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

from api import server
from api.app import create_app
from embed import load
from embed.batching import BatchingEncoder
from index.search import Searcher
from index.store import Store

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
WHO = ("la ministre", "le maire", "les pompiers", "the governor", "the mayor", "the unions")
ASKED = (
    "Qu’a dit {who} du retard des trains ?",
    "Combien de blessés {who} compte dans l’incendie ?",
    "What did {who} say about the strike?",
    "How many people did {who} count at the demonstration?",
)
QUESTIONS = [form.format(who=who) for who in WHO for form in ASKED]


TIMES = """question => {
    const shown = one => new URL(one.detail, location).searchParams.get('q') === question;
    const painted = performance.getEntriesByName('filrouge').find(shown);
    if (!painted) return null;
    const [asked] = performance.getEntriesByType('resource').filter(one => one.name.includes('/page/results'));
    return { all: painted.startTime + painted.duration - window.typedAt, server: asked.serverTiming[0].duration };
}"""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server over an index, in a thread of this process."""
    with Store.open(folder) as store:
        card = store.card()
    searcher = Searcher(folder, BatchingEncoder(load(card.name)))
    searcher.search("préparation", 1)
    with server.listen("127.0.0.1", 0) as listener:
        app = create_app(lambda: searcher)
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        while not running.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join()


def typed(page: Page, question: str) -> tuple[float, float]:
    """Milliseconds from a key to the paint of its results, and what of that the server says that it took to answer."""
    page.evaluate(
        """text => {
            performance.clearMeasures();
            performance.clearResourceTimings();
            q.value = text;
            q.focus();
            addEventListener('input', event => { window.typedAt = event.timeStamp; }, { capture: true, once: true });
        }""",
        question[:-1],
    )
    page.keyboard.type(question[-1])
    while not (found := page.evaluate(TIMES, question)):
        page.wait_for_timeout(5)
    return found["all"], found["server"]


def asked(page: Page, question: str) -> float:
    """Milliseconds of a `GET /ask` by the same browser."""
    took: float = page.evaluate(
        """async question => {
            const began = performance.now();
            await (await fetch(`/ask?${new URLSearchParams({ q: question })}`)).json();
            return performance.now() - began;
        }""",
        question,
    )
    return took


def main() -> None:
    """Ask, and print one line for each figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("--questions", type=int, default=len(QUESTIONS), help="how many of them")
    given = parser.parse_args()
    chromium = shutil.which("chromium") or parser.error("no Chromium on this machine: apt-get install chromium")
    times: dict[str, list[float]] = {"key to paint": [], "answering, of that": [], "GET /ask": []}
    with served(given.index) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        for number, question in enumerate(QUESTIONS[: given.questions]):
            # Each starts afresh: a page that was slow would wait for a pause.
            page.goto(address)
            first = asked(page, question) if number % 2 else None
            whole, answering = typed(page, question)
            times["key to paint"].append(whole)
            times["answering, of that"].append(answering)
            times["GET /ask"].append(asked(page, question) if first is None else first)
        loaded = page.evaluate("fetch('/ready').then(one => one.json())")
        browser.close()
    print(f"{loaded['passages']} passages, {loaded['model']}, {given.questions} questions")
    for name, values in times.items():
        print(f"{name}: median {statistics.median(values):.0f} ms, worst {max(values):.0f} ms")


if __name__ == "__main__":
    main()
