"""An attempt: one request on its way, its bounds, and what became of it."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from attrs import define, field

from ._answers import MAX_ANSWER_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@define
class Attempt:
    """One request on its way, and what became of it.

    Attributes:
        timeout: Seconds it may take, in place of the client's timeouts; None leaves it to them.
        status_code: Of the answer; known as soon as its first lines are, whatever happens to the rest.
        answer: The JSON value the API answered with, or None. Only of clients that check answers, as the next one.
        is_delivered: Whether the API took the message. An error after that comes from reading the answer.
        is_begun: Whether some of the request was given to the network.
        is_sent: Whether the network took the whole request; until then the server cannot have received it.
        bytes_left: How much of the answer, headers included, may still be read.
    """

    timeout: float | None = None
    status_code: int | None = field(default=None, init=False)
    answer: Any = field(default=None, init=False)
    is_delivered: bool = field(default=False, init=False)
    is_begun: bool = field(default=False, init=False)
    is_sent: bool = field(default=False, init=False)
    bytes_left: int = field(default=MAX_ANSWER_BYTES, init=False)
    _opening: bytes = field(default=b"", init=False)
    _held: bytes = field(default=b"", init=False)
    _deadline: float | None = field(default=None, init=False)

    def start(self, method: str, timeout: float | None) -> None:
        """Let the time run; `timeout` is what the client allows the whole request, None is no limit."""
        limit = timeout if self.timeout is None else self.timeout
        self.status_code, self.answer = None, None
        self.is_delivered = self.is_begun = self.is_sent = False
        self._opening, self._held = f"{method} ".encode(), b""
        self._deadline = None if limit is None else time.monotonic() + limit
        self.bytes_left = MAX_ANSWER_BYTES

    def note_status(self, status_code: int) -> None:
        """Note the answer's status before anything else of it is read, which can fail."""
        self.status_code = status_code
        self.is_delivered = 200 <= status_code < 300

    def time_left(self, timeout: float | None, expired: type[Exception]) -> float | None:
        """Return the seconds an operation may take, given its own timeout; raise `expired` when there are none."""
        if self._deadline is None:
            return timeout
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise expired("the time of the attempt is up")
        return left if timeout is None or self.timeout is not None else min(left, timeout)

    def hold_back(self, data: bytes) -> bytes:
        """Return what is to be written now of `data`: the request's first lines wait, to leave together with its body.

        Nothing is left to be written when the body is over; trying to would find a connection that the server has
        closed since, and tell of a request that arrived in full as of one that did not.
        """
        data = self._held + data
        is_head = bool(self._opening) and data.startswith(self._opening) and not self._held
        self._held = data if is_head else b""
        return b"" if is_head else data

    def holds_back(self) -> bool:
        """Tell whether something was held back and nothing has followed."""
        return bool(self._held)

    @contextmanager
    def writing(self, data: bytes) -> Iterator[None]:
        """Note whether `data` went out: the request's first lines begin it, any failed write leaves it cut off.

        What a proxy is told before them is not the request. httpcore swallows a failed write to read an early
        answer, so nothing but this says later that the request never arrived in full.
        """
        is_opening = data.startswith(self._opening)
        self.is_begun = self.is_begun or is_opening
        try:
            yield
        except BaseException:
            self.is_sent = False
            raise
        if is_opening:
            self.is_sent = True


_current: ContextVar[Attempt | None] = ContextVar("interakt_track_attempt", default=None)


@contextmanager
def attempt(timeout: float | None = None) -> Iterator[Attempt]:
    """Make the requests sent inside, in this thread or task, tell what becomes of them.

    Args:
        timeout: Seconds a request may take; None: what its client was built with.

    Example:
        with attempt() as current:
            create_user.sync_detailed(client=client, body=body)
        current.is_delivered
    """
    current = Attempt(timeout)
    token = _current.set(current)
    try:
        yield current
    finally:
        with suppress(ValueError):  # a task that is thrown away with its event loop ends in somebody else's context
            _current.reset(token)


def current_attempt() -> Attempt | None:
    """Return the attempt this thread or task is inside of."""
    return _current.get()
