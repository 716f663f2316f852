"""`train.py` as a process of its own, to be watched, killed and compared with another."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import torch
from mlflow.tracking import MlflowClient

from isnet.checkpoint import TRAINING_FILE, load_training_state
from pipelines.storage import join, local_copy, open_filesystem, read_bytes
from pipelines.training.checkpoints import newest
from tests.pipelines.command_process import CommandProcess

STEPS = 30
OPTIONS = {
    "--name": "run",
    "--steps": STEPS,
    "--batch-size": 6,
    "--num-workers": 2,
    "--threads-per-worker": 1,  # another number may round otherwise
    "--precision": "fp32",
    "--generator.channels": 2,
    "--discriminator.channels": 2,
    "--loss.preset": "eq4",
    "--loss.extractor": "random",
    "--log-every": 1,
    "--validate-every": 10,
    "--validation-images": 4,
    "--checkpoint-every": 4,  # an epoch has 3 steps: checkpoints fall inside epochs
}


class Training(CommandProcess):
    """One run in a folder of its own, started as often as a test likes."""

    def __init__(
        self,
        data: str,
        folder: Path,
        *,
        tracking_uri: str | None = None,
        output: str | None = None,
        flags: Sequence[str] = (),
        **options: object,
    ) -> None:
        """Plan a run; options by name, `num_workers=3`, stand over those above."""
        super().__init__("train.py", folder)
        self.runs = folder / "runs"
        self._given_output = output
        self.tracking_uri = tracking_uri or f"sqlite:///{folder}/mlflow.db"
        places = {
            "--data": data,
            "--output": output or self.runs,
            "--tracking.uri": self.tracking_uri,
        }
        given = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
        words = [str(word) for pair in (OPTIONS | places | given).items() for word in pair]
        self.words = ["smoke", *words, *flags]

    @property
    def location(self) -> str:
        """The run's folder, a path or a URI."""
        return join(self._given_output or str(self.runs), "run")

    def start(self, **environment: str) -> Training:
        """Start the command; its output goes to a file."""
        super().start(**environment)
        return self

    def wait_for_step(self, step: int, timeout: float = 240) -> None:
        """Wait for a complete checkpoint of that step or a later one."""
        until = time.monotonic() + timeout
        while self.saved_step() < step:
            assert self.process.poll() is None, self.output[-4000:]
            assert time.monotonic() < until, self.output[-4000:]
            time.sleep(0.05)

    def saved_step(self) -> int:
        """Step of the newest complete checkpoint, -1 for none."""
        saved = newest(self.location)
        return -1 if saved is None else saved.step

    def hold(self, processes: Sequence[psutil.Process]) -> None:
        """Suspend processes, but not while one of them has MLflow's database locked."""
        path = self.tracking_uri.removeprefix("sqlite:///")
        while True:
            for process in processes:
                process.suspend()
            try:
                with closing(sqlite3.connect(path, timeout=0.1, isolation_level=None)) as database:
                    database.execute("BEGIN EXCLUSIVE")
                    database.execute("ROLLBACK")
                return
            except sqlite3.OperationalError:
                for process in processes:
                    process.resume()
                time.sleep(0.1)

    def final_state(self) -> dict[str, Any]:
        """Networks, averages and optimizers after the last step."""
        saved = newest(self.location)
        assert saved is not None
        assert saved.step == STEPS
        with local_copy(saved.location, (TRAINING_FILE,)) as folder:
            trainer: dict[str, Any] = load_training_state(folder)["trainer"]
        return trainer

    def status(self) -> str:
        """MLflow's status of the run."""
        return str(MlflowClient(self.tracking_uri).get_run(self._run_id()).info.status)

    def curve(self, key: str = "train/l1") -> list[tuple[int, float]]:
        """Steps and values that MLflow has of a metric, sorted."""
        history = MlflowClient(self.tracking_uri).get_metric_history(self._run_id(), key)
        return sorted((metric.step, metric.value) for metric in history)

    def _run_id(self) -> str:
        filesystem, folder = open_filesystem(self.location)
        return str(json.loads(read_bytes(filesystem, f"{folder}/run.json"))["run_id"])


def assert_same_outcome(ours: Training, theirs: Training) -> None:
    """Both finished with the same bits in every tensor, and the same unbroken curve."""
    _assert_equal(ours.final_state(), theirs.final_state())
    assert ours.status() == theirs.status() == "FINISHED"
    assert [step for step, _ in ours.curve()] == list(range(1, STEPS + 1))
    assert ours.curve() == theirs.curve()
    assert ours.curve("validation/progressive/psnr") == theirs.curve("validation/progressive/psnr")


def _assert_equal(ours: Any, theirs: Any) -> None:
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
