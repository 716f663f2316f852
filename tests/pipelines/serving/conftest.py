"""A small untrained model behind the real API, in the test's own event loop."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, sync_playwright

from isnet.checkpoint import load_generator
from isnet.config import ReconstructionConfig
from isnet.inference import InferenceGenerator
from isnet.inpainter import Inpainter
from pipelines.serving.metrics import IngressMetrics
from pipelines.serving.model import InpaintingModel
from tests.conftest import BROWSERS
from tests.pipelines.evaluation.checkpoints import write_checkpoint
from tests.pipelines.serving.in_process import api_of, client_of, load_model

URLS = ("/v1/inpaint", "/v1/inpaint/stream")
CHROMIUM = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One event loop for all of them, so that they can share a model."""
    return "asyncio"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium; a module at a time, since Playwright's loop is nobody else's."""
    with sync_playwright() as playwright:
        program = next(filter(None, map(shutil.which, BROWSERS)))
        chromium = playwright.chromium.launch(executable_path=program, args=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("runs") / "first" / "model", seed=0)


@pytest.fixture(scope="session")
def other_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("runs") / "second" / "model", seed=1)


@pytest.fixture(scope="session")
def generator(small_checkpoint: Path) -> InferenceGenerator:
    """The network as it is served."""
    return InferenceGenerator(load_generator(small_checkpoint), precision="fp32")


@pytest.fixture(scope="session")
def inpainter_of(generator: InferenceGenerator) -> Callable[..., Inpainter]:
    """Make an `Inpainter` of the network that is served."""

    def make(**reconstruction: float) -> Inpainter:
        config = ReconstructionConfig(**reconstruction)  # type: ignore[arg-type]
        return Inpainter(generator, reconstruction=config)

    return make


@pytest.fixture(scope="session")
async def model(small_checkpoint: Path) -> InpaintingModel:
    return await load_model(small_checkpoint)


@pytest.fixture(scope="session")
def ingress_metrics() -> IngressMetrics:
    return IngressMetrics()


@pytest.fixture(scope="session")
def build(model: InpaintingModel, ingress_metrics: IngressMetrics) -> Callable[..., FastAPI]:
    """Build an API with settings of a test's own over the model that all share."""

    def make(tokens: tuple[str, ...] = (), **settings: float) -> FastAPI:
        return api_of(model, ingress_metrics, tokens, **settings)

    return make


@pytest.fixture(scope="session")
async def client(build: Callable[..., FastAPI]) -> AsyncIterator[httpx.AsyncClient]:
    """Call an API with default settings."""
    async with client_of(build()) as calling:
        yield calling


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest) -> str:
    """Both ways of asking refuse alike."""
    return str(request.param)
