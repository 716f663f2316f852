"""What `auto` stands for on a cluster, and storage that not every node sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import ray
import torch

from isnet.arithmetic import has_bf16
from isnet.config import InputError
from pipelines import shared_storage
from pipelines.nodes import ask_nodes
from pipelines.tracking.runs import TrackingConfig
from pipelines.training import placement
from pipelines.training.config import TrainConfig, smoke
from pipelines.training.placement import place

PLACED = ("device", "precision", "num_workers")
HTTP = TrackingConfig(uri="http://mlflow:5000")


def _auto(**options: object) -> TrainConfig:
    every = dict.fromkeys(PLACED, "auto")
    return replace(smoke(), **{**every, "batch_size": 6, "accumulate": 2, **options})


def _placed(config: TrainConfig) -> tuple[object, ...]:
    placed = place(config)
    return tuple(getattr(placed, name) for name in PLACED)


@pytest.fixture
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster of one node with so many GPUs and eight CPUs, which do not compute in bfloat16."""
    resources = {"CPU": 8.0} | ({"GPU": float(request.param)} if request.param else {})
    monkeypatch.setattr(ray, "cluster_resources", lambda: resources)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": resources}])
    monkeypatch.setattr(placement, "has_bf16", lambda device: False)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("gpus", "expected"),
    [(0, ("cpu", "fp32", 1)), (1, ("gpu", "bf16", 1)), (4, ("gpu", "bf16", 3))],
    indirect=["gpus"],
)
def test_auto_is_every_gpu_that_can_share_the_batch_else_one_cpu(expected: tuple) -> None:
    assert _placed(_auto()) == expected


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("gpus", [4], indirect=True)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"device": "cpu"}, ("cpu", "fp32", 1)),
        ({"precision": "fp32"}, ("gpu", "fp32", 3)),
        ({"num_workers": 1}, ("gpu", "bf16", 1)),
        ({"batch_size": 16}, ("gpu", "bf16", 4)),
    ],
)
def test_what_is_given_stays_and_decides_the_rest(given: dict, expected: tuple) -> None:
    assert _placed(_auto(**given)) == expected


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("gpus", [0], indirect=True)
@pytest.mark.parametrize(
    ("answers", "expected"),
    [([True], "bf16"), ([False], "fp32"), ([True, True], "bf16"), ([True, False], "fp32")],
)
def test_cpus_compute_in_bf16_where_every_node_does(
    answers: list[bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node,) = ray.nodes()
    monkeypatch.setattr(ray, "nodes", lambda: [node] * len(answers))
    monkeypatch.setattr(placement, "has_bf16", lambda device: answers[0])
    monkeypatch.setattr(placement, "ask_nodes", lambda nodes, function, device: answers)
    monkeypatch.setattr(placement, "_require_shared_storage", lambda config: None)
    assert _placed(_auto())[1] == expected


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("gpus", [0], indirect=True)
@pytest.mark.parametrize(("has_it", "said"), [(True, ""), (False, "--precision fp32")])
def test_bf16_that_a_cpu_only_imitates_is_warned_about(
    has_it: bool, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(placement, "has_bf16", lambda device: has_it)
    assert _placed(_auto(precision="bf16"))[1] == "bf16"
    warned = capsys.readouterr().err
    assert said in warned
    assert bool(warned) == bool(said)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_a_node_answers_what_its_cpu_computes_in() -> None:
    (node,) = ray.nodes()
    cpu = torch.device("cpu")
    assert ask_nodes([node, node], has_bf16, cpu) == [has_bf16(cpu)] * 2


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    ("data", "flag"),
    [
        ("{folder}", "--data"),
        ("file://{folder}", "--data"),
        ("s3://k:s@bucket/x?region=us-east-1", "--output"),  # seen by every node: on to the next
    ],
)
def test_of_several_nodes_each_must_see_what_is_local(
    data: str, flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node,) = ray.nodes()
    monkeypatch.setattr(ray, "nodes", lambda: [node, node])
    monkeypatch.setattr(shared_storage, "_sees", lambda location: False)
    config = _auto(data=data.format(folder=tmp_path), output=tmp_path.as_uri(), tracking=HTTP)
    with pytest.raises(InputError, match=f"^{flag} .* is not the same folder on every node: 2 of"):
        place(config)
    assert list(tmp_path.iterdir()) == []
