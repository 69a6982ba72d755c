"""Whether the process lives, whether it can do its work, and its figures."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from moderation import metrics
from moderation.edge import everyone, runtime
from moderation.flows.runtime import Runtime
from moderation.store.migrating import current, head, is_behind
from moderation.store.tables import Comment, Delivery, Endpoint, Job, Revision

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@everyone
def healthz() -> Any:
    """The process is alive."""
    return jsonify(status="ok")


@bp.get("/readyz")
@everyone
def readyz() -> Any:
    """The database is at this version and the model is loaded; 503 with what is missing."""
    rt = runtime()
    missing = [why for why in (_database_missing(rt), *_models_missing(rt)) if why]
    models = {check.name: check.version for check in rt.checks}
    body = {"status": "not ready" if missing else "ready", "missing": missing, "models": models}
    return jsonify(body), 503 if missing else 200


@bp.get("/metrics")
@everyone
def metrics_() -> Response:
    """Prometheus figures: counted by all processes of this machine, and read from the database."""
    figures = metrics.rendered([_FromDatabase(runtime())])
    return Response(figures, content_type=CONTENT_TYPE_LATEST)


class _FromDatabase:
    """Gauges of what waits; each is read from an index of what waits, not from all that is."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = self._rt.now()
        for name, what, column, *which in WAITING:
            with self._rt.sessions.read() as session:
                query = select(func.count(), func.min(column)).where(column.is_not(None), *which)
                count, since = session.execute(query).one()
            age = max((now - since).total_seconds(), 0) if since else 0
            yield GaugeMetricFamily(f"copydesk_{name}", f"{what}: how many.", value=count)
            yield GaugeMetricFamily(
                f"copydesk_{name}_oldest_seconds", f"{what}: how long the oldest has.", value=age
            )
        with self._rt.sessions.read() as session:
            failing = select(func.count()).where(Job.due_at.is_not(None), Job.failures > 0)
            yield GaugeMetricFamily(
                "copydesk_jobs_failing",
                "Jobs whose last piece failed.",
                value=session.scalar(failing),
            )
        model = GaugeMetricFamily(
            "copydesk_model_info",
            "The model or list in force, by check.",
            labels=["check", "version"],
        )
        for check in self._rt.checks:
            model.add_metric([check.name, check.version], 1)
        yield model


WAITING = (
    ("queue", "Comments that wait for a moderator", Comment.waiting_since),
    ("unchecked", "Comments of which a check is still to be made", Revision.due_at),
    ("undelivered", "Events that are still to be delivered", Delivery.next_attempt_at),
    (
        "endpoints_failing",
        "Endpoints that have failed since they last answered right, and are not disabled",
        Endpoint.failing_since,
        Endpoint.disabled_at.is_(None),
    ),
)


def _database_missing(rt: Runtime) -> str | None:
    try:
        at = current(rt.sessions)
    except SQLAlchemyError as error:
        return f"database: {type(error).__name__}"
    if is_behind(at):
        return f"database: at revision {at}, not {head()}; run flask db upgrade"
    return None


def _models_missing(rt: Runtime) -> list[str]:
    return [
        f"{check.name}: {getattr(check, 'why_not', None) or 'not ready'}"
        for check in rt.checks
        if not getattr(check, "ready", True)
    ]
