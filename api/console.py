"""What people read in a terminal: tables, results, progress."""
# ruff: noqa: T201 - printing is what this is for

import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from index.records import Entry, Window, published_text

if TYPE_CHECKING:
    from pathlib import Path

    from api.batch import BatchOut
    from api.counting import CountsOut, FacetsOut, HistogramOut
    from api.exports import ExportOut
    from api.keys import Key
    from api.nearby import SimilarOut
    from embed.bench import Comparison
    from index.answer import Answer
    from index.follow import Look
    from index.growth import Grown
    from index.ingest import Report
    from index.operators import Reading
    from index.records import Version
    from index.salvage import Salvaged
    from index.search import Results
    from index.verify import Verified

_SHOWN_FAILURES = 20
_SHOWN_REASONS = 10
_RECENT = 120
"""Seconds that the speed of long work is taken over: what was indexed before is passed over far faster than the rest."""
_NARROWEST = 20
"""Columns: text is not folded to less, whatever the terminal says."""
_CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) != "\t"}
"""What could move the cursor or paint over other lines: a document must not steer the terminal."""


class Bar:
    """A line of progress on stderr."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def report(self, report: "Report") -> None:
        """Show a report so far."""
        entries = report.added + report.changed + report.unchanged
        detail = f"{report.documents} documents, {entries} entries, {report.embedded} passages embedded"
        self._progress.update(self._task, completed=report.read, total=report.size or None, detail=detail)

    def passages(self, count: int) -> None:
        """Show a number of passages."""
        self._show(f"{count} passages")

    def stage(self, what: str, count: int) -> None:
        """Show what is being done, and how far it has come."""
        self._progress.update(self._task, description=what, detail=str(count))

    def count(self, done: int, total: int) -> None:
        """Show how much of a known total is done."""
        self._progress.update(self._task, completed=done, total=total, detail=f"{done}/{total}")

    def tell(self, what: str) -> None:
        """Show what was found meanwhile."""
        self._show(what)

    def _show(self, detail: str) -> None:
        self._progress.update(self._task, detail=detail)


class _TimeLeft(ProgressColumn):
    """How long the rest takes at the speed of late; nothing where it is not known how much there is."""

    def render(self, task: Task) -> Text:
        """See rich."""
        left = task.time_remaining
        return Text(f"about {timedelta(seconds=round(left))} left" if left else "")


@contextmanager
def progress(what: str) -> Iterator[Bar]:
    """Progress of long work, on stderr when that is a terminal; nothing otherwise."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        _TimeLeft(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, speed_estimate_period=_RECENT
    ) as bars:
        yield Bar(bars, bars.add_task(what, total=None, detail=""))


def grown(found: "Grown", file: TextIO | None = None) -> None:
    """What the vectors are held in, unless they are few."""
    out = file or sys.stdout
    if found.manifest:
        recall = found.manifest.recall["all"]
        print(f"vectors in the tier {found.tier}, which finds {recall:.3f} of the ten nearest of a sample", file=out)
    if found.why:
        print(f"filrouge: no larger tier of vectors: {found.why}", file=sys.stderr)


def report(found: "Report", file: TextIO | None = None) -> None:
    """What `filrouge index` did, as a table; nothing where nothing was read."""
    if not found.added + found.changed + found.unchanged + found.withdrawn:
        return
    console = Console(file=file or sys.stdout)
    table = Table("documents", "added", "changed", "unchanged", "withdrawn", "skipped", "passages")
    table.add_row(
        *(
            str(number)
            for number in (
                found.documents,
                found.added,
                found.changed,
                found.unchanged,
                found.withdrawn,
                sum(not failure.kept for failure in found.failures),
                found.passages,
            )
        )
    )
    console.print(table)
    places = {"entry": "the entries", "document": "their documents", "manifest": "manifests or --date", "unknown": "nowhere"}
    told = [f"{places[name]} ({found.dated[name]})" for name in places if found.dated.get(name)]
    if told:
        console.print(f"days known from {', '.join(told)}", highlight=False, soft_wrap=True)
    if found.grown:
        grown(found.grown, file)
    kept = sum(failure.kept for failure in found.failures)
    if kept:
        console.print(f"kept without a day or time that there is not: {kept}", highlight=False, soft_wrap=True)


