"""The service in this process, on a database of its own, for what HTTP would blur."""

import json
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from benchmarks.peers import payload, signature
from config import Settings
from moderation.app import create_app
from moderation.checks.check import warm_up
from moderation.flows import sites
from moderation.flows.runtime import Runtime
from moderation.store import migrating


class Desk:
    """An app with one site, a client that posts its comments, and its runtime."""

    def __init__(self, folder: Path) -> None:
        """Make the database and load the bundled model."""
        settings = Settings(
            instance_dir=folder,
            toxicity_model="bundled",
            demo=False,
            delivery_networks="127.0.0.0/8",
        ).completed()
        migrating.upgrade(settings.database_url)
        app = create_app(settings)
        self.rt: Runtime = app.extensions["moderation"]
        made = sites.add_site(self.rt, "bench", "Bench", by="bench", callback="http://127.0.0.1:9/")
        self._secret = made["webhook_secret"]
        self.client: FlaskClient = app.test_client()
        warm_up(self.rt.checks, self.rt.pool)
        self._sent = 0

    def post(self, text: str) -> Any:
        """Submit a comment by signed webhook; give the answer."""
        self._sent += 1
        body = json.dumps(payload(self._sent, text)).encode()
        answer = self.client.post(
            "/v1/sites/bench/webhook?deadline_ms=20000",
            data=body,
            content_type="application/json",
            headers=signature(self._secret, f"l{self._sent}", body),
        )
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        self.rt.pool.shutdown(wait=False)
        self.rt.sessions.engine.dispose()
