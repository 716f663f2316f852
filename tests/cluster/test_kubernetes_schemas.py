"""Kubernetes takes what is rendered, and the checks would say so if it did not."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import pytest

from tests.cluster.kustomize import APPLIED, RENDERERS, Object, find, render, render_with, title
from tests.cluster.pods import pods_of
from tests.cluster.schemas import is_rays, mistakes


@pytest.mark.parametrize("folder", APPLIED)
def test_every_program_renders_the_same(folder: str):
    there = [renderer for renderer in RENDERERS if shutil.which(renderer)]
    if len(there) < 2:
        pytest.skip(f"not two of {', '.join(RENDERERS)} on the PATH")
    first, *others = (render_with(renderer, folder) for renderer in there)
    for other in others:
        assert other == first


def refused(objects: Iterable[Object]) -> dict[str, list[str]]:
    """The mistakes of those objects that have some."""
    return {title(item): found for item in objects if (found := mistakes(item))}


@pytest.mark.parametrize("folder", APPLIED)
def test_every_object_of_kubernetes_own_is_one_that_it_takes(folder: str):
    assert refused(item for item in render(folder) if not is_rays(item)) == {}


@pytest.mark.parametrize("folder", APPLIED)
def test_every_object_of_rays_is_one_that_kuberay_takes(folder: str):
    assert refused(item for item in render(folder) if is_rays(item)) == {}


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
