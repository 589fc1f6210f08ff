"""What the commands do that answer others: over HTTP, in MCP, and who may ask."""
# ruff: noqa: T201 - printing is what a command line is for

import argparse
import json
import sys

from api import console
from api.commands.chosen import open_encoder, require_index
from api.commands.intake import take_in
from api.settings import Settings
from index.errors import FilrougeError


def run_serve(given: argparse.Namespace, settings: Settings) -> int:
    """`filrouge serve`."""
    from api import heaps, server

    heaps.limit()
    # The port and the index first: a model is long to load for nothing.
    if not given.paths:
        require_index(settings)
    with server.listen(settings.host, settings.port, settings.keys, alone=settings.workers == 1) as listener:
        encoder = None
        if given.paths:
            encoder = open_encoder(settings, place=settings.index)
            report = take_in(given, settings, encoder)
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
    require_index(settings)
    from api.mcp import serve_stdio

    # A chatbot asks several things at once.
    tier = settings.asked_tier
    with BatchingEncoder(open_encoder(settings)) as encoder, Searcher(settings.place, encoder, tier, growing=True) as searcher:
        serve_stdio(searcher, settings.threshold)
    return 0
