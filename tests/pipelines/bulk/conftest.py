"""Small collections, and jobs on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.bulk.config import InpaintConfig, resolve
from pipelines.bulk.job import run_job
from pipelines.bulk.outcome import Outcome
from tests.pipelines.bulk.pictures import config_of, write_masks, write_pictures
from tests.pipelines.evaluation.checkpoints import write_checkpoint

Start = Callable[..., Outcome]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("bulk") / "model")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve pictures with masks, below `tmp_path`."""
    write_pictures(tmp_path / "photos", 12)
    write_masks(tmp_path / "masks", tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def configured(tmp_path: Path, model: Path, tracking_uri: str) -> Callable[..., InpaintConfig]:
    """A resolved job of one process below `tmp_path`; fields may be changed."""
    one = {"actors": "1"}  # each takes seconds to start
    return lambda **changes: resolve(config_of(tmp_path, model, **(one | changes)))


@pytest.fixture
def start(ray_session: None, configured: Callable[..., InpaintConfig]) -> Start:
    """Run such a job to its end."""
    return lambda **changes: run_job(configured(**changes))
