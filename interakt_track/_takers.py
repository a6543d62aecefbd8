"""The threads that wait for work: one of them minds the time, the others are spare."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LINGER = 5.0  # seconds a thread with nothing to do stays, with its connection


class Takers:
    """Lets one thread wait for the next due moment, so that it wakes one thread and not all of them.

    Every method is called with the lock held.

    Args:
        lock: The queue's lock, released while a thread waits.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self.is_watched = False
        self._watch = threading.Condition(lock)
        self._spare = threading.Condition(lock)
        self._is_woken = False
        self._spares = 0
        self._watches_until = float("inf")

    def wait(self, seconds: float, now: float, may_sleep: Callable[[], bool]) -> None:
        """Wait as the one that minds the time, or as a spare one where another does.

        Args:
            seconds: Until the next due moment.
            now: The time that is counted from.
            may_sleep: Asked once the thread can be woken: false when something came in between.
        """
        if self.is_watched:
            if now + seconds < self._watches_until:
                self.wake_watch()
            self._spares += 1
            self._spare.wait(LINGER)
            self._spares -= 1
            return
        self.is_watched = True
        self._is_woken = False
        self._watches_until = now + seconds
        if may_sleep():
            self._watch.wait(min(seconds, LINGER))
        self.is_watched = False

    def wake_watch(self) -> bool:
        """Wake the thread that minds the time; False when there is none, or it is on its way already."""
        if not self.is_watched or self._is_woken:
            return False
        self._is_woken = True
        self._watch.notify()
        return True

    def wake_another(self) -> bool:
        """See to it that another thread looks for work; False when none waits."""
        if self.is_watched:
            self.wake_watch()
            return True
        if self._spares:
            self._spare.notify()
            return True
        return False

    def wake_all(self) -> None:
        """Let all look again whether to stay."""
        self._watch.notify_all()
        self._spare.notify_all()