def look(page: str, found: "Look") -> None:
    """What one look at a page that is followed gave, a line each; failures on stderr."""
    then = f"; next look in {found.wait:.0f} s" if found.wait else ""
    if found.outcome == "failed":
        print(f"filrouge: {page}: {found.reason}{then}".translate(_CONTROLS), file=sys.stderr, flush=True)
        return
    told = "unchanged"
    if found.report:
        counts = {name: getattr(found.report, name) for name in ("added", "changed", "withdrawn", "unchanged")}
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        failures(found.report)
    print(f"look {found.number}: {told}{then}", flush=True)


def failures(found: "Report") -> None:
    """What was not indexed and why, on stderr, a line each."""
    for failure in found.failures[:_SHOWN_FAILURES]:
        print(f"filrouge: {failure.source}: {failure.reason}".translate(_CONTROLS), file=sys.stderr)
    if len(found.failures) > _SHOWN_FAILURES:
        more = found.failures[_SHOWN_FAILURES:]
        print(f"filrouge: … and {len(more)} more; --json names them all", file=sys.stderr)
        reasons = Counter(failure.reason.partition(":")[0] for failure in more)
        for reason, count in reasons.most_common(_SHOWN_REASONS):
            print(f"filrouge:   {count} × {reason}".translate(_CONTROLS), file=sys.stderr)


def answer(found: "Answer") -> None:
    """Quotes with their sources, or why there are none and the nearest passages."""
    from api import wording

    console = Console(highlight=False, markup=False, soft_wrap=True)
    width = max(_NARROWEST, min(console.width, 120))
    narrowing, window = found.narrowing, found.results.filters.window
    if found.answered:
        understood(console, found.results.reading)
    if narrowing.phrases and narrowing.relaxed is None and window != Window():
        bounds = " – ".join(bound.isoformat() if bound else "…" for bound in (window.since, window.until))
        console.print(f"[{bounds})", style="dim")
    for note in (wording.relaxed(found), wording.reason(found)):
        if note:
            console.print(note)
    for quote in found.quotes:
        _print_text(console, "", _quoted(quote.text, quote.entry.lang), width)
        line = f"    {_when(quote.entry)}  {quote.entry.title or quote.entry.source}  {quote.entry.url or ''}".rstrip()
        edited = f" (superseded {quote.superseded.isoformat()})" if quote.superseded else ""
        console.print(f"{line}{edited}".translate(_CONTROLS), style="dim")
        console.print()
    console.print(f"confidence {found.confidence:.2f}, threshold {found.threshold:.2f}", style="dim")
    if not found.answered:
        console.print()
        results(found.results)


def _quoted(text: str, lang: str) -> str:
    """Between quotation marks, unless it has some of its own."""
    if any(mark in text for mark in '«“"'):
        return text
    return f"«\u00a0{text}\u00a0»" if lang == "fr" else f"“{text}”"


def results(found: "Results", explain: bool = False) -> None:
    """Ranked passages; with `explain`, what each ranking scored them."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    width = max(_NARROWEST, min(console.width, 120))
    if found.as_of and found.known:
        then = f"as known at {found.as_of.isoformat()}: generation {found.generation}, of {found.known.isoformat()}"
        console.print(then, style="dim")
    understood(console, found.reading)
    if not found.hits:
        console.print("nothing comes after that page" if found.cursor else "no passage passes these filters")
    for hit in found.hits:
        entry = hit.passage.entry
        votes = ", ".join(f"{name} {vote.rank}" for name, vote in hit.ranks.items())
        line = f"{hit.rank:>2}. {_when(entry)}  {entry.source}  {hit.score:.3f} ({votes})"
        console.print(line.translate(_CONTROLS), style="dim")
        for name, vote in hit.ranks.items() if explain else ():
            console.print(f"    {name:<10} {vote.rank:>3}.  {_number(vote.score)}", style="dim")
        _print_text(console, entry.title, hit.passage.text, width)
        console.print()
    for entry_id, passage_id in found.passed:
        console.print(f"entry {entry_id} says what passage {passage_id} of an earlier page says", style="dim")
    if found.next and console.is_terminal:
        # For eyes: whoever reads it by program has --json.
        console.print(f"{found.total} passages pass; the next page: --cursor {found.next}", style="dim")


def understood(console: Console, reading: "Reading | None") -> None:
    """What of a query is no plain word, a line each."""
    if reading is None:
        return
    for part in reading.parts:
        told = _TOLD[part.kind].format(must="must not" if part.excluded else "must")
        console.print(f"{reading.query[part.start : part.end]}  {told}".translate(_CONTROLS), style="dim")


_TOLD = {
    "phrase": "{must} be said",
    "word": "{must} be said",
    "field": "{must} be so",
    "quoted": 'a quotation in a question, which demands nothing; +"…" would',
    "words": "read as words",
}


def histogram(found: "HistogramOut") -> None:
    """Counts over time, as bars."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    most = max((bar.entries for bar in found.bars), default=0)
    for bar in found.bars:
        since = bar.since[: _SHOWN_TIME[found.step]]
        parts = ", ".join(f"{part.value or 'others'} {part.entries}" for part in bar.parts or [])
        line = f"{since}  {bar.entries:>6}  {'█' * round(_WIDEST * bar.entries / most) if most else ''}  {parts}"
        console.print(line.rstrip().translate(_CONTROLS))
    _total(console, found)
    if found.day_only.entries:
        console.print(f"of {found.day_only.entries} only the day is known: in no hour", style="dim")


