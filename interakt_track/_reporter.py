"""Failure reports: `on_error`, called once per message in a thread of its own, so that it never stops sending."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic

from ._threads import as_own_thread, is_own_thread, start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._errors import QueueMessage, TrackError
    from ._logs import Quiet
    from ._settings import OnError

LINGER = 5.0  # seconds the thread stays for the next report


class Report:
    """One failure to tell, and what to do once it has been told."""

    __slots__ = ("confirm", "error", "queue_msg")

    def __init__(self, error: TrackError, queue_msg: QueueMessage, confirm: Callable[[], None]) -> None:
        self.error = error
        self.queue_msg = queue_msg
        self.confirm = confirm


class Announced:
    """In a block of it a thread ends a message that is lost, and is about to report it: `drain` waits for that.

    Attributes:
        count: How many threads are in one.
    """

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.count = 0

    def __enter__(self) -> None:
        with self._changed:
            self.count += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._changed:
            self.count -= 1
            self._changed.notify_all()


class Reporter:
    """Tells the application's `on_error` and the log about messages that were not delivered.

    Args:
        is_needed: Whether there may be something to report; the thread stays as long, for at exit none can be started.
        quiet: What the log is told through.

    Attributes:
        announced: Whose block a thread is in that is about to report.
    """

    def __init__(self, is_needed: Callable[[], bool], quiet: Quiet) -> None:
        self._is_needed = is_needed
        self.on_error: OnError | None = None
        self.is_telling = False  # whether `on_error` runs in any thread; read without the lock
        self._quiet = quiet
        self._lock = threading.RLock()  # guards all below
        self._changed = threading.Condition(self._lock)
        self._waiting: deque[Report] = deque()
        self._has_thread = False
        self._running = 0
        self.announced = Announced(self._changed)
        self._in_callback: set[int] = set()  # idents of threads; as in `_threads`, not a `threading.local`

    def is_in_callback(self) -> bool:
        """Tell whether the calling thread is inside `on_error`: what it queues and loses is logged, not reported."""
        return threading.get_ident() in self._in_callback

    def report(self, error: TrackError, queue_msg: QueueMessage, confirm: Callable[[], None]) -> None:
        """Report a failure once, without waiting for it.

        Args:
            error: What happened.
            queue_msg: What would have been sent.
            confirm: Called when the report is over, also when it raised.
        """
        if self.on_error is None:
            confirm()
            return
        with self._lock:
            self._waiting.append(Report(error, queue_msg, confirm))
            self._changed.notify_all()
        self.prepare()

    def prepare(self) -> None:
        """Have a thread where one is wanted; called when sending begins, as at exit it may be too late to start one."""
        with self._lock:
            if self._has_thread or self.on_error is None:
                return
            self._has_thread = True
        if not start_thread("on-error", self._run):
            with self._lock:
                self._has_thread = False

    def forget(self) -> None:
        """Leave what was not told yet to the parent; called in a forked child, without the lock."""
        self._waiting.clear()

    def log(self, error: TrackError, what: str) -> None:
        """Log a failure: one line a minute per kind of error.

        Args:
            error: What happened.
            what: Which message, without personal data.
        """
        self._quiet.warn(type(error).__name__, f"{what} was not delivered: {error}")

    def drain(self, deadline: float) -> bool:
        """Wait until everything lost so far has been told; tell it here where no thread does.

        Args:
            deadline: When to stop, in `time.monotonic()` seconds.

        Returns:
            Whether all has been told.
        """
        if is_own_thread():
            return False
        with self._lock:
            while self._waiting or self._running or self.announced.count:
                left = deadline - monotonic()
                if self._waiting and not self._has_thread:
                    with as_own_thread():
                        self._tell_next()
                elif left <= 0:
                    return False
                else:
                    self._changed.wait(left)
        return True

    def _run(self) -> None:
        with self._lock:
            try:
                while self._waiting or self._changed.wait(LINGER) or self._ask_whether_needed():
                    while self._waiting:
                        self._tell_next()
            finally:
                self._has_thread = False

    def _ask_whether_needed(self) -> bool:
        """Ask without the lock: who asks for this thread may hold the one that the answer takes."""
        self._lock.release()
        try:
            is_needed = self._is_needed()
        finally:
            self._lock.acquire()
        return is_needed or bool(self._waiting)

    def _tell_next(self) -> None:
        """Tell the first report; called with the lock held, which is released while the application's code runs."""
        report = self._waiting.popleft()
        self._running += 1
        self.is_telling = True
        self._lock.release()
        try:
            self._tell(report)
        finally:
            self._lock.acquire()
            self._running -= 1
            self.is_telling = self._running > 0
            self._changed.notify_all()

    def _tell(self, report: Report) -> None:
        on_error = self.on_error
        ident = threading.get_ident()
        self._in_callback.add(ident)
        try:
            if on_error is not None:
                on_error(report.error, report.queue_msg)
        except BaseException:  # noqa: BLE001 - not even its sys.exit() may end the thread; it is logged
            self._quiet.warn("on_error", "on_error raised; sending goes on", is_error=True, exc_info=True)
        finally:
            self._in_callback.discard(ident)
            report.confirm()
