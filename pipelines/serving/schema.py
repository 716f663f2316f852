"""What OpenAPI says of the routes."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response
from pydantic import BaseModel

from pipelines.serving.errors import ErrorBody
from pipelines.serving.options import InpaintBody, InpaintOptions

EVENTS = "text/event-stream"

_REASONS = {
    400: "The request cannot be read.",
    401: "No accepted token.",
    403: "A page of another site asked an endpoint that asks for no token.",
    404: "No such job of this client's, or no jobs at all.",
    413: "Too many bytes or pixels; `limit` names the setting.",
    415: "A type of content, or a format of picture, that is not read.",
    422: "A picture, mask or option that cannot be used.",
    429: "This client has its share of requests already; see Retry-After.",
    503: "Busy, not ready, or not done in time; see Retry-After.",
}

_HEADERS: dict[str, tuple[str, str]] = {
    "X-Passes": ("integer", "Most passes of any region."),
    "X-Hole-Ratio": ("number", "Share of the picture that was missing."),
    "X-Model-Version": ("string", "Name and fingerprint of the model."),
    "X-Queue-Ms": ("number", "Milliseconds that a region waited for the model."),
    "X-Model-Ms": ("number", "Milliseconds that a region was in the model's hands."),
}

FILE: dict[str, Any] = {"type": "string", "format": "binary"}
_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/tiff", "image/bmp")


def describe_schema(needs_token: bool) -> str:
    """Introduce the API to whoever opens `/docs`."""
    access = "A bearer token is needed." if needs_token else "No token is needed."
    return (
        "Fills holes in photographs by ISNet and progressive reconstruction. Known pixels come "
        f"back as they were. {access} Filling is idempotent: requests that fail with 5xx or a "
        "broken connection can be sent again."
    )


def refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Describe refusals by their status."""
    return {code: {"model": ErrorBody, "description": _REASONS[code]} for code in codes}


def _request_body() -> dict[str, Any]:
    """Describe both ways of sending a picture."""
    body = schema_of(InpaintBody)
    form = schema_of(InpaintOptions)
    form["properties"] = {
        "image": {**FILE, "description": "The picture."},
        "mask": {**FILE, "description": "The mask: the picture's size in display orientation."},
        **form["properties"],
    }
    form["required"] = ["image", "mask"]
    content = {"multipart/form-data": {"schema": form}, "application/json": {"schema": body}}
    return {"requestBody": {"required": True, "content": content}}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a model without the rest of the schema."""
    return model.model_json_schema()


def _picture() -> dict[str, Any]:
    return {
        "description": "The filled picture.",
        "content": {kind: {"schema": FILE} for kind in _PICTURES},
        "headers": {
            name: {"schema": {"type": kind}, "description": text, "required": True}
            for name, (kind, text) in _HEADERS.items()
        },
    }


def _event(name: str, content: dict[str, Any]) -> dict[str, Any]:
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": content}
    return {
        "type": "object",
        "properties": {"event": {"const": name}, "data": data},
        "required": ["event", "data"],
    }


def _object(**kinds: str) -> dict[str, Any]:
    properties = {name: {"type": kind} for name, kind in kinds.items()}
    return {"type": "object", "properties": properties, "required": list(properties)}


_SHOWN = _object(
    **{"pass": "integer"}, region="integer", regions="integer", hole_ratio="number", image="string"
)
_FILLED = _object(
    image="string",
    passes="integer",
    hole_ratio="number",
    model_version="string",
    queue_ms="number",
    model_ms="number",
)
_EVENT = {
    "oneOf": [
        _event("pass", _SHOWN),
        _event("result", _FILLED),
        _event("error", {"$ref": "#/components/schemas/ErrorBody"}),
    ]
}

_REFUSALS = refusals(400, 401, 403, 413, 415, 422, 429, 503)

INPAINT: dict[str, Any] = {
    "summary": "Fill the hole of a picture",
    "response_class": Response,
    "responses": {200: _picture(), **_REFUSALS},
    "openapi_extra": _request_body(),
}

STREAM: dict[str, Any] = {
    "summary": "Fill the hole of a picture, and show each pass",
    "response_class": Response,
    "responses": {
        200: {
            "description": "Server-sent events: `pass` after each pass, then `result`, or `error`.",
            # Of OpenAPI 3.2; readers of 3.1 do not look at it.
            "content": {EVENTS: {"itemSchema": _EVENT}},
        },
        **_REFUSALS,
    },
    "openapi_extra": _request_body(),
}

MODEL: dict[str, Any] = {
    "summary": "The model, its settings and the endpoint's limits",
    "responses": refusals(401, 403, 503),
}

READY: dict[str, Any] = {"summary": "Whether a model is loaded", "responses": refusals(503)}
