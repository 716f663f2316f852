"""The details of one job on the page, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.pipelines.serving.described_jobs import failures, job_of, running
from tests.pipelines.serving.jobs_page_driver import Open
from tests.pipelines.serving.scripted_jobs import ScriptedJobs

pytestmark = pytest.mark.browser


def test_details_have_an_address_of_their_own(open_page: Open, jobs: ScriptedJobs):
    jobs.jobs = [running(done=2)]
    opened = open_page(job="job-500")
    expect(opened.thumbnails).to_have_count(2)
    facts = opened.facts()
    assert facts["MLflow run"] == jobs.jobs[0]["run_id"]
    assert (facts["Strategy"], facts["Passes"], facts["Masks"]) == ("crop", "11", "masks.zip")
    opened.page.reload()
    expect(opened.page.get_by_role("heading", name="photos-500.zip")).to_be_visible()
    opened.close_details()
    expect(opened.row("photos-500.zip").get_by_role("link").first).to_be_focused()


def test_thumbnails_come_a_page_at_a_time(open_page: Open, jobs: ScriptedJobs):
    jobs.jobs = [running(done=50)]
    opened = open_page(job="job-500")
    more = opened.page.get_by_role("button", name="Show more")
    expect(opened.thumbnails).to_have_count(24)
    for count in (48, 50):
        more.click()
        expect(opened.thumbnails).to_have_count(count)
    expect(more).to_be_hidden()


def test_thumbnails_arrive_while_the_job_runs(open_page: Open, jobs: ScriptedJobs):
    jobs.jobs = [running()]
    opened = open_page(job="job-500")
    expect(opened.page.get_by_text("None so far")).to_be_visible()
    jobs.change(500, counts={"total": 100, "done": 3, "failed": 0})
    expect(opened.thumbnails).to_have_count(3)


def test_failures_are_listed_with_reasons_and_the_rest_is_pointed_at(
    open_page: Open, jobs: ScriptedJobs
):
    counts = {"total": 2000, "done": 1000, "failed": 1000}
    jobs.jobs = [job_of(9, "finished", counts=counts, failures=failures(100))]
    opened = open_page(job="job-9")
    expect(opened.failures).to_have_count(100)
    expect(opened.failures.first).to_have_text(
        re.compile(r"beach/IMG_0000.jpg\s*undecodable\s*the file is cut short")
    )
    expect(opened.page.get_by_text("The first 100 of 1,000; results.csv")).to_be_visible()


def test_unknown_job_is_said_to_be_none(open_page: Open):
    opened = open_page(job="job-77")
    expect(opened.page.get_by_role("heading", name="There is no such job")).to_be_visible()
    opened.close_details()
    expect(opened.page.get_by_role("heading", name="No jobs yet")).to_be_visible()
