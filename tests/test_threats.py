"""The page of threats: each row names tests, and each of these is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "api/guides/threats.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## What, and how it is tested")[2].partition("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE.splitlines() if line.startswith("|")][2:]


def defined_in(path: str) -> set[str]:
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_each_threat_has_something_against_it_and_tests_that_are_there(row: list[str]) -> None:
    threat, against, shown = row
    assert threat
    assert against
    named = re.findall(r"`(tests/test_\w+\.py)::(test_\w+)`", shown)
    assert named
    assert shown == ", ".join(f"`{path}::{name}`" for path, name in named)
    for path, name in named:
        assert name in defined_in(path), (path, name)


def test_there_are_threats_and_what_is_left_is_told() -> None:
    assert len(ROWS) > 20
    assert "\n## What is left\n" in PAGE
