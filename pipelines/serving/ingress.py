"""The deployment that answers HTTP: it decodes and encodes, and asks model replicas for fills."""

from __future__ import annotations

from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from pipelines.serving.api import build_api
from pipelines.serving.config import EndpointSettings, read_tokens, require_tokens_unless_loopback
from pipelines.serving.draining import Door
from pipelines.serving.jobs.deployment import ReplicaBoard
from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.replica_port import keep_to_loopback
from pipelines.serving.replicas import ReplicaSolver


@serve.deployment(name="Ingress")
@serve.ingress()
class Ingress:
    """The API as a Serve deployment."""

    def __init__(
        self,
        settings: EndpointSettings,
        model: DeploymentHandle,
        jobs: DeploymentHandle | None = None,
    ) -> None:
        """Take the handles of the other deployments; of jobs where there are any.

        Raises:
            InputError: others than this machine could reach the endpoint, and it has no tokens.

        """
        keep_to_loopback()
        self._settings = settings
        self._model = model
        self._board = None if jobs is None else ReplicaBoard(jobs)
        self._door = Door()
        self._tokens = read_tokens(settings)
        require_tokens_unless_loopback(bound_to()[0], self._tokens)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Build the API; Serve calls it once in each replica."""
        metrics = IngressMetrics()
        solver = ReplicaSolver(self._model, metrics)
        api = build_api(
            self._settings, solver, tokens=self._tokens, metrics=metrics, board=self._board
        )
        api.add_middleware(self._door.before)
        return api

    async def drain(self) -> None:
        """Take no more requests; return once those that are here are answered."""
        await self._door.close()


def bound_to() -> tuple[str, int]:
    """Return the host and port where Serve's proxies listen. Serve has no public way to ask."""
    client = _get_global_client()
    assert client is not None, "Serve runs"
    return str(client.http_config.host), int(client.http_config.port)
