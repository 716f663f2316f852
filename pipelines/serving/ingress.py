"""The deployment that answers HTTP: it decodes and encodes, and asks model replicas for fills."""

from __future__ import annotations

from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from pipelines.serving.api import build_api
from pipelines.serving.config import EndpointSettings, read_tokens, require_tokens_unless_loopback
from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.replicas import ReplicaSolver


@serve.deployment(name="Ingress")
@serve.ingress()
class Ingress:
    """The API as a Serve deployment."""

    def __init__(self, settings: EndpointSettings, model: DeploymentHandle) -> None:
        """Take the handle of the model's deployment.

        Raises:
            InputError: others than this machine could reach the endpoint, and it has no tokens.

        """
        self._settings = settings
        self._model = model
        self._tokens = read_tokens(settings)
        require_tokens_unless_loopback(_bound_host(), self._tokens)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Build the API; Serve calls it once in each replica."""
        metrics = IngressMetrics()
        solver = ReplicaSolver(self._model, metrics)
        return build_api(self._settings, solver, tokens=self._tokens, metrics=metrics)


def _bound_host() -> str:
    """Where Serve's proxies listen. Serve has no public way to ask."""
    client = _get_global_client()
    assert client is not None, "a replica has a controller"
    return str(client.http_config.host)
