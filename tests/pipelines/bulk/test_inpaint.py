"""Jobs in this process: what comes out, where it goes, what is said of what failed."""

from __future__ import annotations

import asyncio
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from mlflow.tracking import MlflowClient
from PIL import ExifTags, Image, ImageCms
from pyarrow import parquet

from isnet.config import InputError, ReconstructionConfig
from pipelines import inpaint
from pipelines.bulk import job
from pipelines.bulk.config import InpaintConfig, resolve
from pipelines.bulk.job import run_job
from pipelines.bulk.outcome import Outcome
from pipelines.bulk.progress import read_progress
from pipelines.claim import Claim
from pipelines.serving.metrics import IngressMetrics
from pipelines.tracking.runs import TrackingConfig
from tests.pipelines.bulk.pictures import config_of, results_of, write_masks, write_pictures
from tests.pipelines.serving.in_process import api_of, client_of, load_model

pytestmark = pytest.mark.ray

SMALL = ReconstructionConfig(kernel_size=3, threshold=0.001)


def table_of(output: Path) -> dict[str, dict[str, object]]:
    rows = parquet.read_table(output / "results.parquet").to_pylist()
    return {row["input"]: row for row in rows}


def pixels(data: bytes | Path) -> np.ndarray:
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as picture:
        return np.asarray(picture).astype(int)


def hole_of(path: Path) -> np.ndarray:
    return pixels(path) > 127


async def answers(model: Path, photos: Path, masks: Path, **fields: str) -> dict[str, bytes]:
    """What the endpoint makes of pictures, one by one."""
    settings = {"kernel_size": 3, "threshold": 0.001, "scale": 32}
    served = await load_model(model, **settings)
    found = {}
    async with client_of(api_of(served, IngressMetrics(), **settings)) as client:
        for path in sorted(photos.rglob("*.*")):
            name = path.relative_to(photos)
            files = {"image": path.read_bytes(), "mask": (masks / name).read_bytes()}
            answer = await client.post("/v1/inpaint", files=files, data=fields)
            answer.raise_for_status()
            found[str(name)] = answer.content
    return found


class Finished(NamedTuple):
    """A job that nothing disturbed."""

    folder: Path
    config: InpaintConfig
    outcome: Outcome


@pytest.fixture(scope="module")
def finished(ray_session, model, new_database, tmp_path_factory) -> Finished:
    """A job whose results are only read."""
    folder = tmp_path_factory.mktemp("finished")
    write_pictures(folder / "photos", 12)
    write_masks(folder / "masks", folder / "photos")
    changes = {"tracking": TrackingConfig(uri=new_database(folder)), "reconstruction": SMALL}
    config = resolve(config_of(folder, model, actors="1", scale=32, **changes))
    return Finished(folder, config, run_job(config))


def test_every_picture_is_filled_under_its_own_name(finished):
    outcome, photos = finished.outcome, finished.folder / "photos"
    assert (outcome.done, outcome.failed, outcome.exit_code) == (12, 0, 0)
    results = results_of(finished.folder / "out")
    assert results.keys() == {str(path.relative_to(photos)) for path in photos.rglob("*.png")}
    for name, data in results.items():
        hole = hole_of(finished.folder / "masks" / name)
        before, after = pixels(photos / name), pixels(data)
        assert np.array_equal(before[~hole], after[~hole])
        assert not np.array_equal(before[hole], after[hole])


def test_the_table_says_what_became_of_each(finished):
    rows = table_of(finished.folder / "out")
    assert len(rows) == 12
    for name, row in rows.items():
        hole = hole_of(finished.folder / "masks" / name)
        assert row["mask"] == row["output"] == name
        assert row["hole_ratio"] == pytest.approx(hole.mean(), abs=1e-6)
        assert row["milliseconds"] > 0
        assert (row["status"], row["reason"], row["error"]) == ("done", None, None)
    assert max(row["passes"] for row in rows.values()) > 1


def test_in_a_batch_it_differs_by_one_grey_level_in_the_hole_at_most(finished, model):
    folder = finished.folder
    expected = asyncio.run(answers(model, folder / "photos", folder / "masks"))
    for name, data in results_of(folder / "out").items():
        difference = np.abs(pixels(data) - pixels(expected[name]))
        assert difference.max() <= 1
        assert not difference[~hole_of(folder / "masks" / name)].any()


def test_a_finished_job_is_left_alone_and_has_one_run_in_mlflow(finished, tmp_path):
    written = {path: path.stat().st_mtime_ns for path in (finished.folder / "out").rglob("*.png")}
    outcome = run_job(finished.config)
    assert (outcome.done, outcome.kept) == (12, 12)
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())
    client = MlflowClient(finished.config.tracking.uri)
    experiment = client.get_experiment_by_name("isnet")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["inpaint/done"] == 12
    assert run.data.params["strategy"] == "original"
    assert re.fullmatch(r"[0-9a-f]{12}", run.data.tags["model_fingerprint"])
    path = client.download_artifacts(run.info.run_id, "inpaint/samples.png", str(tmp_path))
    with Image.open(path) as samples:
        assert samples.width > 400


def test_another_job_does_not_get_the_same_folder(finished):
    with pytest.raises(InputError, match="another job: --strategy was original, now crop"):
        run_job(replace(finished.config, strategy="crop"))
    new = finished.folder / "photos/new.png"
    shutil.copy(finished.folder / "photos/a/000.png", new)
    with pytest.raises(InputError, match="pictures was 12, now 13"):
        run_job(finished.config)
    new.unlink()