_SHOWN_TIME = {"hour": len("2023-05-23T11:00"), "day": 10, "week": 10, "month": 7, "year": 4}
_WIDEST = 40
"""Columns of the highest bar."""


def facets(found: "FacetsOut") -> None:
    """Counts by what is known of entries, as tables."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for name in ("source", "lang", "year", "month", "day"):
        for one in getattr(found, name):
            console.print(f"{name:<6}  {one.entries:>6}  {one.value or 'others'}".translate(_CONTROLS))
    _total(console, found)


def _total(console: Console, found: "CountsOut") -> None:
    least = "" if found.least is None else f", with a score of {found.least:g} or more"
    undated = f"; {found.undated.entries} without a time" if found.undated.entries else ""
    console.print(f"entries {found.entries}, passages {found.passages}{least}{undated} ({found.tz})", style="dim")


def similar(found: "SimilarOut") -> None:
    """Entries near another one, nearest first."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    width = max(_NARROWEST, min(console.width, 120))
    if not found.hits:
        console.print("no other entry passes these filters")
    for hit in found.hits:
        line = f"{hit.rank:>2}. {hit.published or 'undated'}  {hit.source}  {hit.entry_id}  {hit.score:.3f}"
        console.print(line.translate(_CONTROLS), style="dim")
        _print_text(console, hit.title, hit.text, width)
        console.print()


def exported(about: "ExportOut") -> None:
    """What an export holds and how to have it again, on stderr: the file itself may go to the standard output."""
    if about.note:
        print(f"filrouge: {about.note}", file=sys.stderr)
    state = f"generation {about.generation}, known at {about.known}, model {about.model}"
    print(f"filrouge: {about.rows} rows of {state}; again at {about.permalink}", file=sys.stderr)


def batch(about: "BatchOut") -> None:
    """What became of a table of questions, on stderr; those that have nothing, each with its row."""
    for one in about.missed[:_SHOWN_FAILURES]:
        print(f"filrouge: row {one.row}, {one.id}: {one.question}: {one.why}".translate(_CONTROLS), file=sys.stderr)
    if len(about.missed) > _SHOWN_FAILURES:
        more = len(about.missed) - _SHOWN_FAILURES
        print(f"filrouge: … and {more} more; --json names them all", file=sys.stderr)
    state = f"generation {about.generation}, known at {about.known}, model {about.model}"
    found = about.asked - len(about.missed)
    print(f"filrouge: {found} of {about.questions} questions found something, in {state}", file=sys.stderr)


