"""Where PSNR and the perceptual score put trials in different order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from pipelines.tuning.outcome import TrialOutcome
from pipelines.tuning.report.ranking import LPIPS, PSNR, by_psnr, ranks, score, spearman


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A trial's place by each score."""

    trial: TrialOutcome
    psnr: float
    lpips: float
    psnr_rank: int
    lpips_rank: int

    @property
    def shift(self) -> int:
        """Places lost from PSNR to LPIPS: above 0 where PSNR flatters the trial."""
        return self.lpips_rank - self.psnr_rank


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Both orders of the trials that have both scores."""

    standings: tuple[Standing, ...]
    """Best PSNR first."""
    reversed_pairs: tuple[tuple[Standing, Standing], ...]
    """Pairs in opposite order, (better by PSNR, better by LPIPS), the furthest apart first."""
    correlation: float | None
    """Rank correlation between PSNR and -LPIPS: 1 where they agree, -1 where they are opposite."""

    @property
    def pairs(self) -> int:
        """How many pairs of trials there are."""
        return len(self.standings) * (len(self.standings) - 1) // 2

    def shifted(self) -> list[Standing]:
        """Take the trials whose places differ, the furthest first."""
        moved = [standing for standing in self.standings if standing.shift]
        return sorted(moved, key=lambda standing: -abs(standing.shift))


def compare(trials: Sequence[TrialOutcome]) -> Comparison:
    """Compare the orders by PSNR and by LPIPS."""
    standings = _standings(by_psnr(trials))
    opposite = [pair for pair in combinations(standings, 2) if _is_reversed(*pair)]
    return Comparison(
        standings=tuple(standings),
        reversed_pairs=tuple(sorted(opposite, key=_distance, reverse=True)),
        correlation=spearman(
            [standing.psnr for standing in standings], [-standing.lpips for standing in standings]
        ),
    )


def _standings(trials: Sequence[TrialOutcome]) -> list[Standing]:
    both = [(trial, score(trial, PSNR), score(trial, LPIPS)) for trial in trials]
    known = [
        (trial, psnr, lpips)
        for trial, psnr, lpips in both
        if psnr is not None and lpips is not None
    ]
    by_numbers = ranks([psnr for _, psnr, _ in known], higher_is_better=True)
    by_eye = ranks([lpips for _, _, lpips in known], higher_is_better=False)
    return [
        Standing(trial=trial, psnr=psnr, lpips=lpips, psnr_rank=first, lpips_rank=second)
        for (trial, psnr, lpips), first, second in zip(known, by_numbers, by_eye, strict=True)
    ]


def _is_reversed(first: Standing, second: Standing) -> bool:
    """Tell whether the second, of lower PSNR, has the better LPIPS."""
    return first.psnr > second.psnr and first.lpips > second.lpips


def _distance(pair: tuple[Standing, Standing]) -> tuple[int, float]:
    """Measure how far a reversed pair is apart: in places, then in LPIPS."""
    first, second = pair
    places = (second.psnr_rank - first.psnr_rank) + (first.lpips_rank - second.lpips_rank)
    return places, first.lpips - second.lpips
