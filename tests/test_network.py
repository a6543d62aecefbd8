"""What goes over a connection, and when; `test_http.py` has the bounds of an attempt."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import httpcore
import pytest
from httpcore._backends.anyio import AnyIOBackend

from interakt_track._attempt import attempt
from interakt_track._network import AsyncBoundedBackend, BoundedBackend

HEAD = b"POST /v1/public/track/users/ HTTP/1.1\r\nContent-Length: 4\r\n\r\n"
BODY = b"body"
TIMEOUT = 20.0
RESET = struct.pack("ii", 1, 0)  # for SO_LINGER: closing resets


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(TIMEOUT)
        yield listening


@pytest.fixture
def stream(listener: socket.socket) -> Iterator[httpcore.NetworkStream]:
    connected = BoundedBackend(httpcore.SyncBackend()).connect_tcp("127.0.0.1", listener.getsockname()[1], TIMEOUT)
    yield connected
    connected.close()


@pytest.fixture
def peer(listener: socket.socket, stream: httpcore.NetworkStream) -> Iterator[socket.socket]:
    accepted, _ = listener.accept()
    accepted.settimeout(TIMEOUT)
    with closing(accepted):
        yield accepted


def test_a_requests_first_lines_leave_together_with_its_body(
    stream: httpcore.NetworkStream, peer: socket.socket
) -> None:
    with attempt(TIMEOUT) as current:
        current.start("POST", None)

        stream.write(HEAD)

        assert not current.is_sent
        stream.write(BODY)
        assert current.is_sent
    assert peer.recv(65536) == HEAD + BODY


def test_a_request_without_a_body_leaves_before_its_answer_is_read(
    stream: httpcore.NetworkStream, peer: socket.socket
) -> None:
    peer.sendall(b"answer")
    with attempt(TIMEOUT) as current:
        current.start("POST", None)

        stream.write(HEAD)

        assert stream.read(65536) == b"answer"
        assert current.is_sent
    assert peer.recv(65536) == HEAD


def test_a_request_that_arrived_stays_sent_when_the_server_resets_the_connection(
    stream: httpcore.NetworkStream, peer: socket.socket
) -> None:
    with attempt(TIMEOUT) as current:
        current.start("POST", None)
        stream.write(HEAD)
        stream.write(BODY)
        assert peer.recv(65536)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()

        stream.write(b"")  # how the end of a body is written whose length was said

        assert current.is_sent
        with pytest.raises(httpcore.ReadError):
            stream.read(65536)


def test_asyncio_keeps_the_first_lines_back_too(listener: socket.socket) -> None:
    async def send() -> None:
        backend = AsyncBoundedBackend(AnyIOBackend())
        stream = await backend.connect_tcp("127.0.0.1", listener.getsockname()[1], TIMEOUT)
        peer, _ = listener.accept()
        with attempt(TIMEOUT) as current, closing(peer):
            current.start("POST", None)
            await stream.write(HEAD)
            assert not current.is_sent
            await stream.write(BODY)
            assert current.is_sent
            assert peer.recv(65536) == HEAD + BODY

            await stream.write(HEAD)
            peer.sendall(b"answer")
            assert await stream.read(65536) == b"answer"
            assert peer.recv(65536) == HEAD
        await stream.aclose()

    asyncio.run(send())
