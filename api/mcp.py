"""MCP: the tools and resources of `api/chatbot.py`, over stdio (`filrouge mcp`) and over HTTP at `/mcp`."""

import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

import anyio
from anyio import to_thread
from mcp import types
from mcp.server import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from api import chatbot, problems
from api.limits import MAX_BODY
from index.errors import NotFound
from index.search import Searcher

PATH = "/mcp"
_JSON = "application/json"


def build_server(searcher: Searcher, threshold: float | None = None) -> Server[Any]:
    """The tools and resources over an open index; for `threshold` see `create_app`.

    >>> server = build_server(Searcher(folder, encoder))  # doctest: +SKIP

    What a tool answers is what HTTP answers. A tool that fails gives a result with `isError` that names the field and the
    repair; a resource that there is not is an error of the protocol, which has no other way to say so.
    """

    async def list_tools(ctx: ServerRequestContext[Any], params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=_described())

    async def call_tool(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
        # Each call waits for the model: in a thread, so that the others go on.
        return await to_thread.run_sync(_result, searcher, params.name, params.arguments or {}, threshold)

    async def list_resources(ctx: ServerRequestContext[Any], params: object) -> types.ListResourcesResult:
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=chatbot.SOURCES,
                    name="sources",
                    title="Sources",
                    description="What is indexed, with languages and times; the names are what `source` takes.",
                    mime_type=_JSON,
                )
            ]
        )

    async def list_templates(ctx: ServerRequestContext[Any], params: object) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(
                    uri_template=chatbot.ENTRY + "{entry_id}",
                    name="entry",
                    title="Entry",
                    description="A whole entry, its passages, and the entries that say the same.",
                    mime_type=_JSON,
                )
            ]
        )

    async def read_resource(
        ctx: ServerRequestContext[Any], params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        return await to_thread.run_sync(_read, searcher, str(params.uri))

    return Server(
        "filrouge",
        title="filrouge",
        version=version("filrouge"),
        instructions=chatbot.INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )


@cache
def _described() -> list[types.Tool]:
    return [
        types.Tool(
            name=name,
            title=tool.title,
            description=tool.description,
            input_schema=tool.takes.model_json_schema(),
            output_schema=tool.gives.model_json_schema(mode="serialization"),
            annotations=types.ToolAnnotations(
                read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
            ),
        )
        for name, tool in chatbot.TOOLS.items()
    ]


def _result(searcher: Searcher, name: str, arguments: Mapping[str, Any], threshold: float | None) -> types.CallToolResult:
    try:
        reply = chatbot.call(searcher, name, arguments, threshold)
    except chatbot.CallFailed as error:
        return types.CallToolResult(content=[types.TextContent(type="text", text=str(error))], is_error=True)
    # The protocol asks for both: the structure, and the same as text for clients that know only text.
    structure = reply.model_dump(mode="json")
    text = types.TextContent(type="text", text=json.dumps(structure, ensure_ascii=False))
    return types.CallToolResult(content=[text], structured_content=structure)


def _read(searcher: Searcher, uri: str) -> types.ReadResourceResult:
    try:
        text = chatbot.read(searcher, uri)
    except NotFound as error:
        raise MCPError(types.INVALID_PARAMS, str(error)) from error
    except chatbot.CallFailed as error:
        raise MCPError(types.INTERNAL_ERROR, str(error)) from error
    content = types.TextResourceContents(uri=uri, mime_type=_JSON, text=text)
    return types.ReadResourceResult(contents=[content])


# Over stdio


def serve_stdio(searcher: Searcher, threshold: float | None = None) -> None:
    """Answer one client on standard input and output until it closes them.

    While this runs, what anything prints goes to standard error: a stray line would break the protocol.
    """
    server = build_server(searcher, threshold)

    async def run() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    def end(number: int, frame: object) -> None:
        searcher.close()
        # The thread that waits for a line cannot be told to stop, and the interpreter would wait for it.
        os._exit(0)

    # To be asked to end is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    anyio.run(run)


# Over HTTP


@asynccontextmanager
async def serving(searcher: Searcher, threshold: float | None = None) -> AsyncIterator[StreamableHTTPSessionManager]:
    """What answers at PATH while the block lasts. Each request stands alone and is answered in JSON: there is no session that
    ends with the process, and no stream that is held open.
    """
    server = build_server(searcher, threshold)
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True, max_request_body_size=MAX_BODY)
    async with manager.run():
        yield manager


class Endpoint:
    """Hands requests at PATH to what `serving` gave the application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        request = Request(scope)
        manager: StreamableHTTPSessionManager | None = getattr(request.app.state, "mcp", None)
        if request.method != "POST":
            answer = problems.problem(405, f"{PATH} takes POST and holds no stream open", headers={"Allow": "POST"})
        elif manager is None:
            answer = problems.problem(503, "the index is not loaded")
        else:
            await manager.handle_request(scope, receive, send)
            return
        await answer(scope, receive, send)
