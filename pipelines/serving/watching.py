"""What happens round every request: its count and time, headers that keep browsers safe."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.serving.metrics import IngressMetrics

_HEADERS = {
    "Cache-Control": "no-cache",  # or old modules may meet a new page
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_CLIENT_LEFT = 499
"""What nginx calls a request whose client did not wait for the answer."""


class Watch:
    """ASGI middleware round the whole application."""

    def __init__(self, app: ASGIApp, metrics: IngressMetrics) -> None:
        """Record into `metrics`."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        code = 0

        async def watched(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            code = code or _CLIENT_LEFT
            raise
        finally:
            seconds = time.perf_counter() - started
            self._metrics.answered(_route(scope), code=code or 500, seconds=seconds)


def _route(scope: Scope) -> str:
    """Name the route by its template: every path that a client makes up would be a series."""
    return str(getattr(scope.get("route"), "path", "other"))
