"""Endpoints as they are started by hand, and kept for as long as the tests of this folder run."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.pipelines.serving.endpoint_process import EndpointProcess

TOKENS = ("the-first-token", "the-second-token")


@pytest.fixture(scope="package")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointProcess]:
    """Two replicas of each kind. It is stopped as by Ctrl-C, after which nothing may be left."""
    folder = tmp_path_factory.mktemp("endpoint")
    process = EndpointProcess(folder, "--model-replicas", 2, "--ingress-replicas", 2)
    process.start()
    process.wait_until_ready()
    yield process
    assert process.stop(signal.SIGINT) == 0


@pytest.fixture(scope="package")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointProcess]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").write_text(f"{TOKENS[1]}\n")
    limits = {"max-seconds": 8, "max-requests": 6, "max-requests-per-client": 4, "max-batch": 1}
    words = [f"--{name}={value}" for name, value in limits.items()]
    process = EndpointProcess(folder, *words, "--tokens-file", folder / "tokens")
    yield process
    if process.running:
        process.stop(signal.SIGTERM)


@pytest.fixture
def guarded(_guarded: EndpointProcess) -> EndpointProcess:
    """One replica of each kind, two tokens and small limits; a test may stop it."""
    if not _guarded.running:
        _guarded.start(ISNET_TOKEN=TOKENS[0])
        _guarded.wait_until_ready()
    return _guarded
