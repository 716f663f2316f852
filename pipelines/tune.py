"""Train several models and compare them: the paper's loss-weight search, and its other tables.

What a campaign would cost; a small one on a laptop; its report as it stands; and the search of
Table 1 on a cluster:

    python pipelines/tune.py table1 --data data/places2 --dry-run
    python pipelines/tune.py table8 --data data/demo --size 64 --name blocks \\
        --samples-per-trial 1600 --channels 8 --evaluation-images 64
    python pipelines/tune.py report campaigns/blocks
    ray job submit --working-dir . --runtime-env cluster/runtime-env.yaml -- \\
        python pipelines/tune.py table1 --data /shared/places2 --name search \\
        --output /shared/campaigns --gpus-per-worker 0.5 --tracking.uri http://mlflow:5000

A campaign file of your own (docs/tuning.md) stands in place of a table's name. Every option of
pipelines/train.py is an option of all trials. The same command with the same --name continues a
campaign that was interrupted: each trial from its last checkpoint, and none twice.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from isnet.config import InputError
from pipelines.cli import parse, parse_preset, program, run_main, take_flag
from pipelines.storage import absolute, printable
from pipelines.training.config import shown
from pipelines.training.fit import resolve
from pipelines.tuning.campaign import InterruptedCampaignError, run_campaign
from pipelines.tuning.campaign_file import is_campaign_file, read_campaign_file
from pipelines.tuning.config import CampaignConfig
from pipelines.tuning.definitions import PRESETS, Definition, definition
from pipelines.tuning.estimate import estimate
from pipelines.tuning.finding import read_campaign
from pipelines.tuning.folder import Campaign
from pipelines.tuning.gathering import report
from pipelines.tuning.opening import picture_size, training_runs, with_trials

EXIT_INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """Parse the command line and run the campaign; return the exit code."""
    if argv and argv[0] == "report":
        return _report(argv[1:])
    dry_run, argv = take_flag("--dry-run", argv)
    config, found = _parse(argv)
    if dry_run:
        return _dry_run(config, found)
    try:
        finished = run_campaign(config, found)
    except InterruptedCampaignError as interrupted:
        print(interrupted, file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0 if finished else 1


def _parse(arguments: Sequence[str]) -> tuple[CampaignConfig, Definition]:
    """Read the name of a table, or a campaign file, and the options after it."""
    if arguments and is_campaign_file(arguments[0]):
        found = read_campaign_file(arguments[0])
        prog = f"{program()} {arguments[0]}"
        config = parse(
            CampaignConfig, arguments[1:], description=__doc__, default=found.defaults, prog=prog
        )
        return config, found
    config = parse_preset(PRESETS, arguments, description=__doc__)
    return config, definition(arguments[0])


def _dry_run(config: CampaignConfig, found: Definition) -> int:
    config = resolve(config)
    print(json.dumps(shown(config), indent=2))
    campaign = Campaign(
        location=config.output, config=config, definition=with_trials(config, found), facts={}
    )
    size = picture_size(config.data)
    print(estimate(training_runs(campaign), size=size, tflops=config.assumed_tflops))
    return 0


def _report(arguments: Sequence[str]) -> int:
    """Write the report of the campaigns that are named."""
    if not arguments:
        raise InputError("name the folder of a campaign: report campaigns/NAME")
    for location in arguments:
        for path in report(read_campaign(absolute(location))):
            print(printable(path))
    return 0


if __name__ == "__main__":
    run_main(main)
