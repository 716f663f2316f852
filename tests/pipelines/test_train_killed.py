"""Training whose driver and worker are killed ends like training that was left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from mlflow.tracking import MlflowClient

from pipelines.training.checkpoints import newest

ROOT = Path(__file__).parents[2]
STEPS = 30
OPTIONS = {
    "--name": "run",
    "--steps": STEPS,
    "--batch-size": 6,
    "--generator.channels": 2,
    "--discriminator.channels": 2,
    "--loss.preset": "eq4",
    "--loss.extractor": "random",
    "--log-every": 1,
    "--validate-every": 10,
    "--validation-images": 4,
    "--checkpoint-every": 3,
}


def _start(prepared: str, folder: Path, ranks: int) -> subprocess.Popen:
    places = {
        "--num-workers": ranks,
        "--data": prepared,
        "--output": folder / "runs",
        "--tracking.uri": f"sqlite:///{folder}/mlflow.db",
    }
    words = [str(word) for pair in (OPTIONS | places).items() for word in pair]
    command = [sys.executable, str(ROOT / "pipelines" / "train.py"), "smoke", *words]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return subprocess.Popen(command, cwd=folder, env=environment)


def _wait_for_step(folder: Path, step: int, process: subprocess.Popen) -> None:
    """Wait for a complete checkpoint of that step or a later one."""
    until = time.monotonic() + 180
    run = str(folder / "runs" / "run")
    while (saved := newest(run)) is None or saved.step < step:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until, f"no checkpoint of step {step} in 180 s"
        time.sleep(0.05)


def _workers(process: subprocess.Popen) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "RayTrainWorker" in " ".join(child.cmdline())]


def _final_state(folder: Path) -> dict:
    saved = newest(str(folder / "runs" / "run"))
    assert saved is not None
    assert saved.step == STEPS
    return torch.load(Path(saved.location) / "training.pt", weights_only=True)["trainer"]


def _assert_equal(ours, theirs) -> None:
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            _assert_equal(value, theirs[key])
    elif isinstance(ours, list | tuple):
        for mine, other in zip(ours, theirs, strict=True):
            _assert_equal(mine, other)
    else:
        assert ours == theirs


def _history(folder: Path) -> list[tuple[int, float]]:
    run_id = json.loads((folder / "runs" / "run" / "run.json").read_text())["run_id"]
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    assert client.get_run(run_id).info.status == "FINISHED"
    return sorted((m.step, m.value) for m in client.get_metric_history(run_id, "train/l1"))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
def test_a_killed_driver_and_a_killed_worker_change_nothing(prepared, tmp_path, ranks):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    for folder in (straight, killed):
        folder.mkdir()
    assert _start(prepared, straight, ranks).wait(timeout=300) == 0

    driver = _start(prepared, killed, ranks)
    _wait_for_step(killed, 6, driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()

    driver = _start(prepared, killed, ranks)
    _wait_for_step(killed, 15, driver)
    _workers(driver)[-1].kill()
    assert driver.wait(timeout=400) == 0

    _assert_equal(_final_state(killed), _final_state(straight))
    history = _history(straight)
    assert [step for step, _ in history] == list(range(1, STEPS + 1))
    assert _history(killed) == history
