"""The bounds of an attempt, kept at the socket: one deadline over all it does, and a cap on what it reads.

httpx bounds each single read; a server that sends a byte a second is then waited for almost for ever. Here every
operation (connect, TLS handshake, write, read) gets at most the time the attempt has left. The one thing that cannot be
interrupted is the look-up of a host name in a synchronous client: `getaddrinfo` blocks for as long as the system's
resolver is told to try.
"""
# ruff: noqa: ASYNC109 - the signatures are httpcore's

from __future__ import annotations

import socket
import ssl
from typing import Any

import httpcore

from ._answers import MAX_ANSWER_BYTES
from ._attempt import Attempt, current_attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def _bounds() -> Attempt:
    return current_attempt() or Attempt()  # without one (a pool closing its connections) nothing is bounded


def _readable(bounds: Attempt, max_bytes: int) -> int:
    if bounds.bytes_left <= 0:
        raise httpcore.ReadError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return min(max_bytes, bounds.bytes_left)


class _BoundedSSLSocket(ssl.SSLSocket):
    """Looks at the clock in each receive: TLS inside of TLS loops over them, with a timeout set once.

    Sending needs no such thing, since a TLS socket sends all it is given under one timeout.
    """

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        self.settimeout(_bounds().time_left(self.gettimeout(), TimeoutError))
        return super().recv(buflen, flags)


class BoundedStream(httpcore.NetworkStream):
    """A connection that keeps the bounds of the attempt it is used in."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        bounds = _bounds()
        if bounds.holds_back():
            self.write(b"", timeout)
        size = _readable(bounds, max_bytes)
        data = self._stream.read(size, bounds.time_left(timeout, httpcore.ReadTimeout))
        bounds.bytes_left -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        bounds = _bounds()
        buffer = bounds.hold_back(buffer)
        if not buffer:
            return
        with bounds.writing(buffer):
            left = bounds.time_left(timeout, httpcore.WriteTimeout)
            sock = self._stream.get_extra_info("socket")
            if isinstance(sock, ssl.SSLSocket):
                self._stream.write(buffer, left)
                return
            # `sendall` counts its timeout over the whole buffer; httpcore's loop over `send` starts it anew at each
            # piece that a slow reader takes.
            try:
                sock.settimeout(left)
                sock.sendall(buffer)
            except TimeoutError as exc:
                raise httpcore.WriteTimeout(exc) from exc
            except OSError as exc:
                raise httpcore.WriteError(exc) from exc

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        ssl_context.sslsocket_class = _BoundedSSLSocket
        left = _bounds().time_left(timeout, httpcore.ConnectTimeout)
        return BoundedStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class BoundedBackend(httpcore.NetworkBackend):
    """Opens connections that keep the bounds of an attempt."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        # A host with several addresses gets the timeout once for all of them, a fair share for each: otherwise every
        # address that drops packets costs the whole of it.
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:  # UnicodeError: a name that cannot be written in DNS
            raise httpcore.ConnectError(exc) from exc
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        bounds = _bounds()
        failure: Exception = httpcore.ConnectError("the host has no address")
        for i, address in enumerate(addresses):
            left = bounds.time_left(timeout, httpcore.ConnectTimeout)
            share = None if left is None else left / (len(addresses) - i)
            try:
                return BoundedStream(self._backend.connect_tcp(address, port, share, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
        raise failure


class AsyncBoundedStream(httpcore.AsyncNetworkStream):
    """The same for asyncio and trio, whose timeouts already cover a whole operation."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        bounds = _bounds()
        if bounds.holds_back():
            await self.write(b"", timeout)
        size = _readable(bounds, max_bytes)
        data = await self._stream.read(size, bounds.time_left(timeout, httpcore.ReadTimeout))
        bounds.bytes_left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        bounds = _bounds()
        buffer = bounds.hold_back(buffer)
        if not buffer:
            return
        with bounds.writing(buffer):
            await self._stream.write(buffer, bounds.time_left(timeout, httpcore.WriteTimeout))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        left = _bounds().time_left(timeout, httpcore.ConnectTimeout)
        return AsyncBoundedStream(await self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class AsyncBoundedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections that keep the bounds of an attempt, for asyncio and trio."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        left = _bounds().time_left(timeout, httpcore.ConnectTimeout)
        return AsyncBoundedStream(await self._backend.connect_tcp(host, port, left, local_address, socket_options))
