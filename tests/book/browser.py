"""A Chromium, a local web server, what a page did while it was open: the tools of test_site.py."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--allow-file-access-from-files",
]


def find_chromium() -> str | None:
    """$SEGTUTOR_CHROMIUM or one on the path; None leaves it to Playwright's own, if any."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = [os.environ.get("SEGTUTOR_CHROMIUM"), *map(shutil.which, names)]
    return next((path for path in found if path and Path(path).exists()), None)


@contextmanager
def chromium():
    """A running browser. Raises LookupError with a sentence where there is none."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise LookupError("Playwright is not installed (pip install -e '.[dev]')") from None
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        except Error as problem:
            first = str(problem).strip().splitlines()[0]
            raise LookupError(f"no Chromium could be started ({first})") from None
        yield browser
        browser.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The folder on a free port of this machine; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Watch:
    """Collects what a page asks for and complains about, until the next `fresh`."""

    def __init__(self, page, home: str):
        self.home = home
        self.fresh()
        page.on("request", lambda r: self.requests.append(r.url))
        page.on("requestfailed", lambda r: self.failed.append(f"{r.url} {r.failure or ''}"))
        page.on("response", lambda r: r.status >= 400 and self.failed.append(f"{r.url} {r.status}"))
        page.on("console", lambda m: m.type == "error" and self.console.append(m.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))

    def fresh(self) -> None:
        self.requests, self.failed, self.console = [], [], []

    def problems(self) -> list[str]:
        local = (self.home, "data:", "blob:", "about:")
        outside = [url for url in self.requests if not url.startswith(local)]
        return [
            *(f"external request: {url}" for url in outside),
            *(f"request failed: {what}" for what in self.failed if "ERR_ABORTED" not in what),
            *(f"console error: {text}" for text in self.console),
        ]


class Links(HTMLParser):
    """The ids, links, and pictures of a page, without a browser."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.update(v for k, v in attrs if k in ("id", "name") and v)
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag == "img" and values.get("src"):
            self.pictures.append(values["src"])
