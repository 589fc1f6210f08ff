"""The addresses that people open: the first page, entries, the reference, and what browsers fetch beside them."""

from datetime import datetime
from time import perf_counter

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from api import page, problems, replies
from api.opened import Open
from api.page import entry, reference, results
from api.page.address import Asked
from api.page.frame import Frame
from api.page.words import choose_language
from api.schemas import make_moment
from embed import EmbedError
from index.errors import FilrougeError
from index.search import Searcher


def routes(threshold: float | None) -> APIRouter:
    """What `create_app` adds; for `threshold` see there."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def first_page(request: Request, searcher: Open) -> HTMLResponse:
        return _results(request, searcher, threshold, whole=True)

    @router.get("/page/results")
    def below_the_form(request: Request, searcher: Open) -> HTMLResponse:
        return _results(request, searcher, threshold, whole=False)

    @router.get("/page/{version}/{name}")
    def file(version: str, name: str) -> Response:
        if name not in page.FILES:
            raise HTTPException(404)
        content, media = page.FILES[name]
        kept = "public, max-age=31536000, immutable" if version == page.VERSION else "no-cache"
        return Response(content, media_type=media, headers={"Cache-Control": kept, "X-Content-Type-Options": "nosniff"})

    @router.get("/entry/{entry_id}")
    def one_entry(request: Request, entry_id: str, searcher: Open, at: str = "") -> HTMLResponse:
        frame = _frame(request, searcher)
        try:
            as_of: datetime | None = make_moment(frame.zone, frame.asked.as_of or None)
            return HTMLResponse(entry.entry(frame, searcher, entry_id, at, as_of), headers=page.HEADERS)
        except (FilrougeError, EmbedError) as error:
            status, _ = problems.noted(request, error)
            return HTMLResponse(entry.missing(frame, error, request.url.path), status, headers=page.HEADERS)

    @router.get("/docs")
    def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(reference.render(request.app.openapi()), headers=page.HEADERS)

    return router


def _frame(request: Request, searcher: Searcher) -> Frame:
    """Who reads, and what is asked."""
    asked = Asked.of(request.query_params)
    language = choose_language(asked.ui, request.headers.get("accept-language", ""))
    return Frame.over(searcher.reader.store, asked, language, str(request.base_url))


def _results(request: Request, searcher: Searcher, threshold: float | None, whole: bool) -> HTMLResponse:
    frame = _frame(request, searcher)
    # As it was written: of a question far over the limit the frame has the beginning.
    asked = Asked.of(request.query_params)
    if not asked.q:
        return HTMLResponse(results.start(frame, searcher, whole), headers=page.HEADERS)
    began = perf_counter()
    try:
        asking = asked.asking()
        answer = replies.answer(searcher, asking.q, asking, threshold)
    except (FilrougeError, EmbedError) as error:
        status, _ = problems.noted(request, error)
        return HTMLResponse(results.failed(frame, error, searcher, whole), status, headers=page.HEADERS)
    took = {"Server-Timing": f"ask;dur={(perf_counter() - began) * 1000:.1f}"}
    return HTMLResponse(results.answered(frame, answer, searcher, whole), headers={**page.HEADERS, **took})
