"""Documentation is an input: what it names is there, and what is there is named."""

import argparse
import ast
import itertools
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import cli
from api.answers import AnswerOut, AskedWindowOut, QuoteOut
from api.app import create_app
from api.commands import INTERRUPTED
from api.schemas import HitOut
from api.settings import Settings
from embed import Encoder
from index import documents
from index.answer import THRESHOLD, Reason, Relaxed
from index.errors import FilrougeError
from index.search import Searcher

ROOT = Path(__file__).resolve().parent.parent
DOCS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")}
README, ARCHITECTURE, CHANGELOG = DOCS.values()
GUIDES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in (ROOT / "api/guides").glob("*.md")}
ALL = {**DOCS, **GUIDES}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# A folder in the docs that is not one of the repository: it is made in every index.
MADE = {"cache/"}


def blocks(text: str) -> list[str]:
    """What stands in fenced blocks."""
    return re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """What stands in backticks, outside of fenced blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of a table's rows, by the first cell of its heading; a bar in backticks is no border."""
    found = re.search(rf"^\| {heading} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found, f"no table headed '{heading}'"
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[1].splitlines()]


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command's parser by its name."""
    parser = cli.build_parser()
    chosen = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(chosen[0].choices)


def options(command: argparse.ArgumentParser) -> set[str]:
    """What people write; the long form where there are two."""
    return {action.option_strings[-1] for action in command._actions if action.option_strings and action.dest != "help"}


# The command line


def test_every_command_is_in_the_readme_with_what_it_takes() -> None:
    told = {}
    for cell, *_ in rows(README, "command"):
        program, name, *rest = spans(cell)[0].split()
        assert program == "filrouge"
        told[name] = rest
    assert list(told) == list(commands())
    for name, command in commands().items():
        takes = [str(action.metavar or "") for action in command._actions if not action.option_strings]
        for metavar in filter(None, takes):
            assert any(metavar in word for word in told[name]), (name, metavar)
    for choice in ("embed", "ingest", "search"):
        assert f"`{choice}`" in README or f"`filrouge bench {choice}`" in README


def test_every_option_is_in_the_readme_with_its_commands_and_no_other_is() -> None:
    told: dict[str, set[str]] = {}
    for cell, where, *_ in rows(README, "option"):
        named = set(spans(where)) & set(commands())
        if where.startswith("all"):
            named = set(commands()) - named
        for span in spans(cell):
            told[span.split()[0]] = named
    real: dict[str, set[str]] = {"--help": set(commands()), "--version": set(commands())}
    for name, command in commands().items():
        for option in options(command):
            real.setdefault(option, set()).add(name)
    assert told == real


def test_the_choices_of_an_option_are_in_the_readme() -> None:
    for command in commands().values():
        for action in command._actions:
            for choice in action.choices or []:
                assert any(choice in span.split() for span in spans(README)), choice


def lines_to_type(text: str) -> Iterator[list[str]]:
    """The arguments of filrouge in the command lines of fenced blocks."""
    for block in blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(r"(?:\$ )?(?:\S*/)?filrouge (.+)$", line)
            if found:
                words = shlex.shlex(found[1].partition("  #")[0], posix=True, punctuation_chars="|>;&")
                words.commenters = ""
                words.whitespace_split = True
                yield list(itertools.takewhile(lambda word: not set(word) <= set("|>;&"), words))


@pytest.mark.parametrize("name", ALL)
def test_every_command_line_in_the_docs_is_understood(name: str) -> None:
    for line in lines_to_type(ALL[name]):
        assert cli.build_parser().parse_args(line).function, line


def test_there_are_command_lines_in_the_readme() -> None:
    assert {line[0] for line in lines_to_type(README)} >= {"index", "search"}


def test_every_command_line_in_the_makefile_is_understood() -> None:
    lines = re.findall(r"^\t\S*filrouge (.+)$", MAKEFILE, re.MULTILINE)
    assert lines
    for line in lines:
        assert cli.build_parser().parse_args(shlex.split(line)).function, line


def test_every_exit_status_is_in_the_readme() -> None:
    told = re.search(r"status 0 .*?\n\n", README, re.DOTALL)
    assert told
    assert {int(number) for number in re.findall(r"\b\d+\b", told[0])} == {0, 1, 2, INTERRUPTED}


