"""Who may use the endpoint: whoever holds one of its tokens."""

from __future__ import annotations

import hashlib
import hmac
import re

from starlette.requests import Request

from pipelines.serving.config import TOKEN_VARIABLE, is_loopback
from pipelines.serving.errors import ApiError

EVERYBODY = "local"
"""Whom jobs belong to where no token is asked for."""


class Gatekeeper:
    """Tells clients apart, and turns strangers away."""

    def __init__(self, tokens: tuple[str, ...]) -> None:
        """Accept these tokens; without any, everybody who can reach the endpoint."""
        # Of one length each, so that comparing takes the same time whatever is sent.
        self._digests = tuple(_digest(token) for token in tokens)

    @property
    def asks_for_tokens(self) -> bool:
        """Whether clients can be told apart: whoever comes through one proxy is one address."""
        return bool(self._digests)

    def client(self, request: Request) -> str:
        """Name the client of a request, for its share of the endpoint.

        Raises:
            ApiError: 401 without an accepted token; 403 where a page of another site asks an
                endpoint that needs none.

        """
        number = self._admit(request)
        if number is None:
            return request.client.host if request.client else "unknown"
        return f"token {number}"

    def owner(self, request: Request) -> str:
        """Name whom a request's jobs belong to, alike for as long as its token is accepted.

        Raises:
            ApiError: as for `client`.

        """
        number = self._admit(request)
        # Not the number: a token that is taken out of the list would hand its jobs to the next.
        return EVERYBODY if number is None else _name(self._digests[number])

    def _admit(self, request: Request) -> int | None:
        """Find the number of a request's token; None where none is asked for."""
        if not self._digests:
            _require_same_origin(request)
            return None
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
        return matches.index(True)


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


def _name(digest: bytes) -> str:
    """Name a token's owner without telling the token's own digest."""
    return hashlib.sha256(b"isnet jobs" + digest).hexdigest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
