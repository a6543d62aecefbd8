"""What the sandbox's page is made of: its files, its stream, its controls, and who may use them; no browser here."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from interakt_track.sandbox import Sandbox

USERS = "/v1/public/track/users/"
EVENTS = "/v1/public/track/events/"
ORDER = {"userId": "customer-1001", "event": "Order Placed", "traits": {"total": 2998}}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(page=True) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Sends to the API, as the SDK does."""
    with httpx.Client(base_url=sandbox.url, auth=("any-key", "")) as client:
        yield client


@pytest.fixture
def desk(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Asks what the page asks."""
    with httpx.Client(base_url=f"{sandbox.url}/_sandbox/") as client:
        yield client


class Event:
    """One server-sent event."""

    def __init__(self, text: str) -> None:
        fields = dict(line.partition(": ")[::2] for line in text.splitlines())
        self.id = fields["id"]
        self.kind = fields["event"]
        self.data: dict[str, Any] = json.loads(fields["data"])
        self.numbers = [row["number"] for row in self.data["requests"]]


class Listener:
    """Reads a stream over a socket of its own, so that nothing is read before it is asked for."""

    def __init__(
        self, sandbox: Sandbox, *, after: str = "", last_event_id: str = "", buffer: int | None = None
    ) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(20)
        if buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        url = httpx.URL(sandbox.url)
        self._socket.connect((url.host, url.port))
        header = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
        head = f"GET /_sandbox/events?after={after} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n{header}\r\n"
        self._socket.sendall(head.encode())
        self._file = self._socket.makefile("rb")
        self.head = b"".join(iter(self._file.readline, b"\r\n")).decode()
        self._text = ""

    def next(self) -> Event:
        """Wait for the next event; comments and the time to reconnect are passed over."""
        while True:
            block, end, rest = self._text.partition("\n\n")
            if end:
                self._text = rest
                if "data: " in block:
                    return Event(block)
                continue
            size = int(self._file.readline(), 16)
            assert size, "the stream has ended"
            self._text += self._file.read(size + 2)[:-2].decode()

    def next_numbers(self) -> list[int]:
        """Wait for an event that tells of requests."""
        while True:
            event = self.next()
            if event.numbers:
                return event.numbers

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@contextmanager
def listening(sandbox: Sandbox, **options: Any) -> Iterator[Listener]:
    listener = Listener(sandbox, **options)
    try:
        yield listener
    finally:
        listener.close()


# The page itself.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_page_is_at_the_root_and_nothing_foreign_may_run_in_it(sandbox: Sandbox, method: str) -> None:
    response = httpx.request(method, sandbox.url)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    policy = dict(part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_a_listener_is_told_what_arrives_as_it_arrives(sandbox: Sandbox, api: httpx.Client) -> None:
    with listening(sandbox, after=httpx.get(f"{sandbox.url}/_sandbox/state").json()["cursor"]) as listener:
        assert "text/event-stream" in listener.head
        assert listener.next().numbers == []

        api.post(EVENTS, json=ORDER)

        event = listener.next()
    assert event.kind == "news"
    assert [(row["event"], row["about"], row["person"]) for row in event.data["requests"]] == [
        ("Order Placed", "customer-1001", 1)
    ]
    assert event.data["counts"] == {"requests": 1, "accepted": 1, "refused": 0, "people": 1, "events": 1}
