"""The formulas of the budget, and its counts against networks that are really built and saved."""

from __future__ import annotations

import math

import pytest

from benchmarks.budget import (
    BudgetConfig,
    all_reduce,
    checkpoint_bytes,
    checkpoints,
    ingest,
    lost_share,
    memory,
    ring_seconds,
    young_interval,
)
from benchmarks.checkpoint_cost import write_checkpoint
from isnet.config import DiscriminatorConfig, GeneratorConfig
from isnet.counting import count
from isnet.discriminator import build_discriminator
from isnet.network import generator_from_config

NARROW = GeneratorConfig(blocks=1, channels=4)
NARROW_DISCRIMINATOR = DiscriminatorConfig(channels=8)


def test_parameters_are_those_of_the_networks():
    networks = count(NARROW, NARROW_DISCRIMINATOR, size=32)
    for name, network in (
        ("generator", generator_from_config(NARROW)),
        ("discriminator", build_discriminator(channels=8)),
    ):
        assert networks.parameters[name] == sum(p.numel() for p in network.parameters())


def test_the_papers_generator_is_as_heavy_as_the_documentation_says():
    networks = count(GeneratorConfig(), DiscriminatorConfig(), size=256)
    assert networks.parameters["generator"] == 24_774_307
    assert networks.forward_flop["generator"] == pytest.approx(132.5e9, rel=1e-3)


def test_a_checkpoint_is_as_large_as_counted():
    config = GeneratorConfig(blocks=1, channels=16)
    written = write_checkpoint(config)
    counted = checkpoint_bytes(count(config, DiscriminatorConfig(channels=32), size=32))
    assert counted < sum(written.files.values()) < 1.1 * counted


def test_a_ring_passes_nearly_twice_the_gradients():
    assert ring_seconds(1.25e9, ranks=2, gigabits=10) == pytest.approx(1)
    assert ring_seconds(1.25e9, ranks=1000, gigabits=10) == pytest.approx(2, rel=0.01)


def test_the_best_interval_loses_least():
    settings = {"cost_s": 2.0, "mtbf_s": 36_000.0, "restart_s": 60.0}
    best = young_interval(2.0, 36_000.0)
    assert best == pytest.approx(math.sqrt(2 * 2 * 36_000))
    least = lost_share(best, **settings)
    assert all(lost_share(best * factor, **settings) > least for factor in (0.8, 1.25))


def test_tables_hold_what_the_inputs_say():
    config = BudgetConfig(rows_per_core=500, row_bytes=40_000)
    networks = count(NARROW, NARROW_DISCRIMINATOR, size=config.size)
    tables = [ingest(config, networks), all_reduce(config, networks), memory(config)]
    text = "\n".join([*tables, checkpoints(config, networks, None)])
    assert "| 400 " in text
    assert " 0.80 |" in text  # 400 samples/s by 500 rows/s a core
    assert "72 GB" in text
    assert "452 MB" in text  # NVIDIA's training masks


def test_of_what_is_decoded_each_node_gets_the_other_nodes_share():
    networks = count(NARROW, NARROW_DISCRIMINATOR, size=256)

    def last_row(**options):
        table = ingest(BudgetConfig(**options), networks)
        return [cell.strip() for cell in table.splitlines()[-1].split("|")]

    assert "655" in last_row(gpus=64)
    assert "573" in last_row(gpus=64)  # seven of eight nodes' share
    assert "573" not in last_row(gpus=8)
