"""What a page is made of: the people, the pulse and what has changed, fed by the journal; and who listens."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import attrs

from ._changes import Changes
from ._people import People
from ._pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._person import Person
    from ._pulse import Beat
    from ._records import Request

MAX_LISTENERS = 64  # a browser has at most six connections to one server


class TooManyListenersError(Exception):
    """All places are taken."""


class Bell:
    """Wakes one listener, who is a coroutine of the server's loop, from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._is_rung = False

    def ring(self) -> None:
        """Wake the listener; costs nothing where it is woken already."""
        if self._is_rung:
            return
        self._is_rung = True
        with suppress(RuntimeError):  # the loop has been closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._event.set)

    async def heard(self) -> None:
        """Wait until it rings."""
        await self._event.wait()
        self._event.clear()
        self._is_rung = False


@attrs.frozen
class News:
    """What a listener has not seen.

    Attributes:
        cursor: What it knows after this, to be handed back.
        numbers: Of the records that are new or changed; None when it has to look at everything anew.
        pulse: As `Pulse.since`.
        people: How many are known.
    """

    cursor: str
    numbers: list[int] | None
    pulse: list[Beat]
    people: int


class Board:
    """The journal's witness. Written by it, read by the server's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what is fed; the journal's own is held around its calls
        self._changes = Changes()
        self._people = People()
        self._pulse = Pulse()
        self._bells: set[Bell] = set()

    def see(self, request: Request) -> None:
        """Take in a record that is new, or was finished."""
        with self._lock:
            self._changes.note(request.number)
            if request.finished is None:
                is_over = request.fault == "rate-limit"
                self._pulse.note(request.arrived, is_failed=not request.is_success, is_over=is_over)
                if request.received:
                    self._people.note(request)
        self.ring()

    def lose(self, number: int) -> None:
        """Forget a record."""
        with self._lock:
            self._changes.lose(number)

    def forget(self) -> None:
        """Forget everything; listeners will have to look at everything anew."""
        with self._lock:
            self._changes.forget()
            self._people.forget()
            self._pulse = Pulse()
        self.ring()

    def ring(self) -> None:
        """Wake all listeners."""
        for bell in tuple(self._bells):
            bell.ring()

    @contextmanager
    def listening(self) -> Iterator[Bell]:
        """Have a bell of one's own.

        Raises:
            TooManyListenersError: There are too many.
        """
        if len(self._bells) >= MAX_LISTENERS:
            raise TooManyListenersError
        bell = Bell()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._bells)

    def news(self, cursor: str, second: int, limit: int) -> News:
        """Return what somebody has not seen.

        Args:
            cursor: What he knows, as an earlier answer said; any other text knows nothing of this epoch.
            second: Of the pulse, from which on it is wanted.
            limit: At most so many records at once.
        """
        with self._lock:
            epoch, _, revision = cursor.partition("-")
            is_known = epoch == self._changes.epoch and revision.isdecimal() and len(revision) < 20
            found = self._changes.since(int(revision), limit) if is_known else None
            numbers, reached = found or (None, self._changes.revision)
            return News(
                f"{self._changes.epoch}-{reached}", numbers, self._pulse.since(second), people=len(self._people)
            )

    def search(self, text: str, limit: int) -> tuple[list[Person], int]:
        """Look for people, as `People.search`."""
        with self._lock:
            return self._people.search(text, limit)

    def person(self, number: int) -> Person | None:
        """Return somebody by number; None if nobody has it."""
        with self._lock:
            return self._people.get(number)

    def subject(self, body: dict[str, Any] | None) -> Person | None:
        """Return whom a body is about; None if nobody of that identifier is known."""
        with self._lock:
            return self._people.find(body)
