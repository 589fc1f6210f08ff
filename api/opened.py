"""Which index does a route answer from?"""

from typing import Annotated

from fastapi import Depends, Request

from index.errors import FilrougeError
from index.search import Searcher


def searcher(request: Request) -> Searcher:
    """The index that the application opened when it started. Raises `FilrougeError` before and after."""
    opened: Searcher | None = getattr(request.app.state, "searcher", None)
    if opened is None:
        raise FilrougeError("the index is not loaded")
    return opened


async def _searcher(request: Request) -> Searcher:
    # On the loop: for a function that is none of its own, a thread would be asked.
    return searcher(request)


Open = Annotated[Searcher, Depends(_searcher)]
"""A parameter of a route that is given the open index."""
