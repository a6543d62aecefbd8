"""Those who wait for messages: `flush`, `wait`, and threads that help out."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FOREVER = float("inf")


class Waiters:
    """Lets threads wait until something is settled, and costs nothing while none does.

    Args:
        lock: The queue's lock, released while a thread waits.
        clock: The queue's clock.
    """

    def __init__(self, lock: threading.RLock, clock: Callable[[], float]) -> None:
        self._lock = lock
        self._clock = clock
        self._changed = threading.Condition(lock)
        self._count = 0
        self._changes = 0

    def tell(self) -> None:
        """Let those who wait look again; called with the lock held."""
        self._changes += 1
        if self._count:
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait until something is settled, for so many seconds at most; called with the lock held."""
        self._count += 1
        try:
            self._changed.wait(min(seconds, threading.TIMEOUT_MAX))
        finally:
            self._count -= 1

    def watch_progress(self, patience: float) -> Callable[[], bool]:
        """Return a function that tells whether nothing was settled for `patience` seconds."""
        seen = (self._changes, self._clock())

        def is_stuck() -> bool:
            nonlocal seen
            if seen[0] != self._changes:
                seen = (self._changes, self._clock())
            return self._clock() - seen[1] >= patience

        return is_stuck

    def wait_until(self, is_over: Callable[[], bool], *, deadline: float, patience: float = FOREVER) -> bool:
        """Wait until `is_over`, looking again after each settlement.

        Args:
            is_over: What to wait for.
            deadline: When to stop, by the queue's clock.
            patience: Stop after so many seconds in which nothing was settled.

        Returns:
            Whether it is over.
        """
        with self._lock:
            changes, since = self._changes, self._clock()
            while not is_over():
                now = self._clock()
                if self._changes != changes:
                    changes, since = self._changes, now
                left = min(deadline, since + patience) - now
                if left <= 0:
                    return False
                self.pause(left)
            return True
