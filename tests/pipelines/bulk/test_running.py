"""How many processes fill, and on what; the cluster has four CPUs and no GPU."""

from __future__ import annotations

import pytest
import torch

from isnet.config import InputError
from pipelines.bulk.running import Pool, choose_device, choose_pool, local_cpus, parse_actors
from pipelines.bulk.worker import Filler, Job
from pipelines.claim import Claim
from tests.pipelines.bulk.pictures import config_of
from tests.pipelines.evaluation.checkpoints import SMALL


@pytest.mark.parametrize(
    ("text", "expected"), [("auto", None), ("1", (1, 1)), ("12", (12, 12)), ("2,8", (2, 8))]
)
def test_actors_are_a_number_a_range_or_auto(text, expected):
    assert parse_actors(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "8,2", "0,2", "1,", ",2", "1,2,3", "many", "1.5"])
def test_other_actors_are_refused(text):
    with pytest.raises(InputError) as caught:
        parse_actors(text)
    assert f"actors is {text!r}; give a number, MIN,MAX such as 2,8, or auto" in str(caught.value)


@pytest.mark.ray
@pytest.mark.parametrize(
    ("changes", "units", "expected"),
    [
        ({}, 100, (4, 4)),
        ({"cpus_per_actor": 2}, 100, (2, 2)),
        ({"cpus_per_actor": 3}, 100, (1, 1)),
        ({"actors": "3"}, 100, (3, 3)),
        ({"actors": "2,50"}, 100, (2, 50)),
        ({"actors": "2,50"}, 7, (2, 7)),
        ({}, 3, (3, 3)),
        ({"actors": "4"}, 1, (1, 1)),
    ],
)
def test_processes_fit_the_cluster_and_the_work(changes, units, expected, ray_session, tmp_path):
    config = config_of(tmp_path, tmp_path, **changes)
    pool = choose_pool(config, "cpu", units)
    assert (pool.fewest, pool.most) == expected
    assert (pool.cpus, pool.gpus) == (config.cpus_per_actor, 0)


@pytest.mark.ray
@pytest.mark.parametrize(
    ("changes", "device", "said"),
    [
        ({"actors": "5"}, "cpu", "--actors 5: the cluster has room for 4 process.* of 1 CPU"),
        ({"cpus_per_actor": 5}, "cpu", "--actors auto: .* room for 0 process.* of 5 CPU"),
        ({"actors": "3,4", "cpus_per_actor": 2}, "cpu", "room for 2 process.* of 2 CPU"),
        ({"gpus_per_actor": 0.5}, "cuda", "room for 0 process.* of 0.5 GPU and 1 CPU"),
    ],
)
def test_more_processes_than_there_is_room_for_are_refused(
    changes, device, said, ray_session, tmp_path
):
    with pytest.raises(InputError, match=f"{said}; lower --actors"):
        choose_pool(config_of(tmp_path, tmp_path, **changes), device, 100)


@pytest.mark.ray
def test_a_gpu_is_refused_where_there_is_none(ray_session, tmp_path):
    assert choose_device(config_of(tmp_path, tmp_path)) == "cpu"
    with pytest.raises(InputError, match="--device gpu, but the cluster has no GPU; leave"):
        choose_device(config_of(tmp_path, tmp_path, device="gpu"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "cuda"),
        ({"device": "gpu"}, "cuda"),
        ({"device": "cpu"}, "cpu"),
        ({"backend": "compile"}, "cuda"),
        ({"backend": "openvino"}, "cpu"),
    ],
)
def test_gpus_are_used_where_the_backend_can(changes, expected, monkeypatch, tmp_path):
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 4.0, "GPU": 1.0})
    assert choose_device(config_of(tmp_path, tmp_path, **changes)) == expected


def test_a_ray_of_this_machine_has_room_for_all_processes(tmp_path):
    config = config_of(tmp_path, tmp_path, actors="2,99", cpus_per_actor=3)
    assert local_cpus(config) == 297


def test_a_pool_says_what_it_is_of():
    pool = Pool(fewest=2, most=8, cpus=3, gpus=0)
    assert str(pool) == "2 to 8 process(es) of 3 CPU"
    assert str(Pool(fewest=2, most=2, cpus=3, gpus=0.5)) == "2 process(es) of 0.5 GPU"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_process_with_a_gpu_that_pytorch_cannot_use_says_so(tmp_path):
    config = config_of(tmp_path, tmp_path)
    claim = Claim(folder=str(tmp_path), token="now")
    references = {"collection": None, "weights": None}
    job = Job(config=config, generator=SMALL, device="cuda", claim=claim, **references)
    with pytest.raises(InputError, match=r"has no CUDA; .*, or give --device cpu"):
        Filler(job)
