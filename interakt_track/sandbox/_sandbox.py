"""The sandbox as a user holds it: start, look at what arrived, let things go wrong, stop."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from ._app import Office, build_app
from ._board import Board
from ._contract import load_contract
from ._desk import Desk
from ._fault_plan import FaultPlan, parse_faults
from ._faults import Fault
from ._judge import Judge
from ._records import KEEP, KEEP_BYTES, Journal
from ._script import Script
from ._server import Server
from ._windows import busiest_window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp

    from ._records import Counts, Request


class Sandbox:
    """A local Track API over real HTTP: in memory, in a daemon thread, for tests and for trying things out.

    Answers as the real one is known to, checks the write key, and checks bodies against the contract,
    `openapi/interakt.yaml`. It can be stopped and started again, then on the same port. A forked child holds nothing of
    it and must not touch it; it can send to its `url` as any other process.

    Example:
        >>> with Sandbox() as sandbox:
        ...     client = track.Client(write_key="key", host=sandbox.url)
        ...     client.event("user-1", "Order Placed")
        ...     sandbox.wait_for(1)

    Args:
        host: Address to listen on; localhost unless told.
        port: 0 takes a free one.
        write_key: The only key that is right; None accepts any.
        faults: A plan, or its spelling as `parse_faults` reads it.
        keep: How many requests, and how many bodies of each kind, stay before the oldest leave; counters go on.
        keep_bytes: How many bytes of each of these three stay, as they came.
        idle_timeout: Seconds after which a kept-alive connection without a request is closed.
        on_request: Called in the server's thread with the record of each request, just before it is answered.
        page: Whether a page at `/` shows what arrives; its own requests are not recorded.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        write_key: str | None = None,
        faults: FaultPlan | str | None = None,
        keep: int = KEEP,
        keep_bytes: int = KEEP_BYTES,
        idle_timeout: float = 60.0,
        on_request: Callable[[Request], None] | None = None,
        page: bool = False,
    ) -> None:
        if keep < 1:
            raise ValueError(f"keep must be at least 1, not {keep}")
        self._host = host
        self._port = port
        self._idle_timeout = idle_timeout
        self._board = Board() if page else None
        self._journal = Journal(keep, keep_bytes, on_request, self._board)
        self._script = Script(_plan(faults))
        contract = load_contract()
        office = Office(judge=Judge(contract, write_key), journal=self._journal, script=self._script)
        self._app: ASGIApp = build_app(contract, office)
        if self._board is not None:
            is_key_checked = write_key is not None
            self._app = Desk(self._app, host=host, board=self._board, office=office, is_key_checked=is_key_checked)
        self._server: Server | None = None

    def start(self) -> Self:
        """Listen; return when requests are welcome.

        Raises:
            OSError: The address cannot be listened on.
        """
        if self._server is not None:
            return self
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.create_server((self._host, self._port), family=family)
        self._port = listener.getsockname()[1]
        self._server = Server(
            self._app, listener, idle_timeout=self._idle_timeout, on_connection=self._journal.add_connection
        )
        self._server.start()
        return self

    def stop(self) -> None:
        """Cut all connections and stop listening; what arrived stays to be looked at. Safe to call again."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, ready to be the SDK's `host`; known from the first start on."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def requests(self) -> list[Request]:
        """What arrived, in that order; refused ones too."""
        return self._journal.requests()

    @property
    def users(self) -> list[dict[str, Any]]:
        """The bodies of received customers, in order of arrival."""
        return self._journal.bodies("user")

    @property
    def events(self) -> list[dict[str, Any]]:
        """The bodies of received events, in order of arrival."""
        return self._journal.bodies("event")

    @property
    def counts(self) -> Counts:
        """The counters."""
        return self._journal.counts()

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong with requests nobody scripted; assign a plan, its spelling, or None for nothing."""
        return self._script.plan

    @faults.setter
    def faults(self, faults: FaultPlan | str | None) -> None:
        """Follow another plan from the next request on."""
        self._script.follow(_plan(faults))
        self._ring()

    @property
    def scripted(self) -> int:
        """How many scripted answers no request has met yet."""
        return self._script.left()

    def wait_for(self, messages: int, *, timeout: float = 10.0) -> list[Request]:
        """Wait until so many messages were received since the start or `clear()`, and return their kept records.

        Raises:
            TimeoutError: They were not, in `timeout` seconds.
        """
        if not self._journal.wait_until(lambda counts: counts.users + counts.events >= messages, timeout):
            raise TimeoutError(f"{messages} messages were to arrive in {timeout} s, but there is {self.counts}")
        return [request for request in self.requests if request.received]

    def wait_for_requests(self, requests: int, *, timeout: float = 10.0) -> list[Request]:
        """Wait until so many requests arrived, refused or failed ones too, and return the kept records.

        A request counts from its arrival on, so this is how to know that one is under way.

        Raises:
            TimeoutError: They did not, in `timeout` seconds.
        """
        if not self._journal.wait_until(lambda counts: counts.requests >= requests, timeout):
            raise TimeoutError(f"{requests} requests were to arrive in {timeout} s, but there is {self.counts}")
        return self.requests

    def busiest_window(self, seconds: float = 60.0) -> int:
        """Return the largest number of requests that arrived in any window of this length."""
        return busiest_window(self._journal.arrivals(), seconds)

    def fail_next(
        self,
        requests: int = 1,
        fault: Fault | None = None,
        *,
        status: int = 503,
        retry_after: int | str | None = None,
        when: Callable[[Request], bool] | None = None,
    ) -> None:
        """Let the next requests fail.

        Args:
            requests: How many.
            fault: How; None answers `status`, with `retry_after` as its header.
            status: Any code from 200 to 599.
            retry_after: Seconds, or a date in the form of RFC 9110.
            when: Only requests it says yes to; it sees the record as it would be without the fault.
        """
        fault = fault or Fault(status=status, retry_after=retry_after)
        self._script.append([fault] * requests, when)
        self._ring()

    def script(self, faults: Iterable[Fault | int | None], *, when: Callable[[Request], bool] | None = None) -> None:
        """Say what the next requests meet, one by one.

        Args:
            faults: A fault, a status, or None for the usual answer.
            when: Only requests it says yes to; it sees the record as it would be without the fault.
        """
        self._script.append([Fault(status=one) if isinstance(one, int) else one for one in faults], when)
        self._ring()

    def clear(self) -> None:
        """Forget what arrived and what was scripted, and count from zero; the plan of faults stays."""
        self._script.clear()
        self._journal.clear()

    def _ring(self) -> None:
        """Let pages that are open show what goes wrong from now on."""
        if self._board is not None:
            self._board.ring()


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    write_key: str | None = None,
    faults: FaultPlan | str | None = None,
    keep: int = KEEP,
    on_ready: Callable[[Sandbox], None] | None = None,
    on_request: Callable[[Request], None] | None = None,
    page: bool = False,
) -> None:
    """Run a sandbox until Ctrl-C; prints nothing.

    Args:
        host: As in `Sandbox`, like the other arguments not named here.
        port: 0 takes a free one.
        write_key: As in `Sandbox`.
        faults: As in `Sandbox`.
        keep: As in `Sandbox`.
        on_ready: Called once it listens.
        on_request: As in `Sandbox`.
        page: As in `Sandbox`.

    Raises:
        OSError: The address cannot be listened on.
    """
    sandbox = Sandbox(
        host=host, port=port, write_key=write_key, faults=faults, keep=keep, on_request=on_request, page=page
    )
    with sandbox:
        if on_ready is not None:
            on_ready(sandbox)
        never = threading.Event()
        try:
            while not never.wait(1.0):  # without an end to each wait, Windows would not notice Ctrl-C
                pass
        except KeyboardInterrupt:
            return


def _plan(faults: FaultPlan | str | None) -> FaultPlan:
    if isinstance(faults, str):
        return parse_faults(faults)
    return faults or FaultPlan()
