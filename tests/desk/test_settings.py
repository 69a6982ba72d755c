"""The admins' pages, by their forms."""

import re

import pytest
from hypothesis import given
from sqlalchemy import func, select

from moderation.core.policy import DEFAULT, dump, parse
from moderation.desk.policyform import to_document, to_fields
from moderation.flows import access, sites
from moderation.store.tables import Delivery, Endpoint, PolicyVersion
from tests.builders import FRIENDLY, INSULT, submitted
from tests.core.test_policy import documents
from tests.desk.conftest import PASSWORD, text_of

POLICY = "/settings/sites/daily/policy"


@given(documents)
def test_a_form_shows_a_policy_and_gives_it_back(document) -> None:
    policy = parse(document)
    if any(word != word.strip() or len(word.splitlines()) != 1 for word in all_words(policy)):
        return  # a form has one word a line
    if any(name != name.strip() for name in policy.sections):
        return

    again = parse(to_document(to_fields(dump(policy))))

    never = {n: t for n, t in policy.thresholds.items() if (t.hold, t.reject) == (None, None)}
    kept = {name: limit for name, limit in policy.thresholds.items() if name not in never}
    assert dict(again.thresholds) == kept
    for part in ("words", "rules", "when_missing", "max_length", "sections"):
        assert getattr(again, part) == getattr(policy, part)
    assert set(again.trusted_roles) == set(policy.trusted_roles)


def all_words(policy) -> list[str]:
    return [*policy.words.reject, *policy.words.hold, *policy.words.allow]


def fields(do: str = "publish", seen: int = 1, **changes: str) -> dict[str, str]:
    """The policy's form as the page fills it, with changes."""
    return to_fields(dump(DEFAULT)) | {"do": do, "seen": str(seen), "note": "why"} | changes


def versions(rt) -> int:
    with rt.sessions.read() as session:
        return session.scalar(select(func.count()).select_from(PolicyVersion))


@pytest.fixture
def chief(browse):
    return browse("chief")


def test_a_published_threshold_decides_the_next_comment(chief, held) -> None:
    answer = chief.post(POLICY, **fields(**{"thresholds.toxicity.reject": "0.9"}))

    assert "Version 2 is in force" in text_of(answer)
    assert "thresholds › toxicity › reject" in text_of(answer)
    after = held.post(submitted("c-2", body=INSULT + "!")).get_json()
    assert (after["status"], after["decision"]["policy_version"]) == ("rejected", 2)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("thresholds.toxicity.hold", "0,5", "'0,5' is not a number"),
        ("thresholds.toxicity.hold", "1.4", "1.4 is not in [0, 1]"),
        ("thresholds.toxicity.reject", "0.1", "is above reject"),
        ("rules.repeat_window_s", "5 minutes", "is not a whole number"),
        ("rules.hold_first_comments", "", "is not a whole number"),
        ("max_length", "0", "is not in [1, 20000]"),
        ("words.reject", "x" * 201, "longer than 200"),
        ("when_missing", "reject", "neither hold nor publish"),
    ],
)
def test_what_is_wrong_is_explained_and_what_was_typed_is_kept(
    chief, held, rt, field, value, says
) -> None:
    answer = chief.post(POLICY, **fields(**{field: value}))

    assert answer.status_code == 422
    assert says in text_of(answer)
    if field != "when_missing":
        assert value in answer.text
    assert versions(rt) == 1


def test_trying_a_draft_shows_counts_and_writes_nothing(chief, held, rt) -> None:
    held.post(submitted("c-2", body=FRIENDLY))

    answer = chief.post(POLICY, **fields("try", **{"thresholds.toxicity.reject": "0.9"}))

    said = text_of(answer)
    assert "Of the newest 2 comments" in said
    assert "50.0 %" in said
    assert "idiot</mark>" in answer.text
    assert versions(rt) == 1


def test_no_difference_makes_no_version(chief, held, rt) -> None:
    assert "Nothing is different" in text_of(chief.post(POLICY, **fields()))
    assert versions(rt) == 1


def test_who_was_slower_keeps_the_draft_and_sees_who_was_faster(chief, held, rt) -> None:
    chief.post(POLICY, **fields(max_length="500"))

    answer = chief.post(POLICY, **fields(max_length="700"))

    assert answer.status_code == 412
    assert "published by chief@daily.example while you were at it" in text_of(answer)
    assert 'value="700"' in answer.text
    assert versions(rt) == 2


def test_a_great_change_is_asked_about_first(chief, held, rt) -> None:
    for number in range(25):
        held.post(submitted(f"f-{number}", body=f"{FRIENDLY} {number}"))
    drastic = fields(**{"thresholds.toxicity.hold": "0"})

    assert chief.post(POLICY, **drastic).status_code == 422
    assert versions(rt) == 1
    chief.post(POLICY, **drastic, confirmed="yes")
    assert versions(rt) == 2


def test_an_older_version_is_brought_back_as_a_new_one(chief, held, rt) -> None:
    chief.post(POLICY, **fields(max_length="500"))

    answer = chief.post(f"{POLICY}/versions/1/restore", seen="2", note="Too short")

    assert "back in force, as version 3" in text_of(answer)
    assert "Too short" in text_of(chief.get(f"{POLICY}/versions"))
    with rt.sessions.read() as session:
        rows = session.scalars(select(PolicyVersion).order_by(PolicyVersion.version)).all()
    assert rows[2].document == rows[0].document