def versions(found: "Sequence[Version]") -> None:
    """All that an entry said, oldest first."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    width = max(_NARROWEST, min(console.width, 120))
    for version in found:
        entry = version.entry
        after = (
            f"until {version.ended.isoformat()}, {'withdrawn' if version.withdrawn else 'edited'}" if version.ended else "now"
        )
        line = f"{version.number:>2}. seen {version.seen.isoformat()}, {after}  {entry.content_hash.hex()}"
        console.print(line.translate(_CONTROLS), style="dim")
        console.print(f"    {entry.source}  {_when(entry)}".translate(_CONTROLS), style="dim")
        _print_text(console, entry.title, entry.text, width)
        console.print()


def keys(path: Path, known: "Sequence[Key]") -> None:
    """The keys of a file, in the order in which they were made."""
    if not known:
        print(f"no keys in {path}")
        return
    table = Table("name", "scope", "made", "expires")
    for key in known:
        ends = key.expires.isoformat() if key.expires else "never"
        table.add_row(key.name, key.scope, key.created.isoformat(), f"{ends}, so no more" if key.expired() else ends)
    Console(highlight=False, markup=False).print(table)


def _when(entry: Entry) -> str:
    return published_text(entry.published, entry.precision) or (f"{entry.clock:%H:%M}" if entry.clock else "undated")


def _print_text(console: Console, title: str, text: str, width: int) -> None:
    if title:
        console.print(textwrap.indent(textwrap.fill(title.translate(_CONTROLS), width - 4), "    "), style="bold")
    for line in text.splitlines():
        console.print(textwrap.indent(textwrap.fill(line.translate(_CONTROLS), width - 4), "    "))


def measures(
    name: str, measured: Mapping[str, Mapping[str, float]], rivals: Mapping[str, tuple[str, float]] | None = None
) -> None:
    """Measures by direction, as a table; beside the best rival's where rivals are given."""
    table = Table(name, "nDCG@10", "recall@10", "MRR@10", "hit@1", "questions", *(("best rival", "ahead") if rivals else ()))
    for direction, row in measured.items():
        values = [f"{row[key]:.4f}" for key in ("ndcg10", "recall10", "mrr10", "hit1")]
        beside = []
        if rivals and direction in rivals:
            system, reached = rivals[direction]
            beside = [f"{system} {reached:.4f}", f"{row['ndcg10'] - reached:+.4f}"]
        table.add_row(direction, *values, str(row["n"]), *beside)
    Console().print(table)


def answers(row: Mapping[str, Any]) -> None:
    """How good answers are, as two tables."""
    shown = {
        "first quote": "first",
        "one of three": "three",
        "best-cosine sentence": "rival",
        "AUROC": "auroc",
        "refusal precision": "precision",
        "refusal recall": "recall",
    }
    there = {name: row[key] for name, key in shown.items() if row[key] is not None}
    table = Table("answers", *there, "questions", "unanswerable")
    table.add_row(
        f"threshold {row['threshold']:g}",
        *(f"{value:.4f}" for value in there.values()),
        str(row["questions"]),
        str(row["unanswerable"]),
    )
    Console().print(table)
    if row["curve"]:
        curve = Table("confidence of at least", "answered", "of these right")
        for step in row["curve"]:
            right = "" if step["precision"] is None else f"{step['precision']:.3f}"
            curve.add_row(f"{step['threshold']:.2f}", f"{step['coverage']:.3f}", right)
        Console().print(curve)


def comparison(found: "Comparison") -> None:
    """A benchmark: ours, the rival's, and the ratio."""
    table = Table(found.what, "filrouge", found.rival, "ratio")
    for row in found.rows:
        table.add_row(row.name, _number(row.ours), _number(row.rivals), f"{row.ratio:.2f}")
    Console().print(table)
    for note in found.notes:
        Console().print(note, highlight=False)


def _number(value: Any) -> str:
    return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"


def verified(found: "Verified") -> None:
    """What was looked at in an index, and what is wrong with it."""
    for finding in found.findings:
        print(str(finding).translate(_CONTROLS))
    for note in found.notes:
        print(f"({note})")
    looked_at = ", ".join(f"{count} {what}" for what, count in found.checked.items())
    if found.findings:
        print(f"{len(found.findings)} findings")
    else:
        print(f"nothing is wrong with generation {found.generation}: {looked_at}")


def mended(model: str, done: "Mapping[str, int | bool]", generation: int) -> None:
    """What a repair did."""
    told = [
        "the lists of the database made anew; " if done["lists"] else "",
        f"{done['embedded']} passages embedded with {model}; " if done["embedded"] else "",
        f"{done['cleared']} unused vectors cleared away; " if done["cleared"] else "",
    ]
    print(f"{''.join(told)}search caches made anew at generation {generation}")


def salvaged(found: "Salvaged", into: "Path") -> None:
    """What of a damaged index was written to a new one."""
    print(
        f"{found.entries} entries, {found.versions} versions, {found.passages} passages written to {into}, "
        f"{found.embedded} of them embedded again"
    )
    if found.earlier:
        print(f"{found.earlier} earlier versions are lost")
    for name in found.lost:
        print(f"lost: {name}".translate(_CONTROLS))
