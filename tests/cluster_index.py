"""An index with a history, in a folder and on a server, for the tests that compare the two."""

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embed.hashing import HashingEncoder
from index.documents import Facts
from index.errors import StorageError
from index.ingest import ingest
from index.milvus import Milvus, Server
from index.publish import publish
from tests.milvus_engines import require_lite

LONG = " ".join(f"Le port numéro {n} reste fermé à cause du vent, dit le préfet à midi {n % 60:02}." for n in range(1600))
"""Longer than a field of the server."""
FIRST = [
    {"_id": "a", "title": "Éruption du volcan", "text": "Le volcan est entré en éruption. L’alerte est rouge.", "lang": "fr",
     "date": "2024-01-11T09:30:00+01:00", "url": "https://www.example.org/Direct?x=1&y=2#a"},
    {"_id": "b\t\"'\\%_", "title": "50% of {braces} \\ & \"quotes\"", "text": "The volcano erupts. It's cold.\tVery @cold.",
     "lang": "en", "date": "2024-01-10T12:00:00+01:00", "url": "https://example.org/{b}?q=a b"},
    {"_id": "c", "text": "'Déjà' un mot sans titre, assez long pour qu’un titre en soit fait, et coupé.", "lang": "fr",
     "date": "2024-01-10"},
    {"_id": "d", "text": "Nobody knows when the coffee came. 🙂", "lang": "en"},
    {"_id": "e", "title": "Le port", "text": LONG, "lang": "fr", "date": "2024-01-12T08:00:00+01:00"},
    {"_id": "f", "title": "Dernier jour", "text": "Une dépêche d’avant.", "lang": "fr", "date": "1969-12-31T23:00:00+01:00"},
    {"_id": "g", "title": "Vent", "text": "Le vent tombe. Le préfet rouvre le port de Marseille.", "lang": "fr",
     "date": "2024-01-12T08:00:00+01:00"},
]  # fmt: skip
SECOND = [
    {**FIRST[0], "text": "Le volcan s’est calmé. L’alerte reste rouge, dit l’élu."},
    *FIRST[1:3], *FIRST[4:],
    {"_id": "h", "title": "Marseille", "text": "Le port de Marseille rouvre mardi.", "lang": "fr",
     "date": "2024-01-13T08:00:00+01:00"},
]  # fmt: skip
WIRE = [{"_id": str(n), "text": f"Wire copy number {n} about the port. Le préfet parle.", "lang": "en" if n % 2 else "fr",
         "date": f"2024-02-{1 + n % 28:02}T10:00:00+00:00"} for n in range(40)]  # fmt: skip


@dataclass(frozen=True)
class Both:
    """The same index twice."""

    folder: Path
    server: Server
    encoder: HashingEncoder

    def read(self, name: str, entries: list[dict[str, str]], published: bool = True) -> None:
        """Take a document in, of which these are the entries now."""
        documents = self.folder.parent / "fil"
        documents.mkdir(exist_ok=True)
        (documents / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")
        report = ingest([documents / f"{name}.jsonl"], self.folder, self.encoder, Facts(tz="Europe/Paris"))
        assert report.failures == []
        if published:
            publish(self.folder, self.server)


@contextmanager
def both(grow: Callable[[Both], None] | None = None) -> Iterator[Both]:
    """An index in a folder and on a server; `grow` has it take documents in."""
    require_lite()
    with tempfile.TemporaryDirectory(prefix="filrouge-test-", ignore_cleanup_errors=True) as name:
        pair = Both(Path(name) / "index", Server(f"{name}/index.db", timeout=60), HashingEncoder())
        with started(pair.server):
            (grow or history)(pair)
            yield pair


def started(server: Server) -> Milvus:
    """A connection that keeps Milvus Lite running: on a busy machine it does not always come up at once."""
    for attempt in itertools.count(1):
        try:
            return Milvus(server)
        except StorageError:
            if attempt == 5:
                raise
    raise AssertionError


def history(pair: Both) -> None:
    """Four generations, the third of which was published together with the second."""
    pair.read("direct", FIRST)
    pair.read("wire", WIRE, published=False)
    pair.read("direct", SECOND)
    pair.read("wire", WIRE[3:])
