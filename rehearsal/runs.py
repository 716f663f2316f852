"""What the tracking server knows, seen from the desk."""

from __future__ import annotations

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipelines.training.checkpoints import newest
from rehearsal.object_store import ObjectStore
from rehearsal.tracking import URI
from rehearsal.waiting import wait_until

_EVERY_STEP = "train/samples_per_second"


def search(condition: str = "") -> list[Run]:
    """Find runs of all experiments."""
    client = MlflowClient(URI)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, condition))


def await_checkpoint(store: ObjectStore, name: str) -> None:
    """Wait until a training run has left a complete checkpoint that is not its beginning."""
    run = store.uri(f"runs/{name}")

    def saved() -> bool:
        found = newest(run)
        return found is not None and found.step > 0

    wait_until(f"checkpoint of {name}", saved)


def runs_named(name: str) -> list[tuple[str, int]]:
    """State and last step of the training runs of that name."""
    runs = search(f"attributes.run_name = '{name}'")
    return [(run.info.status, max(_steps(run.info.run_id))) for run in runs]


def _steps(run_id: str) -> list[int]:
    return [point.step for point in MlflowClient(URI).get_metric_history(run_id, _EVERY_STEP)]


def all_metrics() -> dict[tuple[str, str], list[tuple[int, float]]]:
    """Every series of every run: steps and values, by run and metric."""
    client = MlflowClient(URI)
    return {
        (run.info.run_id, name): [
            (point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)
        ]
        for run in search()
        for name in run.data.metrics
    }
