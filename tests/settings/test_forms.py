"""Refused forms keep what was typed; what can't be undone is asked about; lists have pages."""

import re

import pytest
from sqlalchemy import select, update

from moderation.flows import access, sites
from moderation.store.tables import APIKey, Comment, DecisionRow, Delivery, Endpoint
from tests.builders import FRIENDLY, submitted
from tests.conftest import database_url as database_url
from tests.desk.conftest import PASSWORD, text_of

SITE = "/settings/sites/daily"


def wrong_field(page: str) -> str:
    """The one field that is marked, pointed to its message, and has the cursor."""
    assert page.count(" autofocus") == 1
    [field] = [tag for tag in re.findall(r"<input[^>]*>", page) if "autofocus" in tag]
    assert 'aria-invalid="true"' in field
    return re.search(r'name="([^"]+)"', field)[1]


@pytest.mark.parametrize(
    ("path", "order", "field"),
    [
        ("/settings/sites", {"slug": "Not Good", "name": "N 1", "callback": "https://c/"}, "slug"),
        ("/settings/sites", {"slug": "new", "name": "N 1", "callback": "ftp://c/"}, "callback"),
        (SITE, {"do": "rename", "name": "x" * 201}, "name"),
        (SITE, {"do": "add_key", "name": "Kept name"}, "scopes"),
        (SITE, {"do": "add_key", "name": "y" * 201, "scopes": ["read"]}, "name"),
        (SITE, {"do": "add_endpoint", "url": "ftp://x", "events": ["comment.held"]}, "url"),
        ("/settings/people", {"email": "no", "name": "Kept", "reach": "all"}, "email"),
        ("/settings/people", {"email": "a@b.example", "name": "Kept"}, "reach"),
        ("/account/keys", {"name": "z" * 201}, "name"),
    ],
)
def test_a_refused_form_is_shown_again_as_it_was_filled(chief, site, path, order, field) -> None:
    answer = chief.post(path, role="moderator", **order)

    assert answer.status_code == 422
    assert wrong_field(answer.text) == field
    for name, value in order.items():
        if name not in ("do", "events", "scopes", "reach"):
            assert f'value="{value}"' in answer.text, name
        for one in value if isinstance(value, list) else ():
            assert re.search(f'value="{one}"[^>]* checked', answer.text), one


def test_a_refused_change_of_a_person_is_shown_in_their_form(chief, site, rt) -> None:
    [mo] = [w.person for w in access.people(rt) if w.person.email == "mo@daily.example"]

    answer = chief.post(f"/settings/people/{mo.id}", role="admin", reach="some")

    assert answer.status_code == 422
    assert wrong_field(answer.text) == "reach"
    assert re.search(r"<details open>.*?<option selected>admin", answer.text, re.S)
    assert chief.get(f"/settings/people/{mo.id}").status_code == 200


def test_a_password_is_never_shown_again(browse) -> None:
    order = {"old": PASSWORD, "new": "short-one", "again": "short-one"}

    page = browse("mo").post("/account/password", **order).text

    assert PASSWORD not in page
    assert "short-one" not in page
    assert wrong_field(page) == "new"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/settings", 405),
        ("PUT", "/settings/people", 405),
        ("POST", "/settings/deliveries", 405),
        ("GET", "/settings/deliveries/replay", 405),
        ("POST", "/desk", 405),
        ("GET", "/desk/next", 405),
        ("GET", "/logout", 405),
        ("GET", "/settings/nothing", 404),
        ("GET", "/desk/nothing/here", 404),
        ("GET", "/settings/sites", 200),
        ("GET", "/settings/sites/99999999999999999999", 404),
        ("GET", "/settings/sites/a%00b", 404),
        ("GET", "/settings/people/99999999999999999999", 404),
        ("POST", "/settings/people/99999999999999999999", 404),
        ("POST", "/settings/people/3000000000", 404),
        ("GET", f"{SITE}/policy/versions/99999999999999999999", 404),
        ("GET", f"{SITE}/keys/99999999999999999999/revoke", 404),
        ("POST", "/account/keys/99999999999999999999/revoke", 404),
        ("GET", "/settings/deliveries?status=a%00b", 404),
        ("GET", "/settings/deliveries?site=a%00b", 404),
        ("GET", "/settings/deliveries?site=nowhere", 404),
        ("GET", "/settings/deliveries?status=nothing", 200),
        ("GET", "/settings/deliveries?before=99999999999999999999", 404),
        ("GET", "/settings/deliveries?before=x", 404),
        ("GET", "/desk/sites/daily/comments/a%00b", 404),
        ("GET", "/desk?in_site=a%00b", 404),
    ],
)
def test_what_goes_wrong_on_a_page_is_a_page(chief, site, method, path, status) -> None:
    token = chief.token("/account")

    answer = chief.client.open(path, method=method, data={"csrf_token": token})

    assert answer.status_code == status
    assert answer.content_type.startswith("text/html")
    if status == 405:
        assert answer.headers["Allow"]