@pytest.mark.model
def test_the_output_in_the_readme_is_what_the_commands_print(
    model: Encoder, seeds: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = next(block for block in blocks(README) if "$ .venv/bin/filrouge index seeds" in block)
    typed = [part.partition("\n") for part in block.split("$ .venv/bin/filrouge ")[1:]]
    assert [line.split()[0] for line, _, _ in typed] == ["index", "ask", "search"]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(ROOT)
    chosen = ["--index", str(tmp_path / "index"), "--model", model.card.name]
    # The last decimals of a score are the machine's.
    score = re.compile(r"(?:  |confidence )-?\d\.\d+( \(|,)")
    for line, _, shown in typed:
        capsys.readouterr()
        assert cli.main([*shlex.split(line), *chosen]) == 0
        if shown:
            assert score.sub("", capsys.readouterr().out).rstrip("\n") == score.sub("", shown).rstrip("\n")


# Settings


def test_every_setting_is_in_the_readme_with_its_default_and_no_other_is() -> None:
    told = {spans(setting)[0]: (spans(key)[0], spans(default)) for setting, key, _, default in rows(README, "setting")}
    assert list(told) == [f"FILROUGE_{name.upper()}" for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        key, default = told[f"FILROUGE_{name.upper()}"]
        assert key == name
        if field.default_factory is None and field.default is not None:
            assert default == [str(field.default)]
    everywhere = set(re.findall(r"FILROUGE_[A-Z_]+", "".join(DOCS.values())))
    assert everywhere == {*told, "FILROUGE_CONFIG"}


# HTTP


def test_every_address_is_in_the_readme_and_no_other_is() -> None:
    api = create_app(nothing).openapi()
    real = {(method.upper(), path) for path, methods in api["paths"].items() for method in methods}
    told = {tuple(spans(cell)[0].partition("?")[0].split()) for cell, *_ in rows(README, "address")}
    # Pages are for people, and MCP describes itself: neither is in the description for programs.
    assert told == {*real, ("GET", "/"), ("GET", "/entry/{entry_id}"), ("POST", "/mcp")}


def nothing() -> Searcher:
    """Opens no index: the description needs none."""
    raise FilrougeError("not asked for")


def test_every_parameter_is_in_the_readme_and_every_field_of_a_hit_in_the_guide() -> None:
    parameters = create_app(nothing).openapi()["paths"]["/search"]["get"]["parameters"]
    for name in [one["name"] for one in parameters if one["name"] != "q"]:
        assert name in spans(README), name
    for name in HitOut.model_fields:
        assert name in spans(GUIDES["api/guides/http.md"]), name
    assert "`GET /search?q=...`" in README


def test_every_parameter_and_every_field_of_an_answer_is_in_the_readme() -> None:
    parameters = create_app(nothing).openapi()["paths"]["/ask"]["get"]["parameters"]
    asked = [one["name"] for one in parameters if one["name"] != "q"]
    for name in [*asked, *QuoteOut.model_fields, *AnswerOut.model_fields, *AskedWindowOut.model_fields]:
        assert name in spans(README), name
    for heading, values in (("code", Reason), ("relaxed", Relaxed)):
        assert {spans(cell)[0] for cell, *_ in rows(README, heading)} == {str(one) for one in values}
    assert f"`{THRESHOLD:g}`" in README


# Manifests


def test_every_key_of_a_manifest_is_in_the_readme_and_no_other_is() -> None:
    assert {spans(cell)[0] for cell, *_ in rows(README, "key")} == set(documents._KEYS)


def test_the_manifest_in_the_readme_is_one() -> None:
    shown = next(block for block in blocks(README) if "[[document]]" in block)
    described = tomllib.loads((ROOT / "seeds" / "manifest.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(shown) == described


# Paths, modules, targets


@pytest.mark.parametrize("name", ALL)
def test_every_path_in_the_docs_is_there(name: str) -> None:
    for span in spans(ALL[name]):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/|([\w.-]+/)+[\w-]+\.[a-z]+", span) and span not in MADE:
            assert (ROOT / span).exists(), span


def headings(text: str) -> set[str]:
    """What a link to a part of a page may name."""
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("name", ALL)
def test_every_link_in_the_docs_leads_somewhere(name: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", ALL[name]):
        if "://" not in link:
            page, _, part = link.partition("#")
            leads_to = (ROOT / name).parent / page if page else ROOT / name
            assert leads_to.exists(), link
            assert not part or part in headings(leads_to.read_text(encoding="utf-8")), link


def test_every_guide_has_its_row_among_the_doors() -> None:
    told = [link for cell, *_ in rows(README, "door") for link in re.findall(r"\]\(([^)]+)\)", cell)]
    assert sorted(told) == sorted(GUIDES)


def test_every_module_has_its_place_in_the_architecture() -> None:
    modules = []
    for package in ("embed", "index", "api"):
        for path in (ROOT / package).rglob("*.py"):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            # A package that only gathers names says so itself.
            if path.name != "__init__.py" or any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body):
                modules.append(path.relative_to(ROOT).as_posix())
    told = [spans(cell)[0] for cell, *_ in rows(ARCHITECTURE, "module")]
    assert sorted(told) == sorted(modules)


def test_every_test_module_that_the_architecture_names_is_there() -> None:
    named = re.findall(r"tests/test_\w+\.py", ARCHITECTURE)
    assert "tests/test_docs.py" in named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_make_target_is_in_the_readme_and_no_other_is() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony
    assert set(re.findall(r"\bmake ([a-z]+)\b", "\n".join([*spans(README), *blocks(README)]))) == set(phony[1].split())
    for text in [*DOCS.values(), (ROOT / ".ci" / "run").read_text(encoding="utf-8")]:
        for target in re.findall(r"`make ([a-z]+)`|^make ([a-z]+)$", text, re.MULTILINE):
            assert "".join(target) in phony[1].split()


def test_make_knows_its_targets() -> None:
    targets = re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony
    assert targets == phony[1].split()


# The changelog and the release


def test_every_change_is_one_line_and_a_sentence() -> None:
    for line in CHANGELOG.splitlines():
        assert line == "" or line.startswith(("# ", "## ", "- ")), line
        if line.startswith("- "):
            assert line.endswith("."), line


def test_the_changelog_begins_with_what_is_not_released_or_this_release() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    heading = next(line for line in CHANGELOG.splitlines() if line.startswith("## "))
    assert heading == "## Unreleased" or heading.startswith(f"## {version}")


@pytest.mark.parametrize("name", ALL)
def test_the_docs_have_no_loose_ends(name: str) -> None:
    assert not re.findall(r"^[A-Z]{6,}$|TODO|FIXME|XXX|\bTBD\b", ALL[name], re.MULTILINE)


def test_nothing_of_this_machine_is_in_the_repository() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    home = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/\w")
    for path in listed:
        if (ROOT / path).is_file():
            assert not home.search((ROOT / path).read_text(encoding="utf-8", errors="replace")), path
