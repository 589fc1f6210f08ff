"""What a request may weigh."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

MAX_BODY = 1024 * 1024
"""Bytes."""


class BodyLimit:
    """Refuses bodies above MAX_BODY with 413, as soon as they are seen to be."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        refuse = problem(413, f"the body is larger than {MAX_BODY} bytes")
        if announced.isdigit() and int(announced) > MAX_BODY:
            await refuse(scope, receive, send)
            return
        received = 0
        messages: list[Message] = []
        # Read whole before the application runs: it needs all of it anyway, and a refusal can still be sent.
        while True:
            message = await receive()
            messages.append(message)
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                await refuse(scope, receive, send)
                return
            if message["type"] != "http.request" or not message.get("more_body"):
                break

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, replay, send)
