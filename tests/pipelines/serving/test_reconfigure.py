"""When a model replica loads a model, and what it does when it cannot."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from isnet.config import InputError
from pipelines.serving import model as serving_model
from pipelines.serving.config import EndpointSettings
from pipelines.serving.model import InpaintingModel


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Locations that were loaded; those that start with `bad` cannot be."""
    locations: list[str] = []

    def load(location: str, **_: object) -> Any:
        locations.append(location)
        if location.startswith("bad"):
            raise RuntimeError("no memory\nfor two models")
        return SimpleNamespace(version=location, description={"version": location})

    monkeypatch.setattr(serving_model, "load_served", load)
    return locations


@pytest.fixture
def replica() -> InpaintingModel:
    return InpaintingModel(EndpointSettings())


def _configure(replica: InpaintingModel, **user_config: object) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        await replica.reconfigure(dict(user_config))
        return await replica.describe()

    return asyncio.run(run())


def test_the_same_configuration_is_not_loaded_again(replica: InpaintingModel, loaded: list[str]):
    for revision in ("1", "1", "2"):
        _configure(replica, checkpoint="model", revision=revision)
    assert loaded == ["model", "model"]


def test_whatever_keeps_another_model_from_being_loaded_is_told(
    replica: InpaintingModel, loaded: list[str]
):
    _configure(replica, checkpoint="good")
    described = _configure(replica, checkpoint="bad://key:secret@place")
    assert described["version"] == "good"
    assert described["error"] == "bad://***@place was not loaded: no memory for two models"
    assert _configure(replica, checkpoint="better") == {"version": "better", "error": None}


def test_a_first_model_that_cannot_be_loaded_is_an_error(
    replica: InpaintingModel, loaded: list[str]
):
    with pytest.raises(RuntimeError, match="no memory"):
        _configure(replica, checkpoint="bad")


def test_a_configuration_without_a_checkpoint_says_where_it_belongs(replica: InpaintingModel):
    with pytest.raises(InputError, match="give the deployment Model one"):
        _configure(replica, revision="2")
