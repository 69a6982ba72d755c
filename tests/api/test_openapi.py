"""The API's description: valid, whole, and true of what is answered (schemathesis)."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
)

from moderation.flows import sites
from tests.builders import INSULT, NewsSite, event, submitted


@pytest.fixture(params=["sqlite"])
def database_url(request, tmp_path, migrated_file):
    import shutil

    shutil.copy(migrated_file, tmp_path / "copydesk.db")
    return f"sqlite:///{tmp_path / 'copydesk.db'}"


@pytest.fixture
def described(site: NewsSite, rt):
    """The description of a service with something in it."""
    site.post(submitted(body=INSULT))
    site.post(event("comment.reported", id="c-1", reason="rude"))
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/", [])
    schema = schemathesis.openapi.from_wsgi("/openapi.json", site.client.application)
    schema.config.update(headers={"Authorization": f"Bearer {site.api_key}"})
    return schema


def test_answers_are_as_described(described) -> None:
    tried = 0
    for found in described.get_all_operations():
        operation = found.ok()

        @given(operation.as_strategy())
        @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
        def try_out(case) -> None:
            case.call_and_validate(
                checks=[
                    schemathesis.checks.not_a_server_error,
                    content_type_conformance,
                    response_schema_conformance,
                ]
            )

        try_out()
        tried += 1
    assert tried >= 10


def test_every_call_of_the_contract_is_described(site: NewsSite) -> None:
    paths = site.client.get("/openapi.json").get_json()["paths"]

    assert {(path, method) for path, calls in paths.items() for method in calls} >= {
        ("/v1/sites/{site}/webhook", "post"),
        ("/v1/sites/{site}/articles/{article}/comments", "get"),
        ("/v1/sites/{site}/comments/{comment_id}", "get"),
        ("/v1/queue", "get"),
        ("/v1/queue/claim", "post"),
        ("/v1/sites/{site}/comments/{comment_id}/decisions", "post"),
        ("/v1/decisions/{decision_id}/undo", "post"),
        ("/v1/sites/{site}/policy", "get"),
        ("/v1/sites/{site}/policy", "put"),
        ("/v1/sites/{site}/policy/simulate", "post"),
    }


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/queue/claim"])
def test_what_is_not_there_is_a_problem_too(site: NewsSite, path) -> None:
    answer = site.call("GET", path)

    assert answer.status_code in (404, 405)
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["status"] == answer.status_code
