"""Kubernetes takes what is rendered, and the checks would say so if it did not."""

from __future__ import annotations

import shutil
from copy import deepcopy
from typing import Any

import pytest

from tests.cluster.kustomize import APPLIED, RENDERERS, find, render, render_with, title
from tests.cluster.pods import pods_of
from tests.cluster.schemas import mistakes


@pytest.mark.parametrize("folder", APPLIED)
@pytest.mark.parametrize("renderer", RENDERERS)
def test_every_program_renders_the_same(renderer: str, folder: str):
    if shutil.which(renderer) is None:
        pytest.skip(f"no {renderer} on the PATH")
    assert render_with(renderer, folder) == render(folder)


@pytest.mark.parametrize("folder", APPLIED)
def test_every_object_is_one_that_kubernetes_takes(folder: str):
    assert {title(item): mistakes(item) for item in render(folder) if mistakes(item)} == {}


@pytest.mark.parametrize("folder", APPLIED)
def test_every_pod_is_one_that_kubernetes_takes(folder: str):
    found = {pod.name: mistakes(pod.manifest()) for pod in pods_of(render(folder))}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("folder", APPLIED)
def test_nothing_is_deployed_twice_or_that_only_others_are_made_of(folder: str):
    names = [title(item) for item in render(folder)]
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.startswith("PodTemplate/")]


@pytest.fixture
def cluster() -> dict[str, Any]:
    """A RayCluster to spoil."""
    return deepcopy(dict(find(render("base"), "RayCluster")))


def test_an_unknown_field_of_a_cluster_is_refused(cluster: dict[str, Any]):
    cluster["spec"]["headGroupSpec"]["rayStartParam"] = {}
    assert mistakes(cluster)


def test_an_unknown_field_deep_inside_a_pod_of_a_cluster_is_refused(cluster: dict[str, Any]):
    (main, *_) = cluster["spec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"]
    main["securityContext"]["allowPrivilegeEscalations"] = False
    assert mistakes(cluster)


def test_a_value_of_another_type_is_refused(cluster: dict[str, Any]):
    cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    assert mistakes(cluster)


def test_a_mode_of_authentication_that_does_not_exist_is_refused(cluster: dict[str, Any]):
    cluster["spec"]["authOptions"]["mode"] = "tokens"
    assert mistakes(cluster)


def test_an_unknown_field_of_any_other_object_is_refused():
    spoilt = deepcopy(dict(find(render("base"), "Deployment")))
    spoilt["spec"]["template"]["spec"]["containers"][0]["comand"] = []
    assert mistakes(spoilt)
