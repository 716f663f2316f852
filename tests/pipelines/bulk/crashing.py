"""A job whose processes die over some pictures, for real: `python crashing.py OPTIONS`."""

from __future__ import annotations

import os
import sys

NAMES = ("a/004.png", "b/009.png")
EVERY_PICTURE = "EVERY_PICTURE"
"""Environment variable: processes die over all of them."""


def set_up() -> None:
    """Make this worker die when it opens one of the pictures, as a broken decoder would."""
    from pipelines.bulk import filling

    open_picture = filling.open_picture

    def dying(collection, item, config):  # type: ignore[no-untyped-def]
        if item.entry.key in NAMES or EVERY_PICTURE in os.environ:
            os.abort()
        return open_picture(collection, item, config)

    filling.open_picture = dying


if __name__ == "__main__":
    import ray

    from pipelines import inpaint
    from pipelines.cli import run_main

    ray.init(
        address="local",  # not the cluster of another test
        num_cpus=2,
        include_dashboard=False,
        runtime_env={"worker_process_setup_hook": "tests.pipelines.bulk.crashing.set_up"},
    )
    run_main(inpaint.main, sys.argv[1:])
