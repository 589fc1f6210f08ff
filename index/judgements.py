"""Evaluation sets in the BEIR layout: a folder with `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`.

A question may have `answers`, a list of texts of which any answers it; and beside `queries.jsonl` there may be
`queries_unanswerable.jsonl`, with questions that the corpus does not answer.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from index.errors import UnreadableDocument

DIRECTIONS = ("fr-fr", "en-en", "fr-en", "en-fr", "fr-mix", "en-mix", "mix")
"""Language of the questions - language of the passages; `mix` is every passage, and alone also every question."""

_GRADE = re.compile(r"-?[0-9]+")


@dataclass(frozen=True)
class Question:
    """A judged question."""

    id: str
    text: str
    lang: str
    grades: Mapping[str, int]
    answers: tuple[str, ...] = ()
    """Texts of which any answers it; none where the set has no answers."""


@dataclass(frozen=True)
class EvaluationSet:
    """What a folder holds.

    `langs` has the language of every corpus item by its id; `unanswerable` are questions that the corpus does not answer.
    """

    name: str
    corpus: Path
    questions: tuple[Question, ...]
    langs: Mapping[str, str]
    unanswerable: tuple[Question, ...] = ()

    def directions(self) -> list[str]:
        """Those that this set can measure: with questions and judged passages in the languages, and no two alike."""
        found = [direction for direction in DIRECTIONS if self.judged(direction)]
        one_asked = len({question.lang for question in self.judged("mix")}) == 1
        one_searched = len(set(self.langs.values())) == 1
        if one_asked and one_searched:
            return found[:1]
        if one_asked or one_searched:
            return [direction for direction in found if not direction.endswith("-mix")]
        return found

    def judged(self, direction: str) -> list[Question]:
        """The questions of a direction, each with the judgements that fall in it; without any it is left out."""
        asked, _, searched = direction.rpartition("-")
        found = []
        for question in self.questions:
            grades = {
                item: grade
                for item, grade in question.grades.items()
                if grade > 0 and searched in ("mix", self.langs.get(item))
            }
            if grades and asked in ("", question.lang):
                found.append(replace(question, grades=grades))
        return found

    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of the corpus file."""
        with self.corpus.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def rivals(path: Path, name: str) -> dict[str, tuple[str, float]]:
    """What other systems reach on the set called `name`: by direction, the best one's name and nDCG@10.

    The file is JSON: set -> direction -> system -> measures, of which `ndcg10` counts; what has another form is passed over.
    Raises `UnreadableDocument` when it is not that, or has nothing of the set.
    """
    try:
        directions = json.loads(path.read_text(encoding="utf-8"))[name].items()
    except (OSError, ValueError) as error:
        raise UnreadableDocument(f"cannot read {path}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableDocument(f"{path} has nothing of the set {name}: it is no file of rivals, or another set's") from error
    found = {}
    for direction, systems in directions:
        reached = {
            system: float(row["ndcg10"])
            for system, row in (systems.items() if isinstance(systems, dict) else ())
            if isinstance(row, dict) and isinstance(row.get("ndcg10"), int | float)
        }
        if reached:
            best = max(reached, key=lambda system: reached[system])
            found[direction] = (best, reached[best])
    return found


def load(folder: Path) -> EvaluationSet:
    """Read a set. Raises `UnreadableDocument` naming the file and line that does not fit the layout, or what the set lacks."""
    corpus = next((path for path in (folder / "corpus.jsonl", folder / "corpus.jsonl.gz") if path.is_file()), None)
    if corpus is None:
        raise UnreadableDocument(f"{folder} is no evaluation set: it has no corpus.jsonl")
    for name in ("queries.jsonl", "qrels.tsv"):
        if not (folder / name).is_file():
            raise UnreadableDocument(f"{folder} is no evaluation set: it has no {name}")
    grades = _grades(folder / "qrels.tsv")
    langs = {fields["_id"]: str(fields.get("lang") or "und") for fields in _lines(corpus, "_id", "text")}
    questions = tuple(_questions(folder / "queries.jsonl", grades))
    unanswerable = folder / "queries_unanswerable.jsonl"
    without = tuple(_questions(unanswerable, {})) if unanswerable.is_file() else ()
    found = EvaluationSet(folder.resolve().name, corpus, questions, langs, without)
    if not found.judged("mix"):
        raise UnreadableDocument(f"{folder} is no evaluation set: qrels.tsv judges none of the questions in queries.jsonl")
    return found


def _questions(path: Path, grades: Mapping[str, Mapping[str, int]]) -> Iterator[Question]:
    for fields in _lines(path, "_id", "text"):
        answers: object = fields.get("answers")
        texts = tuple(one for one in answers if isinstance(one, str)) if isinstance(answers, list) else ()
        yield Question(fields["_id"], fields["text"], str(fields.get("lang") or "und"), grades.get(fields["_id"], {}), texts)


def _grades(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for number, line in _numbered(path):
        row = line.rstrip("\r\n").split("\t")
        grade = _GRADE.fullmatch(row[-1])
        if number == 1 and not grade:
            continue  # the header
        if len(row) != 3 or not grade:
            raise UnreadableDocument(f"{path.name}, line {number}: not query, corpus item, grade: {line.strip()[:80]!r}")
        found.setdefault(row[0], {})[row[1]] = int(row[2])
    return found


def _lines(path: Path, *needed: str) -> Iterator[dict[str, str]]:
    for number, line in _numbered(path):
        try:
            fields = json.loads(line)
            missing = [key for key in needed if not isinstance(fields.get(key), str)]
        except (ValueError, AttributeError, RecursionError) as error:
            raise UnreadableDocument(f"{path.name}, line {number}: {error}") from error
        if missing:
            raise UnreadableDocument(f"{path.name}, line {number}: '{missing[0]}' is missing or not text")
        yield fields


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that is plain or gzipped, from 1; blank ones are passed over."""
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(f"{path.name}, line {number}: is not UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableDocument(f"{path.name} cannot be read to its end: {error}") from error
