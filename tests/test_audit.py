"""The audit of what is installed: it never says that all is well when nothing was looked up."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

KNOWN = {"dependencies": [{"name": "requests", "version": "2.19.0", "vulns": [{"id": "PYSEC-2018-28"}]}]}
UNKNOWN = {"dependencies": [{"name": "requests", "version": "2.19.0", "skip_reason": "not found"}]}
CLEAN = {"dependencies": [{"name": "numpy", "version": "2.4", "vulns": []}, {"name": "odd", "skip_reason": "not found"}]}
BAD = {"dependencies": [{"name": "numpy", "version": "2.4", "vulns": [{"id": "CVE-1"}, {"id": "CVE-2"}]}]}


@pytest.fixture
def audit() -> ModuleType:
    path = Path(__file__).resolve().parent.parent / ".ci" / "audit.py"
    spec = importlib.util.spec_from_file_location("audit", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ([None, None], 0, "audit: skipped: no advisory data\n"),
        ([UNKNOWN, None], 0, "audit: skipped: no advisory data\n"),
        ([UNKNOWN, UNKNOWN], 0, "audit: skipped: no advisory data\n"),
        ([KNOWN, CLEAN], 0, "audit: 2 packages looked up by pypi, 0 with a known vulnerability\n"),
        ([None, KNOWN, CLEAN], 0, "audit: 2 packages looked up by osv, 0 with a known vulnerability\n"),
        (
            [KNOWN, BAD],
            1,
            "audit: numpy 2.4: CVE-1, CVE-2\naudit: 1 packages looked up by pypi, 1 with a known vulnerability\n",
        ),
        ([KNOWN, None, KNOWN, None], 0, "audit: skipped: no advisory data\n"),
    ],
)
def test_what_was_not_looked_up_is_not_called_safe(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answers: Any, status: int, said: str
) -> None:
    left = list(answers)
    monkeypatch.setattr(audit, "audit", lambda service, *what: left.pop(0))
    assert audit.main(sys.executable) == status
    assert capsys.readouterr().out == said
    assert left == []