def test_the_api_still_answers_json(site) -> None:
    for method, path in (("GET", "/v1/nothing"), ("DELETE", "/v1/queue")):
        answer = site.call(method, path)
        assert answer.content_type == "application/problem+json", path


@pytest.mark.parametrize("id", ["x", "-1", "0", "1.5", "³", "7", "9" * 25, "3000000000", ""])
def test_a_delivery_that_is_none_is_not_sent_again(chief, site, id) -> None:
    answer = chief.post("/settings/deliveries/replay", id=id)

    assert answer.status_code == 404
    assert answer.content_type.startswith("text/html")


def test_a_nul_in_a_login_is_a_wrong_login(browse) -> None:
    assert browse().login("mo\0@daily.example", "x").status_code == 422


@pytest.fixture
def many(rt, site) -> list[int]:
    """The numbers of 250 deliveries, every second one dead; newest first."""
    for name in ("a", "b"):
        sites.add_endpoint(rt, "daily", f"http://127.0.0.1:9/{name}", [])
    site.post(submitted(body=FRIENDLY))
    with rt.sessions.write() as session:
        decision = session.scalars(select(DecisionRow)).one()
        comment = session.scalars(select(Comment)).one()
        [first, *_] = session.scalars(select(Delivery.id)).all()
        for number in range(248):
            endpoint = Endpoint(
                site_id=comment.site_id,
                url=f"http://127.0.0.1:9/{number}",
                events=[],
                secret="x",
                created_at=rt.now(),
            )
            session.add(endpoint)
            session.flush()
            session.add(
                Delivery(
                    endpoint_id=endpoint.id,
                    comment_id=comment.id,
                    decision_id=decision.id,
                    event="comment.published",
                    status="dead",
                    created_at=rt.now(),
                )
            )
        session.flush()
        session.execute(update(Delivery).where(Delivery.id % 2 == 0).values(status="delivered"))
        assert first
        return list(session.scalars(select(Delivery.id).order_by(Delivery.id.desc())))


def numbers(page: str) -> list[int]:
    return [int(found) for found in re.findall(r"no\. (\d+)<", page)]


@pytest.mark.parametrize("filtered", ["", "?site=daily&status=dead"])
def test_every_delivery_is_reached_by_the_links_of_the_list(chief, many, filtered) -> None:
    path, seen, pages = f"/settings/deliveries{filtered}", [], 0
    while path:
        page = chief.get(path).text
        seen += numbers(page)
        pages += 1
        link = re.search(r'href="([^"]+)" rel="next"', page)
        path = link and link[1].replace("&amp;", "&")
    assert seen == [id for id in many if not filtered or (id % 2 and id > 2)]
    assert pages == (2 if filtered else 3)


def follow(browser, page: str, words: str):
    """Go by the link of these words to a page that asks, and say yes by its form."""
    href = re.search(rf'href="([^"]+)">{words}', page)[1]
    asked = browser.get(href)
    assert asked.status_code == 200
    form = re.search(
        r'<form method="post" action="(/(?:settings|account)[^"]*)".*?</form>', asked.text, re.S
    )
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0]))
    return asked, lambda: browser.post(form[1], **hidden)


def test_a_key_is_revoked_only_after_being_asked(chief, site, rt) -> None:
    asked, yes = follow(chief, chief.get(SITE).text, "Revoke")
    assert "First key" in text_of(asked)
    assert site.call("GET", "/v1/queue").status_code == 200

    yes()

    assert site.call("GET", "/v1/queue").status_code == 401
    assert chief.get(f"{SITE}/keys/1/revoke").status_code == 404


def test_ones_own_token_is_revoked_only_after_being_asked(chief, site, rt) -> None:
    page = chief.post("/account/keys", name="Script").text

    _, yes = follow(chief, page, "Revoke")
    yes()

    with rt.sessions.read() as session:
        assert [key.name for key in session.scalars(select(APIKey)) if key.revoked_at] == ["Script"]


def test_an_endpoint_is_switched_off_only_after_being_asked(chief, site, rt) -> None:
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/", [])

    asked, yes = follow(chief, chief.get(SITE).text, "Disable")
    assert "http://127.0.0.1:9/" in text_of(asked)
    assert not sites.site_details(rt, "daily")["endpoints"][0].disabled_at
    yes()

    assert sites.site_details(rt, "daily")["endpoints"][0].disabled_at


def test_a_person_is_shut_out_only_after_being_asked_and_let_in_again(chief, browse, rt) -> None:
    mo = browse("mo")
    [person] = [w.person for w in access.people(rt) if w.person.email == "mo@daily.example"]

    page = chief.get("/settings/people").text
    path = f"/settings/people/{person.id}"
    asked, yes = follow(chief, page[page.index(f"{path}/disable") - 20 :], "Disable")
    assert "mo@daily.example" in text_of(asked)
    assert mo.get("/desk").status_code == 200
    yes()
    assert mo.get("/desk").status_code == 303
    chief.post(path, do="enable")
    assert browse().login("mo@daily.example").status_code == 303
