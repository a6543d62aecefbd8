"""Whose turn it is to send, where messages of several accounts wait in one spool and no process has all their keys."""

from __future__ import annotations

from time import monotonic

from ._account import ACCOUNTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._access import Access
    from ._journal import Journal
    from ._queue import Queue
    from ._reader import Reader

TURN = 10.0  # seconds for which a process sends while messages wait that it has no key for
PAUSE = 2.0  # seconds it then leaves the lease to others; each of them looks once a second
LOOK_AGAIN = 0.1  # seconds between two looks at what is in flight
MIN_INTERVAL = 1.0  # seconds between two looks at whose messages wait
LOOK_SHARE = 100  # and so many times what one look takes: it may pass by all that is in the file


class Relay:
    """Takes the lease for who can send, and gives it up for others; the spool guards it with its lock.

    Args:
        access: To the file.
        reader: What has taken messages into memory.
        queue: The client's.

    Attributes:
        is_giving_up: Whether the lease is for others as soon as nothing is in flight.
    """

    def __init__(self, access: Access, reader: Reader, queue: Queue) -> None:
        self.is_giving_up = False
        self._access = access
        self._reader = reader
        self._queue = queue
        self._since = 0.0
        self._next_look = 0.0
        self._next_take = 0.0

    def is_sending(self) -> bool:
        """Tell whether this process sends; read without the lock."""
        return not self.is_giving_up and self._access.has_lease()

    def has_work(self, journal: Journal) -> bool:
        """Tell whether messages wait that this process can send, or none at all."""
        return journal.waits_for(ACCOUNTS.known())

    def may_take(self, journal: Journal) -> bool:
        """Tell whether this process may take the lease: for messages that it can send, or where none wait."""
        now = monotonic()
        if now < self._next_take:
            return False
        if self.has_work(journal):
            self._since = now
            return True
        self._next_take = _next(now)
        return False

    def is_over(self, journal: Journal) -> bool:
        """Tell whether the lease is to be given up: messages wait for others, and others are there.

        While messages wait that this process can send, its turn lasts a while.
        """
        now = monotonic()
        if now < self._next_look or not (now - self._since >= TURN or self._reader.has_sent_all(journal)):
            return False
        has_strangers, _ = journal.find_strangers(self._reader.numbers())
        self._next_look = _next(now)
        return has_strangers and self._access.has_company()

    def give_up(self) -> float:
        """Leave to the file what is in memory, and let others have the lease once nothing is in flight.

        Returns:
            Seconds until there is more to do.
        """
        self.is_giving_up = True
        self._queue.release()
        if any(message.record is not None for message in self._queue.messages_in_flight()):
            return LOOK_AGAIN
        self._queue.release()  # what waited behind it
        self._reader.begin()
        self._access.give_up_lease()
        self._queue.is_releasing = self.is_giving_up = False
        self._next_take = monotonic() + PAUSE
        return MIN_INTERVAL


def _next(began: float) -> float:
    now = monotonic()
    return now + max(MIN_INTERVAL, LOOK_SHARE * (now - began))
