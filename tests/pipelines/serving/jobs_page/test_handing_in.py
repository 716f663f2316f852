"""Jobs handed in on the page, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Dialog, expect

from pipelines.serving.errors import ApiError
from tests.pipelines.serving.jobs_page_driver import Open, write_archive
from tests.pipelines.serving.scripted_jobs import ScriptedJobs

pytestmark = pytest.mark.browser


def test_zip_files_are_handed_in_with_the_options(
    open_page: Open, jobs: ScriptedJobs, archive: Path, tmp_path: Path
):
    opened = open_page()
    opened.choose_pictures(archive)
    opened.choose_masks(write_archive(tmp_path / "holes.zip"), "A zip of masks")
    opened.choose_options(strategy="Crop", passes=4, format="png")
    opened.start()
    opened.wait_for("photos.zip", "Queued")
    expect(opened.row("photos.zip").get_by_role("link").first).to_be_focused()
    assert jobs.submitted == {
        "pictures": ("photos.zip", archive.stat().st_size),
        "masks": ("holes.zip", archive.stat().st_size),
        "strategy": "crop",
        "passes": "4",
        "format": "png",
        "quality": "95",
    }


EARLY = """
new MutationObserver((_, observer) => {
  const input = document.querySelector(".pictures input");
  if (!input) return;
  observer.disconnect();
  const chosen = new DataTransfer();
  chosen.items.add(new File(["PK"], "early.zip"));
  input.files = chosen.files;
}).observe(document, { childList: true, subtree: true });
"""


def test_a_file_that_was_chosen_before_the_page_was_ready_counts(open_page: Open):
    opened = open_page(lambda page: page.add_init_script(EARLY))
    expect(opened.page.locator(".pictures .held")).to_contain_text("early.zip")


def test_masks_may_be_one_picture_transparency_or_a_colour(
    open_page: Open, jobs: ScriptedJobs, archive: Path, tmp_path: Path
):
    Image.new("L", (8, 8)).save(tmp_path / "logo.png")
    opened = open_page()
    for choose, sent in (
        (lambda: opened.choose_masks(tmp_path / "logo.png", "One mask for all"), "logo.png"),
        (opened.choose_transparency, "alpha"),
        (lambda: opened.choose_colour("#12ab00"), "chroma:12ab00"),
    ):
        opened.choose_pictures(archive)
        choose()
        opened.start()
        opened.wait_for("photos.zip", "Queued")
        assert sent in (jobs.submitted["masks"], jobs.submitted["masks"][0])


def test_places_in_storage_are_handed_in_where_the_server_has_any(
    open_page: Open, jobs: ScriptedJobs
):
    expect(open_page().page.get_by_role("radio", name="From storage")).to_be_hidden()
    jobs.roots = ("/data", "s3://bucket")
    opened = open_page()
    expect(opened.page.get_by_text("/data, s3://bucket")).to_be_hidden()
    places = {"input": "/data/in", "masks": "chroma:00ff00", "output": "s3://bucket/out"}
    opened.name_places(pictures=places["input"], masks=places["masks"], results=places["output"])
    expect(opened.page.get_by_text("/data, s3://bucket")).to_be_visible()
    opened.start()
    opened.wait_for("/data/in", "Queued")
    options = {"strategy": "original", "passes": 9, "format": "same", "quality": 95}
    assert jobs.submitted == {**places, **options}


def test_dropped_file_goes_where_it_is_dropped(open_page: Open, archive: Path, tmp_path: Path):
    opened = open_page()
    opened.wait_for_form()
    page = opened.page
    for selector, name in ((".mask-file", "holes.zip"), ("body", "photos.zip")):
        transfer = page.evaluate_handle(
            """(name) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File(["PK and more"], name));
                return transfer;
            }""",
            name,
        )
        page.dispatch_event(selector, "drop", {"dataTransfer": transfer})
    expect(page.locator(".mask-file .held")).to_contain_text("holes.zip")
    expect(page.locator(".pictures .held")).to_contain_text("photos.zip")


def test_too_large_a_file_is_refused_before_it_is_sent(
    open_page: Open, jobs: ScriptedJobs, tmp_path: Path
):
    opened = open_page()
    opened.choose_pictures(write_archive(tmp_path / "large.zip", size=2**25))
    expect(opened.alert).to_have_text(re.compile("large.zip has 32 MB; .* at most 32 MB"))
    opened.choose_pictures(write_archive(tmp_path / "half.zip", size=2**24))
    opened.choose_masks(write_archive(tmp_path / "masks.zip", size=2**24), "A zip of masks")
    expect(opened.alert).to_contain_text("masks.zip and half.zip together have 32 MB")
    assert "POST /v1/jobs" not in jobs.asked


def test_what_is_missing_or_no_zip_file_is_said(open_page: Open, tmp_path: Path, archive: Path):
    (tmp_path / "notes.txt").write_text("not an archive")
    opened = open_page()
    opened.start()
    expect(opened.alert).to_have_text("Choose a zip file with the pictures first.")
    expect(opened.page.get_by_label("Choose a zip file")).to_be_focused()
    opened.choose_pictures(tmp_path / "notes.txt")
    expect(opened.alert).to_contain_text("notes.txt is not a zip file")
    opened.choose_pictures(archive)
    opened.start()
    expect(opened.alert).to_have_text("Choose a zip file with the masks first.")


def test_upload_shows_how_far_it_is_and_can_be_cancelled(
    open_page: Open, jobs: ScriptedJobs, tmp_path: Path
):
    jobs.held = True
    opened = open_page()
    opened.choose_pictures(write_archive(tmp_path / "photos.zip", size=2**24))
    opened.choose_transparency()
    opened.start()
    bar = opened.page.get_by_role("progressbar", name="Upload")
    expect(bar).to_have_attribute("aria-valuetext", re.compile(r"^Sending, [1-9][\d.]* %$"))
    expect(opened.page.get_by_role("button", name="Cancel the upload")).to_be_focused()
    opened.page.keyboard.press("Enter")
    expect(bar).to_be_hidden()
    expect(opened.page.get_by_role("button", name="Start the job")).to_be_focused()
    expect(opened.page.locator(".pictures .held")).to_contain_text("photos.zip")
    expect(opened.alert).to_be_hidden()
    assert jobs.jobs == []


def test_leaving_the_page_during_an_upload_is_asked_about(
    open_page: Open, jobs: ScriptedJobs, tmp_path: Path
):
    jobs.held = True
    opened = open_page()
    opened.choose_pictures(write_archive(tmp_path / "photos.zip", size=2**24))
    opened.choose_transparency()
    opened.start()
    expect(opened.page.get_by_role("button", name="Cancel the upload")).to_be_visible()
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    opened.page.on("dialog", stay)
    opened.page.get_by_role("link", name="One photograph", exact=True).click()
    assert asked == ["beforeunload"]
    expect(opened.page.get_by_role("button", name="Cancel the upload")).to_be_visible()


def test_refusal_is_shown_and_the_files_stay(open_page: Open, jobs: ScriptedJobs, archive: Path):
    jobs.refusal = ApiError(429, "too_many_jobs", "You have 8 jobs; wait until one has ended.")
    opened = open_page()
    opened.choose_pictures(archive)
    opened.choose_transparency()
    opened.start()
    expect(opened.alert).to_have_text("You have 8 jobs; wait until one has ended.")
    expect(opened.page.locator(".pictures .held")).to_contain_text("photos.zip")
