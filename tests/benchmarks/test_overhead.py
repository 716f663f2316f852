"""What both sides of the overhead benchmark share."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.bare_ddp import BareSettings
from benchmarks.stepping import StepSettings, TimedBatches
from isnet.config import DiscriminatorConfig, GeneratorConfig, LossConfig, OptimizerConfig

STEP = StepSettings(size=8, batch=2, warm_up=2, steps=3)


def test_steps_after_the_warm_up_are_timed_and_the_last_is_not():
    batches = TimedBatches(STEP, rank=0)
    taken = list(batches)
    assert len(taken) == 2 + 3 + 1
    assert taken[0]["image"].shape == (2, 8, 8, 3)
    times = batches.times()
    assert len(times.wall) == len(times.cpu) == 3
    assert all(seconds >= 0 for seconds in (*times.wall, *times.cpu))


def test_settings_come_back_from_the_command_line():
    settings = BareSettings(
        step=STEP,
        generator=GeneratorConfig(channels=8),
        discriminator=DiscriminatorConfig(),
        loss=LossConfig(),
        optimizer=OptimizerConfig(),
        threads=1,
        gpu=False,
        bf16=False,
        output="seconds.json",
    )
    assert BareSettings.from_json(settings.to_json()) == settings


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux lets choose cores")
def test_ranks_can_leave_cores_to_others():
    """In a process of its own, which stays there."""
    code = (
        "import os, threading\n"
        "from benchmarks.stepping import StepSettings, TimedBatches\n"
        "done = threading.Event()\n"
        "other = threading.Thread(target=done.wait)\n"
        "other.start()\n"
        "step = StepSettings(size=8, batch=1, warm_up=0, steps=1, cores=1)\n"
        "next(iter(TimedBatches(step, rank=0)))\n"
        "print(os.sched_getaffinity(0) == os.sched_getaffinity(other.native_id), "
        "len(os.sched_getaffinity(0)))\n"
        "done.set()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "1"]
