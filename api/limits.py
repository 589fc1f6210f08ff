"""What a request may weigh, and how long its body may take."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

MAX_BODY = 1024 * 1024
"""Bytes."""


SLOWEST = 30.0
"""Seconds for a whole body: of MAX_BODY, 35 kB a second."""


class BodyLimit:
    """Refuses bodies above MAX_BODY with 413, as soon as they are seen to be, and those slower than SLOWEST with 408."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        refuse = problem(413, f"the body is larger than {MAX_BODY} bytes", "content-too-large")
        if announced.isdigit() and int(announced) > MAX_BODY:
            await refuse(scope, receive, send)
            return
        body = bytearray()
        more = True
        try:
            # Read whole before the application runs: it needs all of it anyway, and a refusal can still be sent.
            async with asyncio.timeout(SLOWEST):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return  # nobody is left to answer
                    body += message.get("body", b"")
                    if len(body) > MAX_BODY:
                        await refuse(scope, receive, send)
                        return
                    more = message.get("more_body", False)
        except TimeoutError:
            told = f"the body did not arrive within {SLOWEST:.0f} s; send the request again, or a smaller one"
            await problem(408, told, "request-timeout", headers={"Connection": "close"})(scope, receive, send)
            return
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)
