"""Training whose head, and with it the job, loses its power."""

from __future__ import annotations

from rehearsal.outcome import Told, expect
from rehearsal.runs import await_checkpoint, runs_named
from rehearsal.stage import CHECKPOINT_EVERY, Stage

STEPS = 100_000
"""More than it makes: workers go on for a minute without their head. The run is stopped."""


def play(stage: Stage) -> Told:
    """Kill the head; workers join the one that takes its place, and the command goes on."""
    cluster = stage.cluster
    command = stage.training("head", steps=STEPS, **{"--num-workers": 2, "--cpus-per-worker": 2})
    job = cluster.submit("head-first", *command)
    await_checkpoint(cluster.store, "head")
    reached = int(job.wait_for(r"step (\d+)/")[1])
    cluster.head.kill()
    cluster.start_head()
    cluster.await_workers()
    again = cluster.submit("head-again", *command)
    resumed = int(again.wait_for(r"on from the checkpoint of step (\d+)")[1])
    expect(resumed > 0, f"training went on from step {resumed}")
    again.wait_for(rf"step {resumed + CHECKPOINT_EVERY}/")
    cluster.stop("head-again")
    ((state, last),) = runs_named("head")
    expect(state == "KILLED" and last > resumed, f"MLflow has the run as {state} at step {last}")
    return Told(
        lost=f"the head, without power at step {reached} or later",
        survived="the workers joined a new head by themselves; the same command, given again, went "
        f"on from the checkpoint of step {resumed}; one run in MLflow",
        facts={"reached": reached, "resumed": resumed, "last": last},
    )
