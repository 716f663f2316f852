"""Fill the holes of whole collections of pictures, on this machine or on a cluster.

    python pipelines/inpaint.py --checkpoint isnet-small --input photos --masks masks \\
        --output filled
    python pipelines/inpaint.py --checkpoint models:/isnet@champion --input s3://bucket/photos \\
        --masks alpha --output s3://bucket/filled --actors 1,8

Results keep the names, folders and formats of the pictures; results.parquet has a row for each:
mask, hole ratio, passes, milliseconds, and why it failed where it did. The same command goes on
where an interrupted one stopped, and tries again what has failed. Exit code 1 where a picture
failed. --dry-run says what would be done. docs/bulk.md has the details.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from pipelines.bulk.config import InpaintConfig, resolve, shown
from pipelines.bulk.job import run_job
from pipelines.bulk.results import RESULTS
from pipelines.bulk.survey import survey
from pipelines.cli import parse, run_main, take_flag
from pipelines.signals import EXIT_CODE, Terminated
from pipelines.storage import join, printable


def main(argv: Sequence[str]) -> int:
    """Parse the command line and fill; return the exit code."""
    dry_run, argv = take_flag("--dry-run", argv)
    config = resolve(parse(InpaintConfig, argv, description=__doc__))
    print(json.dumps(shown(config), indent=1), flush=True)
    if dry_run:
        print("\n".join(survey(config).plan()))
        return 0
    try:
        outcome = run_job(config)
    except Terminated:
        print("terminated; the same command goes on from here", file=sys.stderr)
        return EXIT_CODE
    print("\n".join(outcome.lines()))
    if not outcome.stopped:
        print(f"results:  {printable(join(config.output, RESULTS))}")
    return outcome.exit_code


if __name__ == "__main__":
    run_main(main)
