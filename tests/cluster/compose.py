"""cluster/tracking.compose.yaml as Compose reads it: YAML with ${variables}."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.cluster.dockerfile import ROOT

COMPOSE = ROOT / "cluster" / "tracking.compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def compose(**environment: str) -> dict[str, Any]:
    """The file's content with the variables of an environment put in.

    Raises:
        KeyError: a variable that the file demands; the message is the file's own.
    """

    def value(match: re.Match[str]) -> str:
        name, kind, otherwise = match.groups()
        if environment.get(name):
            return environment[name]
        if kind == "-":
            return otherwise
        raise KeyError(f"{name}: {otherwise}")

    lines = (line for line in COMPOSE.read_text().splitlines() if not line.startswith("#"))
    return yaml.safe_load(VARIABLE.sub(value, "\n".join(lines)))
