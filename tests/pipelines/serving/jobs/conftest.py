"""The API with jobs that a test runs by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.serving.jobs.office import JobOffice
from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.model import InpaintingModel
from tests.pipelines.serving.in_process import api_of, client_of
from tests.pipelines.serving.jobs.hand_run import HandLauncher, settings_of, step

TOKENS = ("first", "second")


@dataclass
class HandEndpoint:
    """An endpoint whose jobs move on when a test says so."""

    folder: Path
    launcher: HandLauncher
    office: JobOffice
    client: httpx.AsyncClient
    settings: dict[str, Any]

    def step(self) -> bool:
        return step(self.office)

    async def submit(self, request: dict[str, Any], token: str = TOKENS[0]) -> dict[str, Any]:
        """Ask for a job that is taken."""
        answer = await self.client.post("/v1/jobs", **request, headers=bearer(token))
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
        return job

    async def get(self, path: str, token: str = TOKENS[0]) -> Any:
        answer = await self.client.get(path, headers=bearer(token))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def location(self, job: dict[str, Any]) -> str:
        return str(self.folder / job["id"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def endpoint_of(
    model: InpaintingModel, ingress_metrics: IngressMetrics, tmp_path: Path
) -> AsyncIterator[Callable[..., HandEndpoint]]:
    """Make endpoints over one folder of jobs."""
    clients: list[httpx.AsyncClient] = []
    folder = tmp_path / "jobs"
    launcher = HandLauncher()

    def make(tokens: tuple[str, ...] = TOKENS, **changes: Any) -> HandEndpoint:
        settings = settings_of(folder, **changes)
        office = JobOffice(settings, launcher)
        api = api_of(model, ingress_metrics, tokens, office, **settings.model_dump())
        clients.append(client_of(api))
        return HandEndpoint(folder, launcher, office, clients[-1], changes)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def endpoint(endpoint_of: Callable[..., HandEndpoint]) -> HandEndpoint:
    return endpoint_of()
