"""Bulk jobs: how far, how fast, what cannot be filled, and what they wait for."""

from __future__ import annotations

from panels import Board, Graph, Stat, Variable, mean_and_95, rate
from shared import DATA, GPUS, share_of

JOB = '{bulk_job=~"$bulk_job"}'
FAILED = '{bulk_job=~"$bulk_job",outcome!="filled"}'
PICTURES = "ray_isnet_bulk_pictures_total"
SPENT = "ray_isnet_bulk_seconds_total"

BOARD = Board(
    name="bulk",
    title="ISNet bulk jobs",
    description="Collections that are filled, by pipelines/inpaint.py or by the endpoint.",
    variables=[
        Variable(
            name="bulk_job",
            label="Job",
            description="By its output.",
            query="label_values(ray_isnet_bulk_pictures_left, bulk_job)",
        )
    ],
    stats=[
        Stat(
            title="Pictures left",
            description="That no start of the job has tried.",
            query=f"sum(max by (bulk_job) (ray_isnet_bulk_pictures_left{JOB}))",
        ),
        Stat(
            title="Pictures per second",
            description="Filled or given up.",
            query=rate(PICTURES, JOB),
            decimals=1,
        ),
        Stat(
            title="Time left",
            description="At the speed of the last quarter of an hour.",
            query=(
                f"sum(max by (bulk_job) (ray_isnet_bulk_pictures_left{JOB})) / "
                f"sum(rate({PICTURES}{JOB}[15m]))"
            ),
            unit="s",
        ),
        Stat(
            title="Failed",
            description="Share of the pictures that cannot be filled.",
            query=f"({rate(PICTURES, FAILED)} or vector(0)) / {rate(PICTURES, JOB)}",
            unit="percentunit",
            decimals=1,
            most=1,
            steps=[("green", None), ("orange", 0.01), ("red", 0.1)],
        ),
        Stat(
            title="Data wait",
            description="Share of the time that processes wait for pictures.",
            query=share_of(SPENT, "read", JOB),
            unit="percentunit",
            decimals=1,
            most=1,
            steps=[("green", None), ("orange", 0.1), ("red", 0.3)],
        ),
        Stat(
            title="Model",
            description="Share of the time that the network computes.",
            query=share_of(SPENT, "model", JOB),
            unit="percentunit",
            decimals=1,
            most=1,
        ),
    ],
    graphs={
        "Pictures": [
            Graph(
                title="Pictures per second by outcome",
                queries={"{{outcome}}": rate(PICTURES, JOB, "outcome")},
                stacked=True,
                colors={"/filled/": "green"},
            ),
            Graph(
                title="Pictures left",
                queries={"{{bulk_job}}": f"max by (bulk_job) (ray_isnet_bulk_pictures_left{JOB})"},
                decimals=0,
            ),
            Graph(
                title="Measured per second",
                description="Headers read, before the first picture is filled.",
                queries={"{{bulk_job}}": rate("ray_isnet_bulk_measured_total", JOB, "bulk_job")},
            ),
        ],
        "Work": [
            Graph(
                title="Where the time goes",
                description="Of all processes that fill.",
                queries={"{{part}}": rate(SPENT, JOB, "part")},
                stacked=True,
                colors={"/read/": "red", "/model/": "green"},
            ),
            Graph(
                title="Passes per second by node",
                queries={
                    "{{NodeAddress}}": rate("ray_isnet_bulk_passes_total", JOB, "NodeAddress")
                },
                stacked=True,
            ),
            Graph(
                title="Batch size",
                description="Regions in one pass.",
                queries=mean_and_95("ray_isnet_bulk_batch_size", JOB),
                decimals=1,
            ),
        ],
        "Ray Data": DATA,
        "GPUs": GPUS,
    },
)
