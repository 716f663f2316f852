"""The page of jobs in a real browser, over jobs that stand where a test puts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.pipelines.calling.scripted_endpoint import start
from tests.pipelines.serving.jobs_page_driver import JobsPage, Open, write_archive
from tests.pipelines.serving.scripted_jobs import ScriptedJobs


@pytest.fixture
def jobs() -> Iterator[ScriptedJobs]:
    scripted = ScriptedJobs()
    stop = start(scripted)
    yield scripted
    scripted.held = False
    stop()


@pytest.fixture
def open_page(browser: Browser, jobs: ScriptedJobs) -> Iterator[Open]:
    """Open the page; no script of it may fail."""
    contexts = []
    failed: list[str] = []

    def opener(
        prepare: Callable[[Page], object] = lambda page: None,
        *,
        job: str | None = None,
        width: int = 1100,
    ) -> JobsPage:
        contexts.append(browser.new_context(viewport={"width": width, "height": 844}))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: failed.append(str(error)))
        prepare(page)
        opened = JobsPage(page, jobs.url)
        opened.open(job)
        return opened

    yield opener
    for context in contexts:
        context.close()
    assert failed == []


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "photos.zip")
