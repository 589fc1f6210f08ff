"""What the commands do that ask the index: for hits, answers, files, counts and entries."""
# ruff: noqa: T201 - printing is what a command line is for

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from api import console
from api.commands import INTERRUPTED
from api.commands.chosen import open_encoder, open_store, require_index
from api.commands.written import written
from api.settings import Settings
from embed import EmbedError
from index.errors import FilrougeError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from index.reader import Filters
    from index.search import Searcher


def _narrowed(given: argparse.Namespace, question: str, settings: Settings) -> tuple["Filters", datetime | None]:
    """The filters and the moment that were asked for. What can be said without a model is said here, before one is loaded."""
    from api.schemas import make_filters, make_moment
    from index import dates, operators
    from index.search import check

    with open_store(settings) as store:
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
    with Searcher(settings.place, open_encoder(settings, threads=1), settings.asked_tier) as searcher:
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
    with Searcher(settings.place, open_encoder(settings, threads=1), settings.asked_tier) as searcher:
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
    with written(given.out) as file, open_store(settings) as store:
        # What can be said without a model is said before one is loaded.
        check(asked, store)
        if asked.q is None:
            export = Export(asked, select_published(asked, store))
            _write(export.parts(), file)
        else:
            with Searcher(settings.place, open_encoder(settings, threads=1), settings.asked_tier) as searcher:
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
    with open_store(settings) as store:
        rows = prepare(given.questions.read_bytes(), asked, store)
    # Beside the file itself, where a link leads to one.
    partial = given.out and given.out.resolve().with_name(f"{given.out.resolve().name}.partial")
    batch: Batch | None = None
    stopped: BaseException | None = None
    try:
        with (
            written(given.out, partial) as file,
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

    require_index(settings)
    ranks = given.query is not None
    if given.query is not None:
        check_question(given.query)
        # Its words are the same in every zone.
        ranks = given.literal or not operators.read(given.query, UTC).alone
    return Searcher(settings.place, open_encoder(settings, threads=1) if ranks else None, settings.asked_tier)


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


def run_versions(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge versions`."""
    with open_store(settings) as store:
        versions = store.versions(given.entry, store.generation())
    if given.json:
        from api.schemas import versions_out

        print(versions_out(versions).model_dump_json())
    else:
        console.versions(versions)
    return 0
