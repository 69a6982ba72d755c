"""What a site's address may reach, and how long a site may keep us."""

import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from moderation import connections
from moderation.sender import Answered, Refused, Sender
from tests.receiver import Receiver, accepting, serve

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


def received(one: socket.socket) -> bytes:
    """One whole request; nothing where the connection has ended."""
    request = b""
    while not request.endswith(b"{}"):
        if not (piece := one.recv(65536)):
            return b""
        request += piece
    return request


Listener = tuple[int, list[bytes], Callable[[Callable], None]]
"""A raw server on 127.0.0.1: its port, what came, and how to say what it answers."""


@contextmanager
def listening(tls: ssl.SSLContext | None = None) -> Iterator[Listener]:
    came: list[bytes] = []
    answers: list[Callable] = [lambda one: one.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")]

    def take(one: socket.socket) -> None:
        with tls.wrap_socket(one, server_side=True) if tls else one as one:
            try:
                while request := received(one):
                    came.append(request)
                    answers[-1](one)
            except OSError:
                came.append(b"cut")

    with accepting(take) as port:
        yield port, came, answers.append


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as one:
        yield one


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


@pytest.mark.parametrize(
    "whole",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthank",
        b"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsorry\r\n0\r\n\r\n",
    ],
)
def test_events_go_over_one_connection(listener, whole) -> None:
    port, came, answer = listener
    peers = []
    answer(lambda one: (peers.append(one.getpeername()), one.sendall(whole)))
    sender = Sender(allowed=["127.0.0.1"])
    for _ in range(3):
        assert send(sender, f"http://127.0.0.1:{port}/").status == int(whole[9:12])
    assert len(came) == 3 and len(set(peers)) == 1


@pytest.mark.parametrize("more", ["Content-Length: 5000", "Content-Length: 5", "Connection: close"])
def test_where_an_answer_is_long_or_does_not_end_the_next_event_has_a_connection_of_its_own(
    listener, more
) -> None:
    port, _, answer = listener
    peers = []
    head = f"HTTP/1.1 200 OK\r\n{more}\r\n\r\n".encode()
    answer(lambda one: (peers.append(one.getpeername()), one.sendall(head)))
    sender = Sender(allowed=["127.0.0.1"])
    began = time.monotonic()
    for _ in range(2):
        assert send(sender, f"http://127.0.0.1:{port}/").status == 200
    assert time.monotonic() - began < 4, "the answer's body was waited for"
    assert len(set(peers)) == 2


