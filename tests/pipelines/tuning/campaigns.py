"""Made-up campaigns: scores that are known, pictures that are small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isnet.config import LOSS_PRESETS, LossWeights
from pipelines.tuning.outcome import CampaignOutcome, State, TrialOutcome

PICTURES = np.random.default_rng(0).integers(0, 255, (2, 16, 16, 3), dtype=np.uint8)


def make_trial(
    name: str,
    *,
    psnr: float | None = None,
    lpips: float | None = None,
    scores: Mapping[str, float] | None = None,
    label: str = "",
    state: State = "finished",
    reason: str = "",
    overrides: Mapping[str, Any] | None = None,
    weights: LossWeights = LOSS_PRESETS["eq5"],
    published: str | None = None,
    curve: Sequence[tuple[int, float]] = ((100, 15.0), (200, 16.5)),
) -> TrialOutcome:
    """Make a trial; with a PSNR it has all scores, LPIPS only if given."""
    given: dict[str, float] | None = None
    if psnr is not None:
        given = {"psnr": psnr, "ssim": psnr / 40, "mae": 0.9 / psnr, "relative_mae": 2.4 / psnr}
        given |= {} if lpips is None else {"lpips": lpips}
        given |= scores or {}
    return TrialOutcome(
        name=name,
        label=label,
        state=state,
        reason=reason,
        overrides=overrides or {},
        weights=weights,
        published=published,
        parameters=24_775_683,
        steps=200,
        seconds=3725.0,
        progressive=given,
        one_shot=given and {key: value * 0.9 for key, value in given.items()},
        curve=curve,
        composites=None if given is None else PICTURES,
        location=f"runs/made up/{name}",
        run_id=None,
    )


def random_trial(number: int, psnr: float, lpips: float | None = None) -> TrialOutcome:
    """Make a trial of a random search; its weights follow from its number alone."""
    drawn = 10 ** np.random.default_rng(number).uniform(-1, 2.48, 5)
    names = ("l1", "adversarial", "style", "perceptual", "feature_matching")
    weights = dict(zip(names, drawn.tolist(), strict=True))
    return make_trial(
        f"trial-{number:02d}",
        psnr=psnr,
        lpips=lpips,
        overrides={f"loss.{name}": value for name, value in weights.items()},
        weights=LossWeights(**weights),
    )


def make_campaign(kind: str, *trials: TrialOutcome) -> CampaignOutcome:
    """Make a campaign of trials."""
    return CampaignOutcome(
        name="made-up",
        kind=kind,
        trials=trials,
        ground_truth=PICTURES,
        corrupted=PICTURES,
        facts={"data": "two squares of noise", "size": "16 x 16"},
    )
