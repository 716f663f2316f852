"""Results taken away on the page, in a real browser, with and without a token."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.pipelines.serving.described_jobs import running
from tests.pipelines.serving.jobs_page_driver import Open
from tests.pipelines.serving.scripted_jobs import ScriptedJobs

pytestmark = pytest.mark.browser

GIB = 2**30


def test_results_are_downloaded_by_the_browser_where_no_token_is_needed(
    open_page: Open, jobs: ScriptedJobs
):
    jobs.jobs = [running(done=1)]
    download = open_page().download("photos-500.zip")
    assert zipfile.ZipFile(download.path()).namelist() == ["results.csv"]


def test_token_is_asked_for_and_sent_with_uploads_and_downloads(
    open_page: Open, jobs: ScriptedJobs, archive: Path
):
    jobs.tokens = ("secret",)
    jobs.jobs = [running(done=1)]
    opened = open_page(without_file_picker)
    expect(opened.page.locator("#refusal")).to_contain_text("send `Authorization: Bearer TOKEN`")
    opened.enter_token("secret")
    download = opened.download("photos-500.zip")
    assert download.suggested_filename == "isnet-job-500.zip"
    assert zipfile.ZipFile(download.path()).namelist() == ["results.csv"]
    opened.choose_pictures(archive)
    opened.choose_transparency()
    opened.start()
    opened.wait_for("photos.zip", "Queued")


def test_results_stream_to_the_disk_where_the_browser_can(open_page: Open, jobs: ScriptedJobs):
    jobs.tokens, jobs.jobs, jobs.results_size = ("secret",), [running(done=1)], 5 * 2**20 + 1
    opened = open_page(with_counting_file_picker)
    opened.enter_token("secret")
    opened.results_link("photos-500.zip").click()
    expect(opened.page.locator("body")).to_have_class(re.compile("saved"))
    assert opened.page.evaluate("window.saved") == {
        "name": "isnet-job-500.zip",
        "bytes": jobs.results_size,
        "closed": True,
    }
    expect(opened.results_link("photos-500.zip")).to_be_visible()


@pytest.mark.slow
def test_large_results_are_not_kept_in_memory_unasked(open_page: Open, jobs: ScriptedJobs):
    jobs.tokens, jobs.jobs, jobs.results_size = ("secret",), [running(done=1)], GIB + GIB // 2
    opened = open_page(without_file_picker)
    opened.enter_token("secret")
    opened.results_link("photos-500.zip").click()
    question = opened.page.get_by_role("dialog")
    expect(question).to_contain_text("larger than 1.0 GB", timeout=100_000)
    expect(question).to_contain_text(f"{jobs.url}/v1/jobs/job-500/results")
    question.get_by_role("button", name="Stop").click()
    expect(opened.results_link("photos-500.zip")).to_be_visible()
    expect(opened.alert).to_be_hidden()


def test_download_can_be_stopped(open_page: Open, jobs: ScriptedJobs):
    jobs.tokens, jobs.jobs, jobs.results_size = ("secret",), [running(done=1)], GIB
    opened = open_page(with_counting_file_picker)
    opened.enter_token("secret")
    opened.results_link("photos-500.zip").click()
    opened.page.get_by_role("link", name="Stop saving the results").click()
    expect(opened.results_link("photos-500.zip")).to_be_visible()
    expect(opened.alert).to_be_hidden()
    assert not opened.page.evaluate("window.saved.closed")


def without_file_picker(page: Page) -> None:
    page.add_init_script("delete window.showSaveFilePicker")


def with_counting_file_picker(page: Page) -> None:
    """Nobody is there to choose a file: what would be written to it is counted."""
    page.add_init_script(
        """window.showSaveFilePicker = async ({ suggestedName }) => {
            const saved = (window.saved = { name: suggestedName, bytes: 0, closed: false });
            const createWritable = async () => new WritableStream({
                write: (chunk) => { saved.bytes += chunk.byteLength; },
                close: () => {
                    saved.closed = true;
                    document.body.classList.add("saved"); // to be waited for
                },
            });
            return { createWritable };
        };"""
    )
