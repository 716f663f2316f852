"""Train ISNet on a prepared data set with Ray Train, tracked by MLflow.

On a laptop, in minutes:

    python pipelines/prepare.py --photos samples --output data/first --size 64 --crops-per-photo 48
    python pipelines/train.py smoke --data data/first --name first

The paper's network on Places2, on a cluster:

    ray job submit --working-dir . --runtime-env cluster/runtime-env.yaml -- \\
        python pipelines/train.py places2 --num-workers 8 --data /shared/places2 \\
        --output /shared/runs --tracking.uri http://mlflow:5000

The same command continues a run that was interrupted, where it has a --name. --dry-run prints
the resolved configuration and stops. --from-trial FOLDER takes what set a trial of a campaign
(pipelines/tune.py) apart, such as its loss weights, into the preset:

    python pipelines/train.py places2 --from-trial campaigns/search/trials/trial-07 --name final
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from pipelines.cli import parse_preset, run_main, take_flag, take_option
from pipelines.signals import EXIT_CODE
from pipelines.training.config import PRESETS, shown
from pipelines.training.fit import TerminatedError, fit, resolve
from pipelines.tuning.trials import presets_from_trial


def main(argv: Sequence[str]) -> int:
    """Parse the command line and train; return the exit code."""
    dry_run, argv = take_flag("--dry-run", argv)
    trial, argv = take_option("--from-trial", argv)
    presets = PRESETS if trial is None else presets_from_trial(PRESETS, trial)
    config = resolve(parse_preset(presets, argv, description=__doc__))
    print(json.dumps(shown(config), indent=2), flush=True)
    if dry_run:
        return 0
    try:
        fit(config)
    except TerminatedError as stopped:
        print(stopped, file=sys.stderr)
        return EXIT_CODE
    return 0


if __name__ == "__main__":
    run_main(main)
