"""The web page in a real browser, on a real endpoint."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.pipelines.serving.jobs_page_driver import JobsPage
from tests.pipelines.serving.page_driver import (
    SIZE,
    brush_size,
    choose,
    differs,
    distance_to_stroke,
    drop,
    hole_percent,
    paint,
    painting_area,
    touch,
)
from tests.pipelines.serving.traffic import sample

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
RUN = 60_000
"""Milliseconds that a run may take."""

Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, endpoint) -> Iterator[Open]:
    """Open the page; keyword arguments are the browser context's. No script of it may fail."""
    contexts = []
    failures: list[str] = []

    def opener(prepare: Callable[[Page], object] = lambda page: None, **options: object) -> Page:
        contexts.append(browser.new_context(**(options or DESKTOP)))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        prepare(page)
        page.goto(endpoint.url)
        return page

    yield opener
    for context in contexts:
        context.close()
    assert failures == []


@pytest.fixture
def photograph(samples: Path, tmp_path: Path) -> Path:
    """A small PNG, which comes back without loss."""
    with Image.open(samples / "lake-sherburne.jpg") as image:
        image.resize(SIZE).save(tmp_path / "lake.png")
    return tmp_path / "lake.png"


def test_the_footer_says_what_the_model_may_be_used_for(open_page: Open) -> None:
    def licensed(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"licence": "research only"})

    page = open_page(lambda page: page.route("**/v1/model", licensed))
    expect(page.get_by_label("Model", exact=True)).to_contain_text("research only")


def test_loads_without_errors_and_asks_no_other_host(open_page: Open, endpoint):
    errors: list[str] = []
    hosts: set[str] = set()

    def watch(page: Page) -> None:
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))

    page = open_page(watch)
    expect(page.get_by_label("Model")).to_contain_text(
        page.request.get(f"{endpoint.url}/v1/model").json()["version"]
    )
    expect(page.get_by_role("link", name="API documentation")).to_have_attribute("href", "docs")
    assert errors == []
    assert hosts == {urlsplit(endpoint.url).netloc}


