"""People's forms: all sites is a choice that is made in so many words."""

import pytest

from moderation.flows import access
from tests.conftest import database_url as database_url
from tests.desk.conftest import text_of

PEOPLE = "/settings/people"


def someone(rt, email: str) -> access.Colleague:
    [found] = [who for who in access.people(rt) if who.person.email == email]
    return found


@pytest.fixture
def limited_mo(chief, rt, site, other_site) -> str:
    """The address of a moderator of one site."""
    path = f"{PEOPLE}/{someone(rt, 'mo@daily.example').person.id}"
    chief.post(path, role="moderator", reach="some", sites=["weekly"])
    assert someone(rt, "mo@daily.example").sites == ("weekly",)
    return path


@pytest.mark.parametrize("reach", [{}, {"reach": "some"}, {"reach": ""}, {"reach": "every"}])
def test_clearing_every_site_is_refused_and_changes_nothing(chief, rt, limited_mo, reach) -> None:
    answer = chief.post(limited_mo, role="moderator", **reach)

    assert "choose all sites, or at least one" in text_of(answer)
    after = someone(rt, "mo@daily.example")
    assert (after.sites, after.all_sites) == (("weekly",), False)


def test_a_person_without_a_site_is_not_made(chief, rt, site) -> None:
    answer = chief.post(PEOPLE, email="new@x.example", role="moderator")

    assert answer.status_code == 422
    assert "choose all sites, or at least one" in text_of(answer)
    assert len(access.people(rt)) == 3


def test_all_sites_are_given_when_it_is_said(chief, rt, limited_mo) -> None:
    chief.post(limited_mo, role="moderator", reach="all", sites=["weekly"])
    chief.post(PEOPLE, email="new@x.example", role="moderator", reach="all")

    assert someone(rt, "mo@daily.example").all_sites
    assert someone(rt, "new@x.example").all_sites
