"""A site's policy: read it, put the next version in force, try a draft."""

from typing import Any

from flask import Response, jsonify, request

from moderation import jsontext, shapes
from moderation.api.blueprint import Blueprint
from moderation.core.viewer import Scope
from moderation.edge import problem, runtime, viewer, viewers_with
from moderation.flows import tuning
from moderation.flows.errors import Stale
from moderation.store.tables import PolicyVersion

bp = Blueprint("tuning", __name__, url_prefix="/v1", description="Policies are read and changed")

BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Policy"}}},
}
ANSWER = {
    "200": {
        "description": "The policy in force",
        "headers": {"ETag": {"schema": {"type": "string"}, "description": "Its version"}},
        "content": BODY["content"],
    }
}


@bp.get("/sites/<site>/policy")
@viewers_with(Scope.READ)
@bp.doc(responses=ANSWER)
def policy(site: str) -> Any:
    """The policy in force. Its ETag is its version, for the next PUT."""
    return _shown(tuning.policy_of(runtime(), viewer(), site))


@bp.put("/sites/<site>/policy")
@viewers_with(Scope.POLICY)
@bp.doc(
    requestBody=BODY,
    responses=ANSWER,
    parameters=[
        {
            "in": "header",
            "name": "If-Match",
            "required": True,
            "schema": {"type": "string"},
            "description": "The ETag of the version that the draft started from",
        }
    ],
)
def publish_policy(site: str) -> Any:
    """Put a whole policy document in force as the next version; keys left out take defaults."""
    given = request.headers.get("If-Match")
    if given is None:
        return problem(428, "If-Match is required: the ETag of the policy that you changed")
    version = given.strip().removeprefix("W/").strip('"')
    if not version.isdecimal():
        raise Stale(f"If-Match {given!r} is not the version in force")
    row = tuning.publish(
        runtime(),
        viewer(),
        site,
        jsontext.loads(request.get_data()),
        seen=int(version[:9]),
        note="By the API",
    )
    return _shown(row)


@bp.post("/sites/<site>/policy/simulate")
@viewers_with(Scope.POLICY)
@bp.doc(requestBody=BODY)
@bp.response(200, shapes.SimulationSchema)
def simulate_policy(site: str) -> Any:
    """What a draft would have decided otherwise, over the newest comments. Writes nothing."""
    return tuning.simulate_draft(runtime(), viewer(), site, jsontext.loads(request.get_data()))


def _shown(row: PolicyVersion) -> Response:
    response = jsonify(row.document)
    response.headers["ETag"] = f'"{row.version}"'
    response.headers["Copydesk-Policy-Version"] = str(row.version)
    return response
