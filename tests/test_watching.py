"""What is seen from outside: figures of all processes, a log that quotes nobody, one id for all."""

import gzip
import json
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import Counter, Histogram
from sqlalchemy import select, update

from config import Settings
from moderation import metrics
from moderation.flows import pressure
from moderation.flows.late import complete_due
from moderation.flows.runtime import Room
from moderation.store.database import open_database
from moderation.store.tables import AssessmentRow, Comment, Delivery, Revision
from tests.builders import FRIENDLY, INSULT, NewsSite, submitted
from tests.receiver import Receiver, serve, until
from tests.server import ROOT, Server, figures, free_port

DEPLOY = ROOT / "docs" / "deploy"
CONTAINERS = ("compose.yaml", "Containerfile")
SECRETS = ("Zanzibar Quill", "zq@private.example", "203.0.113.77")


def counted(text: str, name: str) -> float:
    return sum(value for key, value in figures(text).items() if key.split("{")[0] == name)


@pytest.fixture
def server(tmp_path):
    """Two web processes that log in JSON."""
    found = Server(tmp_path, {"WEB_CONCURRENCY": "2", "LOG_FORMAT": "json"})
    yield found
    found.stop()


def post(server: Server, secret: str, number: int, **headers: str) -> requests.Response:
    body = json.dumps(
        {
            "type": "comment.submitted",
            "timestamp": "2026-11-23T10:00:00Z",
            "data": {
                "id": f"c-{number}",
                "body": f"{INSULT} {SECRETS[0]} {number}",
                "author": {"id": "u", "name": SECRETS[0], "email": SECRETS[1], "ip": SECRETS[2]},
                "article": {"id": "a"},
            },
        }
    ).encode()
    signed = NewsSite(None, "daily", secret, "").headers(body, f"m-{number}")
    return requests.post(
        f"{server.url}/v1/sites/daily/webhook", data=body, headers=signed | headers, timeout=30
    )


def test_all_processes_are_counted_and_one_id_runs_through_the_log(server, tmp_path) -> None:
    receiver = Receiver()
    listening = serve(receiver)
    server.flask("init")
    told = server.flask("site", "add", "daily", "--name", "D", "--callback", receiver.url, "--json")
    receiver.secret = secret = json.loads(told)["webhook_secret"]
    server.start()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: post(server, secret, n), range(40)))
    assert {answer.status_code for answer in answers} == {200}
    own = post(server, secret, 99, **{"X-Request-Id": "from-the-cms-17"})
    assert own.headers["X-Request-Id"] == "from-the-cms-17"
    bad = requests.post(f"{server.url}/v1/sites/daily/webhook", data=b"{}", timeout=10)
    assert bad.status_code == 401
    until(lambda: len(receiver.events) == 41, "every event")

    def settled() -> bool:
        text = requests.get(f"{server.url}/metrics", timeout=10).text
        return counted(text, "copydesk_delivery_lag_seconds_count") == 41

    until(settled, "every delivery to be counted")
    text = requests.get(f"{server.url}/metrics", timeout=10).text
    assert counted(text, "copydesk_decisions_total") == 41
    assert counted(text, "copydesk_unsigned_total") == 1
    assert figures(text)['copydesk_step_seconds_count{step="decide"}'] == 41
    assert figures(text)['copydesk_delivery_attempts_total{outcome="2xx"}'] == 41
    assert figures(text)["copydesk_queue"] == 41
    assert figures(text)["copydesk_undelivered"] == 0
    assert not any(secret in text for secret in SECRETS)

    server.stop()
    log = (tmp_path / "server.log").read_text()
    assert not any(word in log for word in (*SECRETS, INSULT, secret))
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    mine = [line["message"] for line in lines if line.get("request_id") == "from-the-cms-17"]
    assert mine.count("request") == 1 and mine.count("delivery") == 1
    listening.shutdown()


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "ä", "a\tb"])
def test_an_id_that_could_not_stand_in_a_log_is_replaced(app, given) -> None:
    answer = app.test_client().get("/healthz", headers={"X-Request-Id": given})
    assert re.fullmatch(r"req_[0-9A-Z]{26}", answer.headers["X-Request-Id"])


