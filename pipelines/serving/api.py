"""The endpoint's routes. They need no Ray: whoever fills the regions is given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from isnet.images import FORMATS
from pipelines.serving.admission import Admission
from pipelines.serving.auth import Gatekeeper
from pipelines.serving.body import Submission, read_submission
from pipelines.serving.config import EndpointSettings
from pipelines.serving.errors import ApiError, internal
from pipelines.serving.events import Emit, EventStream
from pipelines.serving.jobs.api import JobRoutes
from pipelines.serving.jobs.office import JobBoard
from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.pages import add_pages
from pipelines.serving.regions import Solver
from pipelines.serving.schema import INPAINT, MODEL, READY, STREAM, describe_schema
from pipelines.serving.service import Answer, InpaintingService
from pipelines.serving.watching import Watch


def build_api(
    settings: EndpointSettings,
    solver: Solver,
    *,
    tokens: tuple[str, ...],
    metrics: IngressMetrics,
    board: JobBoard | None = None,
) -> FastAPI:
    """Build the endpoint as an ASGI application.

    Args:
        settings: limits and defaults.
        solver: fills regions.
        tokens: who may use it; nobody is asked for a token where there are none.
        metrics: what is counted.
        board: keeps bulk jobs; None where `settings` name no folder for them.

    """
    endpoint = _Endpoint(settings, solver, tokens, metrics, board)
    # Says in the documentation that a token is needed. Who may pass, the gatekeeper says.
    access = [Depends(HTTPBearer(auto_error=False))] if tokens else []
    api = FastAPI(
        title="ISNet inpainting",
        description=describe_schema(bool(tokens)),
        version="1",
        docs_url=None,
        redoc_url=None,
    )
    api.add_middleware(Watch, metrics=metrics)
    api.add_exception_handler(ApiError, endpoint.refuse)
    api.add_exception_handler(HTTPException, endpoint.refuse_route)
    api.add_exception_handler(Exception, endpoint.fail)
    for path, handler, method, described in (
        ("/v1/inpaint", endpoint.inpaint, "POST", INPAINT),
        ("/v1/inpaint/stream", endpoint.stream, "POST", STREAM),
        ("/v1/model", endpoint.model, "GET", MODEL),
    ):
        api.add_api_route(path, handler, methods=[method], dependencies=access, **described)
    endpoint.jobs.add_to(api, access)
    api.add_api_route("/healthz", endpoint.alive, methods=["GET"], summary="Whether it is alive")
    api.add_api_route("/readyz", endpoint.ready, methods=["GET"], **READY)
    add_pages(api)
    return api


class _Endpoint:
    """The handlers of one ingress replica."""

    def __init__(
        self,
        settings: EndpointSettings,
        solver: Solver,
        tokens: tuple[str, ...],
        metrics: IngressMetrics,
        board: JobBoard | None,
    ) -> None:
        self._settings = settings
        self._service = InpaintingService(settings, solver)
        self._gatekeeper = Gatekeeper(tokens)
        self._metrics = metrics
        self._admission = Admission(
            most=settings.max_requests,
            # Without tokens whoever comes through one proxy is one address: no share is fair.
            most_per_client=settings.max_requests_per_client if tokens else settings.max_requests,
            metrics=metrics,
        )
        self.jobs = JobRoutes(settings, solver, self._gatekeeper, board)

    async def inpaint(self, request: Request) -> Response:
        """Fill the hole of a picture; the answer is the picture as it came, without the hole."""
        async with self._admitted(request) as submission:
            answer = await self._service.inpaint(submission)
        return Response(
            answer.encoded.data, media_type=answer.encoded.media_type, headers=_headers(answer)
        )

    async def stream(self, request: Request) -> Response:
        """Fill the hole of a picture, and show it after each pass, as server-sent events."""

        async def follow(emit: Emit) -> None:
            begun = False
            try:
                async with (
                    self._admitted(request) as submission,
                    aclosing(self._service.passes(submission)) as items,
                ):
                    async for item in items:
                        begun = True
                        await emit(item)
            except ApiError as error:
                if begun:  # else it becomes an answer of its own, and is counted there
                    self._metrics.rejected(error.code)
                raise

        return await EventStream(follow).begin()

    @asynccontextmanager
    async def _admitted(self, request: Request) -> AsyncIterator[Submission]:
        """Hold a place for a request and read it; what is done meanwhile has its time, too."""
        with self._admission.enter(self._gatekeeper.client(request)):
            async with self._service.in_time():
                yield await read_submission(request, max_bytes=self._settings.max_bytes)

    async def model(self, request: Request) -> dict[str, Any]:
        """Say which model fills, how, and within which limits."""
        self._gatekeeper.client(request)
        described = await self._service.solver.describe()
        settings = self._settings
        return {
            **described,
            "reconstruction": {
                "kernel_size": settings.kernel_size,
                "threshold": settings.threshold,
                "max_passes": settings.max_passes,
            },
            "limits": {**self._service.limits(), "formats": list(FORMATS)},
            "jobs": self.jobs.describe(),
        }

    async def alive(self) -> dict[str, str]:
        """Answer, which is all that this says."""
        return {"status": "alive"}

    async def ready(self) -> dict[str, str]:
        """Say that a model is loaded."""
        return {
            "status": "ready",
            "model_version": (await self._service.solver.describe())["version"],
        }

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Answer a request that cannot be done."""
        assert isinstance(error, ApiError)
        self._metrics.rejected(error.code)
        return JSONResponse(error.body(), error.status, headers=error.headers())

    async def fail(self, request: Request, error: Exception) -> Response:
        """Answer a request that met a mistake of ours; the server logs it."""
        return JSONResponse(internal().body(), 500)

    async def refuse_route(self, request: Request, error: Exception) -> Response:
        """Answer a path or method that does not exist in the same form."""
        assert isinstance(error, HTTPException)
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
        body = ApiError(error.status_code, code, f"{error.detail}; see /docs").body()
        headers = _allowed(request) if error.status_code == 405 else error.headers
        return JSONResponse(body, error.status_code, headers=headers)


def _allowed(request: Request) -> dict[str, str]:
    """List the methods of a path: it may have a route for each, and Starlette names one's."""
    found = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE
    ]
    return {"Allow": ", ".join(sorted({name for route in found for name in route.methods or ()}))}


def _headers(answer: Answer) -> dict[str, str]:
    return {
        "Cache-Control": "no-store",
        "X-Passes": str(answer.passes),
        "X-Hole-Ratio": f"{answer.hole_ratio:.6f}",
        "X-Model-Version": answer.model_version,
        "X-Queue-Ms": f"{answer.queue_seconds * 1000:.1f}",
        "X-Model-Ms": f"{answer.model_seconds * 1000:.1f}",
    }
