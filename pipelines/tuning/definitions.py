"""Which trials a campaign has: the published tables by name, or a campaign file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from isnet.config import LOSS_PRESETS, Design, GeneratorConfig, LossWeights
from pipelines.tuning.config import CampaignConfig
from pipelines.tuning.trials import Trial

SEARCH_RANGE = (0.1, 300.0)
"""Of Table 1's weights. The paper names none; its published ones span 0.103 to 206.6."""

_DESIGNS: dict[Design, str] = {
    "base": "Base Model",
    "base_ff": "Base Model+FF",
    "isnet": "ISNet",
    "unet_like": "UNet-like Model",
}


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A kind of campaign: a list of trials, or a space that a search draws them from."""

    kind: str
    """The table, or `file`."""
    defaults: CampaignConfig
    """Where the command line says nothing."""
    trials: tuple[Trial, ...] = ()
    space: Mapping[str, Any] = field(default_factory=dict)
    """Option by dotted name to what it is drawn from, e.g. `{"log_uniform": [0.1, 300]}`."""


def table1() -> CampaignConfig:
    """Search the five loss weights at random, as Table 1 did (50 trials, 256,000 samples each)."""
    return CampaignConfig(data="data/places2", precision="fp32", num_workers=1)


def table1_rows() -> CampaignConfig:
    """Train the ten published rows of Table 1 (256,000 samples each)."""
    return table1()


def table2() -> CampaignConfig:
    """Train the seven published rows of Table 2 (255,000 steps each, scored on 5,000 images)."""
    return CampaignConfig(
        data="data/places2",
        precision="fp32",
        num_workers=1,
        samples_per_trial=255_000 * 8,
        evaluation_images=5_000,
    )


def table7() -> CampaignConfig:
    """Train the four designs of Table 7 with Eq. 5 (255,000 steps each)."""
    return table2()


def table8() -> CampaignConfig:
    """Train ISNet with one to four blocks, Table 8, with Eq. 5 (255,000 steps each)."""
    return table2()


PRESETS = {
    "table1": table1,
    "table1-rows": table1_rows,
    "table2": table2,
    "table7": table7,
    "table8": table8,
}


def definition(kind: str) -> Definition:
    """Look up a campaign of the paper by its name."""
    defaults = PRESETS[kind]()
    if kind == "table1":
        low, high = SEARCH_RANGE
        weights = LossWeights.__dataclass_fields__
        space = {f"loss.{name}": {"log_uniform": [low, high]} for name in weights}
        return Definition(kind=kind, defaults=defaults, space=space)
    trials = {
        "table1-rows": lambda: _rows("table1"),
        "table2": lambda: _rows("table2"),
        "table7": _designs,
        "table8": _blocks,
    }
    return Definition(kind=kind, defaults=defaults, trials=trials[kind]())


def _rows(table: str) -> tuple[Trial, ...]:
    presets = [name for name in LOSS_PRESETS if name.startswith(f"{table}-row")]
    return tuple(
        Trial(
            name=preset.removeprefix(f"{table}-"),
            label=preset.removeprefix(f"{table}-").replace("row", "row "),
            overrides={"loss.preset": preset},
            published=preset,
        )
        for preset in presets
    )


def _designs() -> tuple[Trial, ...]:
    assert set(_DESIGNS) == set(get_args(Design))
    return tuple(
        Trial(
            name=design.replace("_", "-"),
            label=label,
            overrides={"generator.design": design},
            published=f"table7-{design}",
        )
        for design, label in _DESIGNS.items()
    )


def _blocks() -> tuple[Trial, ...]:
    return tuple(
        Trial(
            name=f"blocks-{blocks}",
            label=f"{blocks} block{'s' * (blocks > 1)}",
            overrides={"generator.blocks": blocks},
            published=f"table8-{blocks}",
        )
        for blocks in range(1, GeneratorConfig.blocks + 1)
    )