def test_a_section_can_be_added_without_javascript(chief, held) -> None:
    page = chief.post(POLICY, **fields("add_section"))
    assert 'name="sections.1.name"' in page.text or 'name="sections.0.name"' in page.text

    chief.post(
        POLICY, **fields(**{"sections.0.name": "obituaries", "sections.0.premoderate": "on"})
    )
    article = {"id": "a-9", "section": "obituaries"}
    assert held.post(submitted("c-9", article=article)).get_json()["status"] == "held"


@pytest.mark.parametrize(
    "path",
    [
        "/settings",
        "/settings/people",
        "/settings/deliveries",
        "/settings/sites/daily",
        POLICY,
        f"{POLICY}/versions",
        f"{POLICY}/versions/1",
    ],
)
def test_moderators_and_strangers_see_no_settings(browse, held, path) -> None:
    assert browse("mo").get(path).status_code == 403
    assert browse().get(path).status_code == 303
    assert browse("chief").get(path).status_code == 200


def test_a_new_sites_secrets_are_shown_once(chief, held) -> None:
    page = chief.post("/settings/sites", slug="weekly", name="The Weekly")

    key = re.search(r"cdk_[\w-]{40,}", page.text)[0]
    assert "whsec_" in page.text
    assert key not in chief.get("/settings/sites/weekly").text
    again = chief.post("/settings/sites", slug="weekly", name="Again")
    assert "there is a site 'weekly' already" in text_of(again)


def test_keys_and_secrets_are_made_and_taken_away(chief, held) -> None:
    page = chief.post(
        "/settings/sites/daily", do="add_key", name="Reader", scopes=["read", "policy"]
    )
    held.api_key = re.search(r"cdk_[\w-]{40,}", page.text)[0]
    assert held.call("GET", "/v1/sites/daily/policy").status_code == 200
    assert held.call("GET", "/v1/queue").status_code == 403
    chief.post("/settings/sites/daily", do="revoke_key", id="2")
    assert held.call("GET", "/v1/sites/daily/policy").status_code == 401

    page = chief.post("/settings/sites/daily", do="rotate")
    held.secret = re.search(r"whsec_[\w+/=]+", page.text)[0]
    assert held.post(submitted("c-7")).status_code == 200


def test_a_disabled_endpoint_keeps_what_it_is_owed(chief, held, rt) -> None:
    answer = chief.post("/settings/sites/daily", do="add_endpoint", url="ftp://x")
    assert "is not an http or https address" in text_of(answer)
    chief.post("/settings/sites/daily", do="add_endpoint", url="http://127.0.0.1:9/")
    chief.post("/settings/sites/daily", do="endpoint_off", id="1")
    held.post(submitted("c-2", body=FRIENDLY))

    def states() -> list[str]:
        with rt.sessions.read() as session:
            return list(session.scalars(select(Delivery.status)))

    assert states() == ["withheld"]
    chief.post("/settings/sites/daily", do="endpoint_on", id="1")
    assert states() == ["pending"]
    assert "comment.published" in text_of(chief.get("/settings/deliveries"))
    assert "is due again" in text_of(chief.post("/settings/deliveries/replay", id="1"))


def test_people_are_added_limited_disabled_and_given_new_passwords(chief, browse, rt, site) -> None:
    sites.add_site(rt, "weekly", "The Weekly", by="test")
    page = chief.post("/settings/people", email="new@x.example", role="moderator", sites=["weekly"])
    password = re.search(r"<code>([\w-]{12,})</code>", page.text)[1]
    assert password not in chief.get("/settings/people").text
    newcomer = browse()
    assert newcomer.login("new@x.example", password).status_code == 303

    [person] = [w.person for w in access.people(rt) if w.person.email == "new@x.example"]
    chief.post(f"/settings/people/{person.id}", role="moderator", disabled="on")
    assert newcomer.get("/account/password").status_code == 303
    assert newcomer.login("new@x.example", password).status_code == 422
    page = chief.post(f"/settings/people/{person.id}", do="reset", email="new@x.example")
    assert "shown this once" in page.text
    twice = chief.post("/settings/people", email="new@x.example", role="moderator")
    assert "there is a person new@x.example already" in text_of(twice)


def test_an_admin_can_not_lock_themselves_out(chief, rt) -> None:
    [me] = [w.person for w in access.people(rt) if w.person.email == "chief@daily.example"]

    answer = chief.post(f"/settings/people/{me.id}", role="moderator")

    assert "can't disable or demote yourself" in text_of(answer)
    assert access.login(rt, me.email, PASSWORD, address="::1", agent="x")


def test_a_session_without_a_site_shows_what_to_do(chief) -> None:
    assert "No site yet." in text_of(chief.get("/settings"))


def test_the_site_says_which_endpoint_hears_nothing(chief, rt, site) -> None:
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/events", [])
    with rt.sessions.write() as session:
        endpoint = session.scalars(select(Endpoint)).one()
        endpoint.failures, endpoint.failing_since, endpoint.paused_until = 7, rt.now(), rt.now()

    page = text_of(chief.get("/settings/sites/daily"))

    assert "failing" in page and "Nothing arrived since" in page and "Tried again at" in page


def test_an_address_in_a_private_network_is_refused_with_the_setting_that_allows_it(
    chief, site
) -> None:
    page = chief.post(
        "/settings/sites/daily", do="add_endpoint", url="http://169.254.169.254/latest"
    )

    assert "169.254.169.254" in page.text and "DELIVERY_NETWORKS" in page.text