def test_what_only_announces_an_answer_is_not_taken_for_it(listener) -> None:
    port, _, answer = listener
    hints = b"HTTP/1.1 102 x\r\n\r\nHTTP/1.1 103 x\r\nLink: </style.css>; rel=preload\r\n\r\n"
    sender, url = Sender(allowed=["127.0.0.1"]), f"http://127.0.0.1:{port}/"

    def late(one: socket.socket, whole: bytes) -> None:
        one.sendall(hints)
        time.sleep(0.2)
        one.sendall(whole)

    answer(lambda one: late(one, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    assert send(sender, url).status == 200
    answer(lambda one: late(one, b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n"))
    assert send(sender, url).status == 500, "it was given the answer to the event before"


def test_a_site_that_announces_an_answer_for_ever_is_cut_off(listener) -> None:
    port, came, answer = listener

    def announce(one: socket.socket) -> None:
        while True:
            one.sendall(b"HTTP/1.1 103 x\r\n\r\n" * 1000)

    answer(announce)
    with pytest.raises(OSError):
        send(Sender(allowed=["127.0.0.1"]), f"http://127.0.0.1:{port}/", timeout_s=2)
    assert len(came) <= 2, "one event, and that it was cut off"


def test_a_connection_that_was_switched_to_another_protocol_is_not_kept(listener) -> None:
    port, _, answer = listener
    peers = []
    switched = b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    answer(lambda one: (peers.append(one.getpeername()), one.sendall(switched)))
    sender = Sender(allowed=["127.0.0.1"])
    for _ in range(2):
        assert send(sender, f"http://127.0.0.1:{port}/").status == 101
    assert len(set(peers)) == 2


@pytest.mark.parametrize(
    "body",
    [
        "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde",
        f"Transfer-Encoding: chunked\r\n\r\n-{'f' * 99}\r\n",
        f"Transfer-Encoding: chunked\r\n\r\n{'f' * 99}\r\n",
        "Transfer-Encoding: chunked\r\n\r\nmany\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: 0x1\r\n\r\n",
    ],
)
def test_of_an_odd_body_no_more_is_read_and_its_status_counts(listener, body) -> None:
    port, came, answer = listener

    def pour(one: socket.socket) -> None:
        one.sendall(f"HTTP/1.1 200 OK\r\n{body}".encode())
        for _ in range(300):
            one.sendall(b"x: y\r\n" * 200_000)

    answer(pour)
    tracemalloc.start()
    try:
        assert send(Sender(allowed=["127.0.0.1"]), f"http://127.0.0.1:{port}/").status == 200
        assert tracemalloc.get_traced_memory()[1] < 10_000_000, "it was kept in memory"
    finally:
        tracemalloc.stop()
    ends = time.monotonic() + 10
    while came[-1] != b"cut" and time.monotonic() < ends:
        time.sleep(0.01)
    assert came[-1] == b"cut"


def test_a_head_without_end_is_no_answer(listener) -> None:
    port, _, answer = listener

    def pour(one: socket.socket) -> None:
        one.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(90):
            one.sendall(f"X-{number}: {'x' * 60_000}\r\n".encode())
        one.sendall(b"\r\n")

    answer(pour)
    with pytest.raises(OSError, match="65536"):
        send(Sender(allowed=["127.0.0.1"]), f"http://127.0.0.1:{port}/")


def test_a_site_that_closes_its_connection_is_told_by_another(listener) -> None:
    port, came, answer = listener
    closed = threading.Semaphore(0)

    def once(one: socket.socket) -> None:
        one.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        one.shutdown(socket.SHUT_RDWR)
        closed.release()

    answer(once)
    sender = Sender(allowed=["127.0.0.1"])
    for _ in range(3):
        assert send(sender, f"http://127.0.0.1:{port}/").status == 204
        assert closed.acquire(timeout=5)
    assert len(came) == 3


def test_a_site_that_closes_its_connection_as_it_is_told_is_told_again(listener) -> None:
    port, came, answer = listener
    peers = []

    def once(one: socket.socket) -> None:
        if one.getpeername() in peers:
            return one.shutdown(socket.SHUT_RDWR)
        peers.append(one.getpeername())
        return one.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    answer(once)
    sender = Sender(allowed=["127.0.0.1"])
    for _ in range(2):
        assert send(sender, f"http://127.0.0.1:{port}/").status == 204
    assert len(came) == 3 and len(peers) == 2


def test_a_site_that_closes_every_connection_without_an_answer_is_an_error(listener) -> None:
    port, came, answer = listener
    answer(lambda one: one.shutdown(socket.SHUT_RDWR))
    with pytest.raises(OSError):
        send(Sender(allowed=["127.0.0.1"]), f"http://127.0.0.1:{port}/")
    assert len(came) == 1


def test_a_site_that_begins_to_drip_on_a_kept_connection_is_cut_off(listener) -> None:
    port, came, answer = listener
    sender = Sender(allowed=["127.0.0.1"])
    send(sender, f"http://127.0.0.1:{port}/")
    answer(drip)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        send(sender, f"http://127.0.0.1:{port}/", timeout_s=1)
    assert time.monotonic() - began < 3
    assert len(came) == 2


def test_a_name_that_moves_is_compared_when_it_is_connected_to_again(monkeypatch, listener) -> None:
    port, came, answer = listener
    resolving_to(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    sender, url = Sender(allowed=["127.0.0.1"]), f"http://news.example:{port}/"
    send(sender, url)
    answer(lambda one: one.shutdown(socket.SHUT_RDWR))
    with pytest.raises(Refused):
        send(sender, url)
    assert len(came) == 2


def test_threads_share_a_sender(listener) -> None:
    port, came, _ = listener
    sender = Sender(allowed=["127.0.0.1"])
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda _: send(sender, f"http://127.0.0.1:{port}/").status, range(200))
        )
    assert found == [204] * 200 and len(came) == 200


@pytest.fixture
def certified(tmp_path) -> ssl.SSLContext:
    """Shows a certificate for localhost that nobody but `localhost.pem` vouches for."""
    key, cert = tmp_path / "key.pem", tmp_path / "localhost.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([*made, *subject, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_certificate_that_nobody_vouches_for_is_refused(certified, name) -> None:
    server = serve(Receiver())
    server.socket = certified.wrap_socket(server.socket, server_side=True)
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        send(Sender(allowed=["127.0.0.0/8", "::1"]), f"https://{name}:{server.server_port}/")
    server.shutdown()


def test_what_holds_for_a_connection_holds_for_one_by_tls(certified, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(connections, "DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "localhost.pem"))
    connections._tls.cache_clear()
    sender = Sender(allowed=["127.0.0.1", "::1"])
    with listening(certified) as (port, came, answer):
        peers = []
        taken = b"HTTP/1.1 204 No Content\r\n\r\n"
        answer(lambda one: (peers.append(one.getpeername()), one.sendall(taken)))
        for _ in range(3):
            assert send(sender, f"https://localhost:{port}/").status == 204
        assert len(set(peers)) == 1
        answer(lambda one: one.shutdown(socket.SHUT_RDWR) if len(came) == 4 else one.sendall(taken))
        assert send(sender, f"https://localhost:{port}/").status == 204
        assert sum(request != b"cut" for request in came) == 5
        answer(drip)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            send(sender, f"https://localhost:{port}/", timeout_s=1)
        assert time.monotonic() - began < 3
    connections._tls.cache_clear()
