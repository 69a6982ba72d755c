"""What the settings refuse to keep: a page says why, and nothing is written."""

import re

import pytest

from moderation.flows import access
from tests.desk.conftest import text_of
from tests.desk.test_settings import POLICY, fields

SITE = "/settings/sites/daily"


@pytest.mark.parametrize("name", ["", "a\0b", "two\nlines", "x" * 201])
def test_a_name_that_can_not_be_kept_is_refused(chief, site, name) -> None:
    for do in ("rename", "add_key"):
        said = text_of(chief.post(SITE, do=do, name=name, scopes=["read"]))
        assert re.search(r"must (not be empty|be one line)", said)
    assert "The Daily" in chief.get(SITE).text
    if name:
        answer = chief.post("/settings/people", email="new@x.example", role="moderator", name=name)
        assert answer.status_code == 422


@pytest.mark.parametrize("email", ["no", "@x", "x@", "a@b@c", "a\0@b.example", "a b@c.example"])
def test_what_is_no_address_makes_no_person(chief, rt, email) -> None:
    answer = chief.post("/settings/people", email=email, role="moderator")

    assert answer.status_code == 422
    assert len(access.people(rt)) == 3


@pytest.mark.parametrize(
    "url",
    ["http://[x", "http://x:99999999/", "http://x:0/", "http://x y/", "ftp://x/", "/x", "http://"],
)
def test_an_address_that_no_event_could_reach_is_refused(chief, site, url) -> None:
    said = text_of(chief.post(SITE, do="add_endpoint", url=url))

    assert "is not an http or https address" in said
    assert "None yet: the site hears of nothing" in said


@pytest.mark.parametrize("id", ["1", "9" * 25])
@pytest.mark.parametrize("do", ["revoke_key", "endpoint_off", "endpoint_on"])
def test_only_what_is_the_sites_own_is_changed_on_its_page(
    chief, site, other_site, do, id, rt
) -> None:
    answer = chief.post("/settings/sites/weekly", do=do, id=id)

    assert answer.status_code == 404
    assert site.call("GET", "/v1/queue").status_code == 200


def test_a_note_that_is_too_long_is_not_kept(chief, held) -> None:
    answer = chief.post(POLICY, **fields(max_length="500") | {"note": "x" * 501})

    assert answer.status_code == 422
    assert "at most 500 characters" in text_of(answer)
