"""Rows on their way to MLflow from a training process. All against a real sqlite store."""

from __future__ import annotations

import json
import logging
import math
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from PIL import Image

from isnet.config import InputError
from pipelines.tracking.__main__ import main
from pipelines.tracking.rows import logged, safe_name
from pipelines.tracking.runs import TrackingConfig, open_run
from pipelines.tracking.tracker import Tracker


def history(uri: str, run_id: str, key: str) -> list[tuple[int, float]]:
    points = MlflowClient(uri).get_metric_history(run_id, key)
    return [(point.step, point.value) for point in points]


def wait_until_sent(tracker: Tracker) -> None:
    deadline = time.monotonic() + 20
    while tracker.pending():
        assert time.monotonic() < deadline, "the sender did not send"
        time.sleep(0.02)


def test_metrics_arrive_in_order(tracking_uri: str, tracked_run: str, tmp_path: Path) -> None:
    with Tracker(tracking_uri, tracked_run, unsent_folder=tmp_path) as tracker:
        for step in range(1200):
            tracker.metrics(step, {"loss/l1": step / 2, "psnr/10-20%": 30.0})
            if step % 100 == 0:
                tracker.commit()
    assert history(tracking_uri, tracked_run, "loss/l1") == [
        (step, step / 2) for step in range(1200)
    ]
    assert len(history(tracking_uri, tracked_run, "psnr/10-20")) == 1200
    assert not list(tmp_path.glob("unsent*"))


def test_rows_wait_for_commit(tracking_uri: str, tracked_run: str, tmp_path: Path) -> None:
    tracker = Tracker(tracking_uri, tracked_run, unsent_folder=tmp_path)
    tracker.metrics(1, {"loss": 1.0})
    tracker.commit()
    wait_until_sent(tracker)
    tracker.metrics(2, {"loss": 2.0})
    time.sleep(0.2)
    assert history(tracking_uri, tracked_run, "loss") == [(1, 1.0)]
    assert [row["step"] for row in tracker.pending()] == [2]
    tracker.close()
    assert history(tracking_uri, tracked_run, "loss") == [(1, 1.0), (2, 2.0)]


def test_pending_rows_survive_json_and_sending_them_again_doubles_nothing(
    tracking_uri: str, tracked_run: str, tmp_path: Path
) -> None:
    tracker = Tracker(tracking_uri, tracked_run, unsent_folder=tmp_path)
    tracker.metrics(1, {"loss": 0.1, "nan": math.nan, "inf": math.inf})
    checkpoint = json.dumps(tracker.pending())
    tracker.close()
    for _ in range(2):
        with Tracker(
            tracking_uri, tracked_run, unsent_folder=tmp_path, pending=json.loads(checkpoint)
        ):
            pass
    assert history(tracking_uri, tracked_run, "loss") == [(1, 0.1)]
    assert (
        len(history(tracking_uri, tracked_run, "nan"))
        == len(history(tracking_uri, tracked_run, "inf"))
        == 1
    )


def test_values_that_are_not_finite_are_stored_and_hold_up_nothing(
    tracking_uri: str, tracked_run: str, tmp_path: Path
) -> None:
    with Tracker(tracking_uri, tracked_run, unsent_folder=tmp_path) as tracker:
        tracker.metrics(1, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1.0})
    values = MlflowClient(tracking_uri).get_run(tracked_run).data.metrics
    assert math.isnan(values["a"])
    assert (values["b"], values["c"]) == (sys.float_info.max, -sys.float_info.max)
    assert values["d"] == 1.0


def test_two_trackers_write_one_database_at_once(
    tracking_uri: str, tracked_run: str, tmp_path: Path
) -> None:
    other = open_run(TrackingConfig(uri=tracking_uri), name="other", params={}, tags={})
    trackers = [
        Tracker(tracking_uri, run_id, unsent_folder=tmp_path) for run_id in (tracked_run, other)
    ]
    for step in range(100):
        for tracker in trackers:
            tracker.metrics(step, {"loss": float(step)})
            tracker.commit()
    for tracker in trackers:
        tracker.close()
    assert (
        len(history(tracking_uri, tracked_run, "loss"))
        == len(history(tracking_uri, other, "loss"))
        == 100
    )


