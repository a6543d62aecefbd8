"""The wire: uvicorn's protocol, which hands its connection to the app so that a fault can cut it."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.config import Config
    from uvicorn.protocols.http.h11_impl import H11Protocol as HTTPProtocol
    from uvicorn.server import ServerState
else:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol as HTTPProtocol  # httptools where it is installed

EXTENSION = "interakt_track.connection"
LINGER = struct.pack("ii" if os.name == "posix" else "hh", 1, 0)  # on, 0 seconds: closing resets


class Connection:
    """One TCP connection of a client.

    Attributes:
        number: Counts up from 1.
        lost: Set when it is no more, whoever ended it.
        is_used: Whether a request came over it.
    """

    def __init__(self, number: int, transport: asyncio.Transport) -> None:
        self.number = number
        self.is_used = False
        self.lost = asyncio.Event()
        self._transport = transport
        self._socket: socket.socket = transport.get_extra_info("socket")
        # asyncio sets it only for sockets that were made with IPPROTO_TCP; without it a kept-alive answer waits 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        """Return its file descriptor; -1 once it is closed."""
        return self._socket.fileno()

    def write(self, data: bytes) -> None:
        """Write bytes past the HTTP protocol."""
        self._transport.write(data)

    async def close(self) -> None:
        """End it in order, after what was written; return when it is gone."""
        self._transport.close()
        await self.lost.wait()

    async def reset(self) -> None:
        """End it by a TCP reset; return when it is gone."""
        if not self._transport.is_closing():
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            self._transport.abort()
        await self.lost.wait()

    def abort(self) -> None:
        """End it at once, without waiting for anything."""
        self._transport.abort()

    async def pause(self, seconds: float) -> bool:
        """Wait that long; False at once when the connection is lost."""
        if not seconds:
            return not self.lost.is_set()
        try:
            async with asyncio.timeout(seconds):
                await self.lost.wait()
        except TimeoutError:
            return True
        return False


class Connections:
    """The open connections of one server, used by its thread only.

    Args:
        next_number: Called for each new one; returns its number.
    """

    def __init__(self, next_number: Callable[[], int]) -> None:
        self._next_number = next_number
        self.open: set[Connection] = set()

    def add(self, transport: asyncio.Transport) -> Connection:
        """Number and keep a new connection."""
        connection = Connection(self._next_number(), transport)
        self.open.add(connection)
        return connection

    def remove(self, connection: Connection) -> None:
        """Note that a connection is no more."""
        self.open.discard(connection)
        connection.lost.set()


class Protocol(HTTPProtocol):
    """uvicorn's HTTP protocol with its connection in each request's scope, and no access log."""

    def __init__(
        self, *, connections: Connections, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(config=config, server_state=state, app_state={}, _loop=loop)
        self.access_log = False  # uvicorn's own switch would silence other servers of this process too
        self._connections = connections
        self._connection: Connection | None = None
        app = self.app

        async def app_with_connection(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})[EXTENSION] = self._connection
            await app(scope, receive, send)

        self.app = app_with_connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Number the connection before its first request."""
        super().connection_made(transport)
        self._connection = self._connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits for the end of the connection."""
        super().connection_lost(exc)
        if self._connection is not None:
            self._connections.remove(self._connection)
