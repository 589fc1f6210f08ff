"""Take the two pictures of the README from the page itself, over seeds/: python -m tests.bench.take_screenshots [FOLDER]"""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from playwright.sync_api import sync_playwright

from embed import load
from index.documents import Facts
from index.ingest import ingest
from tests.bench.measure_page import FLAGS, served

ROOT = Path(__file__).resolve().parents[2]
SHOTS: tuple[tuple[str, str, Literal["light", "dark"], int, int], ...] = (
    ("page-answer.png", f"/?ui=fr&q={quote('Qui a revendiqué l’attaque de Belgorod ?')}", "light", 620, 480),
    ("page-entry.png", "/entry/ubxvdkf7eu7o63mc?ui=en&at=120-390", "dark", 360, 480),
)
MOST = 60_000
"""Bytes of a picture."""


def main() -> None:
    """Index seeds/ in a folder of its own, and write the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "api" / "guides")
    folder = parser.parse_args().folder
    chromium = shutil.which("chromium") or parser.error("no Chromium on this machine: apt-get install chromium")
    with tempfile.TemporaryDirectory() as home:
        index = Path(home) / "index"
        ingest([ROOT / "seeds"], index, load(), Facts(tz="Europe/Paris"))
        with served(index) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            for name, path, scheme, width, height in SHOTS:
                context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
                page = context.new_page()
                page.goto(address + path, wait_until="networkidle")
                taken = page.screenshot(path=folder / name)
                if len(taken) > MOST:
                    parser.error(f"{name} has {len(taken)} bytes; {MOST} are allowed")
                print(folder / name, len(taken))
            browser.close()


if __name__ == "__main__":
    main()
