"""What the commands do that bring entries in, or move what is held to another place."""
# ruff: noqa: T201 - printing is what a command line is for

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api import console
from api.commands.chosen import open_encoder
from api.settings import Settings
from embed import Encoder
from index.errors import StorageError

if TYPE_CHECKING:
    from index.carried import CarriedVectors
    from index.documents import Facts
    from index.ingest import Report


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


def take_in(given: argparse.Namespace, settings: Settings, encoder: Encoder) -> "Report":
    """Read the documents that were named into the index, and bring it to the server where it is asked on one."""
    from index.ingest import ingest

    with carried_vectors(given, encoder) as carried, console.progress("indexing") as bar:
        report = ingest(given.paths, settings.index, encoder, _facts(given, settings), bar.report, carried, settings.asked_tier)
    if report.generation:
        _publish(settings)
    return report


@contextmanager
def carried_vectors(given: argparse.Namespace, encoder: Encoder) -> Iterator["CarriedVectors | None"]:
    """The file of vectors that was named, if any."""
    if getattr(given, "vectors", None) is None:
        yield None
        return
    from index.carried import CarriedVectors

    with CarriedVectors(given.vectors, encoder.card) as carried:
        yield carried


def run_index(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge index`."""
    return _told(given, take_in(given, settings, open_encoder(settings, place=settings.index)))


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
