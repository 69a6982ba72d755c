"""An admin of one site: what belongs to the others is not there for them."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from moderation.core.policy import DEFAULT, dump
from moderation.desk.policyform import to_fields
from moderation.flows import access, sites
from moderation.store.tables import (
    APIKey,
    Comment,
    DecisionRow,
    Delivery,
    Endpoint,
    Person,
    PersonSite,
    PolicyVersion,
    Site,
    SiteSecret,
)
from tests.builders import INSULT, submitted
from tests.conftest import database_url as database_url
from tests.desk.conftest import PASSWORD, text_of
from tests.desk.test_settings import fields

KEPT = (
    Site,
    SiteSecret,
    APIKey,
    Endpoint,
    Delivery,
    Person,
    PersonSite,
    PolicyVersion,
    DecisionRow,
    Comment,
)
ORDERS = (
    {"do": "rename", "name": "Mine now"},
    {"do": "rotate"},
    {"do": "add_key", "name": "Mine", "scopes": ["read"]},
    {"do": "revoke_key", "id": "1"},
    {"do": "add_endpoint", "url": "http://127.0.0.1:9/mine"},
    {"do": "endpoint_off", "id": "1"},
    {"do": "endpoint_on", "id": "1"},
    {"do": "reset"},
    {"do": "enable"},
    {"disabled": "on"},
    {"role": "admin", "reach": "all"},
    {"role": "moderator", "sites": ["weekly"]},
    {"action": "publish", "revision": "1"},
    to_fields(dump(DEFAULT)) | {"do": "publish", "seen": "1", "max_length": "5"},
    {"seen": "1"},
)
"""Every form that a page with an id takes; each is sent to each such page."""
NOWHERE = {
    "site": "nowhere",
    "slug": "nowhere",
    "comment_id": "c-0",
    "article": "a-0",
    "decision_id": "dec_0",
    "number": "1",
    "person_id": "999",
    "key_id": "999",
    "id": "999",
}
"""What is nowhere; what is another's must be told from it by nothing."""
TOLD = ("The Daily", "/sites/daily", 'value="daily"', ">daily<", INSULT, "only@daily.example")
"""What would give the other site away."""


@dataclass
class Two:
    """Two sites, and the people between them by name."""

    ids: dict[str, int]
    decision: str


@pytest.fixture
def two(rt, site, other_site, people) -> Two:
    """The other site with all that a site can have, and people of each, of both and of all."""
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/", [])
    site.post(submitted(body=INSULT))
    for name, role, theirs in (
        ("lim@weekly", "admin", ["weekly"]),
        ("mod@weekly", "moderator", ["weekly"]),
        ("only@daily", "moderator", ["daily"]),
        ("both@daily", "moderator", ["daily", "weekly"]),
    ):
        access.add_person(
            rt,
            f"{name}.example",
            role,
            password=PASSWORD,
            sites=theirs,
            must_change_password=False,
        )
    ids = {who.person.email.split(".")[0]: who.person.id for who in access.people(rt)}
    access.add_person_key(rt, access.viewer_of_key(rt, site.api_key), "Another's")
    return Two(ids, site.comment("c-1")["decision"]["id"])


@pytest.fixture
def limited(browse, two):
    browser = browse()
    assert browser.login("lim@weekly.example").status_code == 303
    return browser


def rows(rt) -> list[str]:
    """All that must stay as it is."""
    with rt.sessions.read() as session:
        return [
            f"{table.__tablename__} {sorted((k, str(v)) for k, v in row.items())}"
            for table in KEPT
            for row in session.execute(
                select(*table.__table__.columns).order_by(*table.__table__.primary_key)
            ).mappings()
        ]


def test_no_address_of_another_site_answers_a_limited_admin(limited, two, app, rt) -> None:
    before, seen = rows(rt), []
    values = {
        "site": "daily",
        "slug": "daily",
        "comment_id": "c-1",
        "article": "a-22",
        "decision_id": two.decision,
        "number": "1",
        "person_id": str(two.ids["only@daily"]),
        "key_id": "2",
        "id": "1",
    }
    token = limited.token("/account")
    for rule in app.url_map.iter_rules():
        open_to = getattr(app.view_functions[rule.endpoint], "open_to", "")
        if not rule.arguments or not open_to.startswith(("people", "admins", "viewers")):
            continue
        path, nowhere = filled(rule.rule, values), filled(rule.rule, NOWHERE)
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            for order in ({},) if method == "GET" else ORDERS:
                form = {"data": order} if "/v1/" not in path else {"json": body_for(path)}
                form |= {"headers": {"X-CSRFToken": token, "If-Match": '"1"'}}
                here = limited.client.open(path, method=method, **form).status_code
                there = limited.client.open(nowhere, method=method, **form).status_code
                # An order that can't be understood is a 400 wherever it is sent.
                assert here == there, (method, path, order, here, there)
                assert here == 404 or (here == 400 and "/desk/" in path), (path, order, here)
        seen.append(path)
    assert len(seen) > 15
    assert rows(rt) == before


