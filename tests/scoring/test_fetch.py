import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from moderation.scoring.detoxify import checked_digest, sidecar
from moderation.scoring.fetch import fetch, fetched
from moderation.scoring.model import ModelUnavailable

CHECKPOINT = b"weights" * 1000
DIGEST = hashlib.sha256(CHECKPOINT).hexdigest()


class Publisher(BaseHTTPRequestHandler):
    """Answers with the checkpoint; under /short/ breaks off, under /none/ has none."""

    def do_GET(self):
        if self.path.startswith("/none/"):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(CHECKPOINT)))
        self.end_headers()
        self.wfile.write(CHECKPOINT[: 100 if self.path.startswith("/short/") else None])

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def put_base(base, folder):
    (folder / "config.json").write_text(base)


def fetch_from(url, models_dir, progress=lambda done, total: None):
    return fetch("original", models_dir, progress, url=url, fetch_base=put_base)


def test_a_fetched_checkpoint_lies_whole_with_checksum_and_base(site, tmp_path):
    path = fetch_from(f"{site}/toxic_original-{DIGEST[:8]}.ckpt", tmp_path)
    assert path.read_bytes() == CHECKPOINT
    assert checked_digest(path) == DIGEST
    assert sidecar(path).read_text() == f"{DIGEST}  {path.name}\n"
    assert (path.parent / "config.json").read_text() == "bert-base-uncased"
    assert fetched("original", tmp_path) == path


def test_progress_is_told_in_bytes(site, tmp_path):
    seen = []
    url = f"{site}/toxic_original-{DIGEST[:8]}.ckpt"
    fetch_from(url, tmp_path, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(CHECKPOINT), len(CHECKPOINT))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/toxic_original-00000000.ckpt", "not 00000000"),
        (f"/short/toxic_original-{DIGEST[:8]}.ckpt", "can't be fetched|not"),
        (f"/none/toxic_original-{DIGEST[:8]}.ckpt", "404"),
    ],
)
def test_a_fetch_that_fails_leaves_no_checkpoint(site, tmp_path, path, why):
    with pytest.raises(ModelUnavailable, match=why):
        fetch_from(site + path, tmp_path)
    assert fetched("original", tmp_path) is None
    assert not list((tmp_path / "original").glob("*.part"))


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match="choose one of"):
        fetch("best", tmp_path, lambda done, total: None)
