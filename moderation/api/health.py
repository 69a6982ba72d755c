"""Whether the process lives, whether it can do its work, and its figures."""

from typing import Any

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from moderation.edge import everyone, runtime
from moderation.flows.runtime import Runtime
from moderation.store.migrating import current, head
from moderation.store.tables import Comment, Delivery

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
def metrics() -> Response:
    """Prometheus figures, read from the database: right under any number of processes."""
    registry = CollectorRegistry()
    registry.register(_FromDatabase(runtime()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _FromDatabase:
    """Gauges of what is stored."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt

    def collect(self) -> Any:
        comments = GaugeMetricFamily("copydesk_comments", "Comments by status.", labels=["status"])
        deliveries = GaugeMetricFamily(
            "copydesk_deliveries", "Deliveries by status.", labels=["status"]
        )
        queue = GaugeMetricFamily("copydesk_queue", "Comments that wait for review.")
        oldest = GaugeMetricFamily(
            "copydesk_queue_oldest_seconds", "How long the oldest has waited for review."
        )
        with self._rt.sessions.read() as session:
            for family, column in ((comments, Comment.status), (deliveries, Delivery.status)):
                for status, count in session.execute(select(column, func.count()).group_by(column)):
                    family.add_metric([status], count)
            count, since = session.execute(
                select(func.count(), func.min(Comment.waiting_since)).where(
                    Comment.waiting_since.is_not(None)
                )
            ).one()
        queue.add_metric([], count)
        oldest.add_metric([], (self._rt.now() - since).total_seconds() if since else 0)
        model = GaugeMetricFamily(
            "copydesk_model_info",
            "The model or list in force, by check.",
            labels=["check", "version"],
        )
        for check in self._rt.checks:
            model.add_metric([check.name, check.version], 1)
        return [comments, deliveries, queue, oldest, model]


def _database_missing(rt: Runtime) -> str | None:
    try:
        at = current(rt.sessions)
    except SQLAlchemyError as error:
        return f"database: {type(error).__name__}"
    return (
        None if at == head() else f"database: at revision {at}, not {head()}; run flask db upgrade"
    )


def _models_missing(rt: Runtime) -> list[str]:
    return [
        f"{check.name}: {getattr(check, 'why_not', None) or 'not ready'}"
        for check in rt.checks
        if not getattr(check, "ready", True)
    ]
