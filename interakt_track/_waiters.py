"""Those who wait for messages: `flush`, `wait`, and threads that help out."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Wakes(Protocol):
        """What wakes somebody."""

        def notify(self) -> None:
            """Wake whoever waits for it."""


FOREVER = float("inf")
LOOK_APART = 0.005  # seconds between two looks at a file: hundreds of messages may be settled a second


class Bell:
    """Wakes the one thread that waits for it, and takes no lock to do so.

    So a signal handler's call may ring it, whatever locks its thread or another one holds.
    """

    def __init__(self) -> None:
        self._silence = threading.Lock()  # around nothing: whoever rings lets go of it
        self._silence.acquire()

    def notify(self) -> None:
        """Ring; where nobody waits, the next wait ends at once."""
        try:
            self._silence.release()
        except RuntimeError:  # it rings already
            return

    def wait(self, seconds: float) -> None:
        """Wait until it rings, for so many seconds at most."""
        self._silence.acquire(timeout=min(max(seconds, 0.0), threading.TIMEOUT_MAX))


class Waiters:
    """Lets threads wait until something is settled; each is woken when what it waits for is there, and costs no more.

    Args:
        lock: The queue's lock, released while a thread waits.
        clock: The queue's clock.
    """

    def __init__(self, lock: threading.RLock, clock: Callable[[], float]) -> None:
        self._lock = lock
        self._clock = clock
        self._waiting: list[tuple[Callable[[], bool], Wakes]] = []
        self.changes = 0  # how often something has changed; read without the lock
        self._changed_at = float("-inf")

    def tell(self) -> None:
        """Wake those for whom a change was enough; called with the lock held.

        They do not look for themselves: a flush would wake at each message, and only to wait again.
        """
        self.changes += 1
        if not self._waiting:
            return
        self._changed_at = self._clock()
        for is_over, woken in tuple(self._waiting):
            if is_over():
                woken.notify()

    def has_any(self) -> bool:
        """Tell whether somebody waits."""
        return bool(self._waiting)

    def add(self, is_over: Callable[[], bool], woken: Wakes) -> None:
        """Have something woken at each change after which `is_over`, for ever; that is called with the lock held."""
        self._waiting.append((is_over, woken))

    def pause(self, seconds: float, *, since: int) -> None:
        """Wait until there are more than so many changes, for so many seconds at most; called with the lock held."""
        if self.changes == since:
            self._wait(lambda: True, seconds)

    def watch_progress(self, patience: float) -> Callable[[], bool]:
        """Return a function that tells whether nothing was settled for `patience` seconds."""
        seen = (self.changes, self._clock())

        def is_stuck() -> bool:
            nonlocal seen
            if seen[0] != self.changes:
                seen = (self.changes, self._clock())
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

    def look_until(self, is_over: Callable[[], bool], *, deadline: float, patience: float = FOREVER) -> bool:
        """Wait as `wait_until` does for what a file has to be asked about.

        That may take long, or wait for other locks: this thread does it itself, and without the lock.
        """
        since = self._clock()
        next_look = since
        changed = threading.Condition(self._lock)
        waiter = (lambda: self._clock() >= next_look, changed)
        with self._lock:
            self._waiting.append(waiter)
        try:
            while True:
                changes, next_look = self.changes, self._clock() + LOOK_APART
                if is_over():
                    return True
                with self._lock:
                    while (rest := next_look - self._clock()) > 0 or changes == self.changes:
                        left = min(deadline, max(since, self._changed_at) + patience) - self._clock()
                        if left <= 0:
                            return False
                        changed.wait(min(left, rest if rest > 0 else threading.TIMEOUT_MAX))
        finally:
            with self._lock:
                self._waiting.remove(waiter)

    def _wait(self, is_over: Callable[[], bool], seconds: float) -> None:
        waiter = (is_over, threading.Condition(self._lock))
        self._waiting.append(waiter)
        try:
            waiter[1].wait(min(seconds, threading.TIMEOUT_MAX))
        finally:
            self._waiting.remove(waiter)
