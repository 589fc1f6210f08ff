"""Every failure, as a tree. A message names the offence and the repair; a failure never looks like an empty result.

FilrougeError
├── InvalidRequest          the caller asked for something that cannot be: an empty question, k of 0, an unknown filter
├── NotFound                what is asked for is not in this index
├── Unreachable             a page that is followed cannot be had now, or is not what it was
├── UnreadableDocument      a document cannot be read: missing, empty, binary, in an unknown format
│   └── InvalidManifest     a folder's manifest.toml contradicts itself or the folder
├── UnreadableVectors       a file of vectors from another machine is missing, damaged, or something else
└── StorageError            the index folder fails: disk full, no permission, damaged
    ├── NotAnIndex          the folder holds no filrouge index, or one of a newer release
    ├── ModelMismatch       the index was built with another model than the one at hand
    ├── IndexBusy           another process is writing to the index
    └── TooLittleMemory     what was asked for does not fit into the memory that is free
"""


class FilrougeError(Exception):
    """The root: catch it to catch every failure of this package."""


class InvalidRequest(FilrougeError):
    """The request cannot be answered as it stands; `field` names the part that is wrong."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotFound(FilrougeError):
    """No such entry, or whatever `field` names."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Unreachable(FilrougeError):
    """The page cannot be had now. `retry_after` is how many seconds its server asks to wait, and `final` that asking again is
    of no use.
    """

    def __init__(self, message: str, retry_after: float | None = None, final: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.final = final


class UnreadableDocument(FilrougeError):
    """The document gives no entries, and the message says why."""


class InvalidManifest(UnreadableDocument):
    """The manifest is not TOML, has an unknown key, or names a document that is not there."""


class UnreadableVectors(FilrougeError):
    """The file gives no vectors, and the message says why."""


class StorageError(FilrougeError):
    """The index folder cannot be read or written; what was acknowledged before is still there."""


class NotAnIndex(StorageError):
    """The folder is not an index that this release can open."""


class ModelMismatch(StorageError):
    """Vectors of two models cannot be compared."""


class IndexBusy(StorageError):
    """There is one writer at a time."""


class TooLittleMemory(StorageError):
    """The vectors do not fit as they were asked to be held."""
