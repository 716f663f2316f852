"""The routes of bulk jobs."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from isnet.config import InputError
from pipelines.serving.admission import Admission
from pipelines.serving.auth import Gatekeeper
from pipelines.serving.body import media_type
from pipelines.serving.config import EndpointSettings
from pipelines.serving.errors import ApiError
from pipelines.serving.jobs.downloads import zip_results
from pipelines.serving.jobs.ledger import delete_job
from pipelines.serving.jobs.office import JobBoard
from pipelines.serving.jobs.planning import JobRequest, plan_paths, plan_upload, upload_folder
from pipelines.serving.jobs.record import ID, JobRecord
from pipelines.serving.jobs.request import read_json, read_page
from pipelines.serving.jobs.schema import CANCEL, LIST, RESULTS, SHOW, SUBMIT, THUMBNAILS
from pipelines.serving.jobs.thumbnails import show
from pipelines.serving.jobs.uploads import in_thread, receive, storage_failed
from pipelines.serving.regions import Solver
from pipelines.storage import absolute, printable

_log = logging.getLogger("ray.serve")

TRANSFER_SECONDS = 3600.0
"""Longest that an upload may take; a download likewise, which Serve's own limit sees to."""

_MOST_TRANSFERS = 64
_MOST_TRANSFERS_PER_CLIENT = 8
"""Uploads, downloads and requests for thumbnails inside one ingress replica; slow ones keep no
request for a single picture out. What a client has not yet sent whole is in none of its jobs: this
bounds it."""

_DECODED_AT_ONCE = 2
"""Requests for thumbnails that have pictures in memory."""


