"""A real service under gunicorn, and a real browser before it."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.conftest import IN_CI
from tests.server import Server

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ADMIN = "admin@localhost"
MODERATOR = "mo@lantern.example"
PASSWORD = "correct horse battery"
SHOTS = os.environ.get("SCREENSHOTS")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        if IN_CI:
            pytest.fail("CI must install chromium")
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with its demo site, an admin and a moderator, as `make run` sets it up."""
    found = Server(tmp_path_factory.mktemp("instance"))
    printed = found.flask("init")
    first = printed.split("password")[-1].split()[0]
    found.flask("demo")
    made = json.loads(found.flask("user", "add", MODERATOR, "--role", "moderator", "--json"))
    found.passwords = {ADMIN: first, MODERATOR: made["password"]}  # type: ignore[attr-defined]
    found.start()
    yield found
    assert found.stop() == 0


class Watched:
    """A page, and everything on it that should not have happened."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.page: Page = context.new_page()
        self.passwords: dict[str, str] = server.passwords  # type: ignore[attr-defined]
        self.url = server.url
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def _heard(self, message) -> None:
        # A form that was refused is reported as a failed load; it is meant to be.
        if (
            message.type == "error"
            and "the server responded with a status of 4" not in message.text
        ):
            self.complaints.append(message.text)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def login(self, email: str, password: str) -> None:
        self.open("/login")
        self.page.fill("[name=email]", email)
        self.page.fill("[name=password]", password)
        with self.page.expect_navigation():  # else the next `open` may cut the login short
            self.page.click("main button")

    def login_as(self, email: str) -> None:
        """Log in, and choose a password of one's own if it is the first time."""
        self.login(email, self.passwords[email])
        if self.passwords[email] != PASSWORD:
            self.choose_password(email)
        self.open("/desk")

    def choose_password(self, email: str) -> None:
        self.page.wait_for_selector("[name=again]")
        self.page.fill("[name=old]", self.passwords[email])
        self.page.fill("[name=new]", PASSWORD)
        self.page.fill("[name=again]", PASSWORD)
        self.page.click("main button")
        self.page.wait_for_selector("text=Your password is changed")
        self.passwords[email] = PASSWORD

    def shot(self, name: str) -> None:
        """Keep a picture, wide and narrow, and see that nothing hangs over the edge."""
        for kind, width in (("wide", 1280), ("narrow", 390)):
            self.page.set_viewport_size({"width": width, "height": 844})
            over = self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0, f"{name} is {over} pixels too wide at {width}"
            if SHOTS:
                Path(SHOTS).mkdir(parents=True, exist_ok=True)
                self.page.screenshot(path=f"{SHOTS}/{name}-{kind}.png", full_page=True)
        self.page.set_viewport_size({"width": 1280, "height": 844})


@pytest.fixture
def watched(browser: Browser, server: Server) -> Iterator[Watched]:
    context = browser.new_context()
    found = Watched(context, server)
    yield found
    context.close()
    assert found.complaints == []


@pytest.fixture
def reader(browser: Browser, server: Server) -> Iterator[Watched]:
    """Another person's browser, on the news site."""
    context = browser.new_context()
    found = Watched(context, server)
    yield found
    context.close()
    assert found.complaints == []
