"""The model behind the endpoint: loaded, changed, and kept where a change fails."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow.tracking import MlflowClient
from safetensors.torch import load_file, save_file

from isnet.checkpoint import load_generator
from isnet.config import InputError
from isnet.inference import InferenceGenerator
from isnet.inpainter import Inpainter
from isnet.strategies import Region
from pipelines.codec import CodecError
from pipelines.models import fingerprint
from pipelines.serving import batching
from pipelines.serving.config import EndpointSettings
from pipelines.serving.model import InpaintingModel
from pipelines.serving.regions import RegionFill, RegionRequest
from pipelines.tracking.registry import register_model
from tests.pipelines.evaluation.checkpoints import UNBOUNDED, write_checkpoint
from tests.pipelines.serving.in_process import load_model, noted_passes
from tests.pipelines.serving.pictures import hole, noise

pytestmark = pytest.mark.anyio


def request(**options: Any) -> RegionRequest:
    colours = np.array(noise())
    return RegionRequest(
        colours=colours, hole=hole(), **{"passes": None, "threshold": None, **options}
    )


def filled_by(checkpoint: Path) -> np.ndarray:
    """Fill the region of `request` without a server."""
    asked = request()
    size = asked.hole.shape[::-1]
    region = Region(box=(0, 0, *size), colours=asked.colours, hole=asked.hole)
    generator = InferenceGenerator(load_generator(checkpoint), precision="fp32")
    return Inpainter(generator).fill([region])[0]


def damaged(checkpoint: Path, folder: Path) -> Path:
    """Copy a checkpoint, and spoil a weight."""
    shutil.copytree(checkpoint, folder)
    weights = load_file(folder / "generator.safetensors")
    name = min(name for name in weights if name.endswith("bias"))
    weights[name] = torch.full_like(weights[name], float("nan"))
    save_file(weights, folder / "generator.safetensors")
    return folder


async def test_a_region_is_filled_as_by_the_library(small_checkpoint: Path) -> None:
    model = await load_model(small_checkpoint)
    fill = await model.solve(request())
    assert fill.finished
    assert np.array_equal(fill.fill, filled_by(small_checkpoint))


async def test_each_pass_is_shown_when_asked_for(model: InpaintingModel) -> None:
    shown = [fill async for fill in model.passes(request(passes=3, threshold=0))]
    assert [(fill.passes, fill.finished) for fill in shown] == [(1, False), (2, False), (3, True)]
    last = await model.solve(request(passes=3, threshold=0))
    assert np.array_equal(shown[-1].fill, last.fill)


async def test_leaving_the_passes_ends_them(model: InpaintingModel) -> None:
    with noted_passes(seconds=0.3) as made:
        passes = model.passes(request(threshold=0))
        await anext(passes)
        await passes.aclose()
        await model.solve(request(passes=1))
    assert len(made) <= 4


async def test_a_region_that_is_too_large_is_answered_with_a_refusal(
    small_checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = await load_model(small_checkpoint, max_region_pixels=5119)  # 75x50 is padded to 80x64
    told = [await model.solve(request()), *[made async for made in model.passes(request())]]
    assert [made.code for made in told if isinstance(made, CodecError)] == ["region_too_large"] * 2
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_pass_has_no_more_pixels_than_a_tile_may_whatever_is_allowed(
    small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "MAX_PIXELS", 2 * 80 * 64)
    model = await load_model(small_checkpoint, max_region_pixels=2**40)
    with noted_passes(seconds=0.1) as made:
        await asyncio.gather(*[model.solve(request(passes=1)) for _ in range(5)])
    assert sum(made) == 5
    assert max(made) == 2


async def test_the_version_names_place_and_weights(
    model: InpaintingModel, small_checkpoint: Path
) -> None:
    described = await model.describe()
    weights = fingerprint(load_generator(small_checkpoint))
    assert described["version"] == f"first/model:{weights}"
    assert described["location"] == str(small_checkpoint)
    assert (described["blocks"], described["channels"]) == (1, 2)
    assert (described["precision"], described["backend"]) == ("fp32", "torch")
    assert described["error"] is None
    assert (await model.solve(request())).model_version == described["version"]


async def test_a_shipped_model_is_called_by_its_name() -> None:
    described = await (await load_model("isnet-small")).describe()
    weights = fingerprint(load_generator("isnet-small"))
    assert described["version"] == f"isnet-small:{weights}"
    assert described["licence"].startswith("weights for research only")
    assert described["location"] == "isnet-small"


async def test_a_version_is_fit_for_a_header(small_checkpoint: Path, tmp_path: Path) -> None:
    odd = tmp_path / "modèle\r\nX-Other: 1" / "last one"
    shutil.copytree(small_checkpoint, odd)
    version = (await (await load_model(odd)).describe())["version"]
    name, _, weights = version.rpartition(":")
    assert name == "mod?le??X-Other:?1/last?one"
    assert weights


async def test_another_model_is_served_from_the_next_region_on(
    small_checkpoint: Path, other_checkpoint: Path
) -> None:
    model = await load_model(small_checkpoint)
    with noted_passes(seconds=0.1):
        before = model.passes(request(passes=3, threshold=0))
        old = [await anext(before)]
        await model.reconfigure({"checkpoint": str(other_checkpoint)})
        new = await model.solve(request())
        old += [fill async for fill in before]
    assert {fill.model_version.partition("/")[0] for fill in old} == {"first"}
    assert [fill.passes for fill in old] == [1, 2, 3]
    assert new.model_version.startswith("second/model:")
    assert np.array_equal(new.fill, filled_by(other_checkpoint))


async def test_a_region_is_answered_by_one_model_while_models_change(
    small_checkpoint: Path, other_checkpoint: Path
) -> None:
    model = await load_model(small_checkpoint)
    expected = {"first": filled_by(small_checkpoint), "second": filled_by(other_checkpoint)}

    async def ask() -> RegionFill:
        return await model.solve(request())

    async def change() -> None:
        for checkpoint in (other_checkpoint, small_checkpoint, other_checkpoint):
            await model.reconfigure({"checkpoint": str(checkpoint)})

    changing = asyncio.create_task(change())
    fills = []
    while not changing.done():
        fills += await asyncio.gather(ask(), ask(), ask())
    await changing
    fills.append(await ask())  # the changes may have been quicker than the first answers
    assert len({fill.model_version for fill in fills}) == 2
    for fill in fills:
        wanted = expected[fill.model_version.partition("/")[0]]
        assert np.abs(fill.fill - wanted).max() <= 1e-5


@pytest.mark.parametrize("kind", ["nothing", "empty", "garbage", "not finite"])
async def test_a_model_that_cannot_be_loaded_leaves_the_one_before(
    small_checkpoint: Path, other_checkpoint: Path, tmp_path: Path, kind: str
) -> None:
    bad = tmp_path / "bad"
    if kind == "not finite":
        damaged(other_checkpoint, bad)
    elif kind != "nothing":
        bad.mkdir()
        if kind == "garbage":
            (bad / "config.json").write_bytes(b"\xff{")
            (bad / "generator.safetensors").write_bytes(b"garbage")

    model = await load_model(small_checkpoint)
    served = (await model.describe())["version"]
    await model.reconfigure({"checkpoint": str(bad)})

    described = await model.describe()
    assert described["version"] == served
    assert str(bad) in described["error"]
    assert (await model.solve(request())).model_version == served

    await model.reconfigure({"checkpoint": str(other_checkpoint)})
    assert (await model.describe())["error"] is None


async def test_a_first_model_that_cannot_be_loaded_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint"):
        await load_model(tmp_path / "nothing")


async def test_a_first_model_that_is_not_finite_is_an_error(
    small_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="not finite"):
        await load_model(damaged(small_checkpoint, tmp_path / "bad"))


async def test_openvino_computes_on_the_cpu_whatever_else_is_there(
    small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    model = await load_model(small_checkpoint, backend="openvino")
    described = await model.describe()
    assert (described["device"], described["backend"]) == ("cpu", "openvino")
    assert np.abs((await model.solve(request())).fill - filled_by(small_checkpoint)).max() <= 1e-3


async def test_a_first_model_that_cannot_have_the_precision_is_an_error(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "base", config=UNBOUNDED)
    model = InpaintingModel(EndpointSettings(precision="int8", backend="openvino"))
    with pytest.raises(InputError, match="int8 needs activations between -1 and 1"):
        await model.reconfigure({"checkpoint": str(checkpoint)})


async def test_an_alias_is_looked_up_when_it_is_asked_for_again(
    tracking_uri: str, tracked_run: str, small_checkpoint: Path, other_checkpoint: Path
) -> None:
    registry = MlflowClient(tracking_uri)
    model = InpaintingModel(EndpointSettings(precision="fp32", tracking_uri=tracking_uri))

    async def champion(checkpoint: Path, revision: str) -> tuple[str, str]:
        version = await asyncio.to_thread(register_model, tracking_uri, tracked_run, checkpoint)
        registry.set_registered_model_alias("isnet", "champion", version)
        config = {"checkpoint": "models:/isnet@champion", "revision": revision}
        await model.reconfigure(config)
        return version, (await model.describe())["version"]

    first = await champion(small_checkpoint, "a")
    second = await champion(other_checkpoint, "b")
    for (version, served), checkpoint in (
        (first, small_checkpoint),
        (second, other_checkpoint),
    ):
        assert served == f"isnet/{version}:{fingerprint(load_generator(checkpoint))}"
    assert first[0] != second[0]

    await model.reconfigure({"checkpoint": "models:/isnet@nobody"})
    described = await model.describe()
    assert described["version"] == second[1]
    assert "models:/isnet@nobody" in described["error"]
