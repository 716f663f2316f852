"""What the endpoint says when it cannot do what was asked: status, code, sentence, limit."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isnet.config import InputError
from pipelines.codec import CodecError

_CODEC_STATUS = {"too_many_pixels": 413, "region_too_large": 413, "unsupported_format": 415}
_CODEC_LIMITS = {"too_many_pixels": "max_pixels", "region_too_large": "max_region_pixels"}

_MALFORMED = ("missing", "json_invalid", "model_type")
"""Findings of pydantic about the request as such."""


class ApiError(Exception):
    """A request that is refused."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        limit: tuple[str, float] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Refuse.

        Args:
            status: HTTP status.
            code: what programs look at, such as `too_many_pixels`.
            message: what people read: what is wrong, the limit, the fix.
            limit: name and value of the setting that was exceeded.
            retry_after: seconds after which the same request may succeed.

        """
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.limit = limit
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an answer that is one cross from one process to another."""
        return _restored, (self.status, self.code, self.message, self.limit, self.retry_after)

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON."""
        limit = None if self.limit is None else {"name": self.limit[0], "value": self.limit[1]}
        return {"error": {"code": self.code, "message": self.message, "limit": limit}}

    def headers(self) -> dict[str, str]:
        """Return the answer's headers."""
        headers: dict[str, str] = {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        return headers


def _restored(
    status: int,
    code: str,
    message: str,
    limit: tuple[str, float] | None,
    retry_after: float | None,
) -> ApiError:
    return ApiError(status, code, message, limit=limit, retry_after=retry_after)


class LimitBody(BaseModel):
    """A limit that was exceeded."""

    name: str = Field(description="The endpoint's setting.")
    value: float


class ErrorDetail(BaseModel):
    """Why a request was refused."""

    code: str = Field(description="For programs.")
    message: str = Field(description="For people: what is wrong, the limit, the fix.")
    limit: LimitBody | None


class ErrorBody(BaseModel):
    """Every answer but 200."""

    model_config = ConfigDict(title="Error")

    error: ErrorDetail


def internal() -> ApiError:
    """Say that the endpoint failed, and not what was asked of it."""
    return ApiError(500, "internal", "the endpoint failed; its log says why")


def from_input_error(error: InputError, limits: dict[str, float]) -> ApiError:
    """Turn a mistake in a picture or an option into an answer; `limits` are settings by name."""
    if not isinstance(error, CodecError):
        return ApiError(422, "invalid_input", str(error))
    name = _CODEC_LIMITS.get(error.code)
    return ApiError(
        _CODEC_STATUS.get(error.code, 422),
        error.code,
        str(error),
        limit=None if name is None else (name, limits[name]),
    )


def from_validation(error: ValidationError) -> ApiError:
    """Turn pydantic's findings about options into an answer that names the first of them."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])[:60] or "body"
    given = first.get("input")
    given = given[:60] if isinstance(given, str) else given
    shown = f" (given {given!r:.60})" if isinstance(given, str | int | float | bool) else ""
    code = "bad_request" if first["type"] in _MALFORMED else "invalid_option"
    status = 400 if code == "bad_request" else 422
    return ApiError(status, code, f"{name}: {first['msg']}{shown}")
