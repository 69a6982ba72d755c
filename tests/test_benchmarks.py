"""The benchmarks measure what they say; their figures themselves are no test."""

import http.server
import itertools
import json
import threading
import time
from collections.abc import Iterator

import pytest

from benchmarks.comments import comments
from benchmarks.load import Outcome, closed_loop, open_loop
from benchmarks.peers import Peer
from benchmarks.report import plots

SLOW_S = 0.25
PEER = Peer("test", (), {}, "/")


class Receiver(http.server.BaseHTTPRequestHandler):
    """Decides at once; the fifth comment takes a while, the seventh fails, the ninth is put off."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        id = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["id"]
        if id == "c5":
            time.sleep(SLOW_S)
        body = b'{"decision": null}' if id == "c9" else b'{"decision": {}}'
        self.send_response(500 if id == "c7" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def requests(port: int) -> Iterator[bytes]:
    return (PEER.request(number, "hello", port) for number in itertools.count())


def test_an_open_loop_counts_from_the_appointed_time(port: int) -> None:
    given = list(itertools.islice(requests(port), 20))
    outcome = open_loop(port, given, PEER.decided, per_second=50)
    assert (outcome.asked, outcome.decided, outcome.failed) == (20, 18, 2)
    assert outcome.seconds >= 19 / 50
    assert sum(took >= SLOW_S * 1000 for took in outcome.took_ms) == 1


def test_a_closed_loop_asks_until_the_time_is_up(port: int, monkeypatch) -> None:
    monkeypatch.setattr("benchmarks.load.WARM_UP_S", 0.05)
    outcome = closed_loop(port, requests(port), PEER.decided, clients=2, seconds=0.5)
    assert outcome.decided > 4 and outcome.seconds >= 0.5
    assert outcome.asked == outcome.decided + outcome.failed


def test_what_failed_took_longer_than_any_answer() -> None:
    outcome = Outcome(asked=4, decided=3, failed=1, took_ms=[3.0, 1.0, 2.0])
    assert outcome.percentile(0.5) == 3.0
    assert outcome.percentile(0.99) is None


def test_all_get_the_same_comments_of_the_lengths_that_news_has() -> None:
    first, source = comments(512, None)
    assert source == "our own sentences" and first == comments(512, None)[0]
    words = sorted(len(text.split()) for text in first)
    assert 34 <= words[256] <= 42 and 105 <= words[460] <= 130


def test_plots_are_drawn_of_what_was_measured() -> None:
    found = {
        "engines": {"original": {"times_naive": {"naive": 1.0, "engine": 4.7}}},
        "services": {"Copydesk": {"times_naive": 14.0}, "naive": {"times_naive": 1.0}},
    }
    drawn = plots(found)
    assert set(drawn) == {"engines", "services"}
    assert "4.7 ×" in drawn["engines"] and drawn["services"].startswith("<svg")
    assert plots({}) == {}
