"""Campaigns: how their trials go, side by side."""

from __future__ import annotations

from panels import Board, Graph, Stat, Variable, rate
from shared import DATA, GPUS, share_of

CAMPAIGN = 'campaign=~"$campaign"'
RUNS = '{run=~"($campaign) .+"}'
"""Of its trials: MLflow's names begin with the campaign's."""


def _trials(state: str, title: str, *steps: tuple[str, float | None]) -> Stat:
    return Stat(
        title=title,
        description=f"Trials that are {state}.",
        query=f'sum(max by (campaign) (ray_isnet_tune_trials{{{CAMPAIGN},state="{state}"}}))',
        steps=steps or [("green", None)],
    )


BOARD = Board(
    name="tune",
    title="ISNet campaigns",
    description="Searches and comparisons on Ray Tune; each trial is a training run.",
    variables=[
        Variable(
            name="campaign",
            label="Campaign",
            description="By the name of its folder.",
            query="label_values(ray_isnet_tune_trials, campaign)",
        )
    ],
    stats=[
        _trials("waiting", "Waiting"),
        _trials("running", "Running"),
        _trials("finished", "Finished"),
        _trials("stopped", "Ended early"),
        _trials("failed", "Failed", ("green", None), ("orange", 1)),
        Stat(
            title="Best PSNR",
            description="Held-out, of any validation since the campaign was started.",
            query=f"max(ray_isnet_tune_best_psnr_db{{{CAMPAIGN}}})",
            unit="dB",
            decimals=2,
        ),
    ],
    graphs={
        "Trials": [
            Graph(
                title="Trials by state",
                queries={
                    "{{state}}": "sum by (state) (max by (campaign, state) "
                    f"(ray_isnet_tune_trials{{{CAMPAIGN}}}))"
                },
                decimals=0,
                stacked=True,
                colors={"/failed/": "red", "/finished/": "green", "/waiting/": "gray"},
            ),
            Graph(
                title="Held-out PSNR of each trial",
                queries={
                    "{{run}}": "max by (run) (ray_isnet_train_held_out_psnr_db"
                    + RUNS.replace("}", ',method="progressive"}')
                    + ")"
                },
                unit="dB",
                least=None,
            ),
            Graph(
                title="Steps of each trial",
                queries={"{{run}}": f"max by (run) (ray_isnet_train_step{RUNS})"},
                decimals=0,
            ),
        ],
        "Throughput": [
            Graph(
                title="Samples per second",
                queries={"{{run}}": rate("ray_isnet_train_samples_total", RUNS, "run")},
                stacked=True,
            ),
            Graph(
                title="Data wait",
                queries={"{{run}}": share_of("ray_isnet_train_seconds_total", "data", RUNS, "run")},
                unit="percentunit",
                most=1,
            ),
        ],
        "Ray Data": DATA,
        "GPUs": GPUS,
    },
)
