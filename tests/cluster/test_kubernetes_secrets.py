"""The script that makes the Secrets: new values, once, for what the pods ask for."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.kustomize import KUBERNETES, render
from tests.cluster.secrets import KEYS, make_secrets


def test_every_secret_is_random_and_none_is_shared(tmp_path: Path):
    made = make_secrets(tmp_path)
    values = [value for data in made.values() for value in data.values()]
    assert len(set(values)) == len(values) == 5
    assert all(len(value) == 64 for value in values)


def test_secrets_that_are_there_stay(tmp_path: Path):
    assert make_secrets(tmp_path, **KEYS) == make_secrets(tmp_path, **KEYS)


def test_keys_of_the_bucket_are_taken_from_the_environment(tmp_path: Path):
    assert make_secrets(tmp_path, **KEYS)["object-store"] == KEYS


def test_no_secret_is_part_of_what_is_applied():
    assert not [item for item in render("base") if item["kind"] == "Secret"]
    assert "secretGenerator" not in "".join(
        path.read_text() for path in KUBERNETES.rglob("kustomization.yaml")
    )
