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

    def __init__(self, folder: Path, database_url: str = "") -> None:
        """Make the database, or take one that is empty, and load the bundled model."""
        settings = Settings(
            instance_dir=folder,
            database_url=database_url,
            toxicity_model="bundled",
            demo=False,
            delivery_networks="127.0.0.0/8",
        ).completed()
        migrating.upgrade(settings.database_url)
        app = create_app(settings)
        self.rt: Runtime = app.extensions["moderation"]
        made = sites.add_site(self.rt, "bench", "Bench", by="bench", callback="http://127.0.0.1:9/")
        self.api_key = made["api_key"]
        self._secret = made["webhook_secret"]
        self.client: FlaskClient = app.test_client()
        warm_up(self.rt.checks, self.rt.pool)
        self._sent = 0

    def post(self, text: str, deadline_ms: int = 20_000) -> Any:
        """Submit a comment by signed webhook; give the answer."""
        self._sent += 1
        body = json.dumps(payload(self._sent, text)).encode()
        answer = self.client.post(
            f"/v1/sites/bench/webhook?deadline_ms={deadline_ms}",
            data=body,
            content_type="application/json",
            headers=signature(self._secret, f"l{self._sent}", body),
        )
        assert answer.status_code in (200, 202), answer.text
        return answer.get_json()

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        self.rt.pool.shutdown(wait=False)
        self.rt.sessions.engine.dispose()
