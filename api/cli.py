"""The command line: `filrouge COMMAND`. What each command takes is here, and what it does in `api.commands`; `main` turns
failures into one sentence.
"""
# ruff: noqa: T201 - printing is what a command line is for

import argparse
import io
import json
import re
import sys
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from api.commands import INTERRUPTED
from api.commands.asking import run_ask, run_batch, run_export, run_facets, run_histogram, run_search, run_similar, run_versions
from api.commands.intake import run_backfill, run_follow, run_index, run_migrate, run_vectors
from api.commands.measuring import run_bench, run_evaluate
from api.commands.serving import run_keys, run_mcp, run_serve
from api.commands.upkeep import run_backup, run_repair, run_restore, run_verify
from api.settings import load_settings
from embed import EmbedError
from index.errors import FilrougeError
from index.judgements import DIRECTIONS
from index.records import STEPS
from index.tiers import TIERS


def build_parser() -> argparse.ArgumentParser:
    """Every command and option."""
    parser = argparse.ArgumentParser(
        prog="filrouge", description="Ask live blogs: French and English questions, exact quotes, offline."
    )
    parser.add_argument("--version", action="version", version=f"filrouge {version('filrouge')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = _command(commands, "index", "read documents into an index", run_index)
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder for all files below it")
    _add_index(command)
    _add_model(command)
    _add_vectors(command)
    _add_tier(command)
    _add_facts(command)
    _add_json(command)

    command = _command(commands, "search", "rank the passages that answer a question", run_search)
    command.add_argument("query", metavar="QUERY", help="a question, in French or English")
    _add_index(command)
    _add_model(command)
    _add_filters(command)
    _add_literal(command)
    command.add_argument("--cursor", metavar="C", help="what comes after an earlier page: the `next` of its --json")
    command.add_argument("--explain", action="store_true", help="show how each ranking scored a passage")
    _add_json(command)

    command = _command(commands, "ask", "answer a question with exact quotes, or say that the corpus does not", run_ask)
    command.add_argument("question", metavar="QUESTION", help="a question, in French or English")
    _add_index(command)
    _add_model(command)
    _add_filters(command)
    _add_literal(command)
    _add_answering(command)
    _add_json(command)

    command = _command(commands, "export", "write all passages of a question, a window or a source to a file", run_export)
    command.add_argument("query", nargs="?", metavar="QUERY", help="a question; without one, all in order of publication")
    _add_index(command)
    _add_model(command)
    _add_narrowing(command)
    _add_literal(command)
    command.add_argument(
        "--format",
        choices=["csv", "jsonl", "ris", "bibtex", "csl-json", "trec"],
        default="csv",
        metavar="F",
        help="csv (the default), jsonl, ris, bibtex, csl-json or trec",
    )
    _add_out(command)
    command.add_argument("--limit", type=_count, metavar="N", help="at most so many rows or records (default: all)")
    command.add_argument("--min-score", type=_share, metavar="S", help="only passages with at least this score, 0 to 1")
    command.add_argument("--qid", default="1", metavar="ID", help="the question's id in a TREC run (default: 1)")
    command.add_argument("--bom", action="store_true", help="begin a CSV with a byte order mark, for Excel")
    _add_json(command)

    command = _command(commands, "batch", "ask many questions from a CSV, and write all hits or answers", run_batch)
    command.add_argument("questions", type=Path, metavar="QUESTIONS.csv", help="a table with a column `question`")
    _add_index(command)
    _add_model(command)
    command.add_argument("-k", type=int, default=10, metavar="N", help="how many passages for each (default: 10)")
    command.add_argument("--ask", action="store_true", help="answer the questions, where they are searched for otherwise")
    command.add_argument("--as-of", metavar="T", help="ask what was known at this ISO 8601 date or time")
    _add_answering(command)
    command.add_argument(
        "--format", choices=["csv", "jsonl", "trec"], default="csv", metavar="F", help="csv (the default), jsonl or trec"
    )
    _add_out(command)
    command.add_argument("--bom", action="store_true", help="begin a CSV with a byte order mark, for Excel")
    _add_json(command)

    command = _command(commands, "histogram", "count entries over time", run_histogram)
    _add_counts(command)
    command.add_argument("--step", choices=STEPS, metavar="S", help=f"{', '.join(STEPS)} (default: one that makes few bars)")
    command.add_argument("--split", choices=["source", "lang"], metavar="BY", help="count each source or lang for itself, too")
    _add_json(command)

    command = _command(commands, "facets", "count entries by source, language, year, month and day", run_facets)
    _add_counts(command)
    _add_json(command)

    command = _command(commands, "similar", "find the entries nearest to one in meaning", run_similar)
    command.add_argument("entry", metavar="ENTRY", help="the entry's id, as `search --json` gives it")
    _add_index(command)
    _add_filters(command)
    _add_json(command)

    command = _command(commands, "follow", "look at a page or file again and again, and take in what is new", run_follow)
    command.add_argument("page", metavar="PAGE", help="the address of a live page or feed, or a file")
    _add_index(command)
    _add_model(command)
    _add_facts(command)
    command.add_argument("--every", type=float, default=60.0, metavar="SECONDS", help="between two looks (default: 60)")
    command.add_argument("--times", type=int, metavar="N", help="how many looks (default: until interrupted)")
    command.add_argument("--allow-loopback", action="store_true", help="also pages of this machine, and still no private ones")
    _add_json(command)

    command = _command(commands, "versions", "list all that an entry ever said, also of one that was withdrawn", run_versions)
    command.add_argument("entry", metavar="ENTRY", help="the entry's id, as `search --json` gives it")
    _add_index(command)
    _add_json(command)

    command = _command(commands, "serve", "answer over HTTP, after reading documents if any are named", run_serve)
    command.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="documents to read into the index first")
    _add_index(command)
    _add_model(command)
    _add_tier(command)
    _add_facts(command)
    command.add_argument("--host", metavar="H", help="address to listen on (default: setting host, 127.0.0.1)")
    command.add_argument("--port", type=int, metavar="P", help="port to listen on; 0 takes a free one (default: 8000)")
    command.add_argument(
        "--workers", type=_count, metavar="N", help="processes that answer there (default: setting workers, 1)"
    )
    _add_keys(command)

    command = _command(commands, "keys", "make and take away keys for those who ask filrouge serve", run_keys)
    command.add_argument("what", choices=["add", "list", "rotate", "revoke"], help="what to do")
    command.add_argument("name", nargs="?", metavar="NAME", help="the name of the key; it stands in the log")
    command.add_argument(
        "--scope", choices=["read", "write", "admin"], help="what may be done with it: each also what those before it may"
    )
    command.add_argument(
        "--expires", metavar="T", help="the ISO 8601 date or time from which on it opens nothing (default: never)"
    )
    _add_keys(command)
    _add_json(command)

    command = _command(commands, "mcp", "answer a chatbot over standard input and output, in MCP", run_mcp)
    _add_index(command)
    _add_model(command)

    command = _command(commands, "evaluate", "measure the ranking on a judged set in the BEIR layout", run_evaluate)
    command.add_argument("set", type=Path, metavar="SET_DIR", help="a folder with corpus.jsonl, queries.jsonl, qrels.tsv")
    command.add_argument(
        "--direction",
        choices=DIRECTIONS,
        metavar="D",
        help=f"language of questions - of passages: {', '.join(DIRECTIONS)} (default: all that the set has)",
    )
    command.add_argument(
        "--run",
        type=Path,
        metavar="OUT.trec",
        help="write the ranking as a TREC run; of `mix` where no direction is given",
    )
    command.add_argument(
        "--answers",
        type=Path,
        metavar="OUT.jsonl",
        help="answer the questions too, write a JSON line for each, and measure the answers",
    )
    command.add_argument("--peers", type=Path, metavar="PEERS.json", help="what other systems reach, to be shown beside")
    _add_model(command)
    _add_json(command)

    command = _command(commands, "bench", "measure speed beside a named rival, in the same run", run_bench)
    command.add_argument(
        "what", choices=["embed", "read", "ingest", "search", "walk", "serve", "precision"], help="what to measure"
    )
    command.add_argument("--sets", nargs="+", type=Path, metavar="SET_DIR", help="judged sets that precision is measured on")
    command.add_argument(
        "--documents", nargs="+", type=Path, metavar="PATH", help="what read reads, in place of pages of its own"
    )
    command.add_argument(
        "--size", type=_count, default=50_000, metavar="N", help="vectors that search searches among (default: 50000)"
    )
    command.add_argument("--questions", type=int, default=150, metavar="N", help="at most so many a direction (default: 150)")
    _add_model(command)
    _add_json(command)

    command = _command(commands, "backfill", "embed documents on a Ray cluster, then read them into an index", run_backfill)
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder, as every machine sees it")
    command.add_argument(
        "--shards", type=Path, required=True, metavar="DIR", help="folder for what is embedded, as every machine sees it"
    )
    command.add_argument("--address", metavar="A", help="the cluster: host:port, ray://host:port or auto (default: none)")
    command.add_argument("--cpus", type=_count, default=2, metavar="N", help="cores of each process that embeds (default: 2)")
    _add_index(command)
    _add_model(command)
    _add_facts(command)
    _add_json(command)

    command = _command(commands, "vectors", "write the vectors of an index to a file, for one on another machine", run_vectors)
    command.add_argument("file", type=Path, metavar="FILE", help="the file to write; index and repair take it as --vectors")
    _add_folder(command)
    _add_json(command)

    command = _command(commands, "migrate", "copy an index from a folder to a Milvus server or back, and prove it", run_migrate)
    command.add_argument("source", metavar="FROM", help="a folder, or the address of a Milvus server")
    command.add_argument("target", metavar="TO", help="the other of the two")
    command.add_argument("--questions", type=Path, metavar="FILE", help="questions that both must answer alike, one a line")
    command.add_argument(
        "--sample", type=_count, default=100, metavar="N", help="else so many titles and sentences of the index (default: 100)"
    )
    command.add_argument(
        "--shards", type=_count, default=1, metavar="N", help="parts of a new collection that are written at once (default: 1)"
    )
    _add_model(command)
    _add_json(command)

    command = _command(
        commands, "verify", "check everything in an index against everything else, and write nothing", run_verify
    )
    _add_folder(command)
    _add_model(command)
    command.add_argument("--no-model", action="store_true", help="embed nothing again to compare")
    _add_json(command)

    command = _command(commands, "repair", "mend what can be mended, or embed an index with another model", run_repair)
    _add_folder(command)
    _add_model(command)
    _add_vectors(command)
    _add_tier(command)
    command.add_argument("--into", type=Path, metavar="DIR", help="write all that is whole of a damaged index to a new one")
    _add_json(command)

    command = _command(commands, "backup", "copy an index to one file while it is used", run_backup)
    command.add_argument("target", type=Path, metavar="FILE", help="the file to write, or a folder for a new file in it")
    _add_folder(command)
    _add_json(command)

    command = _command(commands, "restore", "bring an index back from a backup", run_restore)
    command.add_argument("file", type=Path, metavar="FILE", help="what filrouge backup wrote")
    _add_folder(command)
    command.add_argument("--replace", action="store_true", help="also where there is an index, which is lost")
    _add_json(command)
    return parser


