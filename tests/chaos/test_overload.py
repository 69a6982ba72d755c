"""More comes than can be scored: what is put off is made up for, nothing grows or is lost.

OVERLOAD_S says for how long.
"""

import os
import re
import threading
import time
from collections import Counter
from pathlib import Path

import requests

from tests.chaos.load import prepared, settle
from tests.receiver import Receiver, serve, until
from tests.server import Server, children, figures

OVERLOAD_S = float(os.environ.get("OVERLOAD_S", "6"))
CLIENTS = 24
WORDS = 300
MOST_MB = 80
"""What the process may take more than before: caches that fill, no comments."""


def test_what_is_too_much_is_put_off_and_made_up_for(tmp_path: Path) -> None:
    server = Server(tmp_path, {"WEB_CONCURRENCY": "1", "GATE": "0"})
    receiver = Receiver()
    listening = serve(receiver)
    load = prepared(server, receiver)
    server.start()
    assert server.process is not None
    [web] = children(server.process.pid)
    for number in range(5):
        load.accepted[f"warm-{number}"] = load.post(f"warm-{number}", words=WORDS).status_code
    before = memory_mb(web)
    answers: Counter[int] = Counter()
    took: list[float] = []
    ends = time.monotonic() + OVERLOAD_S

    def press(client: int) -> None:
        number = 0
        while time.monotonic() < ends:
            number += 1
            id, began = f"c-{client}-{number}", time.monotonic()
            status = load.post(id, words=WORDS, deadline_ms=300).status_code
            took.append(time.monotonic() - began)
            answers[status] += 1
            if status < 300:
                load.accepted[id] = status

    clients = [threading.Thread(target=press, args=[number]) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    grown = memory_mb(web) - before
    told = figures(requests.get(f"{server.url}/metrics", timeout=10).text)
    put_off = told.get('copydesk_put_off_total{how="stored"}', 0)
    print(f"{dict(answers)}, {put_off:.0f} put off, slowest {max(took):.1f} s, {grown:+.0f} MB")

    assert set(answers) <= {200, 202, 503}
    assert put_off > 0, "there was no overload"
    assert max(took) < 10
    assert grown < MOST_MB
    until(lambda: is_scored(load.post(f"after-{time.monotonic()}", words=WORDS)), "scores", 60)
    settle(f"sqlite:///{tmp_path / 'copydesk.db'}", load, receiver)
    assert server.stop() == 0
    listening.shutdown()


def is_scored(answer: requests.Response) -> bool:
    return "toxicity" in answer.json()["scores"]


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^VmRSS:\s+(\d+)", status, re.M)[0]) / 1024
