"""What a client asks of a job."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request

from pipelines.serving.body import read_body
from pipelines.serving.errors import from_validation
from pipelines.serving.options import InpaintOptions

_MOST_JSON = 64 * 1024
_MOST_PATH = 4096


class JobOptions(InpaintOptions):
    """How to fill many pictures."""

    mask_suffix: str = Field(
        "",
        max_length=100,
        description="What a mask's name has after its picture's, before the ending: _mask for "
        "cat_mask.png.",
    )
    chroma_tolerance: int = Field(
        32, ge=0, le=255, description="How far a channel may be from the colour of chroma:."
    )
    max_failures: int | None = Field(
        None, ge=0, le=2**31 - 1, description="Stop once more pictures than this have failed."
    )


class JobBody(JobOptions):
    """A job over pictures that the cluster sees."""

    input: str = Field(
        min_length=1,
        max_length=_MOST_PATH,
        description="Folder, pattern, archive or Parquet below one of the endpoint's job_roots.",
    )
    masks: str = Field(
        min_length=1,
        max_length=_MOST_PATH,
        description="Likewise; or one picture's file, alpha, chroma:00ff00, column:NAME.",
    )
    output: str = Field(
        min_length=1, max_length=_MOST_PATH, description="Folder below one of the job_roots."
    )


class Page(BaseModel):
    """Which of many to show."""

    offset: int = Field(0, ge=0, le=2**31 - 1)
    limit: int = Field(24, ge=1, le=100)


async def read_json(request: Request) -> JobBody:
    """Read a job in JSON; `ApiError` says what is wrong with it."""
    body = await read_body(request, _MOST_JSON)
    try:
        return JobBody.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise from_validation(error) from error


def read_options(texts: dict[str, str]) -> JobOptions:
    """Read the options of a form; `ApiError` says what is wrong with them."""
    try:
        return JobOptions.model_validate(texts)
    except ValidationError as error:
        raise from_validation(error) from error


def read_page(request: Request) -> Page:
    """Read which part is wanted; `ApiError` says what is wrong."""
    given: dict[str, Any] = dict(request.query_params)
    try:
        return Page.model_validate(given)
    except ValidationError as error:
        raise from_validation(error) from error
