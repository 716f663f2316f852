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
    options |= {"--trials": TRIALS, "--max-concurrent": 2, "--samples-per-trial": 360}
    options |= {"--channels": 2, "--validation-images": 4, "--evaluation-images": 8}
    options |= {"--num-workers": 1, "--tracking.uri": URI}
    options |= {"--cpus-per-worker": _ONE_A_HOST}
    job = cluster.submit("tune", *stage.script("tune"), "table1", *words(options))
    job.wait_for(r"trial-\d+ +step \d+")
    cluster.await_on_both(TRAINER)
    cluster.hosts["worker-2"].kill()
    finished = job.output.count(" finished: PSNR")
    cluster.add("worker-2")
    job.finish()
    states = _children()
    expect(finished < TRIALS - 1, f"{finished} trials had finished before a host was lost")
    expect(states == ["FINISHED"] * TRIALS, f"the campaign's runs in MLflow are {states}")
    return Told(
        lost="worker-2, without power while both hosts trained a trial",
        survived=f"all {TRIALS} trials finished, each as one run in MLflow",
        facts={"finished_before": finished, "states": states},
    )


def _children() -> list[str]:
    """States of the trials' runs, as the tracking server has them."""
    (campaign,) = search("attributes.run_name = 'search'")
    trials = search(f"tags.`mlflow.parentRunId` = '{campaign.info.run_id}'")
    return [run.info.status for run in trials]
