"""The server's thread: its event loop, its listening socket, and a quick and clean end."""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
import weakref
from typing import TYPE_CHECKING

from uvicorn.config import Config
from uvicorn.server import ServerState

from ._connection import Connections, Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from starlette.types import ASGIApp

BACKLOG = 2048  # more clients than any test starts at once
GRACE = 1.0  # seconds the app's tasks may take to see that their connections are gone

_running: weakref.WeakSet[Server] = weakref.WeakSet()


class Server:
    """Serves an ASGI app over HTTP in a daemon thread, once.

    Args:
        app: ASGI 3.
        listener: Bound and listening; closed when the server stops.
        idle_timeout: Seconds after which a kept-alive connection without a request is closed.
        on_connection: Called in the server's thread for each new connection; returns its number.
    """

    def __init__(
        self, app: ASGIApp, listener: socket.socket, *, idle_timeout: float, on_connection: Callable[[], int]
    ) -> None:
        self._listener = listener
        self._connections = Connections(on_connection)
        self._config = Config(  # log_config=None leaves the logging of the process alone
            app,
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=idle_timeout,  # type: ignore[arg-type]  # any number serves for `call_later`
        )
        self._config.load()
        self._loop = _new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="interakt-sandbox", daemon=True)

    def start(self) -> None:
        """Start the thread; the kernel queues connections until it accepts them."""
        _running.add(self)
        self._thread.start()

    def stop(self) -> None:
        """Cut all connections, end the thread and wait for it. Does nothing in a forked child, which has no thread."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        _running.discard(self)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        state = ServerState()

        def build_protocol() -> Protocol:
            return Protocol(connections=self._connections, config=self._config, state=state, loop=loop)

        server = await loop.create_server(build_protocol, sock=self._listener, backlog=BACKLOG)
        await self._stop.wait()
        server.close()
        for connection in list(self._connections.open):
            connection.abort()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=GRACE)
        await server.wait_closed()

    def detach(self) -> None:
        """Let go of the inherited sockets in a forked child: as long as it held them, no client would see them end."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (self._listener.fileno(), *(connection.fileno() for connection in self._connections.open)):
            if number >= 0:
                os.dup2(nothing, number)  # closing it would let the child's next file take the number over
        os.close(nothing)


def _detach_all() -> None:
    for server in list(_running):
        server.detach()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_detach_all)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    except ImportError:
        return asyncio.new_event_loop()
    return loop
