"""What the documentation says to apply is there."""

from __future__ import annotations

import re

from tests.cluster.kustomize import APPLIED, ROOT
from tests.cluster.readme import README, given


def test_everything_that_is_to_be_applied_exists():
    text = README.read_text()
    folders = set(re.findall(r"kubectl apply -k cluster/kubernetes/([\w/-]+)", text))
    assert folders >= {"overlays/gpu", "jobs/train"}
    assert folders <= set(APPLIED)
    paths = set(re.findall(r"cluster/kubernetes/[\w/.-]*\w", text))
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_it_takes_ten_commands_with_those_of_the_image():
    assert len([*given("The image"), *given("Kubernetes")]) == 10