class JobRoutes:
    """The handlers of one ingress replica."""

    def __init__(
        self,
        settings: EndpointSettings,
        solver: Solver,
        gatekeeper: Gatekeeper,
        board: JobBoard | None,
    ) -> None:
        """Take what the other routes use, and whoever keeps the jobs: nobody, where there are none.

        `board` may be missing only where `settings` name no folder for jobs.
        """
        self._settings = settings
        self._solver = solver
        self._gatekeeper = gatekeeper
        self._transfers = Admission(
            most=_MOST_TRANSFERS,
            most_per_client=_MOST_TRANSFERS_PER_CLIENT
            if gatekeeper.asks_for_tokens
            else _MOST_TRANSFERS,
            what="transfers",
        )
        self._board = board
        self._decoding = asyncio.Semaphore(_DECODED_AT_ONCE)

    def add_to(self, api: FastAPI, access: list[Any]) -> None:
        """Add the routes to an API; `access` says in its documentation who may use them."""
        for path, handler, method, described in (
            ("/v1/jobs", self.submit, "POST", SUBMIT),
            ("/v1/jobs", self.list, "GET", LIST),
            ("/v1/jobs/{job}", self.show, "GET", SHOW),
            ("/v1/jobs/{job}", self.cancel, "DELETE", CANCEL),
            ("/v1/jobs/{job}/results", self.results, "GET", RESULTS),
            ("/v1/jobs/{job}/thumbnails", self.thumbnails, "GET", THUMBNAILS),
        ):
            api.add_api_route(path, handler, methods=[method], dependencies=access, **described)

    def describe(self) -> dict[str, Any] | None:
        """Say what jobs may do; nothing, where there are none."""
        settings = self._settings
        if self._board is None:
            return None
        names = ("max_upload_bytes", "max_running_jobs", "max_jobs_per_client")
        # Without options: which store it is, is the endpoint's business.
        roots = [printable(absolute(root)).partition("?")[0] for root in settings.job_roots]
        return {"roots": roots, **{name: getattr(settings, name) for name in names}}

    async def submit(self, request: Request) -> Response:
        """Fill the holes of many pictures: uploaded ones, or ones that the cluster sees."""
        owner, board = self._enter(request)
        kind = media_type(request)
        with self._place(request):
            async with _in_time():
                wanted = JobRequest(
                    id=uuid.uuid4().hex, owner=owner, model=await self._solver.location()
                )
                if kind == "application/json":
                    body = await read_json(request)
                    record = await asyncio.to_thread(plan_paths, wanted, body, self._settings)
                    job = await board.create(record)
                else:
                    job = await self._upload(request, wanted, board)
        return JSONResponse(job, 202, headers={"Location": f"/v1/jobs/{job['id']}"})

    async def list(self, request: Request) -> dict[str, Any]:
        """List the caller's jobs, newest first."""
        owner, board = self._enter(request)
        return {"jobs": await board.jobs(owner)}

    async def show(self, request: Request, job: str) -> dict[str, Any]:
        """Say how far a job is."""
        owner, board = self._enter(request, job)
        return await board.job(owner, job)

    async def cancel(self, request: Request, job: str) -> Response:
        """End a job; what is done stays. One that has ended already is left as it is (200)."""
        owner, board = self._enter(request, job)
        described, changed = await board.cancel(owner, job)
        return JSONResponse(described, 202 if changed else 200)

    async def results(self, request: Request, job: str) -> Response:
        """Download what is done so far: a zip archive of the results, and results.csv."""
        owner, board = self._enter(request, job)
        record = await board.record(owner, job)
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{job}.zip"',
        }
        return _Download(zip_results(record), self._place(request), headers=headers)

    async def thumbnails(self, request: Request, job: str) -> dict[str, Any]:
        """Show some of the results, small."""
        owner, board = self._enter(request, job)
        page = read_page(request)
        record = await board.record(owner, job)
        with self._place(request):
            async with self._decoding:
                shown: dict[str, Any] = await in_thread(
                    lambda: show(record, page, max_pixels=self._settings.max_pixels)
                )
        return shown

    def _place(self, request: Request) -> AbstractContextManager[None]:
        """Hold a place among what is sent or shown for as long as it takes."""
        return self._transfers.enter(self._gatekeeper.client(request))

    def _enter(self, request: Request, job: str | None = None) -> tuple[str, JobBoard]:
        """Say whose jobs a request may see, and who keeps them."""
        owner = self._gatekeeper.owner(request)
        if self._board is None:
            raise ApiError(
                404, "jobs_off", "this endpoint has no bulk jobs; jobs_folder names where they lie"
            )
        if job is not None and not ID.fullmatch(job):
            raise ApiError(404, "no_such_job", "no job of yours has this id; see /v1/jobs")
        return owner, self._board

    async def _upload(
        self, request: Request, wanted: JobRequest, board: JobBoard
    ) -> dict[str, Any]:
        declared = request.headers.get("content-length", "")
        await board.require_room(wanted.owner, int(declared) if declared.isdecimal() else 0)
        try:
            record = await self._receive(request, wanted)
        except BaseException:
            await self._forget(wanted.id)
            raise
        try:
            return await board.create(record)
        except ApiError as error:
            if error.status < 500:  # else it may have been taken
                await self._forget(wanted.id)
            raise

    async def _receive(self, request: Request, wanted: JobRequest) -> JobRecord:
        settings = self._settings
        folder = upload_folder(settings, wanted.id)
        try:
            form = await receive(request, folder, max_bytes=settings.max_upload_bytes)
        except OSError as error:
            raise storage_failed(error) from error
        record: JobRecord = await in_thread(plan_upload, wanted, form, settings)
        return record

    async def _forget(self, job: str) -> None:
        """Delete the files of a job that was not taken."""
        assert self._settings.jobs_folder is not None
        try:
            await asyncio.to_thread(delete_job, absolute(self._settings.jobs_folder), job)
        except (OSError, InputError):
            _log.warning("the upload %s was not deleted; it will be in a day", job, exc_info=True)


class _Download(StreamingResponse):
    """A zip archive that holds a place while it is sent."""

    def __init__(
        self, content: Iterator[bytes], place: AbstractContextManager[None], **options: Any
    ) -> None:
        super().__init__(content, media_type="application/zip", **options)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; `ApiError` where no place is left."""
        with self._place:
            await super().__call__(scope, receive, send)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(TRANSFER_SECONDS):
            yield
    except TimeoutError as error:
        raise ApiError(
            503,
            "timeout",
            f"the upload did not end within {TRANSFER_SECONDS:g} seconds; send fewer pictures",
            retry_after=5,
        ) from error
