"""Training on two hosts, one of which is cut off in the middle and comes back."""

from __future__ import annotations

from mlflow.tracking import MlflowClient

from rehearsal import network
from rehearsal.outcome import Told, expect
from rehearsal.stage import SMALL, Stage, uri, words
from rehearsal.tracking import URI

STEPS = 60


def play(stage: Stage) -> Told:
    """Cut `worker-2` off, see the run go on from its last checkpoint, put the cable back."""
    cluster = stage.cluster
    options = SMALL | {"--generator.channels": 2, "--discriminator.channels": 2}
    options |= {"--loss.preset": "eq4", "--data": stage.data, "--output": uri("runs")}
    options |= {"--name": "cut", "--steps": STEPS, "--num-workers": "1,2", "--cpus-per-worker": 2}
    options |= {"--validate-every": 30, "--validation-images": 4, "--checkpoint-every": 4}
    options |= {"--tracking.uri": URI}
    job = cluster.submit("train", *stage.script("train"), "smoke", *words(options))
    job.wait_for(r"step (1\d)/")
    hosts = cluster.hosts_of("RayTrainWorker")
    expect(hosts == ["worker-1", "worker-2"], f"training runs on {hosts} only")
    network.cut("worker-2")
    reached = int(job.wait_for(r"step (\d+)/")[1])
    resumed = int(job.wait_for(r"on from the checkpoint of step (\d+)")[1])
    expect(0 < resumed <= reached, f"training went on from step {resumed} after {reached}")
    cluster.come_back("worker-2")
    cluster.await_workers(2)
    job.finish()
    states = _runs("cut")
    expect(states == [("FINISHED", STEPS)], f"MLflow has the runs {states}")
    return Told(
        lost=f"worker-2, cut off at step {reached} of {STEPS}",
        survived=f"training went on from the checkpoint of step {resumed} on worker-1 and "
        "finished; worker-2 came back; one run in MLflow",
        facts={"reached": reached, "resumed": resumed, "hosts": hosts, "runs": states},
    )


def _runs(name: str) -> list[tuple[str, int]]:
    """State and last step of the runs of that name, as the tracking server has them."""
    client = MlflowClient(URI)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, f"attributes.run_name = '{name}'")
    return [(run.info.status, _last_step(client, run.info.run_id)) for run in runs]


def _last_step(client: MlflowClient, run_id: str) -> int:
    history = client.get_metric_history(run_id, "train/samples_per_second")
    return max(point.step for point in history)
