"""What people do on the page of jobs, and what can be seen of it, at any endpoint."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from playwright.sync_api import Download, Locator, Page, expect

Kind = Literal["A zip of masks", "One mask for all"]


class JobsPage:
    """The page `/jobs` of the endpoint at `url`, in a browser's tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url.rstrip("/")

    def open(self, job: str | None = None) -> None:
        """Go to the list, or to the details of a job by its id."""
        self.page.goto(f"{self._url}/jobs" + (f"#job={job}" if job else ""))

    @property
    def alert(self) -> Locator:
        return self.page.locator("#alert").get_by_role("alert")

    @property
    def rows(self) -> Locator:
        """The jobs of the list, newest first."""
        return self.page.get_by_role("list", name="Jobs").get_by_role("listitem")

    def row(self, name: str) -> Locator:
        """The newest job on pictures of some name."""
        return self.rows.filter(has=self.page.get_by_role("link", name=name, exact=True)).first

    # ---- handing in

    def wait_for_form(self) -> None:
        """Wait until the page knows what the endpoint takes, and takes files itself."""
        expect(self.page.locator("body")).to_have_attribute("data-state", "list")

    def choose_pictures(self, archive: Path) -> None:
        self.wait_for_form()
        self.page.get_by_label("Choose a zip file").set_input_files(archive)

    def choose_masks(self, file: Path, kind: Kind) -> None:
        """Choose a zip file of masks, or one picture for all."""
        self.wait_for_form()
        self.page.get_by_role("radio", name=kind).check()
        self.page.locator("#masks-file").set_input_files(file)

    def choose_transparency(self) -> None:
        self.page.get_by_role("radio", name="Transparency").check()

    def choose_colour(self, colour: str) -> None:
        """Choose `#rrggbb`."""
        self.page.get_by_role("radio", name="A colour").check()
        self.page.get_by_label("Colour of the holes").fill(colour)

    def choose_options(self, *, strategy: str, passes: int, format: str) -> None:
        """Choose a strategy and a format by their names on the page."""
        self.page.get_by_text("Options").click()
        self.page.get_by_role("radio", name=strategy).check()
        self.page.get_by_role("slider", name="Passes, at most").fill(str(passes))
        self.page.get_by_label("Format of the results").select_option(format)

    def name_places(self, *, pictures: str, masks: str, results: str) -> None:
        """Name places that the server can reach itself."""
        self.page.get_by_role("radio", name="From storage").check()
        for label, place in (("Pictures", pictures), ("Masks", masks), ("Results", results)):
            self.page.get_by_role("textbox", name=label).fill(place)

    def start(self) -> None:
        self.page.get_by_role("button", name="Start the job").click()

    # ---- following

    def wait_for(self, name: str, state: str, *, seconds: float = 30) -> None:
        """Wait until the list shows a job in a state such as `Finished`."""
        expect(self.row(name).locator(".state")).to_contain_text(state, timeout=seconds * 1000)

    def progress(self, name: str) -> tuple[int, int]:
        """How many pictures of a job have been tried, of how many."""
        bar = self.row(name).get_by_role("progressbar")
        tried, total = map(bar.get_attribute, ("aria-valuenow", "aria-valuemax"))
        return int(tried or 0), int(total or 0)

    def open_details(self, name: str) -> None:
        self.row(name).get_by_role("link", name=name, exact=True).click()
        expect(self.page.get_by_role("heading", name=name)).to_be_focused()

    def close_details(self) -> None:
        self.page.get_by_role("link", name="All jobs").click()

    def facts(self) -> dict[str, str]:
        """What the details say of the job."""
        facts = self.page.locator("#details dl")
        return dict(
            zip(
                facts.get_by_role("term").all_inner_texts(),
                facts.get_by_role("definition").all_inner_texts(),
                strict=True,
            )
        )

    @property
    def thumbnails(self) -> Locator:
        return self.page.get_by_role("region", name=re.compile("^Filled")).get_by_role("img")

    @property
    def failures(self) -> Locator:
        """The rows of the table of failures."""
        table = self.page.get_by_role("table", name=re.compile("^Failed"))
        return table.locator("tbody").get_by_role("row")

    # ---- what is done with a job, in the list or in its details

    def cancel(self, name: str, *, sure: bool = True) -> None:
        self.page.get_by_role("button", name=f"Cancel {name}", exact=True).first.click()
        answer = "Cancel the job" if sure else "Keep it going"
        self.page.get_by_role("dialog").get_by_role("button", name=answer).click()

    def results_link(self, name: str) -> Locator:
        label = re.compile(f"^Download .* of {re.escape(name)}$")
        return self.page.get_by_role("link", name=label).first

    def download(self, name: str, *, seconds: float = 30) -> Download:
        with self.page.expect_download(timeout=seconds * 1000) as download:
            self.results_link(name).click()
        return download.value

    def enter_token(self, token: str) -> None:
        self.page.get_by_label("Token").fill(token)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_label("Token")).to_be_hidden()


Open = Callable[..., JobsPage]
"""Opens the page in a tab of its own."""


def write_archive(path: Path, size: int = 10) -> Path:
    """Write a zip file of one file with so many bytes."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.jpg", bytes(size))
    return path
