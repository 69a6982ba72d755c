"""What a site's address may reach, and how long a site may keep us."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from moderation.sender import Answered, Refused, Sender
from tests.receiver import Receiver, serve

HOSTILE = (
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fec0::1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://user@127.0.0.1/",
)


def send(sender: Sender, url: str, timeout_s: float = 5) -> Answered:
    return sender(url, b"{}", {"Content-Type": "application/json"}, timeout_s)


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes], Callable[[Callable], None]]]:
    """A raw server on 127.0.0.1: its port, what came, and how to say what it answers."""
    server = socket.create_server(("127.0.0.1", 0))
    came: list[bytes] = []
    answers: list[Callable] = [lambda one: one.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")]

    def run() -> None:
        while True:
            try:
                one, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=take, args=[one], daemon=True).start()

    def take(one: socket.socket) -> None:
        with one:
            came.append(one.recv(65536))
            try:
                answers[-1](one)
            except OSError:
                came.append(b"cut")

    threading.Thread(target=run, daemon=True).start()
    yield server.getsockname()[1], came, answers.append
    server.close()


@pytest.mark.parametrize("url", HOSTILE)
def test_nothing_is_sent_into_a_private_network(url, listener) -> None:
    port, came, _ = listener
    address = url.rstrip("/").replace("/latest/meta-data", "") + f":{port}/"
    with pytest.raises(OSError):
        send(Sender(), address, timeout_s=2)
    assert came == []
    assert Sender().refusal(address) is not None or "user@" in url or not resolves(url)


def resolves(url: str) -> bool:
    try:
        return bool(socket.getaddrinfo(url.split("//")[1].rstrip("/").strip("[]"), None))
    except OSError:
        return False


def resolving_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Let a name stand for other addresses at each look-up."""
    left = list(answers)
    real = socket.getaddrinfo

    def look_up(host, port, *rest, **more):
        if host != "news.example":
            return real(host, port, *rest, **more)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port or 0)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_a_name_that_has_one_private_address_among_others_is_refused(monkeypatch, listener):
    resolving_to(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(Refused, match="DELIVERY_NETWORKS"):
        send(Sender(), f"http://news.example:{listener[0]}/")
    assert listener[1] == []


def test_a_name_that_changes_after_it_was_compared_is_not_followed(monkeypatch, listener) -> None:
    # Compared as a test network's address, which answers nobody; then it would be ours.
    resolving_to(monkeypatch, ["198.51.100.7"], ["127.0.0.1"])
    with pytest.raises(OSError):
        send(Sender(allowed=["198.51.100.0/24"]), f"http://news.example:{listener[0]}/", 1)
    assert listener[1] == []


def test_an_allowed_network_is_reached_and_no_other(listener) -> None:
    port, came, _ = listener
    assert send(Sender(allowed=["127.0.0.1/32"]), f"http://127.0.0.1:{port}/e").status == 204
    assert f"Host: 127.0.0.1:{port}\r\n".encode() in came[0]
    assert b"X-Forwarded" not in came[0]
    with pytest.raises(Refused):
        send(Sender(allowed=["10.0.0.0/8"]), f"http://127.0.0.1:{port}/e")
    with pytest.raises(ValueError, match="tomorrow"):
        Sender(allowed=["tomorrow"])


def test_our_own_demo_site_is_reached_and_nothing_beside_it(listener) -> None:
    port, _, _ = listener
    sender = Sender(own=f"http://127.0.0.1:{port}/demo/")
    assert send(sender, f"http://127.0.0.1:{port}/demo/events").status == 204
    assert sender.refusal(f"http://127.0.0.1:{port}/demo/events") is None
    with pytest.raises(Refused):
        send(sender, f"http://127.0.0.1:{port}/other")
    assert sender.refusal(f"http://127.0.0.1:{port}/other") is not None


def test_a_redirect_is_an_answer_and_is_not_followed(listener) -> None:
    port, came, answer = listener
    inside = f"HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:{port}/inside\r\n\r\n".encode()
    answer(lambda one: one.sendall(inside))
    assert send(Sender(allowed=["127.0.0.1"]), f"http://127.0.0.1:{port}/").status == 307
    assert len(came) == 1


def drip(one: socket.socket) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        one.sendall(f"X-{number}: drop\r\n".encode())
        time.sleep(0.1)


def test_a_site_that_drips_its_answer_is_cut_off(listener) -> None:
    port, _, answer = listener
    answer(drip)
    began = time.monotonic()
    with pytest.raises(OSError):
        send(Sender(allowed=["127.0.0.1"]), f"http://127.0.0.1:{port}/", timeout_s=1)
    assert time.monotonic() - began < 3


def test_of_a_huge_answer_only_the_head_is_read(listener) -> None:
    port, came, answer = listener

    def pour(one: socket.socket) -> None:
        one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            one.sendall(b"x" * 1_000_000)

    answer(pour)
    assert send(Sender(allowed=["127.0.0.1"]), f"http://127.0.0.1:{port}/").status == 200
    ends = time.monotonic() + 10
    while came[-1] != b"cut" and time.monotonic() < ends:
        time.sleep(0.01)
    assert came[-1] == b"cut"


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path) -> None:
    import ssl
    import subprocess

    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subject = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*made, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = serve(Receiver())
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        send(Sender(allowed=["127.0.0.1"]), f"https://127.0.0.1:{server.server_port}/")
    server.shutdown()
