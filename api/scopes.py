"""What does each address ask of a key? The one place where it is declared."""

import re
from collections.abc import Mapping

from starlette.routing import compile_path

from api.keys import Scope

NEEDS: Mapping[str, Scope | None] = {
    # Whoever watches the process needs no key, nor does what browsers fetch for every page and what holds nothing of an index.
    "/health": None,
    "/ready": None,
    "/page/{version}/{name}": None,
    "/opensearch.xml": None,
    # What people open.
    "/": Scope.READ,
    "/page/results": Scope.READ,
    "/entry/{entry_id}": Scope.READ,
    "/docs": Scope.READ,
    "/openapi.json": Scope.READ,
    # What programs ask. That some of it is sent by POST changes nothing: no address writes.
    "/search": Scope.READ,
    "/ask": Scope.READ,
    "/entries/{entry_id}": Scope.READ,
    "/entries/{entry_id}/versions": Scope.READ,
    "/entries/{entry_id}/similar": Scope.READ,
    "/histogram": Scope.READ,
    "/facets": Scope.READ,
    "/sources": Scope.READ,
    "/export": Scope.READ,
    "/batch": Scope.READ,
    "/feed.atom": Scope.READ,
    "/mcp": Scope.READ,
    "/v1/vector_stores": Scope.READ,
    "/v1/vector_stores/{vector_store_id}": Scope.READ,
    "/v1/vector_stores/{vector_store_id}/search": Scope.READ,
    "/v1/models": Scope.READ,
    "/v1/models/{model:path}": Scope.READ,
    "/v1/embeddings": Scope.READ,
    "/v1/rerank": Scope.READ,
    "/v2/rerank": Scope.READ,
}
"""By the address as it is declared; None needs no key. An address that does not stand here is not there: whoever adds a route
must say whom it is for. Where two fit, the first is meant.
"""
WITHOUT_KEY = frozenset({Scope.READ, Scope.ADMIN})
"""What may be done where no key is asked for, on the loopback: look at everything, and change nothing."""


class Addresses:
    """Finds the declaration that an address falls under.

    >>> Addresses(NEEDS).declared("/entries/abc")
    ('/entries/{entry_id}', <Scope.READ: 'read'>)
    >>> Addresses(NEEDS).declared("/nowhere") is None
    True
    """

    def __init__(self, needs: Mapping[str, Scope | None]) -> None:
        self._plain = {template: need for template, need in needs.items() if "{" not in template}
        self._shaped: list[tuple[re.Pattern[str], str, Scope | None]] = [
            (compile_path(template)[0], template, need) for template, need in needs.items() if "{" in template
        ]

    def declared(self, path: str) -> tuple[str, Scope | None] | None:
        """The template of an address and what it asks for; None where nothing is declared. A slash at the end is overlooked."""
        path = path.rstrip("/") or "/"
        if path in self._plain:
            return path, self._plain[path]
        for shape, template, need in self._shaped:
            if shape.match(path):
                return template, need
        return None


def described_as(template: str) -> str:
    """How the description of the API writes an address.

    >>> described_as("/v1/models/{model:path}")
    '/v1/models/{model}'
    """
    return compile_path(template)[1]
