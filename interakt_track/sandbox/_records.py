"""What arrived: a record of each request, the bodies that were accepted, and the counters; bounded in memory."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs

from ._shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._contract import Problem

Kind = Literal["user", "event"]
KEEP = 10_000  # requests
KEEP_BYTES = 64 << 20  # of bodies and headers as they came; in memory they are some three times as large
MAX_ARRIVALS = 100_000  # 3 MB of times; five minutes of sending at the fastest this server gets on a laptop


@attrs.frozen(kw_only=True)
class Request:
    """One request as it arrived, and what became of it.

    Attributes:
        number: Counts up from 1, in the order of arrival.
        method: As sent.
        path: As sent, without the query.
        kind: `"user"` or `"event"`; None for a path the API does not have.
        body: The decoded JSON object; None when it was none, or was never read.
        size: Bytes of the body.
        status: What was answered; None when the connection was ended without an answer, or with raw bytes.
        reason: Why it was refused, beginning with the field that is wrong; None when it was not.
        received: Whether the message counts as received by the API, whatever the client was told.
        headers: Names in lower case; Authorization is masked.
        key_is_valid: Whether the write key was there, well-formed and the right one.
        key_digest: SHA-256 of the key, for `is_signed_with`; None without a key.
        connection: Counts up from 1; requests with the same number shared a connection.
        started: `time.monotonic()` when its head had arrived.
        finished: The same when its answer was about to be handed over; None before.
        is_abandoned: Whether the client left before its answer was there.
        fault: Name of the fault it met; None without one.
        problems: What is wrong with it, each with its place; empty when only a fault, or nothing, refused it.
        excerpt: The beginning of a body that is no JSON object; empty otherwise.
        arrived: `time.time()` when its head had arrived.
    """

    number: int
    method: str
    path: str
    kind: Kind | None
    body: dict[str, Any] | None
    size: int
    status: int | None
    reason: str | None
    received: bool
    headers: Mapping[str, str]
    key_is_valid: bool
    key_digest: str | None = attrs.field(repr=False)
    connection: int
    started: float
    finished: float | None = None
    is_abandoned: bool = False
    fault: str | None = None
    problems: tuple[Problem, ...] = ()
    excerpt: str = attrs.field(default="", repr=False)
    arrived: float = attrs.field(factory=time.time)

    @property
    def kept_bytes(self) -> int:
        """How much of it is kept, in bytes as they came."""
        headers = sum(len(name) + len(value) for name, value in self.headers.items())
        return headers + len(self.path) + (len(self.excerpt) if self.body is None else self.size)

    @property
    def is_success(self) -> bool:
        """Whether it was answered with a 2xx, or will be."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def user_id(self) -> str | None:
        """The body's id of the person."""
        return self.body.get("userId") if self.body is not None else None

    def is_signed_with(self, write_key: str) -> bool:
        """Tell whether the request carried this key."""
        return self.key_digest == digest(write_key)


@attrs.frozen(kw_only=True)
class Counts:
    """How much arrived since the start or the last `clear()`; these go on when old records have left.

    Attributes:
        requests: All of them, whatever became of them.
        users: Received customers.
        events: Received events.
        refused: Answered with anything but a 2xx.
        unanswered: The connection was ended without an answer.
        connections: Connections opened.
    """

    requests: int = 0
    users: int = 0
    events: int = 0
    refused: int = 0
    unanswered: int = 0
    connections: int = 0


class Witness(Protocol):
    """Who is told of every change of the records; called while these are locked, so it must not ask for them."""

    def see(self, request: Request) -> None:
        """Learn of a record that is new, or was finished."""

    def lose(self, number: int) -> None:
        """Learn that the record of this number has left for newer ones."""

    def forget(self) -> None:
        """Learn that all records were cleared."""


