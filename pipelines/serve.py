"""Serve a model over HTTP: an endpoint that fills holes, and a page to paint them on.

    python pipelines/serve.py                               # isnet-small, at http://127.0.0.1:8000
    python pipelines/serve.py --checkpoint models:/isnet@champion --model-replicas 2 --model-gpus 1
    serve run pipelines.serve:build_app checkpoint=$PWD/runs/demo/model   # on a cluster
    serve deploy cluster/serve.yaml                                       # the same, from a file

The first form starts Ray on this machine, or takes the cluster that RAY_ADDRESS names, and serves
until Ctrl-C. Only this machine can reach it, unless --host says otherwise, which needs a token in
ISNET_TOKEN. docs/serving.md has the API, limits, what happens when something dies.
"""

# No `from __future__ import annotations`: Serve reads the type that `build_app` takes.

import json
from collections.abc import Sequence

from ray.serve import Application

from pipelines.cli import parse, run_main, take_flag
from pipelines.serving.application import build_application
from pipelines.serving.config import LocalServeConfig, ServeConfig
from pipelines.serving.running import resolve, serve_until_interrupted


def build_app(args: ServeConfig) -> Application:
    """Build the endpoint; `serve run` and `serve deploy` call it with their arguments.

    Args:
        args: the checkpoint, limits, replicas and resources as in `ServeConfig`.

    Raises:
        ValidationError: an unknown argument or a value out of range.

    """
    return build_application(args)


def main(argv: Sequence[str]) -> None:
    """Parse the command line and serve."""
    dry_run, argv = take_flag("--dry-run", argv)
    config = resolve(parse(LocalServeConfig, argv, description=__doc__))
    print(json.dumps(config.model_dump(), indent=1), flush=True)
    if not dry_run:
        serve_until_interrupted(config)


if __name__ == "__main__":
    run_main(main)
