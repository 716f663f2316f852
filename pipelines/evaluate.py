"""Measure models on held-out images under seeded masks: the paper's tables and figures.

    python pipelines/evaluate.py --models isnet-small mean-fill telea --data data/demo
    python pipelines/evaluate.py --data data/celeba --split test --published celeba \\
        --models eq5=runs/faces/model champion=models:/isnet@champion authors=G.pth mean-fill

A model is a checkpoint directory of ours or an authors' .pth file, as a local path or a URI
(s3://...), a registered model (models:/isnet/1), isnet-small, which comes along, or a classical
method: mean-fill, telea, navier-stokes, biharmonic. All are measured on the same work, whose hash
is in every table; the same command goes on where an interrupted one stopped. In the output,
report.html holds everything together and scores.parquet has the scores of every image. --dry-run
prints what would be measured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from pipelines.cli import parse, run_main, take_flag
from pipelines.evaluation.candidates import find_entrants
from pipelines.evaluation.config import EvaluateConfig, on_plan, resolve, shown
from pipelines.evaluation.evaluation import evaluate
from pipelines.evaluation.gathering import gather
from pipelines.evaluation.plan_file import find_plan
from pipelines.evaluation.publishing import publish
from pipelines.evaluation.report.writing import terminal_tables
from pipelines.evaluation.verdict import find_failures, gain_words
from pipelines.reporting.markdown import table_to_markdown
from pipelines.shards import read_manifest


def main(argv: Sequence[str]) -> int:
    """Parse the command line, measure, write and log the outcome; 1 where something fell short."""
    dry_run, argv = take_flag("--dry-run", argv)
    config = resolve(parse(EvaluateConfig, argv, description=__doc__))
    manifest = read_manifest(config.data)
    work = find_plan(config, manifest)
    config = on_plan(config, work.split, len(work.items))
    print(json.dumps(shown(config), indent=1), flush=True)
    entrants = find_entrants(config)
    names = ", ".join(entrant.candidate.name for entrant in entrants)
    print(f"work {work.hash}: {len(work.items)} images for {names}", flush=True)
    if dry_run:
        return 0
    outcome, findings = evaluate(config, manifest, work, entrants)
    results = gather(outcome)
    for table in terminal_tables(outcome, results):
        print(f"\n{table_to_markdown(table)}", flush=True)
    publish(config, entrants, outcome, results, findings)
    words = gain_words(outcome, results)
    if words is not None:
        print(words, flush=True)
    failures = find_failures(config, outcome, results)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    run_main(main)
