"""What arrived: a record of each request, the bodies that were accepted, and the counters; bounded in memory."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Kind = Literal["user", "event"]
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


class Journal:
    """Holds the records. Written by the server's thread, read by any.

    Args:
        keep: How many requests, and how many bodies of each kind, stay before the oldest leave.
        on_request: Called in the server's thread with each finished record.
    """

    def __init__(self, keep: int, on_request: Callable[[Request], None] | None = None) -> None:
        self._keep = keep
        self._on_request = on_request
        self._changed = threading.Condition()  # guards everything below
        self._goals: list[Callable[[Counts], bool]] = []
        self._connection_numbers = itertools.count(1)
        self._forget()

    def _forget(self) -> None:
        self._requests: dict[int, Request] = {}
        self._bodies: dict[Kind, deque[dict[str, Any]]] = {
            "user": deque(maxlen=self._keep),
            "event": deque(maxlen=self._keep),
        }
        self._received: dict[Kind, int] = {"user": 0, "event": 0}
        self._arrivals: deque[float] = deque(maxlen=max(self._keep, MAX_ARRIVALS))
        self._total = self._refused = self._unanswered = self._connections = 0

    def clear(self) -> None:
        """Forget all records, and count from zero."""
        with self._changed:
            self._forget()

    def add(self, request: Request) -> None:
        """Keep the record of a request that will be answered later."""
        with self._changed:
            self._total += 1
            self._refused += request.status is not None and not 200 <= request.status < 300
            self._unanswered += request.status is None
            self._arrivals.append(request.started)
            self._requests[request.number] = request
            if len(self._requests) > self._keep:
                del self._requests[next(iter(self._requests))]
            if request.received and request.kind is not None and request.body is not None:
                self._received[request.kind] += 1
                self._bodies[request.kind].append(request.body)
            if self._goals:
                counts = self.counts()
                if any(is_reached(counts) for is_reached in self._goals):  # waking a waiter for nothing costs more
                    self._changed.notify_all()

    def finish(self, request: Request, now: float, *, is_abandoned: bool) -> None:
        """Note that the request's answer is about to be handed over, or that nobody waits for it any more."""
        finished = attrs.evolve(request, finished=now, is_abandoned=is_abandoned)
        with self._changed:
            if request.number in self._requests:
                self._requests[request.number] = finished
        if self._on_request is not None:
            self._on_request(finished)

    def add_connection(self) -> int:
        """Count a connection, and return its number; no two have the same, also after `clear`."""
        with self._changed:
            self._connections += 1
            return next(self._connection_numbers)

    def requests(self) -> list[Request]:
        """Return the kept records, oldest first."""
        with self._changed:
            return list(self._requests.values())

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
