"""What OpenAPI says of the routes of bulk jobs."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from pipelines.serving.jobs.request import JobBody, JobOptions, Page
from pipelines.serving.jobs.view import Job, JobList, Thumbnails
from pipelines.serving.schema import FILE, refusals, schema_of

_ID = {
    "name": "job",
    "in": "path",
    "required": True,
    "description": "As `POST /v1/jobs` gave it.",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}

_LOCATION = {
    "description": "The job, which waits.",
    "model": Job,
    "headers": {
        "Location": {
            "schema": {"type": "string"},
            "description": "Where the job is told of.",
            "required": True,
        }
    },
}


def _request_body() -> dict[str, Any]:
    """Describe both ways of asking for a job."""
    form = schema_of(JobOptions)
    form["properties"] = {
        "pictures": {**FILE, "description": "A zip archive of the pictures."},
        "masks": {
            **FILE,
            "description": "A zip archive of masks, paired by name; one mask for all; or, as text, "
            "alpha or chroma:00ff00.",
        },
        **form["properties"],
    }
    form["required"] = ["pictures", "masks"]
    content = {
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": schema_of(JobBody)},
    }
    return {"requestBody": {"required": True, "content": content}}


def _query() -> list[dict[str, Any]]:
    properties = schema_of(Page)["properties"]
    return [{"name": name, "in": "query", "schema": said} for name, said in properties.items()]


SUBMIT: dict[str, Any] = {
    "summary": "Ask for a bulk job",
    "response_class": Response,
    "status_code": 202,
    "responses": {202: _LOCATION, **refusals(400, 401, 403, 404, 413, 415, 422, 429, 503)},
    "openapi_extra": _request_body(),
}

LIST: dict[str, Any] = {
    "summary": "Your bulk jobs",
    "response_model": JobList,
    "responses": refusals(401, 403, 404, 503),
}

SHOW: dict[str, Any] = {
    "summary": "How far a bulk job is",
    "response_model": Job,
    "responses": refusals(401, 403, 404, 503),
    "openapi_extra": {"parameters": [_ID]},
}

CANCEL: dict[str, Any] = {
    "summary": "Cancel a bulk job",
    "response_class": Response,
    "status_code": 202,
    "responses": {
        200: {"description": "It had ended already.", "model": Job},
        202: {"description": "It ends; what is done stays.", "model": Job},
        **refusals(401, 403, 404, 503),
    },
    "openapi_extra": {"parameters": [_ID]},
}

RESULTS: dict[str, Any] = {
    "summary": "Download a bulk job's results",
    "response_class": Response,
    "responses": {
        200: {
            "description": "What is done so far, and results.csv.",
            "content": {"application/zip": {"schema": FILE}},
        },
        **refusals(401, 403, 404, 429, 503),
    },
    "openapi_extra": {"parameters": [_ID]},
}

THUMBNAILS: dict[str, Any] = {
    "summary": "A bulk job's results, small",
    "response_model": Thumbnails,
    "responses": refusals(401, 403, 404, 422, 429, 503),
    "openapi_extra": {"parameters": [_ID, *_query()]},
}
