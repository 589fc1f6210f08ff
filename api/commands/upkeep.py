"""What the commands do that look after an index: verify, repair, backup and restore."""
# ruff: noqa: T201 - printing is what a command line is for

import argparse
import dataclasses
import json
from contextlib import closing
from functools import partial

from api import console
from api.commands.chosen import open_encoder
from api.commands.intake import carried_vectors
from api.settings import Settings
from embed import DEFAULT_MODEL, Encoder, ModelCard, load
from index.errors import StorageError


def run_verify(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge verify`."""
    from index.verify import verify

    model = partial(open_encoder, settings, place=settings.index)
    found = verify(settings.index, None if given.no_model else model)
    if given.json:
        findings = [{"place": one.place, "offence": one.offence, "repair": one.repair} for one in found.findings]
        print(json.dumps({**dataclasses.asdict(found), "findings": findings}, ensure_ascii=False))
    else:
        console.verified(found)
    return 1 if found.findings else 0


def run_repair(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge repair`."""
    from index.ingest import reembed
    from index.repair import mend, rebuild_caches

    own, complete = _own_card(settings)
    encoder = _mending_encoder(settings, own)
    if given.into is not None:
        return _salvage(given, settings, encoder)
    with carried_vectors(given, encoder) as carried:
        if own is not None and (encoder.card.fingerprint != own.fingerprint or not complete):
            with console.progress("embedding") as bar:
                embedded = reembed(settings.index, encoder, bar.passages, carried)
            done = {"embedded": embedded, "lists": False, "cleared": 0}
            caches = rebuild_caches(settings.index, encoder.card, settings.asked_tier)
        else:
            mended = mend(settings.index, encoder, carried, settings.asked_tier)
            done = {"embedded": mended.embedded, "lists": mended.lists, "cleared": mended.cleared}
            caches = mended.caches
    grown = caches.grown
    if given.json:
        held = {"tier": grown.tier, "recall": grown.manifest.recall["all"]} if grown.manifest else {}
        print(json.dumps({"model": encoder.card.name, **done, "generation": caches.generation, **held}))
    else:
        console.mended(encoder.card.name, done, caches.generation)
        console.grown(grown)
    return 0


def _own_card(settings: Settings) -> tuple[ModelCard | None, bool]:
    """The model that the index was built with, and whether it has a space of it; None where that cannot be read."""
    from index.store import Store

    with closing(Store.look(settings.index)) as store:
        try:
            return store.card(), store.space() is not None
        except (StorageError, ValueError, TypeError):
            return None, True


def _mending_encoder(settings: Settings, own: ModelCard | None) -> Encoder:
    """The model that was asked for; else the index's own, also of one that is too damaged to be opened; else the default."""
    if "model" in settings.model_fields_set:
        name = settings.model
        precision = own.precision if own is not None and own.name == name else None
    else:
        name, precision = (own.name, own.precision) if own is not None else (DEFAULT_MODEL, None)
    return load(name, settings.device, settings.cache, precision)


def _salvage(given: argparse.Namespace, settings: Settings, encoder: Encoder) -> int:
    from index.salvage import salvage

    found = salvage(settings.index, given.into, encoder)
    if given.json:
        print(json.dumps(dataclasses.asdict(found), ensure_ascii=False))
    else:
        console.salvaged(found, given.into)
    return 1 if found.lost or found.earlier else 0


def run_backup(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge backup`."""
    from index.backup import back_up

    made = back_up(settings.index, given.target)
    if given.json:
        print(json.dumps({**dataclasses.asdict(made), "file": str(made.file)}))
    else:
        print(f"{made.entries} entries, {made.passages} passages of generation {made.generation} written to {made.file}")
    return 0


def run_restore(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge restore`."""
    from index.backup import restore

    made = restore(given.file, settings.index, given.replace)
    if given.json:
        print(json.dumps({**dataclasses.asdict(made), "file": str(made.file)}))
    else:
        print(f"{made.entries} entries, {made.passages} passages of generation {made.generation} are back in {settings.index}")
    return 0
