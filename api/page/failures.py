"""Failures from in front of the pages, such as a server that is busy, told to readers as a page and not as JSON."""

from http import HTTPStatus

from fastapi.responses import HTMLResponse
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import page
from api.page.address import Asked
from api.page.frame import blank
from api.page.words import STRINGS, choose_language
from api.problems import MEDIA_TYPE

_NAMED = {
    HTTPStatus.UNAUTHORIZED: "locked",
    HTTPStatus.FORBIDDEN: "locked",
    HTTPStatus.NOT_FOUND: "nowhere",
    HTTPStatus.TOO_MANY_REQUESTS: "often",
    HTTPStatus.SERVICE_UNAVAILABLE: "busy",
}
_KEPT = ("retry-after", "www-authenticate")
"""Headers of a problem that mean something to a browser."""


class FailurePages:
    """Gives browsers that open a page of ours a page for every problem; whatever else is asked for is left as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or not _opens_a_page(Request(scope)):
            await self._app(scope, receive, send)
            return
        started = replaced = False

        async def sending(message: Message) -> None:
            nonlocal started, replaced
            if message["type"] == "http.response.start":
                headers = Headers(raw=message["headers"])
                started, replaced = True, headers.get("content-type") == MEDIA_TYPE
                if replaced:
                    await _told(Request(scope), message["status"], headers)(scope, receive, send)
            if not replaced:
                await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if not started:
                await _told(Request(scope), HTTPStatus.INTERNAL_SERVER_ERROR, Headers())(scope, receive, send)
            # Whoever is in front of us writes it to the log.
            raise


def _opens_a_page(request: Request) -> bool:
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def _told(request: Request, status: int, problem: Headers) -> HTMLResponse:
    asked = Asked.of(request.query_params)
    language = choose_language(asked.ui, request.headers.get("accept-language", ""))
    failure = STRINGS[language][_NAMED.get(HTTPStatus(status), "unavailable")]
    again = None if status == HTTPStatus.NOT_FOUND else asked.link(request.url.path)
    headers = page.HEADERS | {name: problem[name] for name in _KEPT if name in problem}
    html = blank(asked, language).render(
        "missing.html", failure=failure, retry=again, here=lambda ui: asked.link(request.url.path, ui=ui)
    )
    return HTMLResponse(html, status, headers)
