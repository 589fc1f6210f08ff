"""HTTP: `create_app` and its routes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from api import access, openai, opened, problems, replies, rerank, research
from api.access import OPEN, Access, Policy
from api.answers import AnswerOut, AskBody, AskQuery
from api.counting import CountQuery, FacetsOut, HistogramOut, HistogramQuery
from api.headers import SafeHeaders
from api.journal import Journal
from api.limits import BodyLimit
from api.mcp import PATH as MCP_PATH
from api.mcp import Endpoint, serving
from api.metrics import MEDIA, Measured, Metrics
from api.metrics import PATH as METRICS_PATH
from api.nearby import SimilarOut, SimilarQuery
from api.opened import Open
from api.origins import Origins
from api.page import routes as page_routes
from api.page.failures import FailurePages
from api.readiness import ENDING, Admission, Readiness
from api.rendering import rendered
from api.schemas import (
    EntryOut,
    HealthOut,
    ReadyOut,
    SearchBody,
    SearchOut,
    SearchQuery,
    SourcesOut,
    VersionsOut,
    versions_out,
)
from api.settings import AT_ONCE, WAITING
from api.turns import Turns
from index.search import Searcher

_DESCRIPTION = """
Ask live blogs. A question in French or English finds the passages that answer it, in either language, each with its
source, its time, and its place in the entry: `text` is exactly the entry's text from `start` to `end`, in Unicode code
points.

Every error is `application/problem+json` (RFC 9457) with a `detail` that says what is wrong.
"""

OpenSearcher = Callable[[], Searcher]


def create_app(
    open_searcher: OpenSearcher,
    threshold: float | None = None,
    at_once: int = AT_ONCE,
    waiting: int = WAITING,
    policy: Policy = OPEN,
    shared: FilePath | None = None,
) -> FastAPI:
    """The application over one index; `open_searcher` is called when it starts, and what it gives is closed at the end.
    `threshold` is the confidence from which on a question counts as answered, where a caller does not say; for `at_once` and
    `waiting` see `Turns`, for `policy` `api.access`, and for `shared` `Metrics`.

    >>> app = create_app(lambda: Searcher(folder, encoder))  # doctest: +SKIP
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with open_searcher() as searcher:
            app.state.searcher = searcher
            async with serving(searcher, threshold) as app.state.mcp:
                readiness.why_not = None
                yield
            readiness.why_not = ENDING
            app.state.searcher = app.state.mcp = None

    readiness, metrics = Readiness(), Metrics(shared)

    app = FastAPI(
        title="filrouge",
        version=version("filrouge"),
        summary="Ask live blogs: French and English questions, exact quotes, offline.",
        description=_DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        # The framework's own pages fetch their code from elsewhere; ours is `reference`, below.
        docs_url=None,
        redoc_url=None,
    )
    app.state.readiness = readiness
    # From here each stands around those before it.
    app.add_middleware(Turns, at_once=at_once, waiting=waiting, metrics=metrics)
    # Around the turns: who sends slowly must not take one meanwhile.
    app.add_middleware(BodyLimit)
    # Who came in time is answered, however slowly the rest of it comes.
    app.add_middleware(Admission, readiness=readiness, metrics=metrics)
    # Whoever may not ask is not read, nor waited for.
    app.add_middleware(Access, policy=policy)
    app.add_middleware(FailurePages)
    if policy.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=policy.origins,
            allow_methods=["GET", "POST"],
            # Clients send headers of their own; none of them opens anything but the key.
            allow_headers=["*"],
            expose_headers=["*"],
        )
    app.add_middleware(Origins, hosts=policy.hosts, origins=policy.origins)
    app.add_middleware(Journal, questions=policy.log_questions)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Measured, metrics=metrics)
    problems.install(app)
    access.describe(app)
    _add_routes(app, threshold, metrics)
    app.include_router(research.build_router(threshold))
    app.include_router(openai.router)
    app.include_router(rerank.router)
    app.include_router(page_routes.routes(threshold))
    # A protocol of its own, which describes itself: not in the description of the others.
    app.router.routes.append(Route(MCP_PATH, Endpoint(), include_in_schema=False))
    return app


EntryId = Annotated[str, Path(description="The `entry_id` of a hit.")]

AsOf = Annotated[str | None, Query(description="The entry as it was known at this ISO 8601 time.")]


