"""A door that can be closed: who is inside is answered, who comes later is turned away."""

from __future__ import annotations

import asyncio

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines.serving.errors import ApiError


class Door:
    """Counts the requests inside an application, and can be closed."""

    def __init__(self) -> None:
        """Start open."""
        self._inside = 0
        self._closed = False
        self._left = asyncio.Event()

    def before(self, app: ASGIApp) -> ASGIApp:
        """Put the door before an ASGI application, as middleware."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif self._closed:
                await _refusal()(scope, receive, send)
            else:
                await self._pass(app, scope, receive, send)

        return guarded

    async def close(self) -> None:
        """Let nobody in any more; return once all have left."""
        self._closed = True
        while self._inside:
            self._left.clear()
            await self._left.wait()

    async def _pass(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        self._inside += 1
        try:
            await app(scope, receive, send)
        finally:
            self._inside -= 1
            self._left.set()


def _refusal() -> JSONResponse:
    stopping = ApiError(503, "unavailable", "the endpoint is being stopped", retry_after=5)
    return JSONResponse(stopping.body(), stopping.status, headers=stopping.headers())
