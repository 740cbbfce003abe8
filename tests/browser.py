"""A real browser for tests: an installed Chromium or Chrome, driven by playwright."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Nothing that Chromium asks of other hosts by itself; --no-sandbox: containers often run as root.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def program() -> str:
    """The browser's file; skips the test where there is none."""
    pytest.importorskip("playwright.sync_api", reason="no browser test: playwright is missing")
    found = [path for name in NAMES if (path := shutil.which(name))]
    if not found:
        pytest.skip("no browser test: no Chromium or Chrome on the PATH")
    return found[0]


@contextmanager
def opened():
    """A browser that is closed at the end."""
    file = program()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=file, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Page:
    """A page that remembers what it asked other hosts for, and the errors it met.

    `here`: the address of the test's own server, the only one it may ask.
    """

    def __init__(self, browser, here: str, size=DESKTOP, **options):
        self.context = browser.new_context(viewport=size, **options)
        self.page = self.context.new_page()
        self.strangers: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda asked: self._asked(asked.url, here))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self._said(said))
        self.page.on("requestfailed", lambda asked: self.errors.append(f"failed: {asked.url}"))
        self.page.on("response", lambda answer: self._answered(answer.status, answer.url))

    def _asked(self, url: str, here: str) -> None:
        if not url.startswith((here, here.replace("http", "ws", 1), "data:", "blob:")):
            self.strangers.append(url)

    def _answered(self, status: int, url: str) -> None:
        if status >= 400:
            self.errors.append(f"{status}: {url}")

    def _said(self, said) -> None:
        if said.type == "error":
            self.errors.append(said.text)

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    def keep(self, name: str) -> None:
        """Keep a screenshot where SSLBOOK_SCREENSHOTS names a folder (CI keeps it)."""
        if folder := os.environ.get("SSLBOOK_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))
