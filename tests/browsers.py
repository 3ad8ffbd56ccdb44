"""Headless Chromium, driven by playwright; tests skip where there is none.

``JAXSTYLE_CHROMIUM`` may name the program.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def chromium() -> Iterator[Any]:
    """A running browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = filter(None, (os.environ.get("JAXSTYLE_CHROMIUM"), *map(shutil.which, NAMES)))
    program = next(found, None)
    if program is None:
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as driver:
        # A sandbox needs rights that containers and root lack; the page is our own.
        running = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


def new_page(browser: Any, url: str, **options: Any) -> tuple[Any, list[str]]:
    """A page that is open, and all that it complains of."""
    page, complaints = browser.new_context(**options).new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(60_000)
    page.goto(url)
    return page, complaints
