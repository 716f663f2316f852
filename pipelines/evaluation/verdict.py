"""What an evaluation comes to in an exit code and a few words."""

from __future__ import annotations

from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.model import UNTRAINED
from pipelines.evaluation.outcome import Candidate, EvaluationOutcome
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
    """Say in one line what training brought; None where nothing tells."""
    untrained = _untrained(outcome)
    if untrained is None:
        return None
    before, trained = _before(results, untrained), _trained(outcome, results)
    words = (
        f"PSNR: {untrained.name} {before:.2f} dB, {outcome.candidates[0].name} with PRA "
        f"{trained:.2f} dB: {trained - before:+.2f} dB"
    )
    for name, rival in _rivals(outcome).items():
        found = _psnr(results, rival)
        words += f"; {trained - found:+.2f} dB over {name}, {found:.2f} dB"
    return words


def _rivals(outcome: EvaluationOutcome) -> dict[str, Subject]:
    """Name what a trained network is set beside: other trained ones with PRA, and mean fill."""
    found = {}
    for each in outcome.candidates[1:]:
        if each.location == _MEAN_FILL:
            found["mean fill"] = Subject(model=each.name, method=FILL)
        elif each.generator is not None and not each.location.startswith(UNTRAINED):
            found[each.name] = Subject(model=each.name, method=PRA)
    return found


def missing_gain(outcome: EvaluationOutcome, results: Results, least: float | None) -> str | None:
    """Say that the gain is not what was asked for; None where it is."""
    if least is None:
        return None
    untrained = _untrained(outcome)
    assert untrained is not None  # named_locations saw to it
    found = _trained(outcome, results) - _before(results, untrained)
    if found >= least:  # NaN is not: nothing was scored
        return None
    return f"PRA is {found:+.2f} dB over {untrained.name}, and --min-gain asks for {least:g} dB"


def _untrained(outcome: EvaluationOutcome) -> Candidate | None:
    """Find the first untrained network that a trained one, the first model, stands before."""
    first, *others = outcome.candidates
    if first.generator is None or first.location.startswith(UNTRAINED):
        return None
    return next((each for each in others if each.location.startswith(UNTRAINED)), None)


def _trained(outcome: EvaluationOutcome, results: Results) -> float:
    """PSNR of PRA of the first model, dB."""
    return _psnr(results, Subject(model=outcome.candidates[0].name, method=PRA))


def _before(results: Results, untrained: Candidate) -> float:
    """PSNR of the one-shot prediction of an untrained network, dB."""
    return _psnr(results, Subject(model=untrained.name, method=ONE_SHOT))


def _psnr(results: Results, subject: Subject) -> float:
    mean = results.group(subject).estimates["psnr"].mean
    return float("nan") if mean is None else mean
