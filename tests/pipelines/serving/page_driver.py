"""What people do on the web page, and what can be seen of it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

SIZE = (160, 112)
"""Of the photographs that are filled: small, as they go through a network on a CPU."""

STROKE = ((30.0, 30.0), (120.0, 80.0))
"""From where to where most tests paint, in the photograph's pixels."""


def painting_area(page: Page) -> Locator:
    return page.get_by_role("img", name="Painting area")


def choose(page: Page, photograph: Path) -> None:
    page.get_by_label("Choose a photograph").set_input_files(photograph)
    expect(painting_area(page)).to_be_visible()


def paint(page: Page, start: tuple[float, float] = STROKE[0], end: tuple[float, float] = STROKE[1]):
    """Draw one straight stroke with the mouse, between two pixels of the photograph."""
    box = painting_area(page).bounding_box()
    scale = box["width"] / SIZE[0]
    page.mouse.move(box["x"] + start[0] * scale, box["y"] + start[1] * scale)
    page.mouse.down()
    page.mouse.move(box["x"] + end[0] * scale, box["y"] + end[1] * scale, steps=8)
    page.mouse.up()


def brush_size(page: Page) -> int:
    """Diameter of the brush, in the photograph's pixels."""
    text = page.get_by_role("slider", name="Brush size").get_attribute("aria-valuetext")
    return int(text.removesuffix(" pixels"))


def hole_percent(page: Page) -> float:
    """Share of the photograph that the page says is painted."""
    text = page.get_by_text(re.compile(r"^Hole [\d.]+ %$")).inner_text()
    return float(text.split()[1])


def distance_to_stroke() -> np.ndarray:
    """Distance of each pixel's middle from the middle of `STROKE`: (H, W)."""
    pixels = np.moveaxis(np.indices(SIZE[::-1])[::-1], 0, -1) + 0.5
    start, end = np.array(STROKE)
    along = ((pixels - start) @ (end - start) / np.sum((end - start) ** 2)).clip(0, 1)
    return np.linalg.norm(pixels - start - along[..., None] * (end - start), axis=-1)


def differs(one: Path, other: Path) -> np.ndarray:
    """Where two pictures differ: bool (H, W)."""
    with Image.open(one) as first, Image.open(other) as second:
        assert (first.format, first.mode) == (second.format, second.mode)
        return (np.asarray(first) != np.asarray(second)).any(axis=-1)


def drop(page: Page, photograph: Path) -> None:
    data = page.evaluate_handle(
        """([name, base64]) => {
            const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type: "image/png" }));
            return transfer;
        }""",
        [photograph.name, base64.b64encode(photograph.read_bytes()).decode()],
    )
    page.dispatch_event("body", "drop", {"dataTransfer": data})


def touch(page: Page, start: list[tuple[float, float]], end: list[tuple[float, float]]) -> None:
    """Put fingers onto the photograph one after the other, move them together, lift them."""
    box = painting_area(page).bounding_box()
    screen = page.context.new_cdp_session(page)

    def send(kind: str, fingers: list[tuple[float, float]]) -> None:
        points = [
            {"id": number, "x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            for number, (x, y) in enumerate(fingers)
        ]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    for count in range(len(start)):
        send("touchStart", start[: count + 1])
    send("touchMove", end)
    send("touchEnd", [])
