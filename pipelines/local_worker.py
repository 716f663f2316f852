"""What each process of a local Ray runs first. It imports Ray alone: every process waits for it."""

from __future__ import annotations

import logging
import os

import ray


def set_up() -> None:
    """Prepare each process of a local Ray, before it does any work.

    Ray Train's cleaner asks a dashboard every second whether the controller lives, finding it by
    looking for Rays on this machine. A local Ray has no dashboard and ends with its driver, so
    that there is nothing to clean; and the machine may hold other Rays.
    """
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    cleaner = "ray.train.v2._internal.execution.controller.placement_group_cleaner"
    logging.getLogger(cleaner).setLevel(logging.ERROR)
