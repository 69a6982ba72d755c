"""The policy's form: nothing typed is lost, and all that is wrong is told at once."""

import re

from sqlalchemy import func, select

from moderation.core.policy import DEFAULT, dump, parse
from moderation.desk.policyform import to_fields
from moderation.flows import tuning
from moderation.store.tables import PolicyVersion
from tests.conftest import database_url as database_url
from tests.desk.conftest import text_of
from tests.desk.test_settings import POLICY, fields


def versions(rt) -> int:
    with rt.sessions.read() as session:
        return session.scalar(select(func.count()).select_from(PolicyVersion))


def beside(page: str, field: str) -> str:
    """What is said beside a field, to which the field must point."""
    mark = f'name="{re.escape(field)}"[^>]*aria-describedby="e-{re.escape(field)}"'
    assert re.search(mark, page), f"{field} is not marked"
    return re.search(f'id="e-{re.escape(field)}">([^<]*)<', page)[1]


def test_two_sections_of_one_name_are_refused_by_name(chief, site, rt) -> None:
    two = {"sections.0.name": "obituaries", "sections.0.premoderate": "on"}

    answer = chief.post(POLICY, **fields(**two, **{"sections.1.name": " obituaries "}))

    assert answer.status_code == 422
    assert "obituaries" in beside(answer.text, "sections.1.name")
    assert versions(rt) == 1


def test_all_that_is_wrong_is_told_each_beside_its_field(chief, site, rt) -> None:
    wrong = {
        "thresholds.toxicity.hold": "0,5",
        "thresholds.insult.reject": "1.4",
        "thresholds.threat.reject": "0.1",
        "words.hold": "x" * 201,
        "rules.max_links": "many",
        "max_length": "0",
        "sections.0.name": "sport",
        "sections.0.thresholds.toxicity.hold": "7",
        "sections.1.name": "sport",
        "note": "kept",
    }

    answer = chief.post(POLICY, **fields(**wrong))

    assert answer.status_code == 422
    for field, says in (
        ("thresholds.toxicity.hold", "is not a number"),
        ("thresholds.insult.reject", "is not in [0, 1]"),
        ("thresholds.threat.hold", "is above reject"),
        ("words.hold", "longer than 200"),
        ("rules.max_links", "is not a whole number"),
        ("max_length", "is not in [1, 20000]"),
        ("sections.1.name", "already"),
    ):
        assert says in beside(answer.text, field), field
    assert answer.text.count(" autofocus") == 1
    assert re.search(r'name="thresholds.toxicity.hold"[^>]* autofocus', answer.text)
    for value in wrong.values():
        assert value in answer.text
    assert versions(rt) == 1


def test_a_section_whose_thresholds_cross_is_marked(chief, site) -> None:
    section = {
        "sections.0.name": "sport",
        "sections.0.thresholds.toxicity.hold": "0.9",
        "sections.0.thresholds.toxicity.reject": "0.8",
    }

    page = chief.post(POLICY, **fields(**section)).text

    assert "is above reject" in beside(page, "sections.0.thresholds.toxicity.hold")


def test_an_untouched_form_makes_no_version_whatever_the_policy_says(
    chief, site, rt, admin
) -> None:
    never = dump(DEFAULT)
    never["thresholds"]["links"] = {"hold": None, "reject": None}
    never["trusted_roles"] = ["staff", "member"]
    never["sections"] = {"sport": {"premoderate": False, "thresholds": {"threat": {}}}}
    tuning.publish(rt, admin, "daily", never, seen=1)
    shown = to_fields(dump(parse(never)))

    answer = chief.post(POLICY, **shown, do="publish", seen="2", note="")

    assert "Nothing was changed" in text_of(answer)
    assert versions(rt) == 2


def test_a_note_that_is_too_long_loses_nothing(chief, site, rt) -> None:
    answer = chief.post(POLICY, **fields(max_length="500") | {"note": "x" * 501})

    assert "at most 500 characters" in beside(answer.text, "note")
    assert 'value="500"' in answer.text
    chief.post(POLICY, **fields(max_length="500"))
    answer = chief.post(f"{POLICY}/versions/1/restore", seen="2", note="y" * 501)
    assert (answer.status_code, "y" * 501 in answer.text) == (422, True)
    assert versions(rt) == 2


def test_the_api_tells_all_that_is_wrong_too(site) -> None:
    answer = site.call(
        "PUT",
        "/v1/sites/daily/policy",
        json={"max_length": 0, "words": {"hold": ["", "ok", ""]}, "colour": "red"},
        headers={"If-Match": '"1"'},
    )

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [
        "#/max_length",
        "#/words/hold/0",
        "#/words/hold/2",
        "#/colour",
    ]
