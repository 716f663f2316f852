"""What a campaign tells Prometheus; its trials are training runs, which tell the rest."""

from __future__ import annotations

from collections import Counter

from pipelines.metrics import Level, Metric

STATES = ("waiting", "running", "finished", "failed", "stopped")
"""Not begun; under way; scored; given up; ended early because others were better."""

TRIALS = Level(
    name="isnet_tune_trials",
    description="Trials of a campaign, by state; gone once its command has ended.",
    tags=("campaign", "state"),
)
BEST_PSNR = Level(
    name="isnet_tune_best_psnr_db",
    description="Best held-out PSNR of any trial in this start of the campaign.",
    tags=("campaign",),
)

METRICS: tuple[Metric, ...] = (TRIALS, BEST_PSNR)


class CampaignMetrics:
    """What the command records."""

    def __init__(self, campaign: str) -> None:
        self._trials = TRIALS.make(campaign=campaign)
        self._best = BEST_PSNR.make(campaign=campaign)
        self._highest = float("-inf")

    def counted(self, ended: Counter[str], *, running: int, total: int) -> None:
        """Tell how many trials have ended in which state, run, and wait."""
        counts = {**ended, "running": running}
        counts["waiting"] = max(0, total - sum(counts.values()))
        for state in STATES:
            self._trials.set(counts.get(state, 0), state=state)

    def validated(self, psnr: float) -> None:
        """Tell of a validation."""
        if psnr > self._highest:
            self._highest = psnr
            self._best.set(psnr)

    def close(self) -> None:
        """Say nothing more."""
        self._trials.close()
        self._best.close()
