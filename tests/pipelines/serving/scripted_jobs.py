"""Bulk jobs on loopback that stand where a test puts them: what the page of jobs is tested on."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from PIL import Image, ImageDraw

from pipelines.serving.auth import Gatekeeper
from pipelines.serving.errors import ApiError
from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.pages import add_pages
from pipelines.serving.watching import Watch
from tests.pipelines.serving.described_jobs import job_of

MODEL = {
    "version": "isnet/7",
    "design": "isnet",
    "parameters": 2_900_000,
    "device": "cpu",
    "precision": "fp32",
    "backend": "torch",
    "error": None,
    "reconstruction": {"kernel_size": 15, "threshold": 0.2, "max_passes": 9},
    "limits": {
        "formats": ["JPEG", "PNG"],
        "max_pixels": 50_000_000,
        "max_bytes": 32 * 2**20,
        "max_region_pixels": 2**21,
        "max_seconds": 120,
    },
}


@dataclass
class ScriptedJobs:
    """An endpoint whose jobs are what `jobs` holds, newest first."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    tokens: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    on: bool = True
    busy: int = 0
    """How many of the next requests for jobs are answered with 503."""
    refusal: ApiError | None = None
    """What new jobs are answered with."""
    held: bool = False
    """Whether uploads are not read for now."""
    results_size: int = 0
    """Bytes of results; 0: a small zip file."""
    asked: list[str] = field(default_factory=list)
    """Method and path of each request to jobs."""
    most_at_once: int = 0
    submitted: dict[str, Any] = field(default_factory=dict)
    """Fields of the latest new job; files by name and bytes."""
    port: int = 0

    def __post_init__(self) -> None:
        self._at_once = 0
        self._app = FastAPI(docs_url=None, redoc_url=None)
        self._app.add_middleware(Watch, metrics=IngressMetrics())
        self._app.add_exception_handler(ApiError, _refuse)
        for path, handler, method in (
            ("/v1/model", self._model, "GET"),
            ("/v1/jobs", self._list, "GET"),
            ("/v1/jobs", self._submit, "POST"),
            ("/v1/jobs/{name}", self._get, "GET"),
            ("/v1/jobs/{name}", self._cancel, "DELETE"),
            ("/v1/jobs/{name}/results", self._results, "GET"),
            ("/v1/jobs/{name}/thumbnails", self._thumbnails, "GET"),
        ):
            self._app.add_api_route(path, handler, methods=[method])
        add_pages(self._app)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_job = scope["path"].startswith("/v1/jobs")
        if is_job:
            self.asked.append(f"{scope['method']} {scope['path']}")
        self._at_once += is_job
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await self._app(scope, receive, send)
        finally:
            self._at_once -= is_job

    def change(self, number: int, **facts: Any) -> None:
        """Bring a job forward."""
        self._find(f"job-{number}").update(facts)

    def _admit(self, request: Request) -> None:
        Gatekeeper(self.tokens).client(request)
        if not self.on:
            raise ApiError(404, "jobs_off", "jobs are off; set jobs_folder")
        if self.busy:
            self.busy -= 1
            raise ApiError(503, "overloaded", "All are busy.", retry_after=1)

    def _find(self, name: str) -> dict[str, Any]:
        for job in self.jobs:
            if job["id"] == name:
                return job
        raise ApiError(404, "no_such_job", f"there is no job {name}")

    async def _model(self, request: Request) -> dict[str, Any]:
        Gatekeeper(self.tokens).client(request)
        limits = {"max_upload_bytes": 2**25, "max_running_jobs": 1, "max_jobs_per_client": 8}
        return {**MODEL, "jobs": {"roots": self.roots, **limits} if self.on else None}

    async def _list(self, request: Request) -> dict[str, Any]:
        self._admit(request)
        return {"jobs": [{**job, "failures": []} for job in self.jobs]}

    async def _get(self, request: Request, name: str) -> dict[str, Any]:
        self._admit(request)
        return self._find(name)

    async def _submit(self, request: Request) -> JSONResponse:
        while self.held:
            await asyncio.sleep(0.05)
        fields = await _fields_of(request)
        self._admit(request)
        if self.refusal:
            raise self.refusal
        self.submitted = fields
        named = {
            "input": _name_of(fields.get("pictures", fields.get("input"))),
            "masks": _name_of(fields["masks"]),
        }
        job = {**job_of(1000 + len(self.jobs), "queued"), **named}
        self.jobs.insert(0, job)
        return JSONResponse(job, 202, headers={"Location": f"/v1/jobs/{job['id']}"})

    async def _cancel(self, request: Request, name: str) -> JSONResponse:
        self._admit(request)
        return JSONResponse(self._find(name), 202)

    async def _results(self, request: Request, name: str) -> Response:
        self._admit(request)
        self._find(name)
        headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
        if self.results_size:
            body = _zeros(self.results_size)
            return StreamingResponse(body, media_type="application/zip", headers=headers)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("results.csv", "input,output\n")
        return Response(file.getvalue(), media_type="application/zip", headers=headers)

    async def _thumbnails(
        self, request: Request, name: str, offset: int = 0, limit: int = 24
    ) -> dict[str, Any]:
        self._admit(request)
        total = self._find(name)["counts"]["done"]
        numbers = range(offset, min(offset + limit, total))
        return {"total": total, "thumbnails": list(map(_thumbnail, numbers))}


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status, headers=error.headers())


async def _fields_of(request: Request) -> dict[str, Any]:
    if request.headers["content-type"] == "application/json":
        fields: dict[str, Any] = await request.json()
        return fields
    form = await request.form(max_part_size=2**26)
    return {
        name: value if isinstance(value, str) else (value.filename, len(await value.read()))
        for name, value in form.items()
    }


def _name_of(sent: str | tuple[str, int]) -> str:
    return sent if isinstance(sent, str) else sent[0]


def _thumbnail(number: int) -> dict[str, str]:
    width, height = (320, 214) if number % 3 else (214, 320)
    image = Image.new("RGB", (width, height), f"hsl({number * 47 % 360}, 35%, 62%)")
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.6, 20, width * 0.6 + 50, 70), fill="white")
    draw.polygon([(0, height), (width * 0.4, height * 0.4), (width, height)], fill="#46525c")
    file = io.BytesIO()
    image.save(file, "JPEG")
    data = base64.b64encode(file.getvalue()).decode()
    name = f"beach/IMG_{number + 100:04d}"
    image_url = f"data:image/jpeg;base64,{data}"
    return {"input": f"{name}.jpg", "output": f"{name}.jpg", "image": image_url}


async def _zeros(size: int) -> AsyncIterator[bytes]:
    chunk = bytes(2**20)
    for left in range(size, 0, -len(chunk)):
        yield chunk[:left]
