"""A message to a request in asyncio: over connections of one event loop, each under one request at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic

from interakt_track_client.api.track import create_event, create_user
from interakt_track_client.models import UserRequest

from ._errors import CallCancelledError, api_error
from ._http import KEEPALIVE_EXPIRY, build_client, delivering, shared_ssl_context
from ._requests import request_model
from ._sender import response_of

with suppress(ImportError):
    # What httpcore imports at the first connect, through anyio: that would stop the loop for some 30 ms.
    import anyio._backends._asyncio
    import anyio.lowlevel
    import anyio.streams.tls  # noqa: F401  as above

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from interakt_track_client import AuthenticatedClient

    from ._account import Account
    from ._attempt import Attempt
    from ._messages import Message
    from ._receipt import Response


def prepare() -> None:
    """Do what takes long the first time and would stop the loop then: reading certificates, making an httpx client."""
    with suppress(OSError):  # the first call will tell of it
        shared_ssl_context()
    build_client("http://localhost", "none", timeout=1.0).get_async_httpx_client()


class AsyncSender:
    """Sends one account's messages in the event loop that runs when it is made.

    Each request under way has an httpx client of its own, the one that was used last. With one for all of them, httpx
    looks at every connection for every request: at 64 requests under way it made a seventh of the requests a second.

    Args:
        account: Where to send, and with which key.
        timeout: Seconds an attempt may take if `send` does not say otherwise.
    """

    def __init__(self, account: Account, *, timeout: float) -> None:
        self._account = account
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._idle: list[tuple[float, AuthenticatedClient]] = []  # since when, the longest first
        self._sweep: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, message: Message, *, timeout: float, with_call_time: bool) -> Response:  # noqa: ASYNC109 - the attempt's bound, kept at the socket
        """Make one request; the arguments are those of `Sender.send`.

        Raises:
            DeliveryError: The API did not take the message.
            CancelledError: It was cancelled; its `__cause__` is a `CallCancelledError`, which says what was sent.
        """
        model = request_model(message, with_call_time=with_call_time)
        client = self._take()
        try:
            with delivering(timeout) as current:
                try:
                    if isinstance(model, UserRequest):
                        await create_user.asyncio_detailed(client=client, body=model)
                    else:
                        await create_event.asyncio_detailed(client=client, body=model)
                except asyncio.CancelledError as cancellation:
                    # The same one: `asyncio.timeout` and task groups know theirs by it.
                    raise cancellation from CallCancelledError(_was_sent(current))
        finally:
            self._put_back(client)
        return response_of(current)

    async def aclose(self) -> None:
        """Close the connections; those of requests under way are closed when they have been idle for a while."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        idle, self._idle = self._idle, []
        self._close(client for _, client in idle)
        if self._closing:
            await asyncio.wait(self._closing)

    def _take(self) -> AuthenticatedClient:
        if self._idle:
            return self._idle.pop()[1]
        return build_client(self._account.host, self._account.write_key, timeout=self._timeout)

    def _put_back(self, client: AuthenticatedClient) -> None:
        if self._loop.is_closed():  # the call's coroutine was thrown away with it
            return
        self._idle.append((monotonic(), client))
        if self._sweep is None:
            self._sweep = self._loop.call_later(KEEPALIVE_EXPIRY, self._close_idle)

    def _close_idle(self) -> None:
        """Close what was not used for as long as a connection is kept, and look again when the next may be due."""
        now = monotonic()
        kept = [(since, client) for since, client in self._idle if now - since < KEEPALIVE_EXPIRY]
        self._close(client for _, client in self._idle[: len(self._idle) - len(kept)])
        self._idle = kept
        self._sweep = None
        if kept:
            wait = kept[0][0] + KEEPALIVE_EXPIRY - now
            self._sweep = self._loop.call_later(wait, self._close_idle)

    def _close(self, clients: Iterable[AuthenticatedClient]) -> None:
        for client in clients:
            task = self._loop.create_task(_close_quietly(client))
            self._closing.add(task)  # the loop itself would forget it
            task.add_done_callback(self._closing.discard)


async def _close_quietly(client: AuthenticatedClient) -> None:
    with suppress(Exception):  # the other side may have ended it in any way
        await client.get_async_httpx_client().aclose()


def _was_sent(current: Attempt) -> bool | None:
    """Return what a cancelled attempt lets be known, as `CallCancelledError.was_sent`."""
    if current.is_delivered:
        return True
    if current.status_code is not None:
        return None if api_error(current.status_code, "").is_ambiguous else False
    return None if current.is_begun else False
