"""The list of jobs on the page, in a real browser."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.pipelines.serving.described_jobs import failures, job_of, running
from tests.pipelines.serving.jobs_page_driver import Open
from tests.pipelines.serving.scripted_jobs import ScriptedJobs

pytestmark = pytest.mark.browser

WIDTHS = (390, 1100)


def test_loads_without_errors_and_asks_no_other_host(open_page: Open, jobs: ScriptedJobs):
    jobs.jobs = [running(done=3)]
    errors: list[str] = []
    hosts: set[str] = set()

    def watch(page: Page) -> None:
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))

    opened = open_page(watch)
    opened.open_details("photos-500.zip")
    expect(opened.thumbnails).to_have_count(3)
    assert errors == []
    assert {host for host in hosts if host} == {urlsplit(jobs.url).netloc}


def test_pages_lead_to_each_other(open_page: Open):
    page = open_page().page
    page.get_by_role("link", name="One photograph", exact=True).click()
    expect(page.get_by_role("heading", name="Paint over what should go")).to_be_visible()
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(open_page: Open, jobs: ScriptedJobs, width: int):
    long = f"{'holiday-' * 20}.zip"
    counts = {"total": 50, "done": 30, "failed": 20}
    jobs.jobs = [
        job_of(9, "failed", counts=counts, failures=failures(3), error="x" * 200, input=long)
    ]
    opened = open_page(width=width)
    expect(opened.rows).to_have_count(1)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    opened.open_details(long)
    expect(opened.failures).to_have_count(3)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width


def test_list_shows_states_counts_speed_and_time(open_page: Open, jobs: ScriptedJobs):
    ended = {"total": 100, "done": 96, "failed": 4}
    jobs.jobs = [
        job_of(600, "queued"),
        running(done=1, failed=2),
        job_of(400, "finished", counts=ended),
        job_of(300, "failed", error="the model is gone"),
        job_of(200, "cancelled"),
    ]
    opened = open_page()
    expect(opened.rows).to_have_text(
        [
            re.compile("photos-600.zip.*Queued.*Handed in.*Waits for its turn", re.DOTALL),
            re.compile(r"Running.*1 of 100 done · 2 failed · 2.4 images/s · about 31 s", re.DOTALL),
            re.compile("Finished.*96 of 100 done · 4 failed · took 4 min.*isnet/7", re.DOTALL),
            re.compile("Failed.*the model is gone", re.DOTALL),
            re.compile("Cancelled", re.DOTALL),
        ]
    )
    assert opened.progress("photos-500.zip") == (3, 100)


def test_running_job_is_followed_until_it_has_ended(open_page: Open, jobs: ScriptedJobs):
    jobs.jobs = [running(done=1)]
    opened = open_page()
    opened.wait_for("photos-500.zip", "Running")
    jobs.change(500, counts={"total": 100, "done": 40, "failed": 0})
    expect(opened.row("photos-500.zip")).to_contain_text("40 of 100 done")
    jobs.change(500, state="finished", ended=jobs.jobs[0]["started"])
    opened.wait_for("photos-500.zip", "Finished")
    asked = len(jobs.asked)
    time.sleep(2.5)
    assert len(jobs.asked) == asked
    assert jobs.most_at_once == 1


def test_keyboard_keeps_its_place_while_the_list_changes(open_page: Open, jobs: ScriptedJobs):
    jobs.jobs = [running(done=1)]
    opened = open_page()
    link = opened.row("photos-500.zip").get_by_role("link").first
    link.focus()
    jobs.jobs.insert(0, job_of(600, "queued"))
    expect(opened.rows).to_have_count(2)
    expect(link).to_be_focused()


def test_busy_server_is_asked_until_it_answers(open_page: Open, jobs: ScriptedJobs):
    jobs.jobs = [running(done=7)]
    jobs.busy = 2
    opened = open_page()
    expect(opened.page.get_by_text("All are busy. Asking again.")).to_be_visible()
    expect(opened.row("photos-500.zip")).to_contain_text("7 of 100 done")
    expect(opened.page.get_by_text("All are busy")).to_be_hidden()
    jobs.busy = 2
    expect(opened.page.get_by_text("All are busy")).to_be_visible()
    expect(opened.page.get_by_text("All are busy")).to_be_hidden()


def test_hidden_tab_asks_seldom(open_page: Open, jobs: ScriptedJobs):
    jobs.jobs = [running(done=1)]
    hide = "Object.defineProperty(document, 'hidden', { get: () => true })"
    opened = open_page(lambda page: page.add_init_script(hide))
    opened.wait_for("photos-500.zip", "Running")
    time.sleep(2.5)
    assert jobs.asked == ["GET /v1/jobs"]


def test_job_is_cancelled_only_when_one_is_sure(open_page: Open, jobs: ScriptedJobs):
    jobs.jobs = [running(done=1)]
    opened = open_page()
    opened.cancel("photos-500.zip", sure=False)
    opened.page.get_by_role("button", name="Cancel photos-500.zip").click()
    expect(opened.page.get_by_role("button", name="Keep it going")).to_be_focused()
    opened.page.keyboard.press("Escape")
    expect(opened.page.get_by_role("dialog")).to_be_hidden()
    assert not [line for line in jobs.asked if line.startswith("DELETE")]
    opened.cancel("photos-500.zip")
    opened.wait_for("photos-500.zip", "Cancelling")
    assert "DELETE /v1/jobs/job-500" in jobs.asked
    jobs.change(500, state="cancelled", ended=jobs.jobs[0]["started"])
    opened.wait_for("photos-500.zip", "Cancelled")


def test_server_without_jobs_names_the_setting(open_page: Open, jobs: ScriptedJobs):
    jobs.on = False
    page = open_page().page
    expect(page.get_by_role("heading", name="Jobs are switched off here")).to_be_visible()
    expect(page.get_by_text("jobs_folder", exact=True)).to_be_visible()


def test_list_comes_before_the_form_on_a_phone_once_there_are_jobs(
    open_page: Open, jobs: ScriptedJobs
):
    form = open_page(width=390).page.get_by_role("button", name="Start the job")
    expect(form).to_be_visible()
    jobs.jobs = [running(done=1)]
    opened = open_page(width=390)
    expect(opened.rows).to_have_count(1)
    form = opened.page.get_by_role("button", name="Start the job")
    expect(form).to_be_hidden()
    opened.page.get_by_text("New job").click()
    expect(form).to_be_visible()