def _add_routes(app: FastAPI, threshold: float | None, metrics: Metrics) -> None:
    responses = problems.responses
    readiness: Readiness = app.state.readiness

    @app.get("/search", tags=["search"], summary="Search", responses=responses(422, 500, 503))
    @rendered
    def search(asked: Annotated[SearchQuery, Query()], searcher: Open) -> SearchOut:
        """The passages that answer a question best, in the query string."""
        return replies.found(searcher, asked.q, asked, asked.cursor)

    @app.post("/search", tags=["search"], summary="Search, asked in JSON", responses=responses(400, 413, 415, 422, 500, 503))
    @rendered
    def post_search(asked: SearchBody, searcher: Open) -> SearchOut:
        """The same, with the question in a JSON body."""
        return replies.found(searcher, asked.query, asked, asked.cursor)

    @app.get("/ask", tags=["ask"], summary="Ask", responses=responses(422, 500, 503))
    @rendered
    def get_ask(asked: Annotated[AskQuery, Query()], searcher: Open) -> AnswerOut:
        """One to three exact quotes that answer a question, with the probability that they do; or why there are none."""
        return replies.answered(searcher, asked.q, asked, threshold)

    @app.post("/ask", tags=["ask"], summary="Ask, in JSON", responses=responses(400, 413, 415, 422, 500, 503))
    @rendered
    def post_ask(asked: AskBody, searcher: Open) -> AnswerOut:
        """The same, with the question in a JSON body."""
        return replies.answered(searcher, asked.question, asked, threshold)

    @app.get("/entries/{entry_id}", tags=["corpus"], summary="Entry", responses=responses(404, 422, 500, 503))
    def entry(entry_id: EntryId, searcher: Open, as_of: AsOf = None) -> EntryOut:
        """A whole entry, with its passages and the entries that say the same."""
        return replies.entry(searcher, entry_id, as_of)

    @app.get("/entries/{entry_id}/versions", tags=["corpus"], summary="Versions", responses=responses(404, 422, 500, 503))
    def versions(entry_id: EntryId, searcher: Open) -> VersionsOut:
        """All that an entry ever said, also of one that was withdrawn."""
        return versions_out(searcher.reader.store.versions(entry_id, searcher.reader.snapshot().generation))

    @app.get("/entries/{entry_id}/similar", tags=["corpus"], summary="More like this", responses=responses(404, 422, 500, 503))
    def similar(entry_id: EntryId, asked: Annotated[SimilarQuery, Query()], searcher: Open) -> SimilarOut:
        """The entries nearest to this one in meaning, in either language; those that say the very same are left out."""
        return replies.near(searcher, entry_id, asked)

    @app.get("/histogram", tags=["counts"], summary="Counts over time", responses=responses(422, 500, 503))
    def histogram(asked: Annotated[HistogramQuery, Query()], searcher: Open) -> HistogramOut:
        """How many entries were published in each hour, day, week, month or year, of all that passes the filters and `q`."""
        return replies.counted_over_time(searcher, asked)

    @app.get("/facets", tags=["counts"], summary="Counts by source, language, calendar", responses=responses(422, 500, 503))
    def facets(asked: Annotated[CountQuery, Query()], searcher: Open) -> FacetsOut:
        """How many entries each source, language, year, month and day has, of all that passes the filters and `q`."""
        return replies.counted_by_facets(searcher, asked)

    @app.get("/sources", tags=["corpus"], summary="Sources", responses=responses(500, 503))
    def sources(searcher: Open) -> SourcesOut:
        """The documents and live blogs that are indexed."""
        return replies.sources(searcher)

    @app.get("/health", tags=["service"], summary="Alive", responses=responses(500))
    async def health() -> HealthOut:
        """Whether the process answers."""
        return HealthOut()

    @app.get("/ready", tags=["service"], summary="Ready", response_model=ReadyOut, responses=responses(500, 503))
    def ready(request: Request) -> ReadyOut | Response:
        """Whether questions are taken: the index and the model are loaded, and the server is not about to end."""
        if readiness.why_not is not None:
            return problems.problem(503, readiness.why_not, "not-ready", headers=problems.RETRY_AFTER)
        searcher = opened.searcher(request)
        snapshot = searcher.reader.snapshot()
        entries, passages = searcher.reader.store.counts(snapshot.generation)
        return ReadyOut(generation=snapshot.generation, entries=entries, passages=passages, model=snapshot.card.name)

    @app.get(
        METRICS_PATH,
        tags=["service"],
        summary="Metrics",
        response_class=Response,
        responses=research.file_of(MEDIA) | responses(500),
    )
    def monitored(request: Request) -> Response:
        """What a monitor sees of the server, in the text format of Prometheus."""
        searcher = getattr(request.app.state, "searcher", None)
        return Response(metrics.text(searcher, ready=readiness.why_not is None), media_type=MEDIA)
