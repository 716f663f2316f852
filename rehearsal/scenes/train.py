"""Training on two hosts, one of which is cut off in the middle and comes back."""

from __future__ import annotations

import re

from rehearsal import network
from rehearsal.cluster import WORKERS
from rehearsal.job import Job
from rehearsal.outcome import Told, UnexpectedError, expect
from rehearsal.runs import await_checkpoint, runs_named
from rehearsal.stage import Stage

STEPS = 120


def play(stage: Stage) -> Told:
    """Cut `worker-2` off, see the run go on from its last checkpoint, put the cable back."""
    cluster = stage.cluster
    run, job = _begin_on_both(stage)
    hosts = cluster.hosts_of("RayTrainWorker")
    network.cut("worker-2")
    mark = job.wait_for(r"on from the checkpoint of step (\d+)")
    resumed = int(mark[1])
    reached = max(int(step) for step in re.findall(r"step (\d+)/", mark.string[: mark.start()]))
    expect(0 < resumed <= reached, f"training went on from step {resumed} after {reached}")
    network.heal("worker-2")
    cluster.await_workers()
    job.finish()
    steps = [record for record in job.records() if "samples_per_second" in record]
    says = {(record["run"], record["rank"], record["submission_id"]) for record in steps}
    expect(says == {(run, 0, job.name)}, f"progress lines are of (run, rank, job) {says}")
    states = runs_named(run)
    expect(states == [("FINISHED", STEPS)], f"MLflow has the runs {states}")
    return Told(
        lost=f"worker-2, cut off at step {reached} of {STEPS}",
        survived=f"training went on from the checkpoint of step {resumed} on worker-1 and "
        "finished; worker-2 came back; one run in MLflow",
        facts={"reached": reached, "resumed": resumed, "hosts": hosts, "runs": states},
    )


def _begin_on_both(stage: Stage) -> tuple[str, Job]:
    """Train on both workers; return the run's name and its job.

    A flexible run begins with what is free, or quick enough to start, which may be one host only.
    """
    cluster, hosts = stage.cluster, []
    flexible = {"--num-workers": "1,2", "--cpus-per-worker": 2}
    for attempt in range(1, 4):
        run = f"cut-{attempt}"
        job = cluster.submit(f"train-{attempt}", *stage.training(run, steps=STEPS, **flexible))
        await_checkpoint(cluster.store, run)
        hosts = cluster.hosts_of("RayTrainWorker")
        if hosts == list(WORKERS):
            return run, job
        cluster.stop(job.name)
    raise UnexpectedError(f"training began on {hosts} only, three times")
