"""What each command of `filrouge` does: a function each, from its arguments and the settings to its exit status."""
# ruff: noqa: T201 - printing is what a command line is for

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from api import console
from api.settings import Settings
from embed import EmbedError, Encoder
from index.errors import FilrougeError, StorageError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from embed.bench import Comparison
    from index.carried import CarriedVectors
    from index.documents import Facts
    from index.ingest import Report
    from index.place import Place
    from index.reader import Filters
    from index.search import Searcher
    from index.store_view import StoreView

INTERRUPTED = 130


def open_encoder(settings: Settings, threads: int | None = None, place: "Place | None" = None) -> Encoder:
    """The model that was asked for; else the one that the index was built with, at `place` or where questions are asked; else
    the default. For `threads` see `load`.
    """
    from index.own_model import own_encoder

    asked_for = settings.model if "model" in settings.model_fields_set else None
    return own_encoder(place or settings.place, asked_for, settings.device, settings.cache, threads)


def _store(settings: Settings) -> "StoreView":
    """The index that is asked, for what needs no model."""
    from index.place import store_of

    return store_of(settings.place)


def _require_index(settings: Settings) -> None:
    """Raise what opening the index would, before anything is loaded that takes long."""
    with _store(settings):
        pass


def _publish(settings: Settings) -> None:
    """Bring the server to what the folder holds, where the index is asked on a server."""
    from index.milvus import Server

    if isinstance(settings.place, Server):
        from index.publish import publish

        with console.progress("publishing") as bar:
            publish(settings.index, settings.place, bar.passages)


def _facts(given: argparse.Namespace, settings: Settings) -> "Facts":
    from index.documents import Facts

    return Facts(tz=settings.tz, day=given.date)


def _ingest(given: argparse.Namespace, settings: Settings, encoder: Encoder) -> "Report":
    from index.ingest import ingest

    with _carried(given, encoder) as carried, console.progress("indexing") as bar:
        report = ingest(given.paths, settings.index, encoder, _facts(given, settings), bar.report, carried, settings.asked_tier)
    if report.generation:
        _publish(settings)
    return report


@contextmanager
def _carried(given: argparse.Namespace, encoder: Encoder) -> Iterator["CarriedVectors | None"]:
    """The file of vectors that was named, if any."""
    if getattr(given, "vectors", None) is None:
        yield None
        return
    from index.carried import CarriedVectors

    with CarriedVectors(given.vectors, encoder.card) as carried:
        yield carried


