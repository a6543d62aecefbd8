"""The thread that looks after a spool: when it sleeps, and what wakes it."""

from __future__ import annotations

from time import monotonic

from . import _lifecycle
from ._threads import start_thread
from ._waiters import Bell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._logs import Quiet
    from ._queue import Queue

MAX_GATHERING = 0.1  # seconds, at most, in which calls gather before their messages are read
REST = 1.0  # seconds after a defect


class Attendant:
    """Lets `step` run whenever there may be something to do.

    Args:
        step: Does what there is to do, at once where it is told of a hurry; returns the seconds until there may be
            more.
        has_news: Whether something was called since the last step; called with the queue's lock held, too.
        is_wanted: Whether there is something else to do; as above.
        queue: Whose room is waited for.
        quiet: What the log is told through.

    Attributes:
        is_asleep: Whether the next call has to wake the thread; read without a lock.
        gathering: Seconds for which calls may gather before their messages are read.
    """

    def __init__(
        self,
        step: Callable[[bool], float],
        has_news: Callable[[], bool],
        is_wanted: Callable[[], bool],
        queue: Queue,
        quiet: Quiet,
    ) -> None:
        self.is_asleep = False
        self.gathering = 0.0
        self._step = step
        self._has_news = has_news
        self._is_wanted = is_wanted
        self._queue = queue
        self._quiet = quiet
        self._is_called = False
        self._is_hurried = False
        self._is_dismissed = False
        self._is_running = False
        self._bell = Bell()
        queue.room.add(lambda: self.is_asleep and (has_news() or is_wanted()), self._bell)

    def start(self) -> None:
        """Have the thread run, where one can be started."""
        self._is_dismissed = False
        if not self._is_running:
            self._is_running = True
            _lifecycle.watch_exit()
            self._is_running = start_thread("spool", self._run)

    def is_running(self) -> bool:
        """Tell whether there is a thread."""
        return self._is_running

    def call(self) -> None:
        """Wake the thread, which lets others call, too, before it does something."""
        self.is_asleep = False
        self._is_called = True
        self._bell.notify()

    def hurry(self) -> None:
        """Wake the thread to do something at once."""
        self._is_hurried = True
        self._bell.notify()

    def dismiss(self) -> None:
        """Let the thread end."""
        self._is_dismissed = True
        self._bell.notify()

    def _run(self) -> None:
        try:
            while not self._is_dismissed and not self._queue.is_inherited:
                is_hurried, self._is_hurried = self._is_hurried, False
                try:
                    seconds = self._step(is_hurried)
                except Exception:  # noqa: BLE001 - a defect of ours may cost a second, told, and not the thread
                    self._quiet.warn("defect", "reading the spool failed unexpectedly", is_error=True, exc_info=True)
                    seconds = REST
                self._sleep(seconds)
        finally:
            self._is_running = False
        if not self._is_dismissed:
            self.start()  # it was dismissed, and asked for again before it had ended

    def _sleep(self, seconds: float) -> None:
        self._is_called = False
        self.is_asleep = True
        self._wait(lambda: self._is_urgent() or self._is_called_for() or self._is_wanted(), seconds)
        self.is_asleep = False
        if self._is_called_for():
            # The first of many calls wakes it, and it reads them together: else it would read while they are made.
            self._wait(self._is_urgent, self.gathering)

    def _wait(self, is_over: Callable[[], bool], seconds: float) -> None:
        deadline = monotonic() + seconds
        while not is_over() and (left := deadline - monotonic()) > 0:
            self._bell.wait(left)

    def _is_called_for(self) -> bool:
        """Tell whether a call was made; one that came between the last step and the mark above has woken nobody."""
        return self._is_called or self._has_news()

    def _is_urgent(self) -> bool:
        return self._is_dismissed or self._is_hurried or self._queue.is_inherited
