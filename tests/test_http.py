"""The client an attempt goes through, against real servers and proxies that misbehave."""

from __future__ import annotations

import asyncio
import base64
import gzip
import inspect
import json
import logging
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import httpcore
import httpx
import pytest
import trustme

from interakt_track import _http
from interakt_track._attempt import attempt
from interakt_track._errors import (
    AuthenticationError,
    DeliveryError,
    RateLimitError,
    RejectedError,
    ServerError,
    UnreachableError,
)
from interakt_track._http import KEEPALIVE_EXPIRY, build_client, delivery_error, shared_ssl_context
from interakt_track._network import BoundedStream
from interakt_track._version import VERSION
from interakt_track_client.api.track import create_user
from interakt_track_client.models import UserRequest, UserTraits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from interakt_track_client import AuthenticatedClient

    Handler = Callable[["Peer"], None]
    Serve = Callable[..., "Server"]
    Build = Callable[..., AuthenticatedClient]
    Send = Callable[..., Any]
    Proxy = Callable[..., tuple["Server", list[str]]]

KEY = "the-secret-write-key"
ENCODED_KEY = base64.b64encode(f"{KEY}:".encode()).decode()
OK_BODY = b'{"result": true, "message": "Customer updated successfully"}'
TIMEOUT = 0.3
HUGE = 16_000_000  # more than all buffers on the way hold
SLACK = 0.7  # a busy machine's; the promise itself is the timeout plus a second


def answer(status_line: str = "202 Accepted", body: bytes = OK_BODY, **headers: str) -> bytes:
    lines = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status_line}\r\n{head}\r\n".encode() + body


