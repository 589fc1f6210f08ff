"""Are questions taken, and if not, why?"""

from dataclasses import dataclass

LOADING = "the index is being opened; try again in a moment"
ENDING = "the server is ending; ask another one, or again in a moment"


@dataclass
class Readiness:
    """Whether an application takes questions: `why_not` is None while it does."""

    why_not: str | None = LOADING
