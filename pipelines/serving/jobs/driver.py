"""What runs as a Ray job: the bulk job whose record an environment variable points at."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pipelines.bulk.job import run_job
from pipelines.cli import one_line, run_main, unwrap
from pipelines.serving.jobs.launcher import CLUSTER_VARIABLE, VARIABLE
from pipelines.serving.jobs.record import read_config, read_record, write_mistake


def main(argv: Sequence[str]) -> int:
    """Run the job; return 1 where more pictures have failed than were to.

    Raises:
        InputError: it cannot be done; whoever keeps the jobs finds the reason beside the record.

    """
    location = os.environ[VARIABLE]
    os.environ["RAY_ADDRESS"] = os.environ[CLUSTER_VARIABLE]
    record = read_record(location)
    try:
        outcome = run_job(read_config(record))
    except Exception as error:
        mistake = unwrap(error)
        if mistake is not None:
            # Beside the record: the output may be another job's, which is then the mistake.
            write_mistake(location, record.attempt, one_line(mistake))
        raise
    print("\n".join(outcome.lines()), flush=True)
    return int(outcome.stopped)


if __name__ == "__main__":
    run_main(main)
