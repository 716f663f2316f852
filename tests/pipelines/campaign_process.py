"""`tune.py` as a process of its own, to be watched, killed and looked at afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipelines.tuning.finding import read_campaign
from pipelines.tuning.folder import Campaign
from tests.pipelines.command_process import CommandProcess

OPTIONS = {
    "--samples-per-trial": 120,
    "--batch-size": 6,
    "--channels": 2,
    "--threads-per-worker": 1,
    "--loss.extractor": "random",
    "--validation-images": 4,
    "--evaluation-images": 8,
    "--log-every": 1,
}
"""20 steps a trial, validated and saved every 4."""

CAMPAIGN = """
base: smoke
options: {device: cpu, precision: fp32, num_workers: 1, loss.preset: eq5}
trials:
"""

BLOCKS = {"one": 1, "two": 2}


class CampaignProcess(CommandProcess):
    """`tune.py` on one or two trials."""

    def __init__(
        self,
        data: str,
        folder: Path,
        *,
        name: str = "first",
        trials: Sequence[str] = ("one", "two"),
        flags: Sequence[str] = (),
    ) -> None:
        """Plan it; flags stand over the options above."""
        super().__init__("tune.py", folder)
        lines = [f"  {trial}: {{generator.blocks: {BLOCKS[trial]}}}\n" for trial in trials]
        (folder / "campaign.yaml").write_text(CAMPAIGN + "".join(lines))
        self.location = folder / "campaigns" / name
        self.tracking_uri = f"sqlite:///{folder}/mlflow.db"
        places = {"--name": name, "--data": data, "--output": folder / "campaigns"}
        given = OPTIONS | places | {"--tracking.uri": self.tracking_uri}
        self.words = ["campaign.yaml", *(str(word) for pair in given.items() for word in pair)]
        self.words += flags

    def campaign(self) -> Campaign:
        """The campaign as its folder has it."""
        return read_campaign(str(self.location))


def states(campaign: Campaign) -> dict[str, str]:
    """How each trial ended, by name."""
    outcomes = {trial.name: campaign.outcome(trial.name) for trial in campaign.listed()}
    return {name: outcome.state for name, outcome in outcomes.items() if outcome is not None}


def children(campaign: Campaign) -> dict[str, Run]:
    """MLflow's runs under a campaign, by the trial's name."""
    client = MlflowClient(campaign.config.tracking.uri)
    experiment = client.get_run(str(campaign.run_id)).info.experiment_id
    condition = f"tags.`mlflow.parentRunId` = '{campaign.run_id}'"
    runs = client.search_runs([experiment], condition)
    found = {run.data.tags["trial"]: run for run in runs}
    assert len(found) == len(runs), "a trial has several runs"
    return found


def run_id(campaign: Campaign, trial: str) -> str:
    """The run that a trial's folder says it has."""
    return str(json.loads((Path(campaign.trials) / trial / "run.json").read_text())["run_id"])
