"""Logging in and out: what must not work."""

from datetime import timedelta

import pytest

from moderation.edge import COOKIE
from moderation.flows import access
from tests.conftest import with_settings
from tests.desk.conftest import PASSWORD, text_of


def test_a_stranger_is_led_to_the_login_and_back(browse) -> None:
    stranger = browse()
    answer = stranger.get("/desk/decided")
    assert (answer.status_code, answer.location) == (303, "/login?next=/desk/decided")

    inside = stranger.login("mo@daily.example", next="/desk/decided")

    assert inside.location == "/desk/decided"


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "/\n/e"]
)
def test_nobody_is_led_to_another_site(browse, wanted) -> None:
    assert browse().login("mo@daily.example", next=wanted).location == "/desk"


def test_a_wrong_address_and_a_wrong_password_are_told_alike(browse) -> None:
    unknown = browse().login("nobody@daily.example", "x")
    wrong = browse().login("mo@daily.example", "x")

    assert unknown.status_code == wrong.status_code == 422
    assert "the e-mail address or the password is wrong" in text_of(wrong).lower()
    assert text_of(unknown) == text_of(wrong)


def test_guessing_is_stopped_for_the_guesser_and_for_nobody_else(browse, rt) -> None:
    guesser = browse()
    for _ in range(10):
        guesser.login("mo@daily.example", "guess")

    stopped = guesser.login("mo@daily.example", PASSWORD)

    assert stopped.status_code == 429
    assert int(stopped.headers["Retry-After"]) > 0
    elsewhere = access.login(rt, "mo@daily.example", PASSWORD, address="192.0.2.9", agent="x")
    assert access.logged_in(rt, elsewhere)


def test_a_cookie_is_worth_nothing_after_logout(browse) -> None:
    mo = browse("mo")
    token = mo.client.get_cookie(COOKIE).value
    mo.post("/logout")

    mo.client.set_cookie(COOKIE, token)

    assert mo.get("/desk").status_code == 303


def test_a_new_password_ends_every_other_login(browse) -> None:
    here, there = browse("mo"), browse("mo")

    answer = here.post(
        "/account/password", old=PASSWORD, new="another long one", again="another long one"
    )

    assert "Your password is changed" in answer.text
    assert here.get("/desk").status_code == 200
    assert there.get("/desk").status_code == 303


@pytest.mark.parametrize(
    ("old", "new", "again", "says"),
    [
        ("not it", "another long one", "another long one", "is not your present password"),
        (PASSWORD, "short", "short", "at least 10 characters"),
        (PASSWORD, "another long one", "another long two", "differs from the new password"),
        (PASSWORD, PASSWORD, PASSWORD, "must differ from the present"),
    ],
)
def test_a_password_that_will_not_do_is_explained(browse, old, new, again, says) -> None:
    answer = browse("mo").post("/account/password", old=old, new=new, again=again)

    assert answer.status_code == 422
    assert says in text_of(answer)


def test_a_first_password_opens_nothing_but_its_own_change(browse, rt) -> None:
    access.add_person(rt, "new@daily.example", "admin", password=PASSWORD)
    newcomer = browse()
    newcomer.login("new@daily.example")

    for path in ("/desk", "/settings", "/account"):
        assert newcomer.get(path).location == "/account/password"
    assert newcomer.client.get("/v1/queue").status_code == 401


def test_a_login_ends_when_it_is_idle_and_at_the_latest_after_a_day(browse, app, rt) -> None:
    mo = browse("mo")
    for hours in (9, 25):
        moment = rt.now() + timedelta(hours=hours)
        app.extensions["moderation"] = with_settings(rt, now=lambda moment=moment: moment)
        assert mo.get("/desk").status_code == 303


def test_a_form_without_its_token_changes_nothing(browse, held) -> None:
    mo = browse("mo")

    answer = mo.client.post("/desk/sites/daily/comments/c-1", data={"action": "publish"})

    assert answer.status_code == 400
    assert held.comment("c-1")["status"] == "held"
    assert mo.client.post("/v1/queue/claim", json={}).status_code == 400


def test_a_form_of_another_site_is_refused_even_with_a_token(browse) -> None:
    mo = browse("mo")

    answer = mo.client.post(
        "/account/timezone",
        data={"csrf_token": mo.token("/account"), "timezone": "Europe/Kyiv"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )

    assert answer.status_code == 400


def test_the_cookie_and_the_pages_are_guarded(browse) -> None:
    answer = browse().login("mo@daily.example")
    cookie = answer.headers["Set-Cookie"]
    page = browse("mo").get("/desk")

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert page.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"


def test_times_are_shown_in_ones_own_zone(browse, held) -> None:
    mo = browse("mo")
    mo.post("/account/timezone", timezone="Asia/Tokyo")

    assert "JST" in mo.get("/desk/sites/daily/comments/c-1").text
    assert "is not a time zone" in mo.post("/account/timezone", timezone="Mars").text


def test_a_token_of_ones_own_is_shown_once(browse, app) -> None:
    mo = browse("mo")
    page = mo.post("/account/keys", name="My script").text
    token = page.split("cdp_")[1].split("<")[0]

    assert f"cdp_{token}" not in mo.get("/account").text
    headers = {"Authorization": f"Bearer cdp_{token}"}
    assert app.test_client().get("/v1/queue", headers=headers).status_code == 200
    mo.post("/account/keys/2/revoke")
    mo.post("/account/keys/1/revoke")
    assert app.test_client().get("/v1/queue", headers=headers).status_code == 401
