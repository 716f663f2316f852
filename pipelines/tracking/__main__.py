"""Send to MLflow the rows that a run could not send before it ended.

python -m pipelines.tracking send unsent-RUN.jsonl --uri http://127.0.0.1:5000
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipelines.cli import run_main
from pipelines.tracking.rows import send_file
from pipelines.tracking.runs import TrackingConfig
from pipelines.tracking.server import resolve_uri


def main(argv: Sequence[str]) -> None:
    """Send a file of rows that a run left behind."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.tracking",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    send = parser.add_subparsers(required=True).add_parser("send", help="send a file of rows")
    send.add_argument("file", type=Path, help="unsent-RUN.jsonl, as named by the run's warning")
    send.add_argument("--uri", default=TrackingConfig.uri, help="default: %(default)s")
    options = parser.parse_args(argv)
    count = send_file(options.file, resolve_uri(options.uri))
    print(f"sent {count} rows of {options.file}; the file is no longer needed")


if __name__ == "__main__":
    run_main(main)
