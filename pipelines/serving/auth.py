"""Who may use the endpoint: whoever holds one of its tokens."""

from __future__ import annotations

import hashlib
import hmac
import re

from starlette.requests import Request

from pipelines.serving.config import TOKEN_VARIABLE, is_loopback
from pipelines.serving.errors import ApiError


class Gatekeeper:
    """Tells clients apart, and turns strangers away."""

    def __init__(self, tokens: tuple[str, ...]) -> None:
        """Accept these tokens; without any, everybody who can reach the endpoint."""
        # Of one length each, so that comparing takes the same time whatever is sent.
        self._digests = tuple(_digest(token) for token in tokens)

    def client(self, request: Request) -> str:
        """Name the client of a request, for its share of the endpoint.

        Raises:
            ApiError: 401 without an accepted token; 403 where a page of another site asks an
                endpoint that needs none.

        """
        if not self._digests:
            _require_same_origin(request)
            return request.client.host if request.client else "unknown"
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = _digest(token.strip())
        # Each is compared, whether one before it matched or not.
        matches = [hmac.compare_digest(given, known) for known in self._digests]
        if scheme.lower() != "bearer" or not any(matches):
            raise ApiError(
                401,
                "unauthorized",
                f"send `Authorization: Bearer TOKEN` with the token that the endpoint's "
                f"{TOKEN_VARIABLE} or tokens_file holds",
            )
        return f"token {matches.index(True)}"


def _require_same_origin(request: Request) -> None:
    """Let no other site use an endpoint on this machine through its owner's browser.

    Without tokens only this machine can reach the endpoint, so its own page has a name of this
    machine. A site whose own name leads here, too (DNS rebinding), is another site.
    """
    host = request.headers.get("host", "")
    origin = request.headers.get("origin", f"http://{host}")
    name = re.sub(r":\d+$", "", host).strip("[]")
    if origin.partition("://")[2] != host or not is_loopback(name):
        raise ApiError(
            403,
            "foreign_origin",
            f"{origin:.100} is not this machine's; use http://127.0.0.1, or give the endpoint a "
            f"token ({TOKEN_VARIABLE}) to be reached under other names",
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