def _command(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(function=function)
    return parser


def _add_index(parser: argparse.ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument(
        "--engine", choices=["embedded", "milvus"], help="ask the folder or a Milvus server (default: embedded)"
    )
    parser.add_argument("--uri", metavar="URI", help="address of the Milvus server (default: setting uri)")


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", type=Path, metavar="DIR", help="folder of the index (default: setting index, .filrouge)")


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keys", type=Path, metavar="FILE", help="file of the keys (default: setting keys, filrouge-keys.json)"
    )


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many passages (default: 10)")
    _add_narrowing(parser)


def _add_narrowing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lang", choices=["fr", "en"], help="only passages in this language")
    parser.add_argument("--since", metavar="T", help="only entries published at or after this ISO 8601 date or time")
    parser.add_argument("--until", metavar="T", help="only entries published before it")
    parser.add_argument("--source", metavar="NAME", help="only entries of this source")
    parser.add_argument("--as-of", metavar="T", help="search what was known at this ISO 8601 date or time")


def _add_answering(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--now",
        metavar="T",
        help="what 'yesterday' is seen from: an ISO 8601 date or time, or `newest` for that of the newest entry (default: now)",
    )
    parser.add_argument(
        "--threshold",
        type=_share,
        metavar="C",
        help="confidence from which on it counts as answered (default: setting threshold)",
    )


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file to write (default: standard output)")


def _add_literal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--literal", action="store_true", help='"phrases", -words and field:values are words like any others')


def _add_counts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="?", metavar="QUERY", help="operators, a question, or both (default: all entries)")
    _add_index(parser)
    _add_model(parser)
    _add_narrowing(parser)
    _add_literal(parser)
    parser.add_argument(
        "--least", type=_share, metavar="S", help="score from which on a passage counts for the words of QUERY (default: 0.03)"
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="M", help="default's name, sentence-transformers folder, or hub id")


