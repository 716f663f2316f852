"""The files of a report, of campaigns in every state."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from isnet.config import LOSS_PRESETS
from pipelines.tuning.outcome import CampaignOutcome
from pipelines.tuning.report import write_report
from tests.pipelines.tuning.campaigns import make_campaign, make_trial, random_trial

FAILED = make_trial("trial-90", state="failed", reason="the loss | was not finite\nat step 8")
STOPPED = make_trial("trial-91", state="stopped", reason="worse than the best third")
WAITING = make_trial("trial-92", state="unfinished", curve=())

CAMPAIGNS = {
    "empty": make_campaign("table1"),
    "none finished": make_campaign("table1", FAILED, WAITING),
    "one finished": make_campaign("table1", random_trial(0, 20.0, 0.3), FAILED, STOPPED),
    "two finished": make_campaign("table1", random_trial(0, 20.0, 0.3), random_trial(1, 21.0, 0.2)),
    "all alike": make_campaign("table1", *(make_trial(name, psnr=20.0) for name in "abc")),
    "many": make_campaign("table1", *(random_trial(n, 20 + n / 9, n / 99) for n in range(1, 15))),
    "one option": make_campaign(
        "file", *(make_trial(f"s{n}", psnr=20.0 + n, overrides={"seed": n}) for n in range(3))
    ),
}


class Page(HTMLParser):
    """Collects tags, links and anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = dict(attrs)
        self.anchors.add(named.get("id") or "")
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]


@pytest.fixture(params=CAMPAIGNS.values(), ids=CAMPAIGNS)
def campaign(request: pytest.FixtureRequest) -> CampaignOutcome:
    return request.param


def test_every_state_of_a_campaign_has_a_report(campaign: CampaignOutcome, tmp_path: Path):
    written = write_report(campaign, tmp_path)
    assert sorted(written) == sorted(tmp_path.iterdir())
    assert {"report.md", "report.html", "trials.csv"} <= {path.name for path in written}
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert not re.search(r"\b(nan|inf|None)\b", text)
    for path in written:
        if path.suffix == ".png":
            Image.open(path).verify()


def test_markdown_names_every_picture(campaign: CampaignOutcome, tmp_path: Path):
    written = write_report(campaign, tmp_path)
    named = re.findall(r"\]\((.+\.png)\)", (tmp_path / "report.md").read_text(encoding="utf-8"))
    assert sorted(named) == sorted(path.name for path in written if path.suffix == ".png")


def test_html_fetches_nothing(campaign: CampaignOutcome, tmp_path: Path):
    write_report(campaign, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags.isdisjoint({"script", "link", "iframe", "object"})
    assert all(link.startswith(("data:image/", "#")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.anchors
    assert not re.search(r"url\(|@import", text)


def test_a_users_words_are_escaped(tmp_path: Path):
    trial = make_trial("<script>x</script>", state="failed", reason="<b>no</b>")
    write_report(make_campaign("table1", trial), tmp_path)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.tags.isdisjoint({"script", "b"})


def test_failures_are_listed_with_their_reasons(tmp_path: Path):
    write_report(CAMPAIGNS["one finished"], tmp_path)
    lines = (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    assert any(
        r"the loss \| was not finite at step 8" in line and "failed" in line for line in lines
    )
    assert any("worse than the best third" in line and "stopped" in line for line in lines)


def test_the_winner_is_trained_with_one_command(tmp_path: Path):
    write_report(CAMPAIGNS["two finished"], tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    command = (
        "python pipelines/train.py places2 --from-trial 'runs/made up/trial-01' "
        "--name made-up-trial-01"
    )
    assert text.index(command) < text.index("## Results")


def test_a_new_report_leaves_nothing_of_an_older_one(tmp_path: Path):
    write_report(CAMPAIGNS["many"], tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    written = write_report(CAMPAIGNS["none finished"], tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*written, tmp_path / "notes.txt"])


def test_many_trials_show_the_best_and_the_worst(tmp_path: Path):
    write_report(CAMPAIGNS["many"], tmp_path)
    text = " ".join((tmp_path / "report.md").read_text(encoding="utf-8").split())
    assert "Of 14 trials the 6 best and the 6 worst are shown." in text


def test_the_columns_of_figure_5_are_named(tmp_path: Path):
    keys = [f"table1-row{number}" for number in (1, 3, 4)]
    trials = [
        make_trial(key[7:], label=key[7:], psnr=20.0, published=key, weights=LOSS_PRESETS[key])
        for key in keys
    ]
    write_report(make_campaign("table1-rows", *trials), tmp_path)
    text = " ".join((tmp_path / "report.md").read_text(encoding="utf-8").split())
    assert "row4 is its 'High L_perc', row1 is its 'High L_l1'." in text
