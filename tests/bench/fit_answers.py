"""Fit the weights of `index.confidence` on sets with answers and questions that have none, validate them between sets, and
print what they give.

    python tests/bench/fit_answers.py SET_DIR... [--outside queries_unanswerable.jsonl] [--questions 400]

Two things are fitted, each with few weights. Which sentence answers: a softmax over the sentences of the passages found for a
question, those that hold an answer in a judged passage against the others. Whether the corpus answers at all: a logistic
regression over the judged questions of a set against those of its `queries_unanswerable.jsonl` and of `--outside`, either side
counting alike; scaled and shifted afterwards so that it gives the share of first quotes that hold an answer (Platt, 1999).
"Left out" columns are measured with weights fitted on the other sets. Nothing is written: put the weights into
index/confidence.py.

Questions of `--outside` are asked in the languages that a set's own are asked in; those of the kind `miracl` are about what
encyclopedias tell, and are not asked of sets that have answers, which are made of one.
"""

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from embed import Encoder, bundled, load
from index import evaluate, judgements
from index.answer import THRESHOLD
from index.confidence import SENTENCE, TRUST, lead, logit
from index.evidence import understand
from index.judgements import EvaluationSet, Question
from index.measures import auroc, holds_answer
from index.question import Kind
from index.quotes import Sentence, Sought, read
from index.reader import Filters
from index.reread import READ
from index.search import Searcher

KINDS = tuple(kind for kind in Kind if kind is not Kind.OTHER)
SENTENCE_NAMES = ("passage", "words", "cover", *(kind.value for kind in KINDS))
TRUST_NAMES = ("lead", "words", "unknown", "prior")
STRICT = "squad2_en"
"""Its unanswerable questions are made to look answerable by a passage that is there: they are told apart, and not fitted on."""
ANSWERABLE, LEFT_OUT, OUTSIDE = "answerable", "left out", "outside"


@dataclass
class Tried:
    """A question, the evidence for each sentence that was read for it, and which of them answer."""

    kind: str
    known: bool
    """Whether its answers are known."""
    sentences: np.ndarray
    asks: np.ndarray
    right: np.ndarray
    lead: float
    unknown: int

    def first(self, weights: np.ndarray) -> int:
        """The place of the sentence that would be quoted first."""
        return int(np.lexsort((-(self.sentences @ weights), self.asks))[0])

    def trusted(self, weights: np.ndarray) -> list[float]:
        """What the weights of trust are multiplied with."""
        return [self.lead, self.sentences[self.first(weights), 1], self.unknown, 1.0]


def gather(folder: Path, encoder: Encoder, outside: Sequence[Mapping[str, str]], most: int) -> tuple[str, list[Tried]]:
    """What is read for up to so many questions of each kind."""
    chosen = judgements.load(folder)
    found = []
    with Searcher(evaluate.prepare(chosen, bundled.default_cache() / "evaluate", encoder), encoder) as searcher:
        for kind, question in asked(chosen, outside, most):
            tried = look(searcher, kind, question)
            if tried:
                found.append(tried)
    return chosen.name, found


def asked(chosen: EvaluationSet, outside: Sequence[Mapping[str, str]], most: int) -> Iterator[tuple[str, Question]]:
    """Questions of every kind for a set, as many of each at most, drawn by chance."""
    judged = chosen.judged("mix")
    langs, told = {question.lang for question in judged}, any(question.answers for question in judged)
    others = [
        Question(one["_id"], one["text"], one["lang"], {})
        for one in outside
        if one["lang"] in langs and not (told and one.get("kind") == "miracl")
    ]
    for kind, questions in ((ANSWERABLE, judged), (LEFT_OUT, list(chosen.unanswerable)), (OUTSIDE, others)):
        random.Random(2).shuffle(questions)
        yield from ((kind, question) for question in questions[:most])


