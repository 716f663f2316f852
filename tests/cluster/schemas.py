"""Whether Kubernetes would take an object: by its own schemas, and by those of KubeRay's CRDs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.cluster.kustomize import Object

VERSION = "1.33.0"
"""The oldest Kubernetes that the manifests are held to."""

CRDS = "KUBERAY_CRDS"
"""Environment variable: the folder with KubeRay's custom resource definitions."""


def is_rays(item: Object) -> bool:
    """Whether KubeRay's definitions say what an object may be; without them, a test is skipped."""
    return item["apiVersion"].startswith("ray.io/")


def mistakes(item: Object) -> list[str]:
    """What is wrong with an object; fields that nobody knows are wrong, too."""
    if is_rays(item):
        validator = jsonschema.Draft202012Validator(_schema(item["kind"]))
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(item)]
    try:
        kubernetes_validate.validate(item, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{list(error.path)}: {error.message}"]
    return []


def _schema(kind: str) -> Mapping[str, Any]:
    folder = os.environ.get(CRDS)
    if not folder:
        pytest.skip(f"{CRDS} names no folder with KubeRay's custom resource definitions")
    return _strict_schema(Path(folder), kind)


@cache
def _strict_schema(folder: Path, kind: str) -> Mapping[str, Any]:
    definition = yaml.load((folder / f"ray.io_{kind.lower()}s.yaml").read_text(), yaml.CSafeLoader)
    (schema,) = (
        version["schema"]["openAPIV3Schema"]
        for version in definition["spec"]["versions"]
        if version["name"] == "v1"
    )
    strict = _strict(schema)
    strict["properties"]["metadata"] = {"type": "object"}  # every object's, which no CRD repeats
    return strict


def _strict(schema: Any) -> Any:
    """Refuse what the API server would drop without a word: properties that are not declared."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        strict["properties"] = {
            name: _strict(value) for name, value in schema["properties"].items()
        }
    if strict.pop("x-kubernetes-int-or-string", False):
        strict.pop("type", None)
        strict.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    declared = "additionalProperties" in strict
    if strict.get("type") == "object" and not declared:
        strict["additionalProperties"] = strict.get("x-kubernetes-preserve-unknown-fields", False)
    return strict