def test_painted_hole_is_filled_and_the_rest_comes_back_untouched(
    open_page: Open, photograph: Path
):
    page = open_page()
    choose(page, photograph)
    diameter = brush_size(page)
    paint(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(re.compile(r"Filled in \d+ pass"), timeout=RUN)
    expect(page.get_by_role("listitem").filter(has_text="Pass 1: hole")).to_have_count(1)
    with page.expect_download(timeout=RUN) as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "lake-filled.png"

    changed = differs(photograph, Path(download.value.path()))
    distance = distance_to_stroke()
    assert not changed[distance > diameter / 2 + 1.5].any()
    assert changed[distance < diameter / 2 - 1.5].mean() > 0.5


def test_mask_file_marks_the_hole_pixel_by_pixel(open_page: Open, photograph: Path, tmp_path: Path):
    hole = np.random.default_rng(7).random((SIZE[1] // 8, SIZE[0] // 8)) < 0.4
    hole = hole.repeat(8, axis=0).repeat(8, axis=1)
    Image.fromarray(hole).save(tmp_path / "mask.png")
    page = open_page()
    choose(page, photograph)
    page.get_by_label("Use a mask file").set_input_files(tmp_path / "mask.png")
    page.get_by_role("button", name="Fill the hole").click()
    with page.expect_download(timeout=RUN) as download:
        page.get_by_role("link", name="Download").click(timeout=RUN)

    changed = differs(photograph, Path(download.value.path()))
    assert not changed[~hole].any()
    assert changed[hole].mean() > 0.5


def test_result_is_compared_by_keyboard_and_painted_on_again(open_page: Open, photograph: Path):
    page = open_page()
    choose(page, photograph)
    paint(page)
    page.get_by_role("button", name="Fill the hole").click()
    slider = page.get_by_role("slider", name="Compare before and after")
    expect(slider).to_be_focused(timeout=RUN)
    for key, value in {"ArrowLeft": "48", "PageUp": "58", "End": "100", "Home": "0"}.items():
        page.keyboard.press(key)
        expect(slider).to_have_attribute("aria-valuenow", value)

    page.get_by_role("button", name="Paint again on the result").click()
    expect(page.get_by_text("lake-filled.png")).to_be_visible()
    expect(page.get_by_text("Nothing painted yet")).to_be_visible()


def test_eraser_undo_redo_and_clear_by_keyboard_and_button(open_page: Open, photograph: Path):
    page = open_page()
    choose(page, photograph)
    nothing = page.get_by_text("Nothing painted yet")
    paint(page)
    whole = hole_percent(page)
    page.keyboard.press("e")
    expect(page.get_by_role("radio", name="Eraser")).to_be_checked()
    paint(page, (60.0, 30.0), (60.0, 80.0))
    assert 0 < hole_percent(page) < whole

    page.keyboard.press("Control+z")
    assert hole_percent(page) == whole
    page.keyboard.press("Control+z")
    expect(nothing).to_be_visible()
    page.keyboard.press("Control+Shift+z")
    assert hole_percent(page) == whole
    page.get_by_role("button", name="Clear").click()
    expect(nothing).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    assert hole_percent(page) == whole


def test_one_finger_paints_and_two_do_not_on_a_dropped_photograph(
    open_page: Open, photograph: Path
):
    page = open_page(**PHONE)
    assert_no_sideways_scroll(page)
    drop(page, photograph)
    expect(painting_area(page)).to_be_visible()
    touch(page, [(0.3, 0.3)], [(0.6, 0.6)])
    painted = hole_percent(page)
    assert painted > 0

    touch(page, [(0.2, 0.7), (0.4, 0.7)], [(0.2, 0.8), (0.4, 0.8)])
    assert hole_percent(page) == painted
    assert_no_sideways_scroll(page)


def test_file_that_is_no_picture_is_named(open_page: Open, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("not a photograph")
    page = open_page()
    page.get_by_label("Choose a photograph").set_input_files(tmp_path / "notes.txt")
    expect(page.get_by_role("alert")).to_have_text(re.compile("notes.txt is not a picture"))


def test_run_without_a_hole_says_what_to_do(open_page: Open, photograph: Path):
    page = open_page()
    choose(page, photograph)
    page.get_by_role("button", name="Fill the hole").click()
    expect(page.get_by_role("alert")).to_contain_text("Paint over what should go first")
    paint(page)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_busy_server_is_asked_once_more(open_page: Open, photograph: Path):
    def be_busy_once(page: Page) -> None:
        refusal = {"error": {"code": "overloaded", "message": "All are busy.", "limit": None}}
        page.route(
            "**/v1/inpaint/stream",
            lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}, json=refusal),
            times=1,
        )

    page = open_page(be_busy_once)
    choose(page, photograph)
    paint(page)
    page.get_by_role("button", name="Fill the hole").click()
    expect(page.get_by_role("status")).to_contain_text("The server is busy")
    expect(page.get_by_role("status")).to_contain_text("Filled in", timeout=RUN)


def test_cancelled_run_keeps_the_hole(open_page: Open, photograph: Path):
    page = open_page(lambda page: page.route("**/v1/inpaint/stream", lambda route: None))
    choose(page, photograph)
    paint(page)
    painted = hole_percent(page)
    page.get_by_role("button", name="Fill the hole").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Fill the hole")).to_be_visible()
    assert hole_percent(page) == painted
    expect(page.get_by_role("alert")).to_be_hidden()


def test_token_is_asked_for_and_sent(open_page: Open):
    def want_token(page: Page) -> None:
        refusal = {"error": {"code": "unauthorized", "message": "Send a token.", "limit": None}}
        page.route(
            "**/v1/model",
            lambda route: (
                route.fallback()
                if route.request.headers.get("authorization") == "Bearer secret"
                else route.fulfill(status=401, json=refusal)
            ),
        )

    page = open_page(want_token)
    expect(page.get_by_role("alert")).to_have_text("Send a token.")
    page.get_by_label("Token").fill("secret")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Token")).to_be_hidden()
    expect(page.get_by_label("Model")).to_contain_text("parameters")


def assert_no_sideways_scroll(page: Page) -> None:
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == PHONE["viewport"]["width"]


def test_documentation_is_rendered(open_page: Open, endpoint):
    page = open_page()
    page.goto(f"{endpoint.url}/docs")
    expect(page.get_by_role("heading", name="ISNet inpainting")).to_be_visible()
    expect(page.get_by_text("Fill the hole of a picture", exact=True)).to_be_visible()


def test_a_job_is_started_followed_and_its_results_are_downloaded(
    open_page: Open, endpoint, tmp_path: Path
):
    album = {f"album/{index}.png": sample(64, 64, seed=index) for index in range(6)}
    for name, part in (("photos.zip", "image"), ("holes.zip", "mask")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, each in album.items():
                archive.writestr(member, getattr(each, part))
    jobs = JobsPage(open_page(), endpoint.url)
    jobs.page.get_by_role("link", name="Jobs").click()
    jobs.choose_pictures(tmp_path / "photos.zip")
    jobs.choose_masks(tmp_path / "holes.zip", "A zip of masks")
    jobs.start()
    jobs.wait_for("photos.zip", "Finished", seconds=120)
    assert jobs.progress("photos.zip") == (6, 6)
    jobs.open_details("photos.zip")
    expect(jobs.thumbnails).to_have_count(6)
    with zipfile.ZipFile(jobs.download("photos.zip").path()) as results:
        assert set(results.namelist()) == {*album, "results.csv"}
        for member, each in album.items():
            each.require_kept(results.read(member))
