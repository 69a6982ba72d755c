"""Two hundred real comments, signed and posted: each answered, stored and delivered once."""

import csv
import gzip
from collections import Counter

import pytest

from moderation.flows import sites
from moderation.flows.delivery import deliver_due
from tests.builders import NewsSite, submitted
from tests.conftest import DATA
from tests.receiver import Receiver, serve


@pytest.fixture(scope="module")
def real_comments() -> list[str]:
    path = DATA / "unhealthy_val_dev.csv.gz"
    if not path.exists():
        pytest.skip("the labelled data is not beside this checkout")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [row["text"] for row in csv.DictReader(file) if row["text"].strip()]
    return rows[:: len(rows) // 200][:200]


def test_each_real_comment_is_answered_stored_and_delivered_once(
    site: NewsSite, rt, senders, real_comments
) -> None:
    receiver = Receiver()
    server = serve(receiver)
    receiver.secret = sites.add_endpoint(rt, "daily", receiver.url, [])["secret"]

    answers = {}
    for number, body in enumerate(real_comments):
        payload = submitted(f"c-{number}", body=body, author={"id": f"u-{number}"})
        answer = site.post(payload)
        assert answer.status_code == 200, answer.text
        answers[f"c-{number}"] = answer.get_json()
    while deliver_due(rt, senders):
        pass
    server.shutdown()
    server.server_close()

    told = Counter(event["data"]["id"] for event in receiver.events)
    assert told == dict.fromkeys(answers, 1)
    for event in receiver.events:
        assert event["data"]["status"] == answers[event["data"]["id"]]["status"]
        for reason in event["data"]["decision"]["reasons"]:
            body = real_comments[int(event["data"]["id"][2:])]
            for span in reason["spans"]:
                assert body[span["start"] : span["end"]] == span["text"]
    statuses = Counter(answer["status"] for answer in answers.values())
    assert len(answers) == 200
    assert set(statuses) <= {"published", "held"}
    assert statuses["published"] > 150
