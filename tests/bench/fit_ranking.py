"""Fit the weights of `index.fuse` on judged sets, validate them between sets, and print the ablation table.

    python tests/bench/fit_ranking.py SET_DIR... [--peers peers.json] [--questions 400]

Every direction of every set counts alike. The evidence is what `index.evidence` gives, so what is fitted is what runs. The
loss is that of a softmax over the passages found for a question: each passage that answers against all that do not. "Left out"
columns are measured with weights fitted on the other sets alone. Nothing is written: put the weights into index/fuse.py.

Where a question's own translation stands in the corpus (tatoeba), the mixed directions are measured and not fitted on: a
sentence is not an answer to itself.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from embed import bundled, load
from index import evaluate, judgements, measures
from index.evidence import gather as collect
from index.evidence import understand
from index.fuse import OTHER, SAME, features
from index.reader import Filters
from index.search import Searcher

NAMES = ("cosine", "near_cosine", "near_words", "near_terms", "near_translations", "prior")
NOT_FITTED = ("tatoeba_fr_en", "mix")
DEPTH = 60


@dataclass
class Asked:
    """One question of one direction: a row of evidence for each passage, twice as wide as `features`, and its items."""

    row: str
    evidence: np.ndarray
    items: list[str]
    grades: dict[str, int]


def gather(folder: Path, encoder: object, questions: int) -> tuple[str, list[Asked]]:
    """The evidence for up to so many questions of each direction of a set."""
    chosen = judgements.load(folder)
    index = evaluate.prepare(chosen, bundled.default_cache() / "evaluate", encoder)  # type: ignore[arg-type]
    found = []
    with Searcher(index, encoder) as searcher:  # type: ignore[arg-type]
        snapshot = searcher.reader.snapshot()
        for direction in chosen.directions():
            if direction == "mix":
                continue
            lang = direction.rpartition("-")[2]
            judged = chosen.judged(direction)
            random.Random(2).shuffle(judged)
            for question in judged[:questions]:
                filters = Filters(lang=None if lang == "mix" else lang)
                asked = understand(question.text, searcher.encoder, snapshot)
                evidence, _ = collect(asked, DEPTH, filters, snapshot)
                rows, other = features(evidence), evidence.other[:, np.newaxis]
                keys = searcher.reader.store.entry_keys(evidence.ids.tolist())
                wide = np.concatenate([np.where(other, 0, rows), np.where(other, rows, 0)], axis=1)
                found.append(Asked(direction, wide, [keys[i] for i in evidence.ids.tolist()], dict(question.grades)))
    return chosen.name, found


def fit(sets: dict[str, list[Asked]], columns: Sequence[int]) -> np.ndarray:
    """The weights of these columns (0 for the others) with the least loss, near those that are shipped."""
    counts: list[float] = []
    blocks, answers, owners = [], [], []
    for name, asked in sets.items():
        sizes = {row: sum(one.row == row for one in asked) for row in {one.row for one in asked}}
        for one in asked:
            right = np.array([one.grades.get(item, 0) > 0 for item in one.items])
            if (name == NOT_FITTED[0] and one.row.endswith(NOT_FITTED[1])) or right.all() or not right.any():
                continue
            blocks.append(one.evidence[:, columns])
            answers.append(right)
            owners.append(np.full(len(right), len(counts)))
            counts.append(1 / sizes[one.row])
    x, y = torch.tensor(np.concatenate(blocks), dtype=torch.float32), torch.tensor(np.concatenate(answers))
    owner, share = torch.tensor(np.concatenate(owners)), torch.tensor(counts, dtype=torch.float32)
    share /= share.sum()
    start = torch.tensor(shipped()[columns], dtype=torch.float32)
    weights = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")
    none = torch.zeros(len(counts))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        odds = x @ weights
        top = torch.full((len(counts),), -1e9).scatter_reduce(0, owner, odds, "amax").detach()
        wrong = torch.log(none.index_add(0, owner, torch.exp(odds - top[owner]) * ~y) + 1e-9) + top
        right = odds[y]
        loss = torch.logaddexp(wrong[owner[y]], right) - right
        each = none.index_add(0, owner[y], loss) / none.index_add(0, owner[y], torch.ones(len(right)))
        total = (each * share).sum() + 3e-4 * ((weights - start) ** 2).sum()
        total.backward()
        return total

    optimizer.step(closure)
    found = np.zeros(2 * len(NAMES))
    found[columns] = weights.detach().numpy()
    return found


def calibrate(sets: dict[str, list[Asked]], weights: np.ndarray) -> np.ndarray:
    """The same weights scaled and shifted so that the logistic of the sum is the share of passages that answer (Platt, 1999),
    over the ten best passages of each question, with half of the questions' answers taken away: a corpus does not hold
    everything.
    """
    odds, right = [], []
    for asked in sets.values():
        for number, one in enumerate(asked):
            answer = np.array([one.grades.get(item, 0) > 0 for item in one.items])
            kept = ~answer if number % 2 else np.ones(len(answer), dtype=bool)
            values = (one.evidence @ weights)[kept]
            best = np.argsort(-values)[:10]
            odds.extend(values[best])
            right.extend(answer[kept][best])
    x, y = torch.tensor(np.array(odds)), torch.tensor(np.array(right), dtype=torch.float64)
    line = torch.tensor([0.5, -5.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(line[0] * x + line[1], y)
        loss.backward()
        return loss

    optimizer.step(closure)
    scale, shift = line.detach().numpy()
    found: np.ndarray = weights * scale
    found[[len(NAMES) - 1, 2 * len(NAMES) - 1]] += shift
    return found


def rate(sets: dict[str, list[Asked]], weights: np.ndarray) -> dict[tuple[str, str], float]:
    """The mean nDCG@10 of each direction of each set."""
    found: dict[tuple[str, str], list[float]] = {}
    for name, asked in sets.items():
        for one in asked:
            order = np.argsort(-(one.evidence @ weights), kind="stable")
            ranked = list(dict.fromkeys(one.items[place] for place in order))
            found.setdefault((name, one.row), []).append(measures.ndcg(ranked, one.grades))
    return {row: float(np.mean(values)) for row, values in found.items()}


def mean(rows: dict[tuple[str, str], float]) -> float:
    """Over all directions of all sets."""
    return float(np.mean(list(rows.values())))


def shipped() -> np.ndarray:
    """The weights in index/fuse.py."""
    return np.array([getattr(weights, name) for weights in (SAME, OTHER) for name in NAMES])


def main() -> None:
    """Gather, fit, validate, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--questions", type=int, default=400)
    given = parser.parse_args()
    encoder = load()
    sets = dict(gather(folder, encoder, given.questions) for folder in given.sets)
    peers = json.loads(given.peers.read_text()) if given.peers else {}
    every = [
        column for column in range(2 * len(NAMES)) if NAMES[column % len(NAMES)] != "near_translations" or column > len(NAMES)
    ]

    fitted = fit(sets, every)
    left_out: dict[tuple[str, str], float] = {}
    for name in sets:
        others = {other: asked for other, asked in sets.items() if other != name}
        left_out |= rate({name: sets[name]}, fit(others, every))
    print("weights:", dict(zip(NAMES, fitted[: len(NAMES)].round(3).tolist(), strict=True)))
    print("in another language:", dict(zip(NAMES, fitted[len(NAMES) :].round(3).tolist(), strict=True)))
    for name, side in zip(("calibrated:", "in another language:"), np.split(calibrate(sets, fitted), 2), strict=True):
        print(name, dict(zip(NAMES, side.round(3).tolist(), strict=True)))

    alone, without = {}, {}
    prior = [len(NAMES) - 1, 2 * len(NAMES) - 1]
    for number, name in enumerate(NAMES[:-1]):
        pair = [column for column in (number, number + len(NAMES)) if column in every]
        alone[name] = rate(sets, fit(sets, sorted([*pair, *prior])))
        without[name] = rate(sets, fit(sets, [column for column in every if column not in pair]))
    without["prior"] = rate(sets, fit(sets, [column for column in every if column not in prior]))
    print(f"\n| evidence | alone | without |\n|---|---|---|\n| all | {mean(rate(sets, fitted)):.4f} | |")
    for name in NAMES:
        print(f"| {name} | {mean(alone[name]) if name in alone else float('nan'):.4f} | {mean(without[name]):.4f} |")

    print("\n| set | direction | fitted | left out | shipped | best rival |\n|---|---|---|---|---|---|")
    ours, now = rate(sets, fitted), rate(sets, shipped())
    for (name, row), value in ours.items():
        rivals = [rival["ndcg10"] for rival in peers.get(name, {}).get(row, {}).values()]
        rival = f"{max(rivals):.3f}" if rivals else ""
        print(f"| {name} | {row} | {value:.3f} | {left_out[name, row]:.3f} | {now[name, row]:.3f} | {rival} |")
    print(f"| mean | | {mean(ours):.4f} | {mean(left_out):.4f} | {mean(now):.4f} | |")


if __name__ == "__main__":
    main()
