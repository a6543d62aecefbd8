"""Those who wait for messages: `flush`, `wait`, and threads that help out."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FOREVER = float("inf")


class Waiters:
    """Lets threads wait until something is settled; each is woken when what it waits for is there, and costs no more.

    Args:
        lock: The queue's lock, released while a thread waits.
        clock: The queue's clock.
    """

    def __init__(self, lock: threading.RLock, clock: Callable[[], float]) -> None:
        self._lock = lock
        self._clock = clock
        self._waiting: list[tuple[Callable[[], bool], threading.Condition]] = []
        self._changes = 0
        self._changed_at = float("-inf")

    def tell(self) -> None:
        """Wake those for whom a change was enough; called with the lock held.

        They do not look for themselves: a flush would wake at each message, and only to wait again.
        """
        self._changes += 1
        if not self._waiting:
            return
        self._changed_at = self._clock()
        for is_over, woken in tuple(self._waiting):
            if is_over():
                woken.notify()

    def has_any(self) -> bool:
        """Tell whether somebody waits."""
        return bool(self._waiting)

    def pause(self, seconds: float) -> None:
        """Wait until something is settled, for so many seconds at most; called with the lock held."""
        self._wait(lambda: True, seconds)

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
        """Wait until `is_over`.

        Args:
            is_over: What to wait for; called with the lock held, by other threads too.
            deadline: When to stop, by the queue's clock.
            patience: Stop after so many seconds in which nothing was settled.

        Returns:
            Whether it is over.
        """
        with self._lock:
            since = self._clock()
            while not is_over():
                left = min(deadline, max(since, self._changed_at) + patience) - self._clock()
                if left <= 0:
                    return False
                self._wait(is_over, left)
            return True

    def _wait(self, is_over: Callable[[], bool], seconds: float) -> None:
        waiter = (is_over, threading.Condition(self._lock))
        self._waiting.append(waiter)
        try:
            waiter[1].wait(min(seconds, threading.TIMEOUT_MAX))
        finally:
            self._waiting.remove(waiter)