def test_the_id_goes_with_the_event_to_the_site(site, rt) -> None:
    site.post(submitted(), headers={"X-Request-Id": "one-id"})
    with rt.sessions.read() as session:
        assert list(session.scalars(select(Delivery.request_id))) in ([], ["one-id"])


def fill(room: Room, held_s: float = 10.0) -> None:
    """Take every place of a room that is known to be taken for long."""
    while room.enter(0):
        room.leave(1000 * held_s)
        room.enter(0)


def empty(room: Room) -> None:
    for _ in range(PLACES):
        room.leave(0)


PLACES = 12
"""Of a room, by default."""


def test_while_all_score_a_comment_is_taken_and_only_the_cheap_checks_run(site, rt) -> None:
    fill(rt.room)
    began = time.monotonic()
    answer = site.post(submitted(body=FRIENDLY), deadline_ms=4000)
    assert time.monotonic() - began < 1.5, "it waited for a place that it could not get in time"
    assert answer.status_code == 200
    told = answer.get_json()
    assert told["status"] == "held"
    [assessment] = assessments(rt)
    assert "toxicity" in assessment["missing"] and "profanity" in assessment["scores"]

    empty(rt.room)
    assert site.post(submitted(id="c-2", body="A calm word on the bridge.")).status_code == 200
    make_due(rt)
    assert complete_due(rt) == 1
    with rt.sessions.read() as session:
        assert set(session.scalars(select(Comment.status))) == {"published"}


def test_a_place_that_is_free_in_time_is_waited_for() -> None:
    room = Room(1)
    assert room.enter(0)
    threading.Timer(0.2, room.leave, [0.2]).start()
    began = time.monotonic()
    assert room.enter(5) and time.monotonic() - began > 0.1
    assert not room.enter(0.05), "it is taken again"


def assessments(rt) -> list[dict]:
    with rt.sessions.read() as session:
        return list(session.scalars(select(AssessmentRow.document)))


def make_due(rt) -> None:
    # A second ago: what is due is due by the database's clock, which is not this one.
    due = rt.now() - timedelta(seconds=1)
    with rt.sessions.write() as session:
        session.execute(update(Revision).where(Revision.due_at.is_not(None)).values(due_at=due))


def test_more_than_may_wait_is_refused_and_not_stored(site, rt, monkeypatch) -> None:
    monkeypatch.setattr(pressure, "MOST_PUT_OFF", 1)
    fill(rt.room)
    assert site.post(submitted(id="c-1"), deadline_ms=1000).status_code == 200
    answer = site.post(submitted(id="c-2"), deadline_ms=1000)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert answer.get_json()["type"] == "urn:copydesk:problem:overloaded"
    with rt.sessions.read() as session:
        assert list(session.scalars(select(Comment.external_id))) == ["c-1"]
    stored = site.post(submitted(id="c-3"), deadline_ms=0)
    assert stored.status_code == 202, "what asks for no score needs no place"


def test_a_place_is_given_back_whatever_happens(site, rt) -> None:
    for _ in range(2 * PLACES):
        assert site.post(submitted(body="x" * 30_000)).status_code == 422
    assert [rt.room.enter(0) for _ in range(PLACES)] == [True] * PLACES


@pytest.mark.parametrize("name", ["grafana.json", "alerts.yaml"])
def test_dashboard_and_alerts_name_only_figures_that_exist(app, name) -> None:
    text = app.test_client().get("/metrics").text
    known = set(re.findall(r"^# TYPE (copydesk_\w+) ", text, re.M))
    for figure in vars(metrics).values():
        if isinstance(figure, Counter | Histogram):
            [family] = figure.describe()
            ends = ("_total",) if family.type == "counter" else ("_bucket", "_count", "_sum")
            known |= {family.name + end for end in ends}
    named = set(re.findall(r"copydesk_\w+", (DEPLOY / name).read_text()))
    assert named and named <= known, named - known


