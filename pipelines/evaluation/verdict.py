"""What an evaluation comes to in an exit code and a few words."""

from __future__ import annotations

from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.model import UNTRAINED
from pipelines.evaluation.outcome import EvaluationOutcome
from pipelines.evaluation.results import Results, Subject
from pipelines.evaluation.rows import FILL, ONE_SHOT, PRA

_MEAN_FILL = "mean-fill"


def find_failures(
    config: EvaluateConfig, outcome: EvaluationOutcome, results: Results
) -> list[str]:
    """Say what an exit code has to tell: models without any score, and a gain that was missed."""
    failures = [
        f"{each.title} has no score of any image; the report says why"
        for each in results.subjects
        if not results.group(each).count
    ]
    missing = missing_gain(outcome, results, config.min_gain)
    return [*failures, missing] if missing else failures


def gain_words(outcome: EvaluationOutcome, results: Results) -> str | None:
    """Say in one line what training brought; None without an untrained network to compare with."""
    untrained = _untrained(outcome, results)
    if untrained is None:
        return None
    trained = _trained(outcome, results)
    words = (
        f"PSNR: untrained {untrained:.2f} dB, PRA {trained:.2f} dB: {trained - untrained:+.2f} dB"
    )
    filled = next((each for each in outcome.candidates if each.location == _MEAN_FILL), None)
    if filled is None:
        return words
    mean = _psnr(results, Subject(model=filled.name, method=FILL))
    return f"{words}; {trained - mean:+.2f} dB over mean fill, {mean:.2f} dB"


def missing_gain(outcome: EvaluationOutcome, results: Results, least: float | None) -> str | None:
    """Say that the gain is not what was asked for; None where it is."""
    if least is None:
        return None
    untrained = _untrained(outcome, results)
    assert untrained is not None  # find_entrants saw to it
    found = _trained(outcome, results) - untrained
    if found >= least:  # NaN is not: nothing was scored
        return None
    return (
        f"PRA is {found:+.2f} dB over the untrained network, and --min-gain asks for {least:g} dB"
    )


def _trained(outcome: EvaluationOutcome, results: Results) -> float:
    """PSNR of PRA of the first model, dB."""
    return _psnr(results, Subject(model=outcome.candidates[0].name, method=PRA))


def _untrained(outcome: EvaluationOutcome, results: Results) -> float | None:
    """PSNR of the one-shot prediction of the first untrained network, dB."""
    for each in outcome.candidates:
        if each.location.startswith(UNTRAINED):
            return _psnr(results, Subject(model=each.name, method=ONE_SHOT))
    return None


def _psnr(results: Results, subject: Subject) -> float:
    mean = results.group(subject).estimates["psnr"].mean
    return float("nan") if mean is None else mean