@pytest.mark.parametrize("strategy", ["original", "crop", "resize"])
def test_alone_in_its_passes_a_picture_becomes_what_the_endpoint_makes_of_it(
    strategy, photos, start, model, tmp_path
):
    torch.set_num_threads(1)
    start(strategy=strategy, scale=32, reconstruction=SMALL, max_batch=1)
    expected = asyncio.run(answers(model, photos, tmp_path / "masks", strategy=strategy))
    assert results_of(tmp_path / "out") == expected


def test_a_file_keeps_its_format_profile_alpha_and_orientation(model, start, tmp_path):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    (tmp_path / "masks" / "deep").mkdir(parents=True)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 4), dtype=np.uint8)
    rgba, mask = Image.fromarray(noise), np.zeros((24, 40), np.uint8)
    mask[4:12, 6:20] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    rgba.save(tmp_path / "photos/deep/alpha.webp", lossless=True, exact=True)
    rgba.convert("RGB").save(tmp_path / "photos/turned.JPG", icc_profile=profile, exif=exif)
    Image.fromarray(mask).save(tmp_path / "masks/deep/alpha.png")
    Image.fromarray(np.rot90(mask, -1)).save(tmp_path / "masks/turned.png")
    assert start().done == 2
    with Image.open(tmp_path / "out/deep/alpha.webp") as result:
        assert result.format == "WEBP"
        assert np.array_equal(np.asarray(result)[..., 3], noise[..., 3])
    with Image.open(tmp_path / "out/turned.JPG") as result:
        assert (result.format, result.size) == ("JPEG", (40, 24))
        assert result.info["icc_profile"] == profile
        assert result.getexif()[ExifTags.Base.Orientation] == 6


def test_pictures_that_would_get_one_name_do_not(photos, start, tmp_path):
    with Image.open(photos / "a/000.png") as picture:
        picture.save(photos / "a/000.bmp")
    assert start(format="png").done == 13
    names = [row["output"] for row in table_of(tmp_path / "out").values()]
    assert sorted(names) == sorted(results_of(tmp_path / "out"))
    assert len(set(names)) == 13


def test_a_bad_picture_stops_no_other_and_is_tried_again(photos, start, tmp_path):
    good = (photos / "a/000.png").read_bytes()
    (photos / "a/000.png").write_bytes(good[:500].ljust(len(good)))
    (tmp_path / "masks/b/001.png").unlink()
    outcome = start()
    assert (outcome.done, outcome.failed, outcome.exit_code) == (10, 2, 1)
    assert outcome.reasons == {"undecodable": 1, "no_mask": 1}
    row = table_of(tmp_path / "out")["b/001.png"]
    assert (row["status"], row["mask"], row["output"]) == ("failed", None, None)
    assert "no mask of its name" in row["error"]
    before = results_of(tmp_path / "out")
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}

    (photos / "a/000.png").write_bytes(good)  # of the same size: the same collection
    outcome = start()
    assert (outcome.done, outcome.failed) == (11, 1)
    after = results_of(tmp_path / "out")
    assert after.keys() - before.keys() == {"a/000.png"}
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())


def test_a_job_stops_after_too_many_failures(photos, start, tmp_path):
    for path in photos.rglob("*.png"):
        path.write_bytes(b"no picture")
    outcome = start(max_failures=3)
    assert outcome.stopped
    assert outcome.exit_code == 1
    assert not (tmp_path / "out/results.parquet").exists()
    progress = read_progress(str(tmp_path / "out"))
    assert progress is not None
    assert progress.state == "stopped"
    assert progress.failures[0]["reason"] == "unsupported_format"


def test_without_mlflow_a_job_runs_all_the_same(photos, start, closed_port, capsys):
    tracking = TrackingConfig(uri=f"http://127.0.0.1:{closed_port}")
    assert start(tracking=tracking).done == 12
    assert "warning: not logged to MLflow" in capsys.readouterr().err


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(photos, model, tmp_path, capsys):
    words = ["--checkpoint", model, "--input", photos, "--masks", tmp_path / "masks"]
    before = sorted(tmp_path.rglob("*"))
    assert inpaint.main([*map(str, words), "--output", str(tmp_path / "out"), "--dry-run"]) == 0
    assert sorted(tmp_path.rglob("*")) == before
    printed = capsys.readouterr().out
    assert "12 pictures in" in printed
    assert f"results would go to {tmp_path}/out" in printed


def test_the_command_prints_the_outcome(photos, start, model, tmp_path, tracking_uri, capsys):
    (tmp_path / "masks/b/001.png").unlink()
    words = ["--checkpoint", model, "--input", photos, "--masks", tmp_path / "masks"]
    words += ["--output", tmp_path / "out", "--tracking.uri", tracking_uri]
    assert inpaint.main([*map(str, words)]) == 1
    printed = capsys.readouterr().out
    assert "1 of them have no mask, and will fail" in printed
    assert "11 of 12 pictures filled; 1 failed" in printed
    assert "b/001.png: no mask of its name" in printed


def test_a_job_that_another_command_has_taken_stops(photos, configured, ray_session, tmp_path):
    config = configured()
    claim_of = job.Claim.take

    def taken_twice(folder: str) -> Claim:
        first = claim_of(folder)
        claim_of(folder)
        return first

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job.Claim, "take", taken_twice)
        with pytest.raises(InputError, match="taken by a command that was started later"):
            run_job(config)
    assert '"state": "failed"' not in (tmp_path / "out/.inpaint/progress.json").read_text()
