"""What happens round every request: its count and time, headers that keep browsers safe."""

from __future__ import annotations

import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.serving.metrics import IngressMetrics

_GONE = 499
"""What is counted for a client that left before its answer began, as nginx does."""

_HEADERS = {
    "Cache-Control": "no-cache",  # or old modules may meet a new page
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


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
        code = _GONE

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
        except Exception:
            code = 500
            raise
        finally:
            self._metrics.answered(_route(scope), code=code, seconds=time.perf_counter() - started)


def _route(scope: Scope) -> str:
    """Name the route by its template: every path that a client makes up would be a series."""
    return str(getattr(scope.get("route"), "path", "other"))
