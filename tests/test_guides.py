"""Every page of the guides is carried out as it stands, programs and command lines in order, beside a running server."""

import ast
import contextlib
import io
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

from embed import Encoder
from index.documents import Facts
from index.ingest import ingest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "api" / "guides").glob("*.md"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
SERVED = "http://127.0.0.1:8000"
"""Where a page says that the server is."""
LANGUAGES = {"python", "console", "sh", "text", "json"}
# What a reader does before the page's own steps; here the index and the server are there already.
SET_UP = ("pip install ", "make serve", "filrouge serve", "filrouge mcp")
# The last decimals of a score are the machine's.
SCORE = re.compile(r"\d+\.\d{2,}(?:e-\d+)?")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what stands in it, how many lines stand above that, and what it says is printed."""

    language: str
    text: str
    above: int
    printed: str | None = None


def blocks(markdown: str) -> Iterator[Block]:
    """The fenced blocks of a page in order; a `text` block directly below a `python` block is what that prints."""
    found = list(re.finditer(r"^```(\w*)\n(.*?)^```\n?", markdown, re.MULTILINE | re.DOTALL))
    for place, match in enumerate(found):
        below = found[place + 1] if place + 1 < len(found) else None
        shown = below is not None and below[1] == "text" and not markdown[match.end() : below.start()].strip()
        yield Block(match[1], match[2], markdown.count("\n", 0, match.start(2)), below[2] if below and shown else None)


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """The command lines behind `$`, with what is said to be printed below each; a line may go on behind a backslash."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        last = next(place for place, line in enumerate(lines) if not line.endswith("\\\n"))
        yield "".join(lines[: last + 1]).rstrip("\n"), "".join(lines[last + 1 :])


def expected(shown: str) -> re.Pattern[str]:
    """What may be printed: `...` stands for anything, and a score for a score."""
    parts = (re.escape(SCORE.sub("#", part)) for part in shown.strip().split("..."))
    return re.compile(".*?".join(parts), re.DOTALL)


def compare(printed: str, shown: str, where: str) -> None:
    """Fail unless `printed` is what is shown; spaces at the end of a line are not seen."""
    printed = re.sub(r"[ \t]+$", "", printed, flags=re.MULTILINE)
    assert expected(shown).fullmatch(SCORE.sub("#", printed.strip())), (
        f"{where} shows\n{shown}\nand this was printed:\n{printed}"
    )


def run_python(block: Block, page: str, namespace: dict[str, Any]) -> str:
    """Run a block as a notebook runs a cell, and return what it prints; the last expression shows its value."""
    # Errors name the line of the page.
    program = ast.parse("\n" * block.above + block.text, page)
    last = program.body.pop() if program.body and isinstance(program.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(program, page, "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), page, "eval"), namespace)
            if value is not None:
                print(repr(value))
    return printed.getvalue()


def run_shell(command: str, path: str) -> str:
    """Run a command line in the working folder, and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FILROUGE_")}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={**kept, "PATH": path, "COLUMNS": "80", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def missing(markdown: str) -> str:
    """The first package that a page tells to install and that is not; all that it may tell are declared here."""
    told = [word for block in blocks(markdown) for line, _ in commands(block) for word in installs(line)]
    extras = PROJECT["optional-dependencies"]
    declared = {re.split(r"[<>=~;\[ ]", one)[0] for one in [*PROJECT["dependencies"], *itertools.chain(*extras.values())]}
    for word in told:
        extra = re.fullmatch(r"filrouge\[(\w+)\]", word)
        wanted = extras[extra[1]] if extra else [word]
        for requirement in wanted:
            name = re.split(r"[<>=~;\[ ]", requirement)[0]
            assert name in declared, f"{name} is not in pyproject.toml"
            try:
                distribution(name)
            except PackageNotFoundError:
                return name
    return ""


def installs(command: str) -> list[str]:
    """What a command line installs."""
    found = re.match(r"(?:\S*/)?pip install (.+)$", command)
    return [word for word in shlex.split(found[1]) if not word.startswith("-")] if found else []


@pytest.fixture(scope="session")
def home(model: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user has after `make serve`: the seeds, and their index made with the default model."""
    home = tmp_path_factory.mktemp("guides") / "home"
    shutil.copytree(ROOT / "seeds", home / "seeds")
    with contextlib.chdir(home):
        report = ingest([Path("seeds")], home / ".filrouge", model, Facts(tz="Europe/Paris"))
    assert report.failures == []
    return home


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A search path on which `filrouge`, `python` and `python3` are those of these tests."""
    folder = tmp_path_factory.mktemp("bin")
    for name, arguments in (("filrouge", " -m api.cli"), ("python", ""), ("python3", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.model
@each_page
def test_what_a_page_says_to_do_does_what_it_shows(
    page: Path,
    home: Path,
    path: str,
    model: Encoder,
    serving: Callable[[Path, Encoder], AbstractContextManager[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    markdown = page.read_text(encoding="utf-8")
    if missing(markdown):
        pytest.skip(f"{page.name} needs {missing(markdown)}, which is not installed")
    if "$ curl " in markdown and shutil.which("curl") is None:
        pytest.skip(f"{page.name} needs curl")
    here = shutil.copytree(home, tmp_path / "home")
    monkeypatch.chdir(here)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with serving(here / ".filrouge", model) as address:
        for block in blocks(markdown.replace(SERVED, address)):
            where = f"{page.name}, line {block.above}"
            if block.language == "python":
                printed = run_python(block, page.name, namespace)
                if block.printed is not None:
                    compare(printed.replace(address, SERVED), block.printed.replace(address, SERVED), where)
            elif block.language in ("console", "sh"):
                for command, shown in commands(block):
                    if not command.startswith(SET_UP):
                        printed = run_shell(command, path)
                        if shown.strip():
                            compare(printed.replace(address, SERVED), shown.replace(address, SERVED), where)


@each_page
def test_every_block_of_a_page_can_be_checked(page: Path) -> None:
    before = None
    for block in blocks(page.read_text(encoding="utf-8")):
        assert block.language in LANGUAGES, f"{page.name}, line {block.above}"
        if block.language == "json":
            json.loads(block.text)
        elif block.language in ("console", "sh"):
            assert block.text.startswith("$ "), f"{page.name}, line {block.above}: no command line"
        elif block.language == "text":
            assert before is not None, f"{page.name}, line {block.above}"
            assert before.printed == block.text, f"{page.name}, line {block.above}: nothing prints it"
        before = block


def test_the_pages_are_installed() -> None:
    assert "guides/*.md" in PYPROJECT["tool"]["setuptools"]["package-data"]["api"]


def test_there_are_pages_with_programs_and_with_command_lines() -> None:
    languages = {block.language for page in PAGES for block in blocks(page.read_text(encoding="utf-8"))}
    assert languages >= {"python", "console"}


# The checks can fail


def test_output_that_differs_is_told_and_a_score_or_an_ellipsis_is_not() -> None:
    compare('{"score": 0.178678, "text": "Oui"}\n', '{"score": 0.17, "text": "Oui"}', "here")
    compare("un\ndeux \ntrois\n", "un\n...\ntrois", "here")
    for printed, shown in (("0.5 oui", "0.5 non"), ("2023", "2024"), ("un\ndeux", "un"), ("x = 1.5", "x = 1.6")):
        with pytest.raises(AssertionError, match="here shows"):
            compare(printed, shown, "here")


def test_blocks_know_their_place_and_what_they_print() -> None:
    markdown = "Un\n\n```python\n1 + 1\n```\n\n```text\n2\n```\n\n```console\n$ ls \\\n    -l\ntotal\n$ pwd\n```\n"
    first, second, third = blocks(markdown)
    assert (first, second.language, third.above) == (Block("python", "1 + 1\n", 3, "2\n"), "text", 11)
    assert list(commands(third)) == [("ls \\\n    -l", "total\n"), ("pwd", "")]
    assert run_python(first, "page.md", {}) == "2\n"
    with pytest.raises(ZeroDivisionError) as raised:
        run_python(Block("python", "1 / 0\n", 3), "page.md", {})
    assert raised.traceback[-1].lineno == 3  # from 0
    assert run_python(Block("python", "x = 2\nprint(x)\n", 0), "page.md", {}) == "2\n"


def test_a_page_that_needs_what_is_not_installed_names_it() -> None:
    page = "```sh\n$ pip install 'filrouge[dev]'\n```\n"
    assert missing(page) == ""
    assert installs(".venv/bin/pip install --quiet 'filrouge[dev]' numpy") == ["filrouge[dev]", "numpy"]
    with pytest.raises(AssertionError, match="nothing-of-ours is not in"):
        missing(page.replace("'filrouge[dev]'", "nothing-of-ours"))
