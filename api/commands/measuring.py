"""What the commands do that measure: how good is it, and how fast?"""
# ruff: noqa: T201 - printing is what a command line is for

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from api import console
from api.commands.written import written
from api.settings import Settings
from embed import Encoder
from index.errors import FilrougeError

if TYPE_CHECKING:
    from embed.bench import Comparison


def run_evaluate(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge evaluate`."""
    from embed import load
    from index import evaluate, evaluate_answers, judgements
    from index.answer import THRESHOLD
    from index.search import Searcher

    chosen = judgements.load(given.set)
    directions = [given.direction] if given.direction else chosen.directions()
    rivals = judgements.rivals(given.peers, chosen.name) if given.peers else {}
    encoder = load(settings.model, settings.device, settings.cache)
    measured, answers = {}, None
    threshold = THRESHOLD if settings.threshold is None else settings.threshold
    with written(given.run) as file, written(given.answers) as answers_file:
        with console.progress("indexing") as bar:
            folder = evaluate.prepare(chosen, settings.cache / "evaluate", encoder, bar.report)
        with Searcher(folder, encoder) as searcher:
            for direction in directions:
                with console.progress(f"asking {direction}") as bar:
                    scored = evaluate.run(chosen, direction, searcher, bar.count)
                measured[direction] = evaluate.as_row(evaluate.measure(scored))
                if file and (direction == "mix" or len(directions) == 1):
                    evaluate.write_trec(scored, file)
            if answers_file:
                with console.progress("answering") as bar:
                    tried = evaluate_answers.run(chosen, given.direction or "mix", searcher, threshold, bar.count)
                evaluate_answers.write(tried, answers_file)
                answers = evaluate_answers.as_row(evaluate_answers.measure(tried, threshold))
    if given.json:
        best = {row: {"system": name, "ndcg10": value} for row, (name, value) in rivals.items() if row in measured}
        print(
            json.dumps(
                {"set": chosen.name, "model": encoder.card.name, "directions": measured}
                | ({"rivals": best} if best else {})
                | ({"answers": answers} if answers else {})
            )
        )
    else:
        console.measures(chosen.name, measured, rivals)
        if answers:
            console.answers(answers)
    return 0


def run_bench(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge bench`."""
    from embed import load
    from embed.bench import Rival, embedding, processes
    from embed.compiled import CompiledEncoder
    from embed.sentence import SentenceEncoder
    from index import bench

    encoder = load(settings.model, settings.device, settings.cache)
    if given.what == "precision":
        found = _losing(given, settings, encoder)
    elif given.what == "read":
        found = bench.reading(encoder, given.documents or ())
    elif given.what == "serve":
        from api.bench import serving

        found = serving(encoder, settings.model, settings.cache)
    elif given.what == "search":
        from index.bench_vectors import searching

        with console.progress("measuring") as bar:
            found = searching(encoder.card.dimension, given.size, bar.tell)
    elif given.what == "walk":
        found = bench.walking(encoder)
    else:
        device = encoder.device if isinstance(encoder, SentenceEncoder) else "cpu"
        rival = Rival(load(settings.model, "torch", settings.cache), device)
        found = (embedding if given.what == "embed" else bench.ingesting)(encoder, rival)
        if given.what == "embed" and isinstance(encoder, CompiledEncoder):
            found.rows.extend(processes(encoder.folder, rival.model))
    if given.json:
        print(json.dumps(dataclasses.asdict(found)))
    else:
        console.comparison(found)
    return 0


def _losing(given: argparse.Namespace, settings: Settings, encoder: Encoder) -> "Comparison":
    from embed import load
    from index import bench, judgements

    if not given.sets:
        raise FilrougeError("precision is measured on judged questions: name folders that hold some with --sets")
    if given.questions < 1:
        raise FilrougeError(f"--questions is {given.questions}: ask at least one of each direction")
    sets = [judgements.load(folder) for folder in given.sets]
    exact = load(settings.model, "cpu", settings.cache, "float32")
    with console.progress("asking") as bar:
        return bench.losing(encoder, exact, sets, given.questions, settings.cache / "evaluate", bar.count)
