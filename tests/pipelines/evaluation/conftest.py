"""Evaluations as a user starts them, on small new networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines.evaluation.evaluations import Evaluations


@pytest.fixture
def evaluations(prepared: str, tracking_uri: str, tmp_path: Path) -> Evaluations:
    """Evaluations below `tmp_path`, recorded in `tracking_uri`."""
    return Evaluations(tmp_path, prepared, tracking_uri)


@pytest.fixture
def checkpoint(evaluations: Evaluations):
    """`Evaluations.checkpoint`."""
    return evaluations.checkpoint


@pytest.fixture
def run(evaluations: Evaluations):
    """`Evaluations.run`."""
    return evaluations.run


@pytest.fixture
def scores(evaluations: Evaluations):
    """`Evaluations.scores`."""
    return evaluations.scores
