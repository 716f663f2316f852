"""What became of each trial: its effort, what PRA brings over one pass, and failures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from pipelines.reporting.document import MISSING, Column, Table
from pipelines.reporting.figures import one_line
from pipelines.storage import printable
from pipelines.tuning.outcome import CampaignOutcome, TrialOutcome
from pipelines.tuning.report.ranking import LPIPS, PSNR, by_psnr, finite, score, title
from pipelines.tuning.report.tables import show_option

_REASON = 300
"""Characters of a reason that a table shows; the CSV file has all of it."""


def in_order(outcome: CampaignOutcome) -> list[TrialOutcome]:
    """List all trials: the scored ones best first, the others as they were planned."""
    ranked = by_psnr(outcome.trials)
    names = {trial.name for trial in ranked}
    return ranked + [trial for trial in outcome.trials if trial.name not in names]


def command(campaign: str, trial: TrialOutcome) -> str:
    """Write the command that makes a full training run of a trial."""
    location = shlex.quote(printable(trial.location))
    name = shlex.quote(f"{campaign}-{trial.name}")
    return f"python pipelines/train.py places2 --from-trial {location} --name {name}"


def effort_table(outcome: CampaignOutcome) -> Table:
    """Lay out what each trial took, and its scores with PRA beside those of one pass."""
    trials = in_order(outcome)
    columns = [
        Column(header="Trial", cells=tuple(map(full_title, trials)), text=True),
        Column(header="State", cells=tuple(trial.state for trial in trials), text=True),
        Column(header="Steps", cells=tuple(f"{trial.steps:,}" for trial in trials)),
        Column(header="Time", cells=tuple(show_time(trial.seconds) for trial in trials)),
    ]
    for name, header, digits in ((PSNR, "PSNR", 2), (LPIPS, "LPIPS", 3)):
        if any(score(trial, name) is not None for trial in trials):
            columns += _pass_columns(trials, name, header, digits)
    runs = tuple(trial.run_id or MISSING for trial in trials)
    columns.append(Column(header="MLflow run", cells=runs, text=True))
    caption = (
        "All trials: the scored ones best first, then the others as planned. 1 pass is the same "
        "network asked once, gain what the progressive reconstruction adds to it."
    )
    return Table(columns=tuple(columns), caption=caption)


def full_title(trial: TrialOutcome) -> str:
    """Name a trial by its label and, where that does not tell it, by the name of its folder."""
    if not trial.label or trial.label.replace(" ", "") == trial.name:
        return title(trial)
    return f"{trial.label} ({trial.name})"


def show_time(seconds: float) -> str:
    """Print a duration in hours and minutes, or in minutes and seconds."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s"


def _pass_columns(
    trials: Sequence[TrialOutcome], name: str, header: str, digits: int
) -> list[Column]:
    pairs = [(_take(trial.progressive, name), _take(trial.one_shot, name)) for trial in trials]
    gains = [
        MISSING if with_pra is None or single is None else f"{with_pra - single:+.{digits}f}"
        for with_pra, single in pairs
    ]
    shown = [
        tuple(MISSING if value is None else f"{value:.{digits}f}" for value in values)
        for values in zip(*pairs, strict=True)
    ]
    return [
        Column(header=f"{header} PRA", cells=shown[0]),
        Column(header=f"{header} 1 pass", cells=shown[1]),
        Column(header="gain", cells=tuple(gains)),
    ]


def _take(scores: Mapping[str, float] | None, name: str) -> float | None:
    return finite((scores or {}).get(name))


def failure_table(trials: Sequence[TrialOutcome]) -> Table:
    """Lay out why trials have no score."""
    columns = (
        Column(header="Trial", cells=tuple(map(title, trials)), text=True),
        Column(header="State", cells=tuple(trial.state for trial in trials), text=True),
        Column(header="Steps", cells=tuple(f"{trial.steps:,}" for trial in trials)),
        Column(header="Options", cells=tuple(map(show_overrides, trials)), text=True),
        Column(header="Reason", cells=tuple(_reason(trial) for trial in trials), text=True),
    )
    return Table(columns=columns, caption="Trials without a score, and why.")


def show_overrides(trial: TrialOutcome) -> str:
    """Print the options that set a trial apart on one line."""
    pairs = [f"{name} {show_option(value)}" for name, value in trial.overrides.items()]
    return ", ".join(pairs) or MISSING


def _reason(trial: TrialOutcome) -> str:
    shown = one_line(trial.reason, _REASON)
    return shown or ("still to be trained" if trial.state == "unfinished" else MISSING)
