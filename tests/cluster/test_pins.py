"""One version of everything, wherever it is written."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

from tests.cluster.dockerfile import DOCKERFILE, IMAGE, ROOT, assignments, written
from tests.cluster.pins import cluster_files, pins, written_for_people_and_clusters

TEXTS = list(written_for_people_and_clusters())
CONSTRAINED = pins((ROOT / "constraints.txt").read_text())


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_image_is_called_after_the_projects_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert IMAGE.endswith(f"/isnet-on-ray:{project['version']}")


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_every_file_names_the_same_image(path: Path):
    named = set(re.findall(r"[\w.:/-]*isnet-on-ray:[\w.-]*\w", path.read_text()))
    assert named <= {IMAGE}


def test_somebody_names_the_image():
    assert len([path for path in cluster_files() if IMAGE in path.read_text()]) >= 5


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_every_version_of_a_package_is_the_constrained_one(path: Path):
    named = pins(path.read_text())
    assert named == {name: CONSTRAINED.get(name) for name in named}


def test_the_versions_that_matter_are_written_somewhere():
    assert "torch" in pins(DOCKERFILE.read_text())
    assert "torch" in pins((ROOT / "README.md").read_text())
    assert {"ray", "mlflow", "torch"} <= CONSTRAINED.keys()


def test_cuda_wheels_come_from_one_index():
    (index,) = (assignments(step) for step in written() if step.name == "ARG")
    in_readme = re.findall(r"torch==\S+ --index-url (\S+)", (ROOT / "README.md").read_text())
    assert in_readme == [index["TORCH_INDEX"]]


def images(path: Path) -> set[str]:
    """Container images that a text names: in a field of a manifest, in a command with their tag."""
    text = path.read_text()
    field = r"^\s*-? *image: +(\S+)"
    word = r"(?<![\w/.:-])([a-z]\w*/[a-z][\w-]*:v?\d+\.\d+[\w.-]*)"
    return {*re.findall(field, text, re.M), *re.findall(word, text)}


def test_other_peoples_images_are_pinned_once():
    others = {name for path in TEXTS for name in images(path) if "isnet-on-ray" not in name}
    assert {name.partition(":")[0] for name in others} >= {"grafana/grafana", "prom/prometheus"}
    assert [name for name in others if not re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", name)] == []
    assert len({name.partition(":")[0] for name in others}) == len(others)


def test_images_of_documents_are_seen():
    assert "grafana/grafana" in {
        name.partition(":")[0] for name in images(ROOT / "docs" / "operations.md")
    }


@pytest.mark.parametrize("path", cluster_files(), ids=relative)
def test_every_path_of_the_project_exists(path: Path):
    text = path.read_text()
    named = set(re.findall(r"/opt/isnet/([\w./-]*\w)", text))
    named |= set(re.findall(r"(?<![\w/-])((?:pipelines|cluster)/[\w/-]+\.(?:py|sh|yaml))\b", text))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", sorted((ROOT / "cluster" / "start").glob("*.sh")), ids=relative)
def test_every_script_can_be_run(path: Path):
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env bash\n# ")
