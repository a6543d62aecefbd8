"""The threads that wait for work: one of them minds the time, the others are spare; and when a caller wakes one."""

from __future__ import annotations

import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._inbox import Inbox

LINGER = 5.0  # seconds a thread with nothing to do stays, with its connection
STARTS_NO_THREAD_AT_EXIT = sys.version_info >= (3, 12)


class Takers:
    """Lets one thread wait for the next due moment, so that it wakes one thread and not all of them.

    Every method is called with the lock held.

    Args:
        lock: The queue's lock, released while a thread waits.
        inbox: What callers append to.

    Attributes:
        wake_at: At which length of the inbox a caller has to nudge; read without the lock.
    """

    def __init__(self, lock: threading.RLock, inbox: Inbox) -> None:
        self.wake_at = 1
        self._inbox = inbox
        self._is_minded = False
        self._is_watched = False
        self._watch = threading.Condition(lock)
        self._spare = threading.Condition(lock)
        self._is_woken = False
        self._spares = 0
        self._watches_until = float("inf")

    def wait(self, seconds: float, now: float) -> None:
        """Wait as the one that minds the time, or as a spare one where another does.

        Args:
            seconds: Until the next due moment.
            now: The time that is counted from.
        """
        if self._is_watched:
            if now + seconds < self._watches_until:
                self._wake_watch()
            self._spares += 1
            self._spare.wait(LINGER)
            self._spares -= 1
            return
        self._is_watched = True
        self._is_woken = False
        self._watches_until = now + seconds
        if self._may_sleep():
            self._watch.wait(min(seconds, LINGER))
        self._is_watched = False

    def wake_another(self) -> bool:
        """See to it that another thread looks for work; False when none waits."""
        if self._is_watched:
            self._wake_watch()
            return True
        if self._spares:
            self._spare.notify()
            return True
        return False

    def wake_all(self) -> None:
        """Let all look again whether to stay."""
        self._watch.notify_all()
        self._spare.notify_all()

    def set_wake_at(self) -> None:
        """Say at which length of the inbox a caller has to wake somebody.

        A taker that minds the inbox's time wants to hear of a full batch only; anybody else of the first message.
        """
        length = len(self._inbox.items)
        self._is_minded = self._is_watched and length > 0
        self.wake_at = self._next_wake_at(length) if self._is_minded else 1

    def nudge(self) -> bool:
        """Wake a thread where what was queued needs one; False when one more has to be started."""
        self.wake_at = max(1, self._next_wake_at(len(self._inbox.items)))
        is_in_time = self._is_minded and self._is_watched and self._inbox.delay() > 0
        return not is_in_time and (self._wake_watch() or self._wake_spare())

    def _may_sleep(self) -> bool:
        """Say when to be woken, and tell whether no caller appended since the last look at the inbox."""
        self.set_wake_at()
        return self._inbox.has_released() or len(self._inbox.items) < self.wake_at

    def _next_wake_at(self, length: int) -> int:
        """Return at which length somebody is wanted next: each further batch may have one more thread.

        From Python 3.12 on none can be started once the program has ended, so they are wanted while the batch grows.
        """
        batch_size = self._inbox.batch_size
        if length < batch_size:
            return min(2 * length, batch_size) if STARTS_NO_THREAD_AT_EXIT else batch_size
        return length + batch_size

    def _wake_watch(self) -> bool:
        """Wake the thread that minds the time; False when there is none, or it is on its way already."""
        if not self._is_watched or self._is_woken:
            return False
        self._is_woken = True
        self._watch.notify()
        return True

    def _wake_spare(self) -> bool:
        return not self._is_watched and self.wake_another()