def look(searcher: Searcher, kind: str, question: Question) -> Tried | None:
    """Ask as `index.answer.ask` does; None where nothing is read."""
    snapshot = searcher.snapshot(Filters())
    understood = understand(question.text, searcher.encoder, snapshot)
    hits = searcher.find(understood, READ, Filters(), snapshot)[0].hits
    sought = Sought.of(understood, snapshot)
    sentences = read(understood, sought, [(hit.passage, hit.unread) for hit in hits], snapshot)
    if not sentences:
        return None
    right = [bool(question.grades.get(one.passage.entry.key)) and holds_answer(one.text, question.answers) for one in sentences]
    asks = np.array([one.asks for one in sentences])
    rows = np.array([row(one) for one in sentences])
    ahead = lead(sentences, [hit.score for hit in hits])
    return Tried(kind, bool(question.answers), rows, asks, np.array(right), ahead, sought.unknown)


def row(sentence: Sentence) -> list[float]:
    """What the weights of a sentence are multiplied with."""
    names = [float(sentence.names and sentence.kind is kind) for kind in KINDS]
    return [logit(sentence.score), sentence.words, sentence.cover, *names]


def fit_sentences(sets: Mapping[str, Sequence[Tried]]) -> np.ndarray:
    """The weights with the least loss of a softmax over sentences, every set counting alike, near those that are shipped."""
    shares: list[float] = []
    blocks, owners, answers = [], [], []
    for tried in sets.values():
        usable = [one for one in tried if one.kind == ANSWERABLE and one.right.any() and not one.right.all()]
        for one in usable:
            blocks.append(one.sentences)
            answers.append(one.right)
            owners.append(np.full(len(one.right), len(shares)))
            shares.append(1 / len(usable))
    x, y = torch.tensor(np.concatenate(blocks)), torch.tensor(np.concatenate(answers))
    owner, share = torch.tensor(np.concatenate(owners)), torch.tensor(shares, dtype=torch.float64)
    start = torch.tensor(shipped()[0])
    weights = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")
    none = torch.zeros(len(shares), dtype=torch.float64)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        odds = x @ weights
        top = torch.full_like(none, -1e9).scatter_reduce(0, owner, odds, "amax").detach()
        mass = torch.exp(odds - top[owner])
        total, right = none.index_add(0, owner, mass), none.index_add(0, owner, mass * y)
        loss = ((total.log() - right.clamp_min(1e-12).log()) * share).sum() / share.sum()
        loss = loss + 1e-4 * ((weights - start) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return np.asarray(weights.detach())


def fit_trust(sets: Mapping[str, Sequence[Tried]], weights: np.ndarray) -> np.ndarray:
    """The weights that tell questions with an answer from those without, brought to the share of right first quotes."""
    rows, labels, shares, told, right = [], [], [], [], []
    for name, tried in sets.items():
        used = [one for one in tried if not (name == STRICT and one.kind == LEFT_OUT)]
        for side in (True, False):
            some = [one for one in used if (one.kind == ANSWERABLE) is side]
            for one in some:
                rows.append(one.trusted(weights))
                labels.append(side)
                shares.append(1 / len(some))
                told.append(one.known or not side)
                right.append(side and bool(one.right[one.first(weights)]))
    x, share = np.array(rows), np.array(shares)
    found = logistic(x, np.array(labels), share)
    # Where no answers are known only the order is learned.
    known = np.array(told)
    scale, shift = logistic(np.stack([x @ found, np.ones(len(x))], axis=1)[known], np.array(right)[known], share[known])
    fitted: np.ndarray = found * scale + np.array([0.0, 0.0, 0.0, shift])
    return fitted


def logistic(x: np.ndarray, y: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Logistic regression by Newton's method."""
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (share * (p - y))
        curve = (x.T * (share * p * (1 - p))) @ x + 1e-9 * np.eye(len(weights))
        weights -= np.linalg.solve(curve, slope)
    return weights


def shipped() -> tuple[np.ndarray, np.ndarray]:
    """The weights in index/confidence.py."""
    sentence = [SENTENCE.passage, SENTENCE.words, SENTENCE.cover, *(SENTENCE.names[kind] for kind in KINDS)]
    return np.array(sentence), np.array([getattr(TRUST, name) for name in TRUST_NAMES])


def first_right(tried: Sequence[Tried], weights: np.ndarray) -> float:
    """The share of the questions with known answers whose first quote holds one."""
    known = [one for one in tried if one.kind == ANSWERABLE and one.known]
    return float(np.mean([one.right[one.first(weights)] for one in known])) if known else float("nan")


def sureness(tried: Sequence[Tried], weights: np.ndarray, trust: np.ndarray, kind: str) -> list[float]:
    """The confidence in each question of a kind."""
    odds = np.array([one.trusted(weights) for one in tried if one.kind == kind]).reshape(-1, len(TRUST_NAMES)) @ trust
    return list(1 / (1 + np.exp(-odds)))


def refused(tried: Sequence[Tried], fitted: tuple[np.ndarray, np.ndarray], kind: str, threshold: float) -> tuple[float, float]:
    """Precision and recall of refusing a kind of questions, as if there were as many of them as answerable ones."""
    lost, found = (
        sum(value < threshold for value in some) / len(some)
        for some in (sureness(tried, *fitted, which) for which in (ANSWERABLE, kind))
    )
    return found / max(found + lost, 1e-9), found


def main() -> None:
    """Gather, fit, validate, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--outside", type=Path)
    parser.add_argument("--questions", type=int, default=400)
    given = parser.parse_args()
    outside = [json.loads(line) for line in given.outside.read_text().splitlines()] if given.outside else []
    encoder = load()
    sets = dict(gather(folder, encoder, outside, given.questions) for folder in given.sets)
    if sum(any(one.right.any() for one in tried) for tried in sets.values()) < 2:
        parser.error("each set is measured with weights fitted on the others: give two or more that have answers")

    weights = fit_sentences(sets)
    trust = fit_trust(sets, weights)
    print("sentence:", dict(zip(SENTENCE_NAMES, weights.round(2).tolist(), strict=True)))
    print("trust:", dict(zip(TRUST_NAMES, trust.round(3).tolist(), strict=True)))

    left_out = {}
    for name in sets:
        others = {other: tried for other, tried in sets.items() if other != name}
        theirs = fit_sentences(others)
        left_out[name] = theirs, fit_trust(others, theirs)
    print("\n| set | first quote right | left out | shipped |\n|---|---|---|---|")
    for name, tried in sets.items():
        shares = [first_right(tried, one) for one in (weights, left_out[name][0], shipped()[0])]
        if not np.isnan(shares[0]):
            print(f"| {name} | " + " | ".join(f"{share:.3f}" for share in shares) + " |")

    print("\n| set | unanswerable | AUROC | left out | shipped | refusal precision | recall |\n|---|---|---|---|---|---|---|")
    kinds = [(name, kind) for name, tried in sets.items() for kind in (LEFT_OUT, OUTSIDE) if any(t.kind == kind for t in tried)]
    for name, kind in kinds:
        cells = []
        for fitted in ((weights, trust), left_out[name], shipped()):
            right, wrong = (sureness(sets[name], *fitted, which) for which in (ANSWERABLE, kind))
            cells.append(f"{auroc(right, wrong):.3f}")
        cells += [f"{value:.2f}" for value in refused(sets[name], shipped(), kind, THRESHOLD)]
        print(f"| {name} | {kind} | " + " | ".join(cells) + " |")

    print("\n| threshold | refusal precision | recall |\n|---|---|---|")
    for threshold in np.arange(0.08, 0.42, 0.02):
        found = [
            refused(sets[name], left_out[name], kind, threshold) for name, kind in kinds if (name, kind) != (STRICT, LEFT_OUT)
        ]
        print(f"| {threshold:.2f} | " + " | ".join(f"{value:.3f}" for value in np.mean(found, axis=0)) + " |")


if __name__ == "__main__":
    main()