class Journal:
    """Holds the records. Written by the server's thread, read by any.

    Args:
        keep: How many requests, and how many bodies of each kind, stay before the oldest leave.
        keep_bytes: How many bytes of each of these three.
        on_request: Called in the server's thread with each finished record.
        witness: Told of every change.
    """

    def __init__(
        self,
        keep: int,
        keep_bytes: int = KEEP_BYTES,
        on_request: Callable[[Request], None] | None = None,
        witness: Witness | None = None,
    ) -> None:
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._on_request = on_request
        self._witness = witness
        self._changed = threading.Condition()  # guards everything below
        self._goals: list[Callable[[Counts], bool]] = []
        self._connection_numbers = itertools.count(1)
        self._forget()

    def _forget(self) -> None:
        self._requests: Shelf[Request] = Shelf(self._keep, self._keep_bytes)
        self._bodies: dict[Kind, Shelf[dict[str, Any]]] = {
            "user": Shelf(self._keep, self._keep_bytes),
            "event": Shelf(self._keep, self._keep_bytes),
        }
        self._received: dict[Kind, int] = {"user": 0, "event": 0}
        self._arrivals: deque[float] = deque(maxlen=max(self._keep, MAX_ARRIVALS))
        self._total = self._refused = self._unanswered = self._connections = 0

    def clear(self) -> None:
        """Forget all records, and count from zero."""
        with self._changed:
            self._forget()
            if self._witness is not None:
                self._witness.forget()

    def add(self, request: Request) -> None:
        """Keep the record of a request that will be answered later."""
        with self._changed:
            self._total += 1
            self._refused += request.status is not None and not request.is_success
            self._unanswered += request.status is None
            self._arrivals.append(request.started)
            gone = self._requests.put(request.number, request, request.kept_bytes)
            if request.received and request.kind is not None and request.body is not None:
                self._received[request.kind] += 1
                self._bodies[request.kind].put(request.number, request.body, request.size)
            if self._witness is not None:
                for number in gone:
                    self._witness.lose(number)
                self._witness.see(request)
            if self._goals:
                counts = self.counts()
                if any(is_reached(counts) for is_reached in self._goals):  # waking a waiter for nothing costs more
                    self._changed.notify_all()

    def finish(self, request: Request, now: float, *, is_abandoned: bool) -> None:
        """Note that the request's answer is about to be handed over, or that nobody waits for it any more."""
        finished = attrs.evolve(request, finished=now, is_abandoned=is_abandoned)
        with self._changed:
            if self._requests.replace(request.number, finished) and self._witness is not None:
                self._witness.see(finished)
        if self._on_request is not None:
            self._on_request(finished)

    def add_connection(self) -> int:
        """Count a connection, and return its number; no two have the same, also after `clear`."""
        with self._changed:
            self._connections += 1
            return next(self._connection_numbers)

    def disown_connection(self) -> None:
        """Take back the count of a connection that turned out to be the page's."""
        with self._changed:
            self._connections = max(0, self._connections - 1)

    def requests(self) -> list[Request]:
        """Return the kept records, oldest first."""
        with self._changed:
            return list(self._requests)

    def newest(self, count: int, *, before: int | None = None, only_failed: bool = False) -> list[Request]:
        """Return so many kept records, newest first.

        Args:
            count: How many at most.
            before: Only those with a smaller number.
            only_failed: Only those that were not received, or not answered with a 2xx.
        """

        def is_wanted(request: Request) -> bool:
            is_failed = not (request.received and request.is_success)
            return (before is None or request.number < before) and (is_failed or not only_failed)

        with self._changed:
            return list(itertools.islice(filter(is_wanted, reversed(self._requests)), count))

    def find(self, number: int) -> Request | None:
        """Return the record of this number; None when it is not kept."""
        with self._changed:
            return self._requests.find(number)

    def bodies(self, kind: Kind) -> list[dict[str, Any]]:
        """Return the kept bodies of received messages, oldest first."""
        with self._changed:
            return list(self._bodies[kind])

    def arrivals(self) -> list[float]:
        """Return when the last requests started."""
        with self._changed:
            return list(self._arrivals)

    def counts(self) -> Counts:
        """Return the counters as they are now."""
        with self._changed:
            return Counts(
                requests=self._total,
                users=self._received["user"],
                events=self._received["event"],
                refused=self._refused,
                unanswered=self._unanswered,
                connections=self._connections,
            )

    def wait_until(self, is_reached: Callable[[Counts], bool], timeout: float) -> bool:
        """Wait until the counters satisfy the predicate; False if they never did in that time."""
        with self._changed:
            self._goals.append(is_reached)
            try:
                return self._changed.wait_for(lambda: is_reached(self.counts()), timeout)
            finally:
                self._goals.remove(is_reached)


def digest(write_key: str) -> str:
    """Return what stands for a key where the key itself must not be kept."""
    return hashlib.sha256(write_key.encode()).hexdigest()
