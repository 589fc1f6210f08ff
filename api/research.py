"""Which addresses are there for who takes results away, or comes back for them? Exports, batches, feeds."""

import hashlib
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from api import feeds, opensearch
from api.batch import MOST, Batch, BatchFormat, BatchQuery, prepare
from api.downloads import Download, written
from api.exports import FORMATS, Export, ExportQuery, select
from api.feeds import FeedQuery
from api.opened import Open
from api.problems import responses
from index.errors import InvalidRequest


def file_of(*media: str) -> dict[int | str, dict[str, Any]]:
    """What the API description says of a route that answers with a file of one of these types."""
    names = [one.partition(";")[0] for one in media]
    # What is JSON as a whole is seen as what it holds.
    schemas: dict[bool, dict[str, Any]] = {True: {"type": "array", "items": {"type": "object"}}, False: {"type": "string"}}
    content = {name: {"schema": schemas[name.endswith("json") and not name.endswith("ndjson")]} for name in names}
    return {200: {"description": "The file.", "content": content}}


async def _table(request: Request) -> bytes:
    """The body, which must say that it is a CSV: no page of another site can send one unasked."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise HTTPException(415, "send the questions as a CSV, with Content-Type: text/csv")
    return await request.body()


def _base(request: Request) -> str:
    """The address of this server, as the client calls it."""
    return str(request.base_url).rstrip("/")


def _unless_known(request: Request, body: bytes, media: str) -> Response:
    """The body, or 304 where the client has it already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media, headers=headers)


def build_router(threshold: float | None) -> APIRouter:
    """The routes; for `threshold` see `api.app.create_app`."""
    router = APIRouter(tags=["research"])

    @router.get(
        "/export",
        summary="Export",
        response_class=Response,
        responses=file_of(*(one.media for one in FORMATS.values())) | responses(422, 500, 503),
    )
    def export(asked: Annotated[ExportQuery, Query()], searcher: Open) -> Response:
        """All passages of a question, a window or a source, or the entries that they are from, as a file."""
        made = Export(asked, select(asked, searcher))
        file = written(made.parts())
        return Download(file, made.format.media, made.filename, made.about().model_dump())

    @router.post(
        "/batch",
        summary="Many questions",
        response_class=Response,
        responses=file_of(*(FORMATS[name].media for name in get_args(BatchFormat))) | responses(413, 415, 422, 500, 503),
        openapi_extra={"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    def batch(asked: Annotated[BatchQuery, Query()], table: Annotated[bytes, Depends(_table)], searcher: Open) -> Response:
        """All that a CSV of questions finds, or how they are answered, as a file."""
        rows = prepare(table, asked, searcher.reader.store)
        if len(rows) > MOST:
            told = f"there are {len(rows)}, and {MOST} are taken at once over HTTP: send fewer, or use filrouge batch"
            raise InvalidRequest(told, "questions")
        made = Batch(rows, asked, searcher, threshold)
        file = written(made.parts())
        return Download(file, made.media, made.filename, made.about().model_dump())

    @router.get(
        "/feed.atom",
        summary="Feed",
        response_class=Response,
        responses=file_of(feeds.MEDIA) | {304: {"description": "The feed is what it was."}} | responses(422, 500, 503),
    )
    def feed(asked: Annotated[FeedQuery, Query()], request: Request, searcher: Open) -> Response:
        """The newest entries that match a question, as an Atom feed."""
        return _unless_known(request, feeds.atom(searcher, asked, _base(request)), feeds.MEDIA)

    @router.get(
        "/opensearch.xml",
        summary="Description for browsers",
        response_class=Response,
        responses=file_of(opensearch.MEDIA) | responses(500, 503),
    )
    def describe(request: Request) -> Response:
        """How a browser puts a question, in OpenSearch 1.1."""
        return _unless_known(request, opensearch.describe(_base(request)), opensearch.MEDIA)

    return router
