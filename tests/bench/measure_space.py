"""Measure the means of the default model on the development sets: python tests/bench/measure_space.py SET_DIR...

Writes index/MODEL.space.json (`index.space`). Every set counts alike, whatever its size; of a set, 400 texts of each kind and
language are read, drawn by lot with a fixed seed.
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

import numpy as np

from embed import load
from embed.encoder import Reading
from index.chunk import context, cut
from index.language import LANGUAGES
from index.space import KINDS, Space, word_spans

ROOT = Path(__file__).resolve().parents[2]
TEXTS = 400


def lines(path: Path) -> list[dict[str, str]]:
    """The lines of a JSON Lines file in French or English, in an order drawn by lot."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    random.Random(1).shuffle(found)
    return [one for one in found if one.get("lang") in LANGUAGES]


def main() -> None:
    """Read the sets, and write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path)
    given = parser.parse_args()
    encoder = load()
    sums: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)

    def take(kind: str, lang: str, readings: list[Reading]) -> None:
        sums[kind, lang].append(np.mean([one.vector for one in readings], axis=0))
        sums[f"{kind} word", lang].append(np.concatenate([one.words for one in readings]).mean(axis=0))

    for folder in given.sets:
        questions: dict[str, list[str]] = defaultdict(list)
        passages: dict[str, list[str]] = defaultdict(list)
        for one in lines(folder / "queries.jsonl"):
            questions[one["lang"]].append(one["text"])
        for one in lines(folder / "corpus.jsonl"):
            if len(passages[one["lang"]]) < TEXTS:
                title, text = one.get("title") or "", one["text"]
                spans = cut(title, text, encoder.count_tokens, encoder.card.token_limit)
                passages[one["lang"]].extend(context(title, text[start:end]) for start, end in spans)
        for lang in LANGUAGES:
            if some := questions[lang][:TEXTS]:
                take("question", lang, encoder.read_queries(some, [word_spans(text) for text in some]))
            if some := passages[lang][:TEXTS]:
                take("passage", lang, encoder.read_passages(some, [word_spans(text) for text in some]))
        print(folder.name, {lang: (len(questions[lang]), len(passages[lang])) for lang in LANGUAGES}, flush=True)
    space = Space({kind: {lang: np.mean(sums[kind, lang], axis=0) for lang in LANGUAGES} for kind in KINDS})
    target = ROOT / "index" / f"{encoder.card.name}.space.json"
    target.write_text(json.dumps({"revision": encoder.card.revision, "means": json.loads(space.to_json())}) + "\n")


if __name__ == "__main__":
    main()
