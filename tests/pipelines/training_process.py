"""`train.py` as a process of its own, to be watched, killed and compared with another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from mlflow.tracking import MlflowClient

from isnet.checkpoint import TRAINING_FILE, load_training_state
from pipelines.storage import join, local_copy, open_filesystem, read_bytes
from pipelines.training.checkpoints import newest

ROOT = Path(__file__).parents[2]
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


class Training:
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
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.runs = folder / "runs"
        self._given_output, self._flags = output, flags
        self.tracking_uri = tracking_uri or f"sqlite:///{folder}/mlflow.db"
        self._data = data
        self._options = options
        self.process: subprocess.Popen[str]

    @property
    def location(self) -> str:
        """The run's folder, a path or a URI."""
        return join(self._given_output or str(self.runs), "run")

    def command(self) -> list[str]:
        """The words of the command line."""
        given = {f"--{name.replace('_', '-')}": value for name, value in self._options.items()}
        output = self._given_output or self.runs
        places = {"--data": self._data, "--output": output, "--tracking.uri": self.tracking_uri}
        words = [str(word) for pair in (OPTIONS | places | given).items() for word in pair]
        return [sys.executable, str(ROOT / "pipelines" / "train.py"), "smoke", *words, *self._flags]

    def start(self, **environment: str) -> Training:
        """Start the command; its output goes to a file."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        with (self.folder / "output.log").open("a") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=clean | environment,
                stdout=log,
                stderr=log,
                text=True,
            )
        return self

    def finish(self, timeout: float = 400) -> int:
        """Wait for the end; return the exit code."""
        return self.process.wait(timeout=timeout)

    def kill(self) -> None:
        """SIGKILL the driver; return once its Ray has noticed and is gone, too."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(children, timeout=120)
        assert not alive

    @property
    def output(self) -> str:
        """Everything printed so far, by every start."""
        return (self.folder / "output.log").read_text()

    def wait_for_step(self, step: int, timeout: float = 240) -> None:
        """Wait for a complete checkpoint of that step or a later one."""
        until = time.monotonic() + timeout
        while self.saved_step() < step:
            assert self.process.poll() is None, self.output[-4000:]
            assert time.monotonic() < until, self.output[-4000:]
            time.sleep(0.05)

    def wait_for_output(self, words: str, timeout: float = 240) -> None:
        """Wait until something was printed."""
        until = time.monotonic() + timeout
        while words not in self.output:
            assert self.process.poll() is None, self.output[-4000:]
            assert time.monotonic() < until, self.output[-4000:]
            time.sleep(0.05)

    def saved_step(self) -> int:
        """Step of the newest complete checkpoint, -1 for none."""
        saved = newest(self.location)
        return -1 if saved is None else saved.step

    def workers(self) -> list[psutil.Process]:
        """The training processes of a local Ray."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if "RayTrainWorker" in " ".join(child.cmdline())]

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
