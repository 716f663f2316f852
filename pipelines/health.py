"""Show how a cluster and what runs on it are: throughput, waits for data, object store, GPUs.

On the machine that a command runs on, or on the head; of a cluster, as a job; of anything that a
Prometheus collects:

    python pipelines/health.py
    ray job submit --working-dir . --runtime-env cluster/runtime-env.yaml -- \\
        python pipelines/health.py
    python pipelines/health.py --prometheus http://127.0.0.1:9090 --watch 30

Rates are of the last --window seconds, which it waits for where it asks the nodes themselves. Exit
code 1 where something critical stands out; each line names its section in docs/operations.md.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from isnet.config import InputError
from pipelines.cli import parse, run_main
from pipelines.monitoring.describing import state_of
from pipelines.monitoring.findings import findings
from pipelines.monitoring.samples import Window
from pipelines.monitoring.showing import as_json, as_text
from pipelines.monitoring.sources import Source, open_source

REPORTED_EVERY_S = 10.0
"""How often Ray's processes say what they have counted."""


@dataclass(frozen=True, kw_only=True)
class HealthConfig:
    """What is shown, and how."""

    prometheus: str | None = None
    """Address of a Prometheus that collects, e.g. http://127.0.0.1:9090; without it the nodes
    themselves are asked: of the cluster that RAY_ADDRESS names or whose job this is, else of the
    Ray of this machine."""
    window: float = 15.0
    """Seconds that rates are of; more than ten, in which every process reports once."""
    watch: float | None = None
    """Show it again every so many seconds, until Ctrl-C."""
    json: bool = False
    """One line of JSON each time."""

    def __post_init__(self) -> None:
        """Check the values."""
        if self.window <= REPORTED_EVERY_S:
            raise InputError(
                f"--window is {self.window:g}; give more than {REPORTED_EVERY_S:g} seconds, in "
                "which every process reports once"
            )
        if self.watch is not None and self.watch < 1:
            raise InputError(f"--watch is {self.watch:g}; give 1 second or more")


def main(argv: Sequence[str]) -> int:
    """Parse the command line and show; return 1 where something is critical."""
    config = parse(HealthConfig, argv, description=__doc__)
    source = open_source(config.prometheus)
    code = _show(source, config)
    while config.watch is not None:
        time.sleep(config.watch)
        print(flush=True)
        code = _show(source, config)
    return code


def _show(source: Source, config: HealthConfig) -> int:
    state = state_of(Window(*source.window(config.window)), source.name)
    found = findings(state)
    show = as_json if config.json else as_text
    print(show(state, found), flush=True)
    return int(any(finding.severity == "critical" for finding in found))


if __name__ == "__main__":
    run_main(main)
