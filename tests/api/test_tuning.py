"""Policies by the API: read, change, try out."""

import pytest
from sqlalchemy import func, select

from moderation.core.policy import DEFAULT, dump
from moderation.store.tables import DecisionRow, PolicyVersion
from tests.builders import FRIENDLY, INSULT, NewsSite, submitted

POLICY = "/v1/sites/daily/policy"
SIMULATE = "/v1/sites/daily/policy/simulate"


def put(site: NewsSite, document, match='"1"'):
    return site.call("PUT", POLICY, json=document, headers={"If-Match": match} if match else {})


def test_a_new_site_has_the_default_policy_as_version_1(site: NewsSite) -> None:
    answer = site.call("GET", POLICY)

    assert answer.get_json() == dump(DEFAULT)
    assert answer.headers["ETag"] == '"1"'


def test_a_changed_threshold_decides_the_next_comment_and_no_earlier_one(site: NewsSite) -> None:
    before = site.post(submitted("c-1", body=INSULT)).get_json()
    assert (before["status"], before["decision"]["policy_version"]) == ("held", 1)

    answer = put(site, dump(DEFAULT) | {"thresholds": {"toxicity": {"reject": 0.5}}})
    after = site.post(submitted("c-2", body=INSULT, author={"id": "u-8"})).get_json()

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert (after["status"], after["decision"]["policy_version"]) == ("rejected", 2)
    assert site.comment("c-1")["status"] == "held"


@pytest.mark.parametrize(("match", "status"), [(None, 428), ('"7"', 412), ("abc", 412), ("*", 412)])
def test_a_change_must_name_the_version_it_started_from(site: NewsSite, rt, match, status) -> None:
    assert put(site, dump(DEFAULT), match).status_code == status
    with rt.sessions.read() as session:
        assert session.scalar(select(func.count()).select_from(PolicyVersion)) == 1


def test_who_was_slower_hears_of_it(site: NewsSite) -> None:
    assert put(site, {"max_length": 100}).status_code == 200
    assert put(site, {"max_length": 200}).status_code == 412


def test_a_wrong_policy_is_422_with_its_pointer(site: NewsSite) -> None:
    answer = put(site, {"thresholds": {"toxicity": {"hold": 1.4}}})

    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [
        {"pointer": "#/thresholds/toxicity/hold", "detail": "1.4 is not in [0, 1]"}
    ]


def test_a_word_on_the_sites_list_rejects_even_disguised(site: NewsSite) -> None:
    put(site, {"words": {"reject": ["blorple"], "hold": ["zork"], "allow": []}})

    assert (
        site.post(submitted("1", body="What a b l o r p l e!")).get_json()["status"] == "rejected"
    )
    assert site.post(submitted("2", body="Go to zork")).get_json()["status"] == "held"
    assert site.post(submitted("3", body="Fine words")).get_json()["status"] == "published"


def test_the_rules_hold_links_first_comments_and_repeats(site: NewsSite) -> None:
    three = "See https://a.example https://b.example https://c.example"
    assert site.post(submitted("1", body=three)).get_json()["status"] == "held"
    assert site.post(submitted("2", body=FRIENDLY)).get_json()["status"] == "published"
    repeated = site.post(submitted("3", body=FRIENDLY)).get_json()
    assert repeated["decision"]["reasons"][0]["code"] == "repeated_text"

    put(site, {"rules": {"hold_first_comments": 1}})
    newcomer = submitted("4", body="Hello from me", author={"id": "u-new"})
    assert site.post(newcomer).get_json()["status"] == "held"


def test_a_section_and_a_role_have_their_own_way(site: NewsSite) -> None:
    put(site, {"sections": {"obituaries": {"premoderate": True}}, "trusted_roles": ["staff"]})
    article = {"id": "a-1", "section": "obituaries"}

    assert site.post(submitted("1", article=article)).get_json()["status"] == "held"
    staff = submitted("2", body=INSULT, article=article, author={"id": "s", "role": "staff"})
    assert site.post(staff).get_json()["status"] == "published"


def test_the_policys_own_length_is_the_limit(site: NewsSite) -> None:
    put(site, {"max_length": 10})

    assert site.post(submitted("1", body="x" * 11)).status_code == 422
    assert site.post(submitted("2", body="é" * 10)).status_code == 200


def test_a_simulation_says_what_would_change_hands_and_writes_nothing(site: NewsSite, rt) -> None:
    site.post(submitted("c-1", body=INSULT))
    for number in range(3):
        site.post(submitted(f"f-{number}", body=f"{FRIENDLY} {number}"))
    draft = dump(DEFAULT) | {"thresholds": {"toxicity": {"reject": 0.5}}}

    answer = site.call("POST", SIMULATE, json=draft).get_json()

    assert answer["total"] == 4
    assert answer["live"] == {"publish": 3, "hold": 1, "reject": 0}
    assert answer["draft"] == {"publish": 3, "hold": 0, "reject": 1}
    [change] = answer["changes"]
    assert (change["from"], change["to"], change["count"]) == ("hold", "reject", 1)
    assert change["interval"][0] < change["share"] < change["interval"][1]
    assert [example["id"] for example in answer["examples"]] == ["c-1"]
    with rt.sessions.read() as session:
        assert session.scalar(select(func.count()).select_from(PolicyVersion)) == 1
        assert session.scalar(select(func.count()).select_from(DecisionRow)) == 4


def test_a_simulation_matches_the_drafts_own_words(site: NewsSite) -> None:
    site.post(submitted("c-1", body="Blorples are on sale"))

    answer = site.call("POST", SIMULATE, json={"words": {"hold": ["blorples"]}}).get_json()

    assert [(e["id"], e["to"]) for e in answer["examples"]] == [("c-1", "hold")]


def test_what_a_simulation_foretells_is_what_then_happens(site: NewsSite) -> None:
    bodies = [INSULT, FRIENDLY, "This is a stupid decision", "You should be destroyed"]
    for number, body in enumerate(bodies):
        site.post(submitted(f"c-{number}", body=body, author={"id": f"u-{number}"}))
    draft = {"thresholds": {"toxicity": {"hold": 0.3, "reject": 0.9}}}
    foretold = site.call("POST", SIMULATE, json=draft).get_json()["draft"]

    put(site, draft)
    happened = {"publish": 0, "hold": 0, "reject": 0}
    for number, body in enumerate(bodies):
        again = submitted(f"d-{number}", body=body, author={"id": f"v-{number}"})
        happened[site.post(again).get_json()["decision"]["action"]] += 1

    assert happened == foretold


def test_a_simulation_tells_how_many_scores_are_the_first_stages(site: NewsSite) -> None:
    for number, body in enumerate((INSULT, FRIENDLY)):
        site.post(submitted(f"c-{number}", body=body))

    answer = site.call("POST", SIMULATE, json=dump(DEFAULT)).get_json()

    assert (answer["total"], answer["by_first_stage"]) == (2, 1)
