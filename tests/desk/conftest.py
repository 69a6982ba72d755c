"""People before the desk, with forms as a browser without JavaScript sends them."""

import re
import shutil
from dataclasses import dataclass
from html import unescape

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from moderation.flows import access, sites
from tests.builders import INSULT, submitted

PASSWORD = "long enough 1"


@pytest.fixture(params=["sqlite"])
def database_url(request, tmp_path, migrated_file) -> str:
    """Pages are tried on SQLite; what is under them, on both."""
    shutil.copy(migrated_file, tmp_path / "copydesk.db")
    return f"sqlite:///{tmp_path / 'copydesk.db'}"


@dataclass
class Browser:
    """Reads a page, and sends its form with the token that stands in it."""

    client: FlaskClient

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def token(self, path: str = "/login") -> str:
        return re.search(r'name="csrf_token" value="([^"]+)"', self.client.get(path).text)[1]

    def post(self, path: str, follow: bool = True, **fields) -> TestResponse:
        fields = {name.replace("__", "."): value for name, value in fields.items()}
        return self.client.post(
            path, data={"csrf_token": self.token("/account")} | fields, follow_redirects=follow
        )

    def login(self, email: str, password: str = PASSWORD, **fields) -> TestResponse:
        data = {"csrf_token": self.token(), "email": email, "password": password}
        return self.client.post("/login", data=data | fields)


@pytest.fixture
def people(rt):
    """An admin and two moderators, with passwords of their own."""
    for name, role in (("chief", "admin"), ("mo", "moderator"), ("jo", "moderator")):
        access.add_person(
            rt, f"{name}@daily.example", role, password=PASSWORD, must_change_password=False
        )


@pytest.fixture
def browse(app, people):
    def log_in(name: str | None = None) -> Browser:
        browser = Browser(app.test_client())
        if name:
            assert browser.login(f"{name}@daily.example").status_code == 303
        return browser

    return log_in


@pytest.fixture
def held(site):
    assert site.post(submitted(body=INSULT)).get_json()["status"] == "held"
    return site


@pytest.fixture
def other_site(rt):
    return sites.add_site(rt, "weekly", "The Weekly", by="test")


def text_of(answer: TestResponse) -> str:
    """What a page says, without its tags."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", answer.text)))
