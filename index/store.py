"""SQLite: the only truth. Entries, their versions, passages, vectors, and the generation that is visible."""

from index.catalogue import Catalogue
from index.commits import Changes, Commits, NewPassage, Origin
from index.database import FILE
from index.passages import Passages
from index.rows import Dated, Encoded, Holding, Indexed, Source

__all__ = ["FILE", "Changes", "Dated", "Encoded", "Holding", "Indexed", "NewPassage", "Origin", "Source", "Store"]


class Store(Catalogue, Passages, Commits):
    """The database of one index folder: what is in it, what is found in it, and how it is written."""
