"""What `kubectl apply -k` would hand to Kubernetes.

kubectl has a kustomize inside, and each of its releases another one: what only the newest or only
an old one takes is of no use. So tests render with those programs that this machine has.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "cluster" / "kubernetes"

OVERLAYS = ["overlays/gpu", "overlays/small"]
JOBS = ["jobs/evaluate", "jobs/inpaint", "jobs/train", "jobs/tune"]
MONITORING = "monitoring"
APPLIED = ["base", *OVERLAYS, *JOBS, MONITORING]
"""Folders of cluster/kubernetes that can be applied."""

RENDERERS = {"kubectl": ("kubectl", "kustomize"), "kustomize": ("kustomize", "build")}
"""Programs that render a folder, the one that users call first."""

Object = Mapping[str, Any]


def render(folder: str) -> Sequence[Object]:
    """Render a folder of cluster/kubernetes; skips the test where no program can."""
    for renderer in RENDERERS:
        if shutil.which(renderer):
            return render_with(renderer, folder)
    pytest.skip(f"none of {', '.join(RENDERERS)} on the PATH")


@cache
def render_with(renderer: str, folder: str) -> Sequence[Object]:
    """Render a folder with one of the programs."""
    command = [*RENDERERS[renderer], str(KUBERNETES / folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def everything(overlay: str) -> Sequence[Object]:
    """All that runs beside each other: an overlay, all jobs, Prometheus and Grafana."""
    return [item for folder in (overlay, *JOBS, MONITORING) for item in render(folder)]


def title(item: Object) -> str:
    """How kubectl calls an object."""
    return f"{item['kind']}/{item['metadata']['name']}"


def find(objects: Sequence[Object], kind: str, name: str | None = None) -> Object:
    """The one object of a kind, or of that name."""
    (found,) = (
        item
        for item in objects
        if item["kind"] == kind and name in (None, item["metadata"]["name"])
    )
    return found
