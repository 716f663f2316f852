"""The head of a report: who won, what happened to the others, what the figures stand on."""

from __future__ import annotations

from collections import Counter

from pipelines.reporting.document import Block, Commands, Section, Words
from pipelines.reporting.figures import facts_table
from pipelines.tuning.outcome import CampaignOutcome, TrialOutcome
from pipelines.tuning.report.disagreement import compare
from pipelines.tuning.report.ranking import PSNR, by_psnr, score
from pipelines.tuning.report.trial_tables import (
    command,
    effort_table,
    failure_table,
    full_title,
    in_order,
)

_KINDS = {
    "table1": "A random search over the five loss weights (Table 1)",
    "table1-rows": "The ten published rows of Table 1",
    "table2": "The seven published rows of Table 2, the ablation of the loss",
    "table7": "The network designs of Table 7",
    "table8": "The numbers of residual blocks of Table 8",
    "file": "A campaign of one's own",
}


def overview(outcome: CampaignOutcome) -> Section:
    """Say in a few lines how the campaign stands, and how to train its winner in full."""
    ranked = by_psnr(outcome.trials)
    blocks: list[Block] = [Words(text=f"{_KINDS[outcome.kind]}. {_standing(outcome)}", tone="lead")]
    if ranked:
        blocks += _winner(outcome, ranked)
    elif outcome.trials:
        text = "No trial has finished, so there is nothing to rank, draw or recommend yet."
        blocks.append(Words(text=text, tone="warning"))
    if outcome.facts:
        caption = "What every figure of this report stands on."
        blocks.append(facts_table(outcome.facts, caption))
    return Section(anchor="overview", title="Overview", blocks=tuple(blocks))


def _standing(outcome: CampaignOutcome) -> str:
    """Count the trials by state."""
    states = Counter(trial.state for trial in outcome.trials)
    total = len(outcome.trials)
    if not total:
        return "No trial has been planned."
    others = [f"{states[state]} {state}" for state in ("failed", "stopped", "unfinished")]
    named = ", ".join(part for part in others if not part.startswith("0 "))
    plural = "trial" if total == 1 else "trials"
    return f"{states['finished']} of {total} {plural} finished" + (f"; {named}." if named else ".")


def _winner(outcome: CampaignOutcome, ranked: list[TrialOutcome]) -> list[Block]:
    best = ranked[0]
    text = f"Best PSNR: {full_title(best)} with {score(best, PSNR):.2f} dB."
    standings = compare(outcome.trials).standings
    if standings:
        seen = min(standings, key=lambda standing: standing.lpips)
        same = seen.trial.name == best.name
        text += (
            f" It has the best LPIPS, too ({seen.lpips:.3f})."
            if same
            else f" Best LPIPS: {full_title(seen.trial)} with {seen.lpips:.3f}."
        )
    text += " The score is not proportional to how pictures look: see them before choosing."
    train = Commands(
        title="Train the winner in full",
        entries=((full_title(best), command(outcome.name, best)),),
        open=True,
    )
    return [Words(text=text), train]


def trials(outcome: CampaignOutcome) -> Section:
    """List every trial, why some have no score, and the command for each."""
    if not outcome.trials:
        blocks: tuple[Block, ...] = (Words(text="There are none."),)
        return Section(anchor="trials", title="Trials", blocks=blocks)
    names = {trial.name for trial in by_psnr(outcome.trials)}
    scoreless = [trial for trial in outcome.trials if trial.name not in names]
    entries = tuple(
        (full_title(trial), command(outcome.name, trial))
        for trial in in_order(outcome)
        if trial.state in ("finished", "stopped")
    )
    parts: list[Block] = [effort_table(outcome)]
    if scoreless:
        parts.append(failure_table(scoreless))
    if entries:
        parts.append(Commands(title="Train any of them in full", entries=entries))
    return Section(anchor="trials", title="Trials", blocks=tuple(parts))
