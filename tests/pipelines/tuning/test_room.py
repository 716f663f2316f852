"""How many trials train at once: never so many that all of them wait."""

from __future__ import annotations

from dataclasses import replace

import pytest
import ray

from isnet.config import InputError
from pipelines.training.config import smoke
from pipelines.tuning.room import concurrency, room

TRIAL = replace(smoke(), device="cpu", num_workers=1, cpus_per_worker=0.5)


@pytest.mark.parametrize(
    ("cpus", "fits"),
    [
        ([2], 1),  # 0.6 and one to read data
        ([3], 3),
        ([1], 0),
        ([0, 4], 5),  # a head that computes nothing
        ([1.5, 1.5], 0),  # a worker on each node would leave none with a whole CPU
        ([64, 64], 210),
    ],
)
def test_a_cpu_is_left_to_read_data_wherever_workers_are_put(cpus, fits):
    assert room([{"CPU": count} for count in cpus], TRIAL) == fits


@pytest.mark.parametrize(
    ("share", "workers", "fits"), [(1.0, 1, 4), (1.0, 3, 1), (0.5, 1, 8), (0.3, 1, 12)]
)
def test_gpus_are_shared_by_what_a_worker_reserves(share, workers, fits):
    trial = replace(
        TRIAL, device="gpu", gpus_per_worker=share, num_workers=workers, batch_size=3 * workers
    )
    assert room([{"CPU": 64, "GPU": 4}], trial) == fits


def test_what_is_asked_for_is_lowered_to_what_fits_and_said(monkeypatch, capsys):
    _cluster(monkeypatch, 2)
    assert concurrency(TRIAL, asked=4, trials=8) == 1
    assert "--max-concurrent is 4, and the cluster has room for 1" in capsys.readouterr().out


def test_no_more_train_at_once_than_asked_for_or_than_there_are(monkeypatch):
    _cluster(monkeypatch, 16)
    assert concurrency(TRIAL, asked=3, trials=8) == 3
    assert concurrency(TRIAL, asked=0, trials=8) == 8


def test_a_cluster_without_room_for_one_is_refused(monkeypatch):
    _cluster(monkeypatch, 1)
    with pytest.raises(
        InputError, match=r"reserves 0.6 CPUs beside one that reads data.* 1 in all"
    ):
        concurrency(TRIAL, asked=0, trials=8)


def _cluster(monkeypatch, cpus):
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": cpus}}])
