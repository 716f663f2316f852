"""What the documentation says to apply is there."""

from __future__ import annotations

import re

from tests.cluster.kustomize import APPLIED, ROOT

READMES = sorted((ROOT / "cluster").glob("README*.md"))


def test_everything_that_is_to_be_applied_exists():
    text = "".join(path.read_text() for path in READMES)
    folders = set(re.findall(r"kubectl apply -k cluster/kubernetes/([\w/-]+)", text))
    assert folders >= {"overlays/gpu", "jobs/train"}
    assert folders - {"monitoring"} <= set(APPLIED)
    paths = set(re.findall(r"cluster/kubernetes/[\w/.-]*\w", text))
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_it_takes_ten_commands_with_those_of_the_image():
    text = (ROOT / "cluster" / "README.md").read_text()
    given = []
    for heading in ("The image", "Kubernetes"):
        section = text.partition(f"\n## {heading}\n")[2]
        block = section.partition("```sh\n")[2].partition("```")[0]
        lines = re.sub(r"\s#.*", "", block, flags=re.MULTILINE).splitlines()
        given += [command for line in lines for command in re.split(r"&&|;", line)]
    assert len(given) == 10, given
