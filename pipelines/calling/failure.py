"""What can go wrong between a client and the endpoint, and which of it is worth another try.

Filling a hole changes nothing at the endpoint, so any call may be made again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from tenacity import RetryCallState, retry_if_exception, stop_before_delay, wait_random_exponential

_TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_TRANSIENT_CODE = frozenset(
    {"broken", "unreachable", "internal", "overloaded", "timeout", "too_many_requests"}
    | {"unavailable"}
)
"""Codes of errors without a status: the first two are ours, the others end streams."""
_BROKEN = (httpx.NetworkError, httpx.ProxyError, httpx.RemoteProtocolError, httpx.TimeoutException)
_BACK_OFF = wait_random_exponential(multiplier=0.1, max=5.0)


class InpaintError(Exception):
    """The endpoint refused, failed, or did not answer for as long as it was asked.

    Args:
        message: what went wrong, the limit that was passed, the fix.
        status: HTTP status; None where there was no answer, or it was a stream that had begun.
        code: the endpoint's name for the error, e.g. `too_many_pixels`; `http_502` and the like
            where the answer was another server's; `unreachable` or `broken` where there was none,
            `unexpected` where it made no sense.
        limit: `name` and `value` of the limit that was passed, if one was.
        retry_after: seconds that the endpoint asks to be left alone.

    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "unexpected",
        limit: dict[str, Any] | None = None,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.code = message, status, code
        self.limit, self.retry_after = limit, retry_after

    @property
    def transient(self) -> bool:
        """Whether the same call may well succeed later."""
        if self.status is None:
            return self.code in _TRANSIENT_CODE
        return self.status in _TRANSIENT_STATUS


def address(url: httpx.URL) -> str:
    """Write a URL without the name and password that it may carry."""
    return f"{url.scheme}://{url.netloc.decode()}{url.path}"


def from_response(response: httpx.Response) -> InpaintError:
    """Read an error from an answer whose body has been read."""
    after = _seconds(response.headers.get("Retry-After", ""))
    try:
        return from_body(response.json(), status=response.status_code, retry_after=after)
    except (KeyError, TypeError, ValueError):  # a proxy's page, Ray Serve's own words
        return InpaintError(
            f"{address(response.url)} answered {response.status_code} {response.reason_phrase}: "
            f"{response.text[:200].strip() or 'nothing more'}",
            status=response.status_code,
            code=f"http_{response.status_code}",
            retry_after=after,
        )


def from_body(
    body: dict[str, Any], *, status: int | None = None, retry_after: float = 0.0
) -> InpaintError:
    """Read an error from the endpoint's JSON; `KeyError` or `TypeError` if it is none."""
    error = body["error"]
    return InpaintError(
        error["message"],
        status=status,
        code=error["code"],
        limit=error.get("limit"),
        retry_after=retry_after,
    )


def _seconds(retry_after: str) -> float:
    """Read the header in either of its forms; 0 where it says nothing."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0


@contextmanager
def explained(url: httpx.URL) -> Iterator[None]:
    """Raise `InpaintError` for what breaks on the way to the endpoint or back."""
    try:
        yield
    except _BROKEN as error:
        code, problem = "broken", "did not answer to the end"
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            code, problem = "unreachable", "cannot be reached; does the endpoint run there?"
        reason = str(error) or type(error).__name__
        raise InpaintError(f"{address(url)} {problem} ({reason})", code=code) from error


def policy(retry_for: float) -> dict[str, Any]:
    """Say what to try again, when and for how long, as the loops of `tenacity` take it.

    Args:
        retry_for: seconds after the beginning of the first try when no other may begin.

    """
    return {
        "retry": retry_if_exception(lambda error: getattr(error, "transient", False)),
        "wait": _pause,
        "stop": stop_before_delay(retry_for),
        "reraise": True,
    }


def _pause(state: RetryCallState) -> float:
    """Wait as asked, and at random, so that clients that failed together do not return so."""
    error = state.outcome and state.outcome.exception()
    return getattr(error, "retry_after", 0.0) + _BACK_OFF(state)