def run_index(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge index`."""
    return _told(given, _ingest(given, settings, open_encoder(settings, place=settings.index)))


def run_backfill(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge backfill`."""
    from index.backfill import Cluster, Model, backfill

    encoder = open_encoder(settings, place=settings.index)
    # A folder's model is not found by the name on its card.
    name = settings.model if "model" in settings.model_fields_set else encoder.card.name
    model = Model(name, settings.device, settings.cache)
    # Another process has another working folder.
    paths, files = [path.absolute() for path in given.paths], given.shards.absolute()
    cluster = Cluster(given.address, given.cpus)
    facts = _facts(given, settings)
    with console.progress("embedding") as embedded, console.progress("indexing") as bar:
        report = backfill(paths, settings.index, files, encoder, model, facts, cluster, bar.report, embedded.count)
    _publish(settings)
    return _told(given, report)


def _told(given: argparse.Namespace, report: "Report") -> int:
    """Say what was indexed, and return the exit status."""
    if given.json:
        from api.schemas import report_out

        print(report_out(report).model_dump_json())
    else:
        console.report(report)
    console.failures(report)
    return 1 if report.failures else 0


def _narrowed(given: argparse.Namespace, question: str, settings: Settings) -> tuple["Filters", datetime | None]:
    """The filters and the moment that were asked for. What can be said without a model is said here, before one is loaded."""
    from api.schemas import make_filters, make_moment
    from index import dates, operators
    from index.search import check

    with _store(settings) as store:
        zone = dates.zone(store.zone())
        as_of = make_moment(zone, given.as_of)
        if as_of:
            zone = dates.zone(store.zone(store.generation_at(as_of)))
    filters = make_filters(zone, given.lang, given.since, given.until, given.source)
    check(question, given.k, filters)
    if not given.literal:
        operators.read(question, zone).narrowed(filters)
    return filters, as_of


def run_ask(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge ask`."""
    from api.answers import answer_out
    from index.answer import ask, seen_from
    from index.search import Searcher

    filters, as_of = _narrowed(given, given.question, settings)
    least = settings.threshold if given.threshold is None else given.threshold
    with Searcher(settings.place, open_encoder(settings), settings.asked_tier) as searcher:
        now = seen_from(searcher, given.now, as_of)
        answer = ask(searcher, given.question, given.k, filters, as_of, now, least, literal=given.literal)
    if given.json:
        print(answer_out(answer).model_dump_json())
    else:
        console.answer(answer)
    return 0


def run_search(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge search`."""
    from api.schemas import search_out
    from index.search import Searcher

    filters, as_of = _narrowed(given, given.query, settings)
    with Searcher(settings.place, open_encoder(settings), settings.asked_tier) as searcher:
        results = searcher.search(given.query, given.k, filters, as_of, cursor=given.cursor, literal=given.literal)
    if given.json:
        print(search_out(results).model_dump_json())
    else:
        console.results(results, given.explain)
    return 0


def run_export(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge export`."""
    from api.exports import Export, ExportQuery, check, select, select_published
    from index.search import Searcher

    _require_out(given)
    fields = {name: getattr(given, name) for name in ExportQuery.model_fields if name != "q"}
    # The parser of the command line has checked each of them.
    asked = ExportQuery.model_construct(q=given.query, **fields)
    with _written(given.out) as file, _store(settings) as store:
        # What can be said without a model is said before one is loaded.
        check(asked, store)
        if asked.q is None:
            export = Export(asked, select_published(asked, store))
            _write(export.parts(), file)
        else:
            with Searcher(settings.place, open_encoder(settings), settings.asked_tier) as searcher:
                export = Export(asked, select(asked, searcher))
                _write(export.parts(), file)
    about = export.about()
    if given.json:
        print(json.dumps({"file": str(given.out), **about.model_dump()}, ensure_ascii=False))
    console.exported(about)
    return 0


def run_batch(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge batch`."""
    from api.batch import Batch, BatchQuery, prepare
    from index.search import Searcher, check_k

    _require_out(given)
    check_k(given.k)
    # The parser of the command line has checked each of them.
    asked = BatchQuery.model_construct(**{name: getattr(given, name) for name in BatchQuery.model_fields})
    with _store(settings) as store:
        rows = prepare(given.questions.read_bytes(), asked, store)
    # Beside the file itself, where a link leads to one.
    partial = given.out and given.out.resolve().with_name(f"{given.out.resolve().name}.partial")
    batch: Batch | None = None
    stopped: BaseException | None = None
    try:
        with (
            _written(given.out, partial) as file,
            Searcher(settings.place, open_encoder(settings), settings.asked_tier) as searcher,
            console.progress("asking") as bar,
        ):
            batch = Batch(rows, asked, searcher, settings.threshold, bar.count)
            _write(batch.parts(), file)
    except (FilrougeError, EmbedError, KeyboardInterrupt) as error:
        if batch is None or batch.about().asked == 0:
            raise
        stopped = error
    about = batch.about()
    kept = stopped and partial and partial.exists()
    if given.json:
        print(json.dumps({"file": str(partial if kept else given.out), **about.model_dump()}, ensure_ascii=False))
    console.batch(about)
    if stopped:
        where = f"in {partial}" if kept else "written"
        print(f"filrouge: broken off after {about.asked}, which are {where}: {str(stopped) or 'interrupted'}", file=sys.stderr)
    if isinstance(stopped, KeyboardInterrupt):
        return INTERRUPTED
    return 1 if stopped or about.failed else 0


def _require_out(given: argparse.Namespace) -> None:
    """Refuse `--json` where the output is the file itself."""
    if given.json and given.out is None:
        raise FilrougeError("--json says what was written to a file: name one with --out")


def _write(parts: Iterable[str], file: TextIO | None) -> None:
    """Write a file, or the standard output, which is UTF-8 whatever the terminal speaks."""
    for part in parts:
        if file:
            file.write(part)
        else:
            sys.stdout.buffer.write(part.encode())


def run_histogram(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge histogram`."""
    from api.counting import HistogramQuery
    from api.replies import counted_over_time

    with _counting(given, settings) as searcher:
        found = counted_over_time(searcher, HistogramQuery.model_construct(**_asked(given, HistogramQuery)))
    if given.json:
        print(found.model_dump_json())
    else:
        console.histogram(found)
    return 0


def run_facets(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge facets`."""
    from api.counting import CountQuery
    from api.replies import counted_by_facets

    with _counting(given, settings) as searcher:
        found = counted_by_facets(searcher, CountQuery.model_construct(**_asked(given, CountQuery)))
    if given.json:
        print(found.model_dump_json())
    else:
        console.facets(found)
    return 0


def _asked(given: argparse.Namespace, kind: "type[BaseModel]") -> dict[str, Any]:
    """What a reply is asked for with; the parser of the command line has checked it."""
    return {name: given.query if name == "q" else getattr(given, name) for name in kind.model_fields}


def _counting(given: argparse.Namespace, settings: Settings) -> "Searcher":
    """The index, with its model where there are words to rank by."""
    from datetime import UTC

    from index import operators
    from index.search import Searcher, check_question

    _require_index(settings)
    ranks = given.query is not None
    if given.query is not None:
        check_question(given.query)
        # Its words are the same in every zone.
        ranks = given.literal or not operators.read(given.query, UTC).alone
    return Searcher(settings.place, open_encoder(settings) if ranks else None, settings.asked_tier)


def run_similar(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge similar`."""
    from api.nearby import SimilarQuery
    from api.replies import near
    from index.search import Searcher

    with Searcher(settings.place, None, settings.asked_tier) as searcher:
        found = near(searcher, given.entry, SimilarQuery.model_construct(**_asked(given, SimilarQuery)))
    if given.json:
        print(found.model_dump_json())
    else:
        console.similar(found)
    return 0


def run_follow(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge follow`."""
    from api.schemas import look_out
    from index.fetch import Fetcher
    from index.follow import follow, target

    # What can be said without a model is said before one is loaded.
    facts = _facts(given, settings)
    shown = target(given.page, facts).shown
    encoder = open_encoder(settings, place=settings.index)
    status = 0
    fetcher = Fetcher(given.allow_loopback)
    for look in follow(given.page, settings.index, encoder, facts, given.every, given.times, fetcher):
        status = 1 if look.outcome == "failed" else 0
        try:
            if look.outcome != "failed":
                _publish(settings)
        except StorageError as error:
            # What was read is in the folder: the next look publishes it.
            print(f"filrouge: {error}", file=sys.stderr)
            status = 1
        if given.json:
            print(look_out(look).model_dump_json(), flush=True)
        else:
            console.look(shown, look)
    return status


def run_versions(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge versions`."""
    with _store(settings) as store:
        versions = store.versions(given.entry, store.generation())
    if given.json:
        from api.schemas import versions_out

        print(versions_out(versions).model_dump_json())
    else:
        console.versions(versions)
    return 0


def run_serve(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge serve`."""
    from api import server

    # The port and the index first: a model is long to load for nothing.
    if not given.paths:
        _require_index(settings)
    with server.listen(settings.host, settings.port, settings.keys, alone=settings.workers == 1) as listener:
        encoder = None
        if given.paths:
            encoder = open_encoder(settings, place=settings.index)
            report = _ingest(given, settings, encoder)
            console.report(report, sys.stderr)
            console.failures(report)
            if report.failures and report.generation == 0:
                return 1
        if settings.workers == 1:
            return server.serve(listener, settings, encoder or open_encoder(settings))
        from api import workers

        # Each worker has a model of its own.
        del encoder
        return workers.serve(listener, settings)


def run_keys(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge keys`."""
    from datetime import UTC

    from api import keys
    from index import dates

    path = settings.keys
    if given.what == "list":
        known = keys.read(path) if path.exists() else ()
        if given.json:
            print(json.dumps({"file": str(path), "keys": [one.model_dump(mode="json", exclude={"sha256"}) for one in known]}))
        else:
            console.keys(path, known)
        return 0
    if given.name is None:
        raise FilrougeError(f"which key? filrouge keys {given.what} NAME")
    if given.what == "add" and given.scope is None:
        raise FilrougeError("what may be done with the key? give --scope read, --scope write or --scope admin")
    if given.what != "add" and (given.scope or given.expires):
        raise FilrougeError(f"--scope and --expires are for keys add; keys {given.what} leaves both as they are")
    if given.what == "revoke":
        keys.revoke(path, given.name)
        told, made = f"{given.name}: revoked in {path}", None
    else:
        expires = dates.moment(given.expires, dates.zone(settings.tz), "expires").astimezone(UTC) if given.expires else None
        made = (
            keys.add(path, given.name, keys.Scope(given.scope), expires)
            if given.what == "add"
            else keys.rotate(path, given.name)
        )
        told = f"{given.name}: in {path}. This is the only time that the key is shown; servers take it from now on."
    if given.json:
        print(json.dumps({"file": str(path), "name": given.name, "key": made}))
    else:
        # The key alone on the output, so that it can be piped to where it is kept.
        print(told, file=sys.stderr)
        if made:
            print(made)
    return 0


def run_mcp(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge mcp`."""
    from embed.batching import BatchingEncoder
    from index.search import Searcher

    # What can be said without a model is said before one is loaded.
    _require_index(settings)
    from api.mcp import serve_stdio

    # A chatbot asks several things at once.
    tier = settings.asked_tier
    with BatchingEncoder(open_encoder(settings)) as encoder, Searcher(settings.place, encoder, tier, growing=True) as searcher:
        serve_stdio(searcher, settings.threshold)
    return 0


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
    with _written(given.run) as file, _written(given.answers) as answers_file:
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


@contextmanager
def _written(path: Path | None, partial: Path | None = None) -> Iterator[TextIO | None]:
    """A file that is there whole when the block ends, or is left as it was; refused before the long work when it cannot be.
    What was written of it until the block failed is kept as `partial`, if that is given.
    """
    if path is None:
        yield None
        return
    # A pipe or a device has nothing to be left as it was.
    plain = path.is_file() or not path.exists()
    # Beside the file itself, where a link leads to one.
    real = path.resolve() if plain else path
    part = real.with_name(f".{real.name}.part") if plain else real
    try:
        # Lines end as they are written: CSV and RIS have ends of their own.
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        if plain:
            part.replace(real)
    except OSError as error:
        raise FilrougeError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if plain:
            # Once it is whole, there is no part.
            with suppress(OSError):
                if partial and part.stat().st_size:
                    part.replace(partial)
                else:
                    part.unlink()


def run_bench(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge bench`."""
    from embed import load
    from embed.bench import Rival, embedding, processes
    from embed.compiled import CompiledEncoder
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
        # Torch on the same device: on a CPU without the export.
        device = "torch" if isinstance(encoder, CompiledEncoder) else settings.device
        rival = Rival(load(settings.model, device, settings.cache))
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


def run_vectors(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge vectors`."""
    from index import carried
    from index.store import Store

    with Store.open(settings.index) as store:
        name, count = store.card().name, carried.write(store, given.file)
    if given.json:
        print(json.dumps({"model": name, "vectors": count}))
    else:
        print(f"{count} vectors of {name} written to {given.file}")
    return 0


def run_migrate(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge migrate`."""
    from index.migrate import migrate
    from index.place import place_of

    source, target = (place_of(text, settings.secret, settings.engine_timeout) for text in (given.source, given.target))
    questions = None
    if given.questions is not None:
        questions = given.questions.read_text(encoding="utf-8").splitlines()
    encoder = open_encoder(settings, place=source)
    with console.progress("copying") as bar:
        done = migrate(source, target, encoder, questions, given.sample, bar.stage, given.shards)
    if given.json:
        print(json.dumps({"from": str(source), "to": str(target), **dataclasses.asdict(done)}))
    else:
        print(f"{done.entries} entries, {done.passages} passages copied to {target}, generation {done.generation}")
        print(f"{done.questions} questions find the same there, with the same scores")
    return 0
