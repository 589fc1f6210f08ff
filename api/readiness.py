"""Are questions taken, and if not, why?"""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from api.metrics import PATH as METRICS
from api.metrics import Metrics
from api.problems import RETRY_AFTER, problem

LOADING = "the index is being opened; try again in a moment"
ENDING = "the server is ending; ask another one, or again in a moment"
ALWAYS = ("/health", "/ready", METRICS)
"""Whoever asks these wants to know how a server is that is busy, or takes no questions."""


@dataclass
class Readiness:
    """Whether an application takes questions: `why_not` is None while it does."""

    why_not: str | None = LOADING


class Admission:
    """Refuses what comes while no questions are taken, with 503, the reason and Retry-After; what came before goes on, also
    where its body is still on the way.
    """

    def __init__(self, app: ASGIApp, readiness: Readiness, metrics: Metrics) -> None:
        self._app = app
        self._readiness = readiness
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        why_not = self._readiness.why_not
        if scope["type"] != "http" or scope["path"] in ALWAYS or why_not is None:
            await self._app(scope, receive, send)
            return
        self._metrics.refused.labels("not_ready").inc()
        await problem(HTTPStatus.SERVICE_UNAVAILABLE, why_not, "not-ready", headers=RETRY_AFTER)(scope, receive, send)
