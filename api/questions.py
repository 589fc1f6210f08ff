"""Questions in a CSV: which there are, and what is wrong with it."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from pydantic import ValidationError

from api.schemas import FieldProblem, Filtering
from index import dates
from index.errors import InvalidRequest
from index.reader import Filters
from index.search import check_filters, check_question, check_source
from index.store_view import StoreView

QUESTION = ("question", "query", "q")
"""What the column of the questions may be called."""
NARROWING = ("lang", "since", "until", "source")
KNOWN = ("id", *QUESTION, *NARROWING)
_SEPARATORS = ",;\t"
_SHOWN = 20
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True)
class AskedRow:
    """A question of a table: the row that it stands in, as spreadsheets count (the names of the columns are row 1)."""

    number: int
    id: str
    question: str
    filters: Filters


class InvalidQuestions(InvalidRequest):
    """Questions in a table cannot be asked as they stand; `faults` names the row and the column of each thing wrong."""

    def __init__(self, faults: Sequence[FieldProblem]) -> None:
        self.faults = tuple(faults)
        told = [f"{fault.field}: {fault.message}" for fault in faults[:_SHOWN]]
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        super().__init__(f"{'; '.join(told)}{more}. Nothing was asked", faults[0].field)


def read_questions(data: bytes, store: StoreView, spaceless: bool = False) -> list[AskedRow]:
    """The questions of a CSV in UTF-8, or in UTF-16 with its mark, separated by commas, semicolons or tabs.

    Its first row names the columns: `question` (or `query`, `q`), and, where they are wanted, `id`, `lang`, `since`, `until`
    and `source`; an empty cell narrows nothing. Without ids the questions are numbered from 1. Empty rows are passed over.

    The whole table is read before anything is asked. Raises `InvalidQuestions`, with all that is wrong with it; with
    `spaceless` that includes ids with spaces, which a TREC run cannot hold.
    """
    names, rows = _table(_decoded(data))
    faults: list[FieldProblem] = []
    found: list[AskedRow] = []
    checker = _Checker(store, names, spaceless)
    for ordinal, (number, cells) in enumerate(rows, start=1):
        try:
            found.append(checker.row(number, cells, str(ordinal)))
        except InvalidQuestions as error:
            faults += error.faults
    if faults:
        raise InvalidQuestions(faults)
    if not found:
        raise _invalid("questions", "there are none below the names of the columns")
    return found


class _Checker:
    """Makes questions of rows, and remembers what rows may not have in common."""

    def __init__(self, store: StoreView, names: Sequence[str], spaceless: bool) -> None:
        self._store = store
        self._names = names
        self._spaceless = spaceless
        self._zone: tzinfo = dates.zone(store.zone())
        self._ids: dict[str, int] = {}

    def row(self, number: int, cells: Sequence[str], otherwise: str) -> AskedRow:
        """The question in a row, under the id `otherwise` where the table has no ids. Raises `InvalidQuestions`."""
        if len(cells) > len(self._names):
            message = f"has {len(cells)} cells for {len(self._names)} columns: put what holds a separator in quotation marks"
            raise _invalid(f"row {number}", message)
        there = {name: cell.strip() for name, cell in zip(self._names, cells, strict=False)}
        question = next((there.get(name, "") for name in QUESTION if name in self._names), "")
        faults: list[FieldProblem] = []

        def fault(name: str, message: str) -> None:
            faults.append(FieldProblem(field=f"row {number}, {name}", message=message))

        name = there.get("id", "") if "id" in self._names else otherwise
        if not name:
            fault("id", "is empty: give every question one, or leave the column out")
        elif name in self._ids:
            fault("id", f"'{name}' is also that of row {self._ids[name]}")
        elif self._spaceless and name.split() != [name]:
            fault("id", f"'{name}' has spaces, which a TREC run cannot hold")
        self._ids.setdefault(name, number)
        try:
            check_question(question)
        except InvalidRequest as error:
            fault("question", str(error))
        filters = Filters()
        try:
            asked = Filtering.model_validate({column: there[column] for column in NARROWING if there.get(column)})
            filters = asked.filters(self._zone)
            check_filters(filters)
            check_source(filters, self._store)
        except ValidationError as error:
            for one in error.errors():
                fault(str(one["loc"][0]), one["msg"])
        except InvalidRequest as error:
            fault(error.field, str(error))
        if faults:
            raise InvalidQuestions(faults)
        return AskedRow(number, name, question, filters)


def _invalid(field: str, message: str) -> InvalidQuestions:
    return InvalidQuestions([FieldProblem(field=field, message=message)])


def _decoded(data: bytes) -> str:
    encoding = next((name for mark, name in _BOMS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        told = f"byte 0x{data[error.start]:02X} in line {line} is not {encoding.upper()}: save the table as “CSV UTF-8”"
        raise _invalid("encoding", told) from error


def _table(text: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The names of the columns, and the rows below with their numbers."""
    head = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=lambda one: len({name.strip().lower() for name in head.split(one)} & {*KNOWN}))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = _rows(reader)
    names = [name.strip().lower() for name in next(rows, (1, []))[1]]
    unknown = [name for name in names if name not in KNOWN]
    if sum(name in QUESTION for name in names) != 1:
        told = f"row 1 must name one column 'question', and has {', '.join(names) or 'nothing'}"
        raise _invalid("columns", told)
    if unknown:
        raise _invalid("columns", f"'{unknown[0]}' is not known; known are {', '.join(KNOWN)}")
    if len(set(names)) < len(names):
        raise _invalid("columns", f"'{next(name for name in names if names.count(name) > 1)}' is there twice")
    return names, ((number, cells) for number, cells in rows if any(cell.strip() for cell in cells))


def _rows(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    number = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # Where a quotation mark was never closed, no row can be told from the next.
            raise _invalid(f"row {number}", f"is not a row of a CSV: {error}") from error
        if cells is None:
            return
        yield number, cells
        number += 1