def filled(rule: str, values: dict[str, str]) -> str:
    return re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", lambda m: values[m[1]], rule)


def body_for(path: str) -> dict:
    decides = path.endswith("/decisions")
    return {"action": "publish", "revision": 1} if decides else {"max_length": 5}


def test_no_page_tells_a_limited_admin_of_another_site(limited, app) -> None:
    for rule in app.url_map.iter_rules():
        open_to = getattr(app.view_functions[rule.endpoint], "open_to", "")
        if rule.arguments or "GET" not in rule.methods or open_to in ("", "everyone"):
            continue
        page = limited.get(rule.rule)
        assert page.status_code == 200, rule.rule
        for words in TOLD:
            assert words not in page.text, (rule.rule, words)


def test_a_limited_admin_makes_no_site(limited, rt) -> None:
    before = rows(rt)

    assert limited.post("/settings/sites", slug="mine", name="Mine").status_code == 403
    assert "Add a site" not in limited.get("/settings").text
    assert rows(rt) == before


@pytest.mark.parametrize("order", [{"id": "1"}, {"site": "daily"}])
def test_a_limited_admin_sends_nothing_of_another_site_again(limited, rt, order) -> None:
    before = rows(rt)

    assert limited.post("/settings/deliveries/replay", **order).status_code == 404
    assert "0 deliveries" in text_of(limited.post("/settings/deliveries/replay"))
    assert limited.get("/settings/deliveries?site=daily").status_code == 404
    assert rows(rt) == before


@pytest.mark.parametrize(
    "reach", [{"reach": "all"}, {"sites": ["daily"]}, {"sites": ["daily", "weekly"]}, {}]
)
@pytest.mark.parametrize("whom", ["lim@weekly", "mod@weekly", "a new one"])
def test_a_limited_admin_gives_no_site_that_is_not_theirs(limited, two, rt, reach, whom) -> None:
    before = rows(rt)

    if whom in two.ids:
        limited.post(f"/settings/people/{two.ids[whom]}", role="admin", **reach)
    else:
        order = {"email": "new@weekly.example", "role": "admin"}
        assert limited.post("/settings/people", **order, **reach).status_code == 422
    assert rows(rt) == before


@pytest.mark.parametrize("whom", ["both@daily", "chief@daily"])
@pytest.mark.parametrize("order", [{"do": "reset"}, {"disabled": "on"}, {"role": "moderator"}])
def test_who_has_more_sites_is_not_a_limited_admins_to_change(
    limited, two, rt, whom, order
) -> None:
    before = rows(rt)

    limited.post(f"/settings/people/{two.ids[whom]}", sites=["weekly"], **order)

    assert rows(rt) == before


def test_a_limited_admin_rules_over_their_own_site(limited, two, rt) -> None:
    weekly = "/settings/sites/weekly"
    assert "cdk_" in limited.post(weekly, do="add_key", name="R", scopes=["read"]).text
    page = limited.post(f"{weekly}/policy", **fields(max_length="500"))
    assert "Version 2 is in force" in text_of(page)
    order = {"email": "new@weekly.example", "role": "admin", "sites": ["weekly"]}
    assert "shown this once" in limited.post("/settings/people", **order).text
    limited.post(f"/settings/people/{two.ids['mod@weekly']}", disabled="on")
    [moderator] = [
        who.person for who in access.people(rt) if who.person.id == two.ids["mod@weekly"]
    ]
    assert moderator.disabled_at


def test_every_order_of_a_page_says_who_gives_it() -> None:
    """The flows take the operator where no viewer is named; a page must always name one."""
    named = {"sites", "delivery"}
    of_people = {"add_person", "change_person", "switch_person", "reset_password", "people"}
    root = Path(__file__).resolve().parents[2] / "moderation"
    calls = 0
    for path in (*(root / "desk").glob("*.py"), *(root / "api").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            room = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            if room in named or (room == "access" and node.func.attr in of_people):
                calls += 1
                given = {key.arg for key in node.keywords}
                assert "viewer" in given or len(node.args) > 2, (path.name, ast.unparse(node))
    assert calls > 10