def test_units_and_services_start_what_there_is() -> None:
    for file in (
        "copydesk-web.service",
        "copydesk-worker.service",
        "compose.yaml",
        "Containerfile",
    ):
        text = (DEPLOY / file).read_text()
        for module in re.findall(r"python:(moderation[.\w]+)", text):
            assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), module
        for name in re.findall(r"^\s*(?:ENV )?([A-Z_]+)[:=]", text, re.M):
            assert name in (*Settings().shown(), "FLASK_APP") or name.startswith("POSTGRES"), name


def composed() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_composed_services_have_connections_enough() -> None:
    pool = open_database("postgresql://nobody@127.0.0.1/none").engine.pool
    each = pool.size() + pool._max_overflow
    conf = (ROOT / "moderation" / "gunicorn_conf.py").read_text()  # an import reads settings
    [most_processes] = re.findall(r"^MOST_PROCESSES = (\d+)$", conf, re.M)
    processes = {"web": int(most_processes), "worker": 1, "migrate": 1}
    services = composed()
    database = services.pop("database")
    most = sum(
        each * processes[name] * service.get("deploy", {}).get("replicas", 1)
        for name, service in services.items()
    )
    [given] = re.findall(r"max_connections=(\d+)", " ".join(database.get("command", [])))
    assert int(given) >= most + 10, "docs/operations.md says how many there must be"


def test_composed_services_believe_no_header_that_anyone_can_send() -> None:
    """No proxy is in the file: who fails to log in would choose whose failures are counted."""
    for name, service in composed().items():
        trusted = service["environment"].get("TRUSTED_PROXIES", "0")
        assert trusted in ("0", "${TRUSTED_PROXIES:-0}"), name


def test_a_worker_of_its_own_tells_its_figures(tmp_path) -> None:
    server = Server(tmp_path)
    server.flask("init")
    port = free_port()
    worker = subprocess.Popen(
        [sys.executable, "-m", "flask", "worker", "--metrics-port", str(port)],
        env=server.settings(),
        stdout=subprocess.PIPE,
    )
    try:
        until(lambda: "copydesk_" in told(port), "the worker's figures", 60)
    finally:
        worker.terminate()
    assert worker.wait(30) == 0


def told(port: int) -> str:
    try:
        return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    except requests.RequestException:
        return ""


class Collector:
    """An OpenTelemetry collector: keeps the spans it is sent."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    raw = gzip.decompress(raw)
                for of_service in ExportTraceServiceRequest.FromString(raw).resource_spans:
                    for scope in of_service.scope_spans:
                        collector.spans += [(span.name, str(span)) for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()


def test_a_collector_is_told_of_requests_statements_and_events_but_no_words(
    tmp_path, postgresql_url
) -> None:
    collector, receiver = Collector(), Receiver()
    listening = serve(receiver)
    server = Server(
        tmp_path,
        {
            "DATABASE_URL": postgresql_url,
            "OTEL_SERVICE_NAME": "copydesk-web",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        },
    )
    server.flask("db", "upgrade")
    told = ("site", "add", "daily", "--name", "D", "--callback", receiver.url, "--json")
    receiver.secret = json.loads(server.flask(*told))["webhook_secret"]
    server.inside = (str(Path(sys.executable).with_name("opentelemetry-instrument")),)
    server.start()
    assert post(server, receiver.secret, 1).status_code == 200
    until(lambda: receiver.events, "the event")

    def names() -> set[str]:
        return {name for name, _ in collector.spans}

    until(lambda: "POST /v1/sites/<site>/webhook" in names(), "a span of the request")
    until(lambda: "POST" in names(), "a span of the event that was told")
    until(lambda: "INSERT" in names(), "a span of a statement")
    whole = " ".join(span for _, span in collector.spans)
    assert not [secret for secret in (*SECRETS, INSULT) if secret in whole]
    server.stop()
    collector.stop()
    listening.shutdown()
