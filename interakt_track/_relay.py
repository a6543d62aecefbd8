"""Whose turn it is to send, where messages of several accounts wait in one spool and no process has all their keys."""

from __future__ import annotations

from time import monotonic

from ._account import ACCOUNTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._access import Access
    from ._journal import Journal

TURN = 10.0  # seconds for which a process sends while messages wait that it has no key for
PAUSE = 2.0  # seconds it then leaves the lease to others; each of them looks once a second
MIN_INTERVAL = 1.0  # seconds between two looks at whose messages wait
LOOK_SHARE = 100  # and so many times what one look takes: it may pass by all that is in the file


class Relay:
    """Takes the lease for who can send, and gives it up for others; the spool guards it with its lock.

    Args:
        access: To the file.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._since = 0.0
        self._next_look = 0.0
        self._next_take = 0.0

    def begin(self) -> None:
        """Note that the lease was taken."""
        self._since = monotonic()
        self._next_look = 0.0

    def end(self) -> None:
        """Note that it was given up for others."""
        self._next_take = monotonic() + PAUSE

    def may_take(self, journal: Journal) -> bool:
        """Tell whether this process may take the lease: for messages that it can send, or where none wait."""
        now = monotonic()
        if now < self._next_take:
            return False
        if journal.waits_for(ACCOUNTS.known()):
            return True
        self._next_take = _next(now)
        return False

    def is_over(self, journal: Journal, known: Sequence[int], *, is_done: bool) -> bool:
        """Tell whether the lease is to be given up: messages wait for others, and others are there.

        Args:
            journal: The file's.
            known: The accounts that this process sends for, as the file numbers them.
            is_done: Whether none of their messages waits; else the turn ends after a while.
        """
        now = monotonic()
        if now < self._next_look or not (is_done or now - self._since >= TURN):
            return False
        has_strangers, _ = journal.find_strangers(known)
        self._next_look = _next(now)
        return has_strangers and self._access.has_company()


def _next(began: float) -> float:
    now = monotonic()
    return now + max(MIN_INTERVAL, LOOK_SHARE * (now - began))