def _add_vectors(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--vectors", type=Path, metavar="FILE", help="vectors of the same model that need not be computed again"
    )


def _add_tier(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tier",
        choices=["auto", *TIERS],
        metavar="T",
        help=f"what vectors are held in: {', '.join(TIERS)}, or auto, which goes by their number (default: setting tier)",
    )


def _add_facts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--date",
        type=_date,
        metavar="YYYY-MM-DD",
        help="day of the topmost timed entry, for documents whose manifest does not say",
    )
    parser.add_argument("--tz", metavar="ZONE", help="their time zone, as Europe/Paris or --tz=-03:00 (default: setting tz)")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, complete and stable, for programs")


def _count(text: str) -> int:
    if not re.fullmatch(r"0*[1-9][0-9]{0,17}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 on")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to 1")
    return share


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not a date: write it as 2023-05-23") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed or done in part, 2 not understood, 130 interrupted."""
    given = build_parser().parse_args(arguments)
    _readable(given)
    try:
        status = _run(given)
        # What is wrong with the output must show here, and not when the interpreter ends.
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("filrouge: interrupted; what was committed stays", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (| head); the interpreter must not try to flush again.
        sys.stdout = None
        return 1
    except MemoryError:
        print("filrouge: there is not enough memory for this; what was committed stays", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"filrouge: {where}{error.strerror or error}", file=sys.stderr)
        sys.stdout = None
        return 1


def _run(given: argparse.Namespace) -> int:
    try:
        names = ("index", "engine", "uri", "model", "tier", "tz", "host", "port", "workers", "keys")
        settings = load_settings(**{name: getattr(given, name) for name in names if getattr(given, name, None) is not None})
        if getattr(given, "uri", None) and settings.engine != "milvus":
            raise FilrougeError("--uri names a Milvus server, and the folder is asked: add --engine milvus")
        status: int = given.function(given, settings)
        return status
    except (FilrougeError, EmbedError) as error:
        if getattr(given, "json", False):
            print(json.dumps({"error": str(error)}, ensure_ascii=False))
        print(f"filrouge: {error}", file=sys.stderr)
        return 1


def _readable(given: argparse.Namespace) -> None:
    """Make of arguments and output what can be encoded, whatever the terminal speaks."""
    for name, value in vars(given).items():
        if isinstance(value, str):
            # Bytes that are not UTF-8 arrive as lone surrogates, which no JSON and no database takes.
            setattr(given, name, value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # JSON is UTF-8 wherever it goes.
            stream.reconfigure(errors="backslashreplace", encoding="utf-8" if getattr(given, "json", False) else None)


if __name__ == "__main__":
    sys.exit(main())
