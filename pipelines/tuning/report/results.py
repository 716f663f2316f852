"""The sections of a report that rank, draw and show the scored trials."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.reporting.document import Block, Picture, Section, Words
from pipelines.reporting.published import FIGURE5, PUBLISHED
from pipelines.tuning.outcome import CampaignOutcome, TrialOutcome
from pipelines.tuning.report.charts import (
    NAMED_CURVES,
    draw_curves,
    draw_published,
    finite_curve,
)
from pipelines.tuning.report.ranking import PSNR, by_psnr, score, spearman, title
from pipelines.tuning.report.sheets import IMAGES, SHOWN, choose, draw_sheet
from pipelines.tuning.report.tables import published_table1, results_table
from pipelines.tuning.report.trial_tables import in_order


def results(outcome: CampaignOutcome) -> Section:
    """Show the table in the paper's form, and how far its order repeats the paper's."""
    ranked = by_psnr(outcome.trials)
    blocks: list[Block] = []
    if ranked:
        blocks.append(results_table(outcome, ranked))
    else:
        blocks.append(Words(text="No trial has a score yet.", tone="warning"))
    if outcome.kind == "table1":
        blocks.append(published_table1())
    blocks += _against_paper(ranked)
    return Section(anchor="results", title="Results", blocks=tuple(blocks))


def _against_paper(ranked: Sequence[TrialOutcome]) -> list[Block]:
    """Compare the order of the published rows with the paper's, from three rows on."""
    rows = [
        (trial, float(PUBLISHED[trial.published].figures[PSNR]), score(trial, PSNR))
        for trial in ranked
        if trial.published
    ]
    pairs = [(trial, paper, ours) for trial, paper, ours in rows if ours is not None]
    correlation = spearman([paper for _, paper, _ in pairs], [ours for _, _, ours in pairs])
    if correlation is None:
        return []
    text = (
        f"Over the {len(pairs)} published rows scored here, the rank correlation of our PSNR with "
        f"the paper's is {correlation:+.2f}: +1 repeats its order, 0 has nothing of it."
    )
    picture = Picture(
        file="published.png",
        image=draw_published(pairs),
        title="Our PSNR against the paper's",
        caption="Each point is a published row: the paper's PSNR to the right, ours upwards. The "
        "two scales differ with data and budget; where points climb from left to right, the order "
        "is the paper's.",
    )
    return [Words(text=text), picture]


def curves(outcome: CampaignOutcome) -> Section:
    """Draw the validations during training."""
    drawn = [trial for trial in in_order(outcome) if finite_curve(trial)]
    if not drawn:
        blocks: tuple[Block, ...] = (Words(text="No trial has been validated yet."),)
        return Section(anchor="curves", title="Learning curves", blocks=blocks)
    caption = (
        "Held-out PSNR of PRA at the validations during training, one line a trial. A line that "
        "still climbs at its end was cut short by the budget. The last mark says how the trial "
        "ended: a square where the scheduler stopped it, a cross where it failed."
    )
    if len(drawn) > NAMED_CURVES:
        caption += " Colour is the final PSNR; grey lines have no final score."
    else:
        caption += " The legend is in the order of the final score."
    picture = Picture(
        file="curves.png", image=draw_curves(drawn), title="Learning curves", caption=caption
    )
    return Section(anchor="curves", title="Learning curves", blocks=(picture,))


def images(outcome: CampaignOutcome) -> Section:
    """Show the same images under the trials."""
    anchor, heading = "images", "The same images under every trial"
    sheets = choose(by_psnr(outcome.trials))
    if not sheets or not len(outcome.ground_truth):
        nothing = Words(text="No finished trial has sample images yet.")
        return Section(anchor=anchor, title=heading, blocks=(nothing,))
    blocks: list[Block] = [Words(text=_images_text(outcome))]
    for number, placed in enumerate(sheets, start=1):
        first, last = placed[0][0], placed[-1][0]
        span = f"place {first}" if first == last else f"places {first} to {last}"
        blocks.append(
            Picture(
                file=f"images-{number}.png",
                image=draw_sheet(outcome, placed),
                title=f"Sample images, {span}",
                caption=_sheet_caption(placed),
                photographic=True,
            )
        )
    return Section(anchor=anchor, title=heading, blocks=tuple(blocks))


def _sheet_caption(placed: Sequence[tuple[int, TrialOutcome]]) -> str:
    """Name the rows again: in a narrow window the picture's own letters are small."""
    names = ", ".join(title(trial) for _, trial in placed)
    return (
        f"Rows from the top: ground truth, what the networks see, then PRA's composites of "
        f"{names}. A column is the same image throughout. Look for blur, checkerboards and seams "
        "along the holes."
    )


def _images_text(outcome: CampaignOutcome) -> str:
    """Say what is shown and what is not, and which trials the paper's Figure 5 shows."""
    ranked = by_psnr(outcome.trials)
    text = "As the paper's Figure 5: the same images under the trials, in order of PSNR."
    with_pictures = sum(trial.composites is not None for trial in ranked)
    if with_pictures > SHOWN:
        half = SHOWN // 2
        text += f" Of {with_pictures} trials the {half} best and the {half} worst are shown."
    if len(outcome.ground_truth) > IMAGES:
        text += f" Of {len(outcome.ground_truth)} sample images the first {IMAGES} are shown."
    by_key = {trial.published: trial for trial in ranked if trial.published}
    named = [
        f"{title(by_key[key])} is its '{heading}'"
        for key, heading in FIGURE5.items()
        if key in by_key
    ]
    return text + (f" Of the columns of that figure, {', '.join(named)}." if named else "")