class Peer:
    """One accepted connection, and what a server does to it."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.stopping = stopping

    def read_head(self) -> str:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            if not byte:
                return ""
            head += byte
        return head.decode("latin-1")

    def read_request(self) -> str:
        """Return the first lines of a request, having read all of it, or nothing at the end."""
        head = self.read_head()
        lengths = [line.partition(":")[2] for line in head.splitlines() if line.lower().startswith("content-length:")]
        left = int(lengths[0]) if lengths else 0
        while left:
            left -= len(self.sock.recv(min(left, 65536)))
        return head

    def dribble(self, data: bytes = b"", *, filler: bytes = b"a") -> None:
        """Send `data`, then `filler` again and again, each twentieth of a second."""
        self.sock.sendall(data)
        while not self.stopping.wait(0.05):
            self.sock.sendall(filler)

    def reset(self) -> None:
        """Close with a RST, so that the other side gets an error, not an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Server:
    """A TCP server that hands every connection to `handler`, in a thread of its own."""

    def __init__(self, handler: Handler, *, context: ssl.SSLContext | None = None, buffer: int | None = None) -> None:
        self.connections = 0
        self.heads: list[str] = []
        self._handler = handler
        self._context = context
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        if buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.port = self._socket.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._start(self._accept)

    def stop(self) -> None:
        self._stopping.set()

    def close(self) -> None:
        self.stop()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                self.connections += 1
                self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(5)
        with suppress(OSError), ExitStack() as stack:
            stack.callback(sock.close)
            if self._context is not None:
                sock = stack.enter_context(self._context.wrap_socket(sock, server_side=True))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._handler(Peer(sock, self._stopping))


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(handler: Handler, **options: Any) -> Server:
        servers.append(Server(handler, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()  # all before the first is waited for: a proxy may be busy with another
    for server in servers:
        server.close()


@pytest.fixture
def build() -> Iterator[Build]:
    with ExitStack() as stack:

        def start(host: str, *, timeout: float = 5, checks_answers: bool = True) -> AuthenticatedClient:
            client = build_client(host, KEY, timeout=timeout, checks_answers=checks_answers)
            stack.callback(lambda: client.get_httpx_client().close())
            return client

        yield start


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's TLS context, whose authority the environment names to the client."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setattr(_http, "_ssl_context", None)
    return server_context(authority)


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def keep_answering(data: bytes) -> Handler:
    def handle(peer: Peer) -> None:
        while peer.read_request():
            peer.sock.sendall(data)

    return handle


def answer_once(data: bytes) -> Handler:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.sock.sendall(data)
        peer.stopping.wait(2)

    return handle


def body_of(size: int = 0) -> UserRequest:
    return UserRequest(user_id="1", traits=UserTraits.from_dict({"a": "a" * size}))


def send_sync(client: AuthenticatedClient, size: int = 0) -> Any:
    return create_user.sync_detailed(client=client, body=body_of(size))


def send_async(client: AuthenticatedClient, size: int = 0) -> Any:
    async def send() -> Any:
        try:
            return await create_user.asyncio_detailed(client=client, body=body_of(size))
        finally:
            await client.get_async_httpx_client().aclose()

    return asyncio.run(send())


both = pytest.mark.parametrize("send", [send_sync, send_async], ids=["sync", "async"])


@contextmanager
def within(seconds: float = TIMEOUT + SLACK) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def failure_of(send: Send, client: AuthenticatedClient, size: int = 0) -> DeliveryError:
    with attempt(), pytest.raises((httpx.HTTPError, DeliveryError, OSError, httpx.InvalidURL)) as caught:
        send(client, size)
    return delivery_error(caught.value)


# What is sent.


@both
def test_a_request_is_authenticated_and_says_who_it_is_from(serve: Serve, build: Build, send: Send) -> None:
    heads: list[str] = []

    def handle(peer: Peer) -> None:
        heads.append(peer.read_request())
        peer.sock.sendall(answer())

    client = build(serve(handle).url + "/prefix")

    with attempt() as current:
        send(client)

    assert heads[0].startswith("POST /prefix/v1/public/track/users/ HTTP/1.1\r\n")
    assert f"Authorization: Basic {ENCODED_KEY}\r\n" in heads[0]
    assert f"User-Agent: interakt-track-python/{VERSION}\r\n" in heads[0]
    assert "accept-encoding: identity\r\n" in heads[0].lower()
    assert (current.status_code, current.answer, current.is_delivered) == (202, json.loads(OK_BODY), True)


@both
def test_the_key_is_in_no_text(serve: Serve, build: Build, send: Send, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = build(serve(keep_answering(answer("400 Bad Request", b'{"result": false, "message": "no"}'))).url)
    dead = build("http://127.0.0.1:1")
    texts = [repr(client)]

    for each in (client, dead):
        with attempt() as current, pytest.raises((RejectedError, httpx.ConnectError)) as caught:
            send(each)
        error = delivery_error(caught.value)
        texts += [repr(each), repr(current), repr(error), str(error), repr(each.get_httpx_client())]
        texts += traceback.format_exception(caught.value)
        texts += [repr(each.with_headers({"a": "b"})), repr(each.get_httpx_client()._transport)]

    text = "\n".join(texts) + caplog.text
    assert "httpx" in caplog.text or "httpcore" in caplog.text
    assert KEY not in text
    assert ENCODED_KEY not in text


def test_connections_are_kept_alive_and_dropped_before_a_server_would(
    serve: Serve, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(keep_answering(answer()))
    client = build(server.url)
    clock = time.monotonic

    for _ in range(3):
        send_sync(client)
    assert server.connections == 1
    monkeypatch.setattr(time, "monotonic", lambda: clock() + KEEPALIVE_EXPIRY + 0.1)
    send_sync(client)

    assert server.connections == 2
    assert KEEPALIVE_EXPIRY < 5  # of uvicorn and Node


def test_threads_that_share_a_client_open_a_connection_each(serve: Serve, build: Build) -> None:
    server = serve(keep_answering(answer()))
    client = build(server.url, checks_answers=False)
    client.get_httpx_client()  # its lazy creation is unlocked
    gate = threading.Barrier(24)

    def send_some(_: int) -> list[int]:
        gate.wait()
        return [create_user.sync_detailed(client=client, body=body_of()).status_code for _ in range(5)]

    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(send_some, range(24)))

    assert found == [[202] * 5] * 24
    assert server.connections <= 24


def test_copies_of_a_client_share_its_connections_and_bounds(serve: Serve, build: Build) -> None:
    server = serve(keep_answering(answer()))
    client = build(server.url)

    send_sync(client)
    send_sync(client.with_headers({"X-Trace": "1"}))
    send_sync(client.with_timeout(httpx.Timeout(2)))

    assert server.connections == 1


def test_a_closed_client_can_be_used_again(serve: Serve, build: Build) -> None:
    server = serve(keep_answering(answer()))
    client = build(server.url)
    copy = client.with_headers({})

    send_sync(copy)
    copy.get_httpx_client().close()
    send_sync(client)

    assert server.connections == 2


@both
def test_redirects_are_not_followed(serve: Serve, build: Build, send: Send) -> None:
    server = serve(keep_answering(answer("302 Found", b"", Location="/elsewhere")))

    with attempt() as current, pytest.raises(RejectedError, match="the API answered 302: Found"):
        send(build(server.url))
    response = send(build(server.url, checks_answers=False))

    assert current.status_code == 302
    assert response.status_code == 302


# The deadline.


def never_answer(peer: Peer) -> None:
    peer.read_request()
    peer.stopping.wait(3)


def dribble_headers(peer: Peer) -> None:
    peer.read_request()
    peer.dribble(b"HTTP/1.1 202 Accepted\r\nX: ")


def dribble_interim_answers(peer: Peer) -> None:
    peer.read_request()
    peer.dribble(filler=b"HTTP/1.1 103 Early Hints\r\n\r\n")


def dribble_body(status_line: str) -> Handler:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.dribble(f"HTTP/1.1 {status_line}\r\nContent-Length: 5000\r\n\r\nbeginning ".encode())

    return handle


def read_slowly(peer: Peer) -> None:
    while not peer.stopping.wait(0.05) and peer.sock.recv(2000):
        pass


def read_steadily(peer: Peer) -> None:
    """Take 4 MB a second: a writer waits often, and never long."""
    while not peer.stopping.wait(0.05):
        left = 200_000
        while left and (data := peer.sock.recv(left)):
            left -= len(data)


def dribble_handshake(peer: Peer) -> None:
    peer.dribble(b"\x16\x03\x03\x40\x00")


@both
@pytest.mark.parametrize("handle", [never_answer, dribble_headers, dribble_interim_answers])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_attempt_without_an_answer_ends_in_time(
    serve: Serve, build: Build, send: Send, handle: Handler, scheme: str, tls: ssl.SSLContext
) -> None:
    server = serve(handle, context=tls if scheme == "https" else None)
    client = build(server.url, timeout=TIMEOUT)

    with within(), pytest.raises(httpx.ReadTimeout):
        send(client)


@both
@pytest.mark.parametrize("handle", [read_slowly, read_steadily])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_reads_slowly_is_left_in_time(
    serve: Serve, build: Build, send: Send, handle: Handler, scheme: str, tls: ssl.SSLContext
) -> None:
    server = serve(handle, context=tls if scheme == "https" else None, buffer=4096)
    client = build(server.url, timeout=1)

    with within(2.5), attempt() as current, pytest.raises(httpx.WriteTimeout) as caught:
        send(client, HUGE)

    assert not current.is_sent
    assert not delivery_error(caught.value).is_ambiguous  # type: ignore[attr-defined]  # an UnreachableError


@both
@pytest.mark.parametrize("handle", [never_answer, dribble_handshake])
def test_a_slow_tls_handshake_is_left_in_time(serve: Serve, build: Build, send: Send, handle: Handler) -> None:
    def wait(peer: Peer) -> None:
        if handle is never_answer:
            peer.stopping.wait(3)
        else:
            handle(peer)

    client = build(serve(wait).url.replace("http://", "https://"), timeout=TIMEOUT)

    with within(), pytest.raises(httpx.ConnectTimeout):
        send(client)


@contextmanager
def dropping_packets(host: str, port: int = 0) -> Iterator[int]:
    """Give a port where connecting neither works nor fails: of a server that never accepts, its queue full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        try:
            listener.bind((host, port))
        except OSError:
            pytest.skip(f"this machine is not {host}")
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the name `localhost` a second address, which it has on some machines only."""
    look_up = socket.getaddrinfo

    def look_up_two(host: Any, port: Any, *arguments: Any, **options: Any) -> list[Any]:
        names = ["127.0.0.2", "127.0.0.1"] if host in ("localhost", b"localhost") else [host]
        return [found for name in names for found in look_up(name, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up_two)


@both
@pytest.mark.usefixtures("two_addresses")
def test_a_host_whose_addresses_all_drop_packets_gets_the_timeout_once(build: Build, send: Send) -> None:
    with dropping_packets("127.0.0.1") as port, dropping_packets("127.0.0.2", port):
        client = build(f"http://localhost:{port}", timeout=1)

        with within(1.4), pytest.raises(httpx.ConnectTimeout):
            send(client)


@both
@pytest.mark.usefixtures("two_addresses")
def test_an_address_that_drops_packets_leaves_time_for_the_next(serve: Serve, build: Build, send: Send) -> None:
    server = serve(keep_answering(answer()))

    with dropping_packets("127.0.0.2", server.port), attempt() as current:
        send(build(f"http://localhost:{server.port}", timeout=1))

    assert current.is_delivered


@both
def test_a_delivered_message_stays_delivered_when_the_body_does_not_come(
    serve: Serve, build: Build, send: Send
) -> None:
    client = build(serve(dribble_body("202 Accepted")).url, timeout=TIMEOUT)

    with within(), attempt() as current, pytest.raises(json.JSONDecodeError):
        send(client)

    assert (current.status_code, current.is_delivered) == (202, True)


@both
def test_an_error_answer_is_known_when_its_body_does_not_come(serve: Serve, build: Build, send: Send) -> None:
    client = build(serve(dribble_body("503 Service Unavailable")).url, timeout=TIMEOUT)

    with within(), attempt() as current, pytest.raises(ServerError, match="the API answered 503: beginning a"):
        send(client)

    assert (current.status_code, current.is_delivered) == (503, False)


@both
def test_without_checks_a_body_that_does_not_come_is_a_timeout(serve: Serve, build: Build, send: Send) -> None:
    client = build(serve(dribble_body("202 Accepted")).url, timeout=TIMEOUT, checks_answers=False)

    with within(), pytest.raises(httpx.ReadTimeout):
        send(client)


@both
def test_an_attempt_can_have_a_time_of_its_own(serve: Serve, build: Build, send: Send) -> None:
    def answer_late(peer: Peer) -> None:
        peer.read_request()
        peer.stopping.wait(0.4)
        peer.sock.sendall(answer())

    patient, hasty = build(serve(never_answer).url, timeout=30), build(serve(answer_late).url, timeout=0.1)

    with within(0.3 + SLACK), attempt(0.3), pytest.raises(httpx.ReadTimeout):
        send(patient)
    with attempt(5) as current:
        send(hasty)

    assert current.is_delivered


def test_an_attempt_that_is_used_again_forgets_the_last_request(serve: Serve, build: Build) -> None:
    client = build(serve(keep_answering(answer())).url)
    dead = build("http://127.0.0.1:1")

    with attempt() as current:
        send_sync(client)
        with pytest.raises(httpx.ConnectError):
            send_sync(dead)

    assert (current.status_code, current.answer, current.is_delivered, current.is_sent) == (None, None, False, False)


def test_threads_that_share_a_client_have_a_deadline_each(serve: Serve, build: Build) -> None:
    client = build(serve(dribble_headers).url, timeout=0.2, checks_answers=False)
    slower = client.with_timeout(httpx.Timeout(1.0))

    def send(each: AuthenticatedClient) -> float:
        started = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            send_sync(each)
        return time.monotonic() - started

    with ThreadPoolExecutor(4) as pool:
        took = list(pool.map(send, [client, slower, client, slower]))

    assert all(0.2 <= seconds < 1.0 for seconds in took[::2])
    assert all(1.0 <= seconds < 1.0 + SLACK for seconds in took[1::2])


# The cap on what is read.


def send_without_end(status_line: str) -> Handler:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.sock.sendall(f"HTTP/1.1 {status_line}\r\nContent-Length: 1000000000\r\n\r\n".encode())
        while True:
            peer.sock.sendall(b"many words " * 1000)

    return handle


@both
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_rest_of_a_long_answer_is_not_read(
    serve: Serve, build: Build, send: Send, scheme: str, tls: ssl.SSLContext
) -> None:
    hung_up = threading.Event()

    def handle(peer: Peer) -> None:
        try:
            send_without_end("500 Oops")(peer)
        except OSError:
            hung_up.set()

    client = build(serve(handle, context=tls if scheme == "https" else None).url)

    with attempt() as current, pytest.raises(ServerError, match="500: many words") as caught:
        send(client)

    assert len(caught.value.message) <= 200
    assert current.bytes_left == 0
    assert hung_up.wait(2)


@both
def test_a_long_answer_of_success_is_delivered_and_cut(serve: Serve, build: Build, send: Send) -> None:
    client = build(serve(send_without_end("200 OK")).url)

    with attempt() as current:
        response = send(client)

    assert current.is_delivered
    assert 60_000 < len(response.content) <= 64 * 1024


@both
def test_without_checks_a_long_answer_is_an_error(serve: Serve, build: Build, send: Send) -> None:
    client = build(serve(send_without_end("200 OK")).url, checks_answers=False)

    with pytest.raises(httpx.ReadError, match="longer than 65536 bytes"):
        send(client)


@both
def test_headers_without_end_are_an_error(serve: Serve, build: Build, send: Send) -> None:
    def handle(peer: Peer) -> None:
        peer.read_request()
        peer.sock.sendall(b"HTTP/1.1 202 Accepted\r\n")
        while True:
            peer.sock.sendall(b"X-Many: words\r\n" * 100)

    error = failure_of(send, build(serve(handle).url))

    assert type(error) is UnreachableError
    assert error.is_ambiguous


@both
def test_a_compressed_bomb_is_unpacked_no_further_than_the_cap(serve: Serve, build: Build, send: Send) -> None:
    bomb = gzip.compress(bytes(40_000_000))
    server = serve(keep_answering(answer("200 OK", bomb, Content_Encoding="gzip")))

    with attempt() as current:
        response = send(build(server.url))

    assert current.is_delivered
    assert len(response.content) == 64 * 1024
    with pytest.raises(httpx.DecodingError):
        send(build(server.url, checks_answers=False))


@both
@pytest.mark.parametrize("checks_answers", [True, False])
def test_a_compressed_answer_is_understood(serve: Serve, build: Build, send: Send, checks_answers: bool) -> None:
    server = serve(keep_answering(answer("202 Accepted", gzip.compress(OK_BODY), Content_Encoding="gzip")))

    response = send(build(server.url, checks_answers=checks_answers))

    assert response.parsed.message == "Customer updated successfully"


# What answers mean.


@both
def test_a_damaged_body_of_success_is_delivered(serve: Serve, build: Build, send: Send) -> None:
    server = serve(keep_answering(answer("202 Accepted", b"not gzip", Content_Encoding="gzip")))

    with attempt() as current, pytest.raises(json.JSONDecodeError):
        send(build(server.url))

    assert current.is_delivered
    with pytest.raises(httpx.DecodingError):
        send(build(server.url, checks_answers=False))


@both
@pytest.mark.parametrize("ending", ["reset", "close"])
def test_a_body_that_breaks_off_leaves_the_status(serve: Serve, build: Build, send: Send, ending: str) -> None:
    def break_off(status_line: str) -> Handler:
        def handle(peer: Peer) -> None:
            peer.read_request()
            peer.sock.sendall(f"HTTP/1.1 {status_line}\r\nContent-Length: 5000\r\n\r\n".encode())
            if ending == "reset":
                peer.stopping.wait(0.1)  # a RST overtakes what was sent just before
                peer.reset()

        return handle

    with attempt() as current, pytest.raises(json.JSONDecodeError):
        send(build(serve(break_off("202 Accepted")).url))
    assert current.is_delivered

    with pytest.raises(RateLimitError, match="429: Slow Down"):
        send(build(serve(break_off("429 Slow Down")).url))


@both
@pytest.mark.parametrize("status_code", [200, 201, 207, 299])
def test_every_2xx_counts_as_delivered(serve: Serve, build: Build, send: Send, status_code: int) -> None:
    client = build(serve(keep_answering(answer(f"{status_code} Fine"))).url)

    with attempt() as current, suppress(ValueError):  # the generated client knows no status 299
        send(client)

    assert current.is_delivered


@both
def test_a_2xx_that_says_false_is_rejected(serve: Serve, build: Build, send: Send) -> None:
    client = build(serve(keep_answering(answer("202 Accepted", b'{"result": false, "message": "no"}'))).url)

    with attempt() as current, pytest.raises(RejectedError, match="202: no"):
        send(client)

    assert not current.is_delivered


@both
def test_a_refusal_carries_what_the_api_said(serve: Serve, build: Build, send: Send) -> None:
    refusal = answer("429 Too Many", b'{"result": false, "message": "Rate limit exceeded"}', Retry_After="7")
    client = build(serve(keep_answering(refusal)).url)

    with pytest.raises(RateLimitError) as caught:
        send(client)

    error = caught.value
    assert (error.status_code, error.message, error.status, error.retry_after) == (429, "Rate limit exceeded", False, 7)


@both
@pytest.mark.parametrize("status_line", ["401 Unauthorized", "520 ", "404 Not Found"])
def test_a_page_is_an_error_before_the_generated_parser_sees_it(
    serve: Serve, build: Build, send: Send, status_line: str
) -> None:
    client = build(serve(keep_answering(answer(status_line, b"<html><h1>Sorry</h1></html>"))).url)

    with pytest.raises((AuthenticationError, ServerError, RejectedError), match=f"{status_line[:3]}: Sorry"):
        send(client)


@both
def test_without_checks_answers_are_the_generated_codes_business(serve: Serve, build: Build, send: Send) -> None:
    refusal = answer("400 Bad Request", b'{"result": false, "message": "no"}')
    client = build(serve(keep_answering(refusal)).url, checks_answers=False)

    response = send(client)

    assert (response.status_code, response.parsed.message) == (400, "no")


# What no answer means.


def test_a_refused_connection_was_surely_not_received(build: Build) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    for send in (send_sync, send_async):
        error = failure_of(send, build(f"http://127.0.0.1:{port}"))

        assert type(error) is UnreachableError
        assert not error.is_ambiguous
        assert str(error).startswith("no connection to the API; check the network")
        if send is send_sync:
            assert "refused" in str(error).lower()


@both
def test_an_unknown_host_was_surely_not_received(build: Build, send: Send) -> None:
    error = failure_of(send, build("http://interakt.invalid"))

    assert type(error) is UnreachableError
    assert not error.is_ambiguous
    assert "interakt" not in str(error)


@both
@pytest.mark.parametrize(
    "host", ["ftp://127.0.0.1", "http://" + "a" * 64 + ".localhost", "http://127.0.0.1:a", "nowhere"]
)
def test_a_host_that_is_none_was_surely_not_received(send: Send, host: str) -> None:
    with pytest.raises((httpx.HTTPError, UnicodeError, httpx.InvalidURL)) as caught:
        send(build_client(host, KEY, timeout=TIMEOUT))

    error = delivery_error(caught.value)
    assert type(error) is UnreachableError
    assert not error.is_ambiguous


@both
@pytest.mark.usefixtures("tls")
def test_an_untrusted_certificate_is_told_as_such(serve: Serve, build: Build, send: Send) -> None:
    server = serve(keep_answering(answer()), context=server_context(trustme.CA()))

    error = failure_of(send, build(server.url))

    assert type(error) is UnreachableError
    assert not error.is_ambiguous
    assert "certificate not trusted: " in str(error)


@both
def test_certificates_that_cannot_be_read_are_told_as_such(
    build: Build, send: Send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "authority.pem"
    path.write_text("not a certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setattr(_http, "_ssl_context", None)

    error = failure_of(send, build("http://127.0.0.1:1"))

    assert type(error) is UnreachableError
    assert not error.is_ambiguous
    assert "check SSL_CERT_FILE" in str(error)
    assert str(tmp_path) not in str(error)


def close_after_request(peer: Peer) -> None:
    peer.read_request()


def reset_after_request(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


def talk_nonsense(peer: Peer) -> None:
    peer.read_request()
    peer.sock.sendall(b"220 smtp.example ESMTP\r\n\r\n")
    peer.stopping.wait(1)


@both
@pytest.mark.parametrize("handle", [never_answer, close_after_request, reset_after_request, talk_nonsense])
def test_what_fails_after_sending_is_ambiguous(serve: Serve, build: Build, send: Send, handle: Handler) -> None:
    error = failure_of(send, build(serve(handle).url, timeout=TIMEOUT))

    assert type(error) is UnreachableError
    assert error.is_ambiguous
    assert "127.0.0.1" not in str(error)


def test_a_reset_that_comes_as_soon_as_all_is_out_is_ambiguous(
    serve: Serve, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """httpcore ends a body by writing nothing, which fails on a connection that was reset meanwhile."""
    is_reset = threading.Event()
    write = BoundedStream.write

    def handle(peer: Peer) -> None:
        reset_after_request(peer)
        is_reset.set()

    def write_late(stream: BoundedStream, buffer: bytes, timeout: float | None = None) -> None:
        assert buffer or is_reset.wait(5)
        write(stream, buffer, timeout)

    monkeypatch.setattr(BoundedStream, "write", write_late)

    error = failure_of(send_sync, build(serve(handle).url))

    assert type(error) is UnreachableError
    assert error.is_ambiguous


@pytest.mark.parametrize("ending", ["reset", "close"])
def test_a_request_that_was_cut_off_was_surely_not_received(serve: Serve, build: Build, ending: str) -> None:
    """In asyncio, whose writes are buffered and do not always tell that they failed, it may count as ambiguous."""

    def handle(peer: Peer) -> None:
        peer.read_head()
        if ending == "reset":
            peer.reset()

    error = failure_of(send_sync, build(serve(handle, buffer=4096).url), HUGE)

    assert type(error) is UnreachableError
    assert not error.is_ambiguous


def test_an_error_of_ours_is_returned_as_it_is() -> None:
    error = RejectedError(400, "no")

    assert delivery_error(error) is error


def test_anything_unforeseen_is_ambiguous_and_tells_nothing_but_its_kind() -> None:
    error = delivery_error(RuntimeError(f"about {KEY}"))

    assert type(error) is UnreachableError
    assert error.is_ambiguous
    assert str(error) == "sending failed: RuntimeError"


# Proxies from the environment.


def forward(peer: Peer, heads: list[str], *, target: int) -> None:
    """Answer a plain request as the API would, and open the tunnel that a CONNECT asks for."""
    head = peer.read_request()
    heads.append(head)
    if not head.startswith("CONNECT "):
        peer.sock.sendall(answer())
        return
    peer.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with socket.create_connection(("127.0.0.1", target)) as upstream:
        to = {peer.sock: upstream, upstream: peer.sock}
        while True:  # one thread for both ways: a TLS socket must not be read and written at the same time
            has_more = isinstance(peer.sock, ssl.SSLSocket) and peer.sock.pending()
            for sock in [peer.sock] if has_more else select.select([*to], [], [], 5)[0]:
                data = sock.recv(65536)
                if not data:
                    return
                to[sock].sendall(data)


@pytest.fixture
def proxy(serve: Serve) -> Proxy:
    def start(*, target: int = 0, **options: Any) -> tuple[Server, list[str]]:
        heads: list[str] = []
        return serve(partial(forward, heads=heads, target=target), **options), heads

    return start


@both
def test_a_plain_request_goes_through_the_proxy_of_the_environment(
    build: Build, send: Send, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, heads = proxy()
    monkeypatch.setenv("HTTP_PROXY", f"http://somebody:secret@127.0.0.1:{server.port}")

    with attempt() as current:
        send(build("http://interakt.invalid"))

    assert heads[0].startswith("POST http://interakt.invalid/v1/public/track/users/ HTTP/1.1")
    assert current.is_delivered


@both
def test_a_host_of_no_proxy_is_reached_directly(
    serve: Serve, build: Build, send: Send, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, heads = proxy()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    with attempt() as current:
        send(build(serve(keep_answering(answer())).url))

    assert heads == []
    assert current.is_delivered


needs_tls_in_tls = pytest.mark.skipif(httpcore.__version__ == "1.0.0", reason="this httpcore refuses TLS inside of TLS")


@both
@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=needs_tls_in_tls)])
def test_a_tunnel_keeps_the_bounds(
    serve: Serve,
    build: Build,
    send: Send,
    proxy: Proxy,
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    authority: trustme.CA,
    scheme: str,
) -> None:
    handlers = iter([keep_answering(answer()), dribble_headers])

    def handle(peer: Peer) -> None:
        next(handlers)(peer)

    api = serve(handle, context=tls)
    server, heads = proxy(target=api.port, context=tls if scheme == "https" else None)
    if scheme == "https":
        trust_for_proxies(monkeypatch, authority)
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{server.port}")

    with attempt() as current:
        send(build(api.url))
    with within(1 + SLACK), pytest.raises(httpx.ReadTimeout) as caught:
        send(build(api.url, timeout=1))

    assert current.is_delivered
    assert [head.split()[0] for head in heads] == ["CONNECT", "CONNECT"]
    assert f"Basic {ENCODED_KEY}" not in "".join(heads)
    assert delivery_error(caught.value).is_ambiguous  # type: ignore[attr-defined]  # an UnreachableError


def trust_for_proxies(monkeypatch: pytest.MonkeyPatch, authority: trustme.CA) -> None:
    """Let httpcore's own context, the one it meets proxies with, trust the test's authority."""
    create = ssl.create_default_context

    def trusting(*arguments: object, **options: object) -> ssl.SSLContext:
        context = create(*arguments, **options)  # type: ignore[arg-type]  # passed on
        authority.configure_trust(context)
        return context

    monkeypatch.setattr(ssl, "create_default_context", trusting)


@needs_tls_in_tls
@pytest.mark.parametrize("slow", ["handshake", "writing"])
def test_a_tunnel_in_tls_through_a_proxy_of_tls_ends_in_time(
    serve: Serve,
    build: Build,
    proxy: Proxy,
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    authority: trustme.CA,
    slow: str,
) -> None:
    trust_for_proxies(monkeypatch, authority)
    api = serve(dribble_handshake) if slow == "handshake" else serve(read_steadily, context=tls, buffer=4096)
    server, _ = proxy(target=api.port, context=tls, buffer=4096)
    monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{server.port}")
    client = build(f"https://127.0.0.1:{api.port}", timeout=1)

    with within(2.5), pytest.raises((httpx.ConnectTimeout, httpx.WriteTimeout)):
        send_sync(client, HUGE)


@both
@pytest.mark.parametrize("reply", ["407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_proxy_that_refuses_is_told_without_its_password(
    serve: Serve, build: Build, send: Send, monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    server = serve(keep_answering(answer(reply, b"")))
    monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:secret@127.0.0.1:{server.port}")

    error = failure_of(send, build("https://interakt.invalid"))

    assert type(error) is UnreachableError
    assert not error.is_ambiguous
    assert "the proxy did not connect" in str(error)
    assert "secret" not in "".join(traceback.format_exception(error))


@both
@pytest.mark.parametrize("handle", [never_answer, dribble_headers, close_after_request, reset_after_request])
def test_a_proxy_that_fails_before_the_tunnel_was_surely_not_the_api(
    serve: Serve, build: Build, send: Send, monkeypatch: pytest.MonkeyPatch, handle: Handler
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", serve(handle).url)

    with within():
        error = failure_of(send, build("https://interakt.invalid", timeout=TIMEOUT))

    assert type(error) is UnreachableError
    assert not error.is_ambiguous


@both
@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1", "nonsense://127.0.0.1:1", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_told_as_such(
    build: Build, send: Send, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", url)

    error = failure_of(send, build("http://127.0.0.1:1"))

    assert type(error) is UnreachableError
    assert not error.is_ambiguous
    assert "a proxy of the environment cannot be used" in str(error)


# The TLS context.


def test_the_process_has_one_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "_ssl_context", None)
    gate = threading.Barrier(8)

    def take(_: int) -> ssl.SSLContext:
        gate.wait()
        return shared_ssl_context()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(take, range(8)))

    assert {id(context) for context in found} == {id(_http._ssl_context)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_while_the_tls_context_is_made_does_not_hang_the_child() -> None:
    program = """
        import os, threading
        from interakt_track import _http

        threading.Thread(target=_http.shared_ssl_context).start()
        pid = os.fork()
        if not pid:
            os._exit(0 if _http.shared_ssl_context() else 1)
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """

    done = subprocess.run([sys.executable, "-c", inspect.cleandoc(program)], timeout=20, check=False)

    assert done.returncode == 0


def test_a_first_request_imports_nothing_more() -> None:
    """A fork while a thread imports would leave the import lock held in the child."""
    program = """
        import sys
        from interakt_track._http import build_client
        from interakt_track_client.api.track import create_user
        from interakt_track_client.models import UserRequest

        before = set(sys.modules)
        for host in ("http://localhost:1", "https://127.0.0.1:1"):
            try:
                create_user.sync_detailed(client=build_client(host, "key", timeout=1), body=UserRequest(user_id="1"))
            except Exception as exc:
                assert "ConnectError" in type(exc).__name__, exc
        print(*sorted(set(sys.modules) - before))
    """

    done = subprocess.run(
        [sys.executable, "-c", inspect.cleandoc(program)], timeout=20, check=True, capture_output=True, text=True
    )

    assert done.stdout.split() == []
