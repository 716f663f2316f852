"""One small data set, prepared once, for every test that only reads it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.preparation.config import PrepareConfig
from pipelines.prepare import prepare
from pipelines.shards import Manifest
from tests.pipelines.preparation.photographs import SIZE, write_photos


@pytest.fixture(scope="session")
def photos(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, samples)
    return folder


@pytest.fixture(scope="session")
def config(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> PrepareConfig:
    return PrepareConfig(
        photos=str(photos),
        output=str(tmp_path_factory.mktemp("prepared") / "set"),
        size=SIZE,
        crops_per_photo=4,
        generated_masks=24,
        validation_percent=25,
    )


@pytest.fixture(scope="session")
def manifest(config: PrepareConfig, ray_session: object) -> Manifest:
    return prepare(config)


@pytest.fixture
def copy(config: PrepareConfig, manifest: Manifest, tmp_path: Path) -> PrepareConfig:
    """A data set of its own to damage."""
    shutil.copytree(config.output, tmp_path / "set")
    return replace(config, output=str(tmp_path / "set"))
