"""A campaign whose trials spread over both hosts, one of which loses its power."""

from __future__ import annotations

from rehearsal.cluster import CPUS
from rehearsal.outcome import Told, expect
from rehearsal.runs import search
from rehearsal.stage import SMALL, Stage, uri, words
from rehearsal.tracking import URI

TRIALS = 4
TRAINER = "RayTrainWorker"
"""What Ray calls the processes that train."""

_ONE_A_HOST = CPUS / 2 + 0.1
"""CPUs of a trial's worker: two of them do not fit on one host."""


def play(stage: Stage) -> Told:
    """Kill `worker-2` with trials on both hosts; every trial is trained to its end, once."""
    cluster = stage.cluster
    options = SMALL | {"--data": stage.data, "--output": uri("campaigns"), "--name": "search"}
    options |= {"--trials": TRIALS, "--max-concurrent": 2, "--samples-per-trial": 120}
    options |= {"--channels": 2, "--validation-images": 4, "--evaluation-images": 8}
    options |= {"--num-workers": 1, "--tracking.uri": URI}
    options |= {"--cpus-per-worker": _ONE_A_HOST}
    job = cluster.submit("tune", *stage.script("tune"), "table1", *words(options))
    cluster.await_on_both(TRAINER)
    job.wait_for(r"trial-\d+ +step \d+")
    hosts = cluster.hosts_of(TRAINER)
    cluster.hosts["worker-2"].kill()
    cluster.add("worker-2")
    job.finish()
    states = _children()
    expect(states == ["FINISHED"] * TRIALS, f"the campaign's runs in MLflow are {states}")
    return Told(
        lost="worker-2, without power while both hosts trained a trial",
        survived=f"all {TRIALS} trials finished, each as one run in MLflow",
        facts={"hosts": hosts, "states": states},
    )


def _children() -> list[str]:
    """States of the trials' runs, as the tracking server has them."""
    (campaign,) = search("attributes.run_name = 'search'")
    trials = search(f"tags.`mlflow.parentRunId` = '{campaign.info.run_id}'")
    return [run.info.status for run in trials]
