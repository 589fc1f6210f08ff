"""Evaluation sets in the BEIR layout: a folder with `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`."""

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from index.errors import UnreadableDocument

DIRECTIONS = ("fr-fr", "en-en", "fr-en", "en-fr", "fr-mix", "en-mix", "mix")
"""Language of the questions - language of the passages; `mix` is every passage, and alone also every question."""


@dataclass(frozen=True)
class Question:
    """A judged question."""

    id: str
    text: str
    lang: str
    grades: Mapping[str, int]


@dataclass(frozen=True)
class EvaluationSet:
    """What a folder holds. `langs` has the language of every corpus item by its id."""

    name: str
    corpus: Path
    questions: tuple[Question, ...]
    langs: Mapping[str, str]

    def directions(self) -> list[str]:
        """Those that this set can measure: with questions and judged passages in the languages, and no two alike."""
        asked = {question.lang for question in self.questions}
        if len(set(self.langs.values())) == 1 and len(asked) == 1:
            return [f"{min(asked)}-{min(self.langs.values())}"]
        return [direction for direction in DIRECTIONS if self.judged(direction)]

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
                found.append(Question(question.id, question.text, question.lang, grades))
        return found

    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of the corpus file."""
        with self.corpus.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def load(folder: Path) -> EvaluationSet:
    """Read a set. Raises `UnreadableDocument` naming the file and line that does not fit the layout."""
    corpus = next((path for path in (folder / "corpus.jsonl", folder / "corpus.jsonl.gz") if path.is_file()), None)
    if corpus is None:
        raise UnreadableDocument(f"{folder} is no evaluation set: it has no corpus.jsonl")
    for name in ("queries.jsonl", "qrels.tsv"):
        if not (folder / name).is_file():
            raise UnreadableDocument(f"{folder} is no evaluation set: it has no {name}")
    grades: dict[str, dict[str, int]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
            if number == 1 and row[-1:] and not row[-1].lstrip("-").isdigit():
                continue  # the header
            if len(row) != 3 or not row[2].lstrip("-").isdigit():
                raise UnreadableDocument(f"qrels.tsv, line {number}: not query, corpus item, grade: {row}")
            grades.setdefault(row[0], {})[row[1]] = int(row[2])
    langs = {fields["_id"]: str(fields.get("lang") or "und") for fields in _lines(corpus, "_id", "text")}
    questions = tuple(
        Question(fields["_id"], fields["text"], str(fields.get("lang") or "und"), grades.get(fields["_id"], {}))
        for fields in _lines(folder / "queries.jsonl", "_id", "text")
    )
    return EvaluationSet(folder.resolve().name, corpus, questions, langs)


def _lines(path: Path, *needed: str) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
                missing = [key for key in needed if not isinstance(fields.get(key), str)]
            except (ValueError, AttributeError) as error:
                raise UnreadableDocument(f"{path.name}, line {number}: {error}") from error
            if missing:
                raise UnreadableDocument(f"{path.name}, line {number}: '{missing[0]}' is missing or not text")
            yield fields
