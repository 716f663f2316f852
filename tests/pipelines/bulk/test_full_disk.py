"""A disk that is full before the job is at its end."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.pipelines.bulk.inpaint_process import InpaintProcess
from tests.pipelines.bulk.pictures import results_of, write_masks, write_pictures
from tests.pipelines.command_process import ROOT
from tests.pipelines.mounts import can_mount, in_own_mounts

pytestmark = [pytest.mark.ray, pytest.mark.extended]

PICTURES = 120
"""Of 8 kB each on the disk."""


@pytest.mark.skipif(not can_mount(), reason="only root mounts a small disk")
def test_a_full_disk_is_named_and_the_same_command_goes_on(model: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", PICTURES)
    write_masks(tmp_path / "masks", tmp_path / "photos")
    job = InpaintProcess(tmp_path / "job", model, tmp_path / "photos", tmp_path / "masks")
    job.out.mkdir()
    kept = tmp_path / "kept"
    script = f"""
        mount -t tmpfs -o size=512k tmpfs {job.out}
        "$@"; echo "exit code $?"
        mount -o remount,size=1g {job.out}
        "$@"; echo "exit code $?"
        cp -r {job.out} {kept}
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    with (job.folder / "output.log").open("w") as log:
        shell = in_own_mounts("bash", "-c", script, "bash", *job.command(), "--actors=1")
        subprocess.run(shell, cwd=ROOT, env=clean, stdout=log, stderr=log, check=True, timeout=600)
    output = job.output
    assert re.findall(r"exit code (\d+)", output) == ["2", "0"], output[-4000:]
    (error,) = (line for line in output.splitlines() if line.startswith("error: "))
    assert f"cannot write to {job.out}: " in error
    assert "No space left on device; make room" in error
    filled = re.search(rf"{PICTURES} of {PICTURES} pictures filled, (\d+) of them by", output)
    assert filled is not None
    assert int(filled[1]) > 0
    job.out = kept
    assert len(results_of(kept)) == PICTURES
    assert [row["status"] for row in job.rows()] == ["done"] * PICTURES
    assert not list(kept.rglob("*.tmp"))
