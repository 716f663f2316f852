"""Training runs: throughput, where the time goes, what is learned, what goes wrong."""

from __future__ import annotations

from panels import Board, Graph, Stat, Variable, quantiles, rate
from shared import DATA, GPUS, share_of

RUN = '{run=~"$run"}'
SPENT = "ray_isnet_train_seconds_total"

BOARD = Board(
    name="training",
    title="ISNet training",
    description="Training runs on Ray Train, the trials of campaigns among them.",
    variables=[
        Variable(
            name="run",
            label="Run",
            description="As MLflow calls it.",
            query="label_values(ray_isnet_train_active, run)",
        )
    ],
    stats=[
        Stat(
            title="Samples per second",
            description="Of all workers of the chosen runs.",
            query=rate("ray_isnet_train_samples_total", RUN),
            decimals=1,
        ),
        Stat(
            title="Data wait",
            description="Share of the time that workers wait for their next batch.",
            query=share_of(SPENT, "data", RUN),
            unit="percentunit",
            decimals=1,
            most=1,
            steps=[("green", None), ("orange", 0.1), ("red", 0.3)],
        ),
        Stat(
            title="Progress",
            description="Share of the planned steps.",
            query=f"sum(ray_isnet_train_step{RUN}) / sum(ray_isnet_train_steps_planned{RUN})",
            unit="percentunit",
            decimals=1,
            most=1,
        ),
        Stat(
            title="Last step",
            description="Seconds since the last step of the slowest worker.",
            query=f"max(time() - ray_isnet_train_last_step_timestamp_seconds{RUN})",
            unit="s",
            steps=[("green", None), ("orange", 60), ("red", 600)],
        ),
        Stat(
            title="Workers",
            description="That train.",
            query=f"count(ray_isnet_train_last_step_timestamp_seconds{RUN}) or vector(0)",
            steps=[("red", None), ("green", 1)],
        ),
        Stat(
            title="Rollbacks",
            description="For a loss that was not finite, since the workers were started.",
            query=f"sum(ray_isnet_train_rollbacks_total{RUN}) or vector(0)",
            steps=[("green", None), ("orange", 1)],
        ),
    ],
    graphs={
        "Throughput": [
            Graph(
                title="Samples per second",
                queries={"{{run}}": rate("ray_isnet_train_samples_total", RUN, "run")},
                stacked=True,
            ),
            Graph(
                title="Where the time goes",
                description=(
                    "Of all workers. What others do while rank 0 validates counts as their step."
                ),
                queries={"{{part}}": rate(SPENT, RUN, "part")},
                stacked=True,
                colors={"/data/": "red", "/step/": "green"},
            ),
            Graph(
                title="Data wait by worker",
                queries={"{{run}} {{rank}}": share_of(SPENT, "data", RUN, "run", "rank")},
                unit="percentunit",
                most=1,
            ),
            Graph(
                title="Step",
                description="Without the wait for its batch.",
                queries=quantiles("ray_isnet_train_step_seconds", RUN, "run"),
                unit="s",
            ),
            Graph(
                title="Steps per second by worker",
                description="Workers of a run step together: one that is missing is restarting.",
                queries={
                    "{{run}} {{rank}}": rate("ray_isnet_train_steps_total", RUN, "run", "rank")
                },
            ),
            Graph(
                title="Runs that a command runs",
                description="Whether their workers train, or wait for nodes.",
                queries={"{{run}}": f"max by (run) (ray_isnet_train_active{RUN})"},
                decimals=0,
            ),
        ],
        "Learning": [
            Graph(
                title="Steps",
                queries={"{{run}}": f"max by (run) (ray_isnet_train_step{RUN})"},
                decimals=0,
            ),
            Graph(
                title="Terms of the loss",
                description="Unweighted, at progress lines; MLflow has all of them.",
                queries={"{{run}} {{term}}": f"max by (run, term) (ray_isnet_train_loss{RUN})"},
                least=None,
            ),
            Graph(
                title="Held-out PSNR",
                queries={
                    "{{run}} {{method}}": "max by (run, method) "
                    f"(ray_isnet_train_held_out_psnr_db{RUN})"
                },
                unit="dB",
                least=None,
            ),
        ],
        "Checkpoints, and what goes wrong": [
            Graph(
                title="Checkpoint",
                description="Seconds that writing one takes, beside training.",
                queries={
                    "{{run}}": rate("ray_isnet_train_checkpoint_write_seconds_total", RUN, "run")
                    + " / "
                    + rate("ray_isnet_train_checkpoints_total", RUN, "run")
                },
                unit="s",
            ),
            Graph(
                title="Checkpoint bytes per second",
                queries={"{{run}}": rate("ray_isnet_train_checkpoint_bytes_total", RUN, "run")},
                unit="Bps",
            ),
            Graph(
                title="Undecodable rows per second",
                queries={"{{run}}": rate("ray_isnet_train_undecodable_rows_total", RUN, "run")},
            ),
        ],
        "Ray Data": DATA,
        "GPUs": GPUS,
    },
)