def test_images_are_listed_and_come_back_exact(
    tracking_uri: str, tracked_run: str, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    kept = pixels.copy()
    with Tracker(tracking_uri, tracked_run, unsent_folder=tmp_path) as tracker:
        tracker.image("samples/grid", 7, pixels)
        pixels[:] = 0
    client = MlflowClient(tracking_uri)
    names = [file.path for file in client.list_artifacts(tracked_run, "images")]
    (picture,) = [name for name in names if name.endswith(".png")]
    assert picture.startswith("images/samples~grid+step+7+timestamp+")
    with Image.open(client.download_artifacts(tracked_run, picture)) as image:
        assert np.array_equal(np.asarray(image), kept)
    assert client.get_run(tracked_run).data.tags["mlflow.loggedImages"] == "True"


def test_an_exception_in_training_leaves_uncommitted_rows_unsent(
    tracking_uri: str, tracked_run: str, tmp_path: Path
) -> None:
    def train() -> None:
        with Tracker(tracking_uri, tracked_run, unsent_folder=tmp_path) as tracker:
            tracker.metrics(1, {"loss": 1.0})
            tracker.commit()
            tracker.metrics(2, {"loss": 2.0})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert history(tracking_uri, tracked_run, "loss") == [(1, 1.0)]


def test_rows_left_at_the_end_lie_in_a_file_that_can_be_sent(
    tracking_uri: str,
    tracked_run: str,
    closed_port: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tracker = Tracker(
        f"http://127.0.0.1:{closed_port}", tracked_run, unsent_folder=tmp_path / "runs"
    )
    tracker.metrics(3, {"loss": 0.5, "nan": math.nan})
    tracker.image("grid", 3, np.zeros((4, 4, 3), np.uint8))
    start = time.monotonic()
    tracker.close(timeout=2)
    assert time.monotonic() - start < 8
    file = tmp_path / "runs" / f"unsent-{tracked_run}.jsonl"
    assert f"python -m pipelines.tracking send {file} --uri" in caplog.text
    for _ in range(2):
        main(["send", str(file), "--uri", tracking_uri])
    assert "sent 3 rows" in capsys.readouterr().out
    assert history(tracking_uri, tracked_run, "loss") == [(3, 0.5)]
    assert MlflowClient(tracking_uri).list_artifacts(tracked_run, "images")


def test_a_broken_file_of_rows_is_an_input_error(tracking_uri: str, tmp_path: Path) -> None:
    file = tmp_path / "unsent.jsonl"
    file.write_text('{"run_id": "x", "ke')
    with pytest.raises(InputError, match=r"line 1 of .*unsent\.jsonl"):
        main(["send", str(file), "--uri", tracking_uri])


def test_a_store_that_comes_back_gets_everything_and_warns_twice(
    tracking_uri: str, tracked_run: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "blocked"
    blocked.touch()
    away = f"sqlite:///{blocked}/mlflow.db"
    with Tracker(away, tracked_run, unsent_folder=tmp_path) as tracker:
        for step in range(3):
            tracker.metrics(step, {"loss": float(step)})
            tracker.commit()
            time.sleep(0.5)
        assert len(tracker.pending()) == 3
        blocked.unlink()
        blocked.mkdir()
        shutil.copy(tmp_path / "mlflow.db", blocked / "mlflow.db")
    assert history(away, tracked_run, "loss") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "takes no rows" in warnings[0].getMessage()
    assert "has caught up" in warnings[1].getMessage()


def test_images_beyond_the_limit_give_way_and_are_counted(
    tracked_run: str, closed_port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = Tracker(f"http://127.0.0.1:{closed_port}", tracked_run, unsent_folder=tmp_path)
    for step in range(70):
        tracker.image("grid", step, np.zeros((4, 4, 3), np.uint8))
        tracker.commit()
    tracker.close(timeout=0.1)
    lines = (tmp_path / f"unsent-{tracked_run}.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(6, 70))
    assert "6 older pictures were dropped" in caplog.text


@pytest.mark.parametrize("name", ["a//b", "../x", "/x", "ä%|b", "x" * 400, "", "a/", "a b:c"])
def test_safe_names_are_taken_by_mlflow(tracking_uri: str, tracked_run: str, name: str) -> None:
    MlflowClient(tracking_uri).log_metric(tracked_run, safe_name(name), 1.0)


def test_only_what_was_sealed_is_sent(tracking_uri, tracked_run, tmp_path):
    with Tracker(tracking_uri, tracked_run, unsent_folder=tmp_path) as tracker:
        tracker.metrics(1, {"loss": 1.0})
        tracker.seal()
        tracker.metrics(2, {"loss": 2.0})
        assert [row["step"] for row in tracker.pending()] == [1, 2]
        tracker.commit_sealed()
        tracker.discard()
        tracker.metrics(3, {"loss": 3.0})
    assert [step for step, _ in history(tracking_uri, tracked_run, "loss")] == [1, 3]


def test_what_no_checkpoint_covers_is_dropped(tracking_uri, tracked_run, tmp_path):
    with Tracker(tracking_uri, tracked_run, unsent_folder=tmp_path) as tracker:
        tracker.metrics(1, {"loss": 1.0})
        tracker.commit()
        tracker.metrics(2, {"loss": 2.0})
        tracker.seal()
        tracker.metrics(3, {"loss": 3.0})
        tracker.drop()
    assert [step for step, _ in history(tracking_uri, tracked_run, "loss")] == [1]


def test_what_mlflow_has_already_is_not_logged_again(tracking_uri, tracked_run, tmp_path):
    with Tracker(tracking_uri, tracked_run, unsent_folder=tmp_path) as tracker:
        for step in (1, 2):
            tracker.metrics(step, {"loss": float(step)})
    known = logged(tracking_uri, tracked_run)
    assert known == {("loss", 1), ("loss", 2)}
    with Tracker(tracking_uri, tracked_run, unsent_folder=tmp_path, known=known) as tracker:
        for step in (2, 3):
            tracker.metrics(step, {"loss": float(step), "other": 0.0})
    assert [step for step, _ in history(tracking_uri, tracked_run, "loss")] == [1, 2, 3]
