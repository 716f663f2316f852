"""What cluster/kubernetes/secrets.sh makes, by running it with a kubectl that only writes down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.kustomize import KUBERNETES

KEYS = {"AWS_ACCESS_KEY_ID": "key-of-a-bucket", "AWS_SECRET_ACCESS_KEY": "and-its-secret"}
"""What a user's shell may hold."""

WRITING_KUBECTL = f"""#!{sys.executable}
import json, pathlib, sys
words = [word for word in sys.argv[1:] if word not in ("--namespace", "isnet")]
store = pathlib.Path(__file__).parent / "secrets"
store.mkdir(exist_ok=True)
if words[0] == "apply":
    assert "kind: Namespace" in pathlib.Path(words[2]).read_text()
    (store.parent / "namespace").touch()
    sys.exit()
assert (store.parent / "namespace").exists()
if words[0] == "get":
    sys.exit(0 if (store / words[2]).exists() else 1)
name, source = words[3:]
given = sys.stdin.read()
lines = dict(line.split("=", 1) for line in given.splitlines()) if "env-file" in source else None
data = lines or {{source.removeprefix("--from-file=").partition("=")[0]: given}}
(store / name).write_text(json.dumps({{"data": data, "words": sys.argv}}))
"""
"""A stand-in for the program: it keeps what it is given, where the cluster would."""


def make_secrets(folder: Path, **environment: str) -> Mapping[str, Mapping[str, str]]:
    """Run the script; the Secrets that there are after it, by name, with their data."""
    kubectl = folder / "kubectl"
    kubectl.write_text(WRITING_KUBECTL)
    kubectl.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    script = [str(KUBERNETES / "secrets.sh")]
    subprocess.run(script, env={"PATH": path, **environment}, check=True, capture_output=True)
    made = {file.name: json.loads(file.read_text()) for file in (folder / "secrets").iterdir()}
    for name, secret in made.items():
        values = secret["data"].values()
        assert not any(value in word for value in values for word in secret["words"]), name
    return {name: secret["data"] for name, secret in made.items()}
