"""How are lines of the log written, and what never stands in one?"""

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

from api.keys import KEY

Manner = Literal["problems", "requests", "json"]
_ROOT = Path(__file__).resolve().parent.parent
_PATH = re.compile(r"(?<![\w./:])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\'\"<>|:,;)]+)+(?=[/\\][^\s/\\'\"<>|:,;)])")
_CAUSES = 5
"""Failures that led to one another and are told."""


class Discreet(logging.Formatter):
    """Writes lines without keys, without folders, and without what failed: of that the kind, and the places in the program.

    A message may hold what a caller wrote, so that whatever could end a line or move the cursor of a terminal is written as an
    escape. `hidden` are folders of this machine; of other absolute paths the last name is kept.
    """

    def __init__(self, hidden: Iterable[Path] = (), as_json: bool = False) -> None:
        super().__init__()
        # The longest first: one may lie in another.
        self._hidden = sorted({str(folder) for folder in hidden} - {"/", "."}, key=len, reverse=True)
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        facts: Mapping[str, Any] = getattr(record, "facts", {})
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.shown(record.getMessage()),
        }
        known = {name: value for name, value in facts.items() if value is not None}
        if record.exc_info and record.exc_info[1]:
            known["failure"] = failure(record.exc_info[1])
        if self._as_json:
            return json.dumps(line | known, ensure_ascii=False)
        told = " ".join(f"{name}={_plain(str(value))}" for name, value in known.items())
        return " ".join(part for part in (moment, line["level"], line["message"], told) if part)

    def shown(self, text: str) -> str:
        """A text as it may be written.

        >>> Discreet([Path("/srv/fil")]).shown("no room in /srv/fil/index.sqlite\\nfor filrouge_" + 43 * "x")
        'no room in …/index.sqlite\\\\nfor filrouge_…'
        """
        for folder in self._hidden:
            text = text.replace(folder, "…")
        return _plain(_PATH.sub("…", KEY.sub("filrouge_…", text)))


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def failure(error: BaseException) -> str:
    """The kind of a failure and the places in the program that it came through, the last first; then what it came from."""
    told: list[str] = []
    current: BaseException | None = error
    while current is not None and len(told) < _CAUSES:
        told.append(f"{type(current).__name__} at {' < '.join(_places(current.__traceback__)) or 'an unknown place'}")
        current = current.__cause__ or current.__context__
    return "; from ".join(told)


def _places(traceback: TracebackType | None) -> list[str]:
    """Lines of our own modules, and the last line whosever it is."""
    found = []
    while traceback is not None:
        path, last = Path(traceback.tb_frame.f_code.co_filename), traceback.tb_next is None
        ours = path.is_relative_to(_ROOT) and "site-packages" not in path.parts
        if ours or last:
            shown = path.relative_to(_ROOT) if ours else Path(*path.parts[-2:])
            found.append(f"{shown}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return found[::-1]


def configure(manner: Manner, hidden: Iterable[Path], stream: TextIO | None = None) -> None:
    """Have everything that is logged in this process written so, to standard error where no stream is given."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Discreet(hidden, manner == "json"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    logging.getLogger("filrouge.request").setLevel(logging.WARNING if manner == "problems" else logging.INFO)
    # One line for each request is ours, which has no query string.
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)
