"""The scripts: what those that start hosts refuse, and how keep.sh looks after a command."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.dockerfile import ROOT

START = ROOT / "cluster" / "start"
SCRIPTS = sorted((ROOT / "cluster").rglob("*.sh"))
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
SHELLCHECK = shutil.which("shellcheck", path=PATH)


def run(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": PATH} | environment
    command = [START / script, *words]
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bash_can_read_it(script: Path):
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.skipif(SHELLCHECK is None, reason="no shellcheck on the PATH")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(script: Path):
    checked = subprocess.run([SHELLCHECK, script], capture_output=True, text=True)
    assert checked.stdout == ""


def test_worker_asks_for_its_head():
    ended = run("worker.sh")
    assert ended.returncode == 2
    assert "RAY_HEAD_IP" in ended.stderr


@pytest.mark.parametrize("script", ["head.sh", "worker.sh"])
def test_further_words_go_to_ray(script: str):
    ended = run(script, "--no-such-word", RAY_HEAD_IP="127.0.0.1")
    assert ended.returncode == 2
    assert "--no-such-word" in ended.stderr


TRACKING = {
    "MLFLOW_BACKEND_STORE_URI": "postgresql+psycopg2://mlflow@127.0.0.1:1/mlflow",
    "MLFLOW_ARTIFACTS_DESTINATION": "s3://bucket/mlflow",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow:5000",
}


@pytest.mark.parametrize("missing", TRACKING)
def test_tracking_asks_for_what_it_needs(missing: str):
    ended = run("tracking.sh", **{key: TRACKING[key] for key in TRACKING if key != missing})
    assert ended.returncode != 0
    assert missing in ended.stderr


def test_tracking_does_not_start_without_the_named_password():
    ended = run("tracking.sh", **TRACKING, MLFLOW_DATABASE_PASSWORD_FILE="/no/such/file")
    assert ended.returncode != 0
    assert "/no/such/file" in ended.stderr


def kept(folder: Path, body: str) -> Path:
    """A script that notes each of its starts in a file."""
    script = folder / "command.sh"
    script.write_text(f"#!/usr/bin/env bash\necho start >> {folder}/starts\n{body}\n")
    script.chmod(0o755)
    return script


def starts(folder: Path) -> int:
    noted = folder / "starts"
    return len(noted.read_text().splitlines()) if noted.exists() else 0


@pytest.mark.parametrize("code", [0, 2])
def test_what_ends_well_or_is_misused_is_not_run_again(tmp_path: Path, code: int):
    ended = run("keep.sh", str(kept(tmp_path, f"exit {code}")), KEEP_PAUSE="0")
    assert ended.returncode == code
    assert starts(tmp_path) == 1


def test_what_does_not_exist_is_not_run_again():
    assert run("keep.sh", "/no/such/program", KEEP_PAUSE="0").returncode == 127


def test_a_worker_without_a_head_is_not_run_again():
    assert run("keep.sh", str(START / "worker.sh"), "--block", KEEP_PAUSE="0").returncode == 2


def test_what_fails_is_run_again(tmp_path: Path):
    body = f'[ "$(wc -l < {tmp_path}/starts)" -lt 3 ] && exit 1; exit 0'
    ended = run("keep.sh", str(kept(tmp_path, body)), KEEP_PAUSE="0")
    assert ended.returncode == 0
    assert starts(tmp_path) == 3
    assert ended.stderr.count("ended with 1, again in 0 seconds") == 2


def test_what_is_killed_is_run_again(tmp_path: Path):
    body = f'[ "$(wc -l < {tmp_path}/starts)" -lt 2 ] && kill -KILL $$; exit 0'
    ended = run("keep.sh", str(kept(tmp_path, body)), KEEP_PAUSE="0")
    assert ended.returncode == 0
    assert starts(tmp_path) == 2


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_stops_its_command(tmp_path: Path, told: int):
    body = "trap 'exit 7' TERM; while true; do sleep 0.05; done"
    keeper = stopped_after_a_start(kept(tmp_path, body), told)
    assert keeper.wait(timeout=10) == 7
    assert starts(tmp_path) == 1


def test_told_to_stop_while_it_pauses_it_stops(tmp_path: Path):
    keeper = stopped_after_a_start(kept(tmp_path, "exit 1"), signal.SIGTERM)
    keeper.wait(timeout=10)
    assert starts(tmp_path) == 1


def stopped_after_a_start(script: Path, told: int) -> subprocess.Popen[bytes]:
    """keep.sh, sent a signal once its command has run for a moment."""
    environment = {"PATH": PATH, "KEEP_PAUSE": "60"}
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # where our own shell ignores it
    keeper = subprocess.Popen([START / "keep.sh", script], env=environment, preexec_fn=heeds)
    while not starts(script.parent):
        time.sleep(0.02)
    time.sleep(0.3)  # the trap is set, or the pause has begun
    keeper.send_signal(told)
    return keeper
