"""What watches something long that sends: its pace, the signals that end it, and the log where no bar hides it."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._screen import printable, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from rich.console import Console

LINE_INTERVAL = 10.0  # seconds between two lines where no bar can move
LEAVE = 5.0  # seconds for what is in flight
WINDOW = 60.0  # seconds over which the rate is taken
MAX_LOG_LENGTH = 1000  # of a line; it may hold what a server said


class Pace:
    """How many messages are sent in a minute, by those of the last one."""

    def __init__(self) -> None:
        self._sent_at: deque[tuple[float, int]] = deque()

    def note(self, sent: int) -> None:
        """Note how many were sent until now."""
        now = time.monotonic()
        self._sent_at.append((now, sent))
        while now - self._sent_at[0][0] > WINDOW:
            self._sent_at.popleft()

    @property
    def is_whole(self) -> bool:
        """Whether it is that of a whole minute; a shorter time is mostly the burst that an allowance begins with."""
        return self._sent_at[-1][0] - self._sent_at[0][0] > WINDOW - 1

    @property
    def per_minute(self) -> float:
        """The pace; 0 as long as it is not known."""
        (first, before), (last, now) = self._sent_at[0], self._sent_at[-1]
        return (now - before) * 60 / (last - first) if last > first else 0.0


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Give what Ctrl-C, or a SIGTERM as deploys send it, sets; a second one interrupts."""
    stop = threading.Event()

    def note(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        stop.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def log_shown(console: Console) -> Iterator[deque[str]]:
    """Collect what the SDK would log, to be shown where the bar does not overwrite it."""
    lines: deque[str] = deque()

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(printable(record.getMessage(), at_most=MAX_LOG_LENGTH))

    handler = Collect(logging.WARNING)
    logger = logging.getLogger("interakt_track")
    logger.addHandler(logging.NullHandler())  # what is told when the process ends has been counted here
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        for line in lines:
            say(console, line, style="yellow")
