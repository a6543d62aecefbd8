"""Sending an import: rows are handed to its spool, and a client sends from there, until it is over or stopped."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn

from interakt_track import Client, SpoolError
from interakt_track.importing import ImportFileError

from ._screen import printable, say
from ._spool_options import span
from ._watching import LINE_INTERVAL, Pace

if TYPE_CHECKING:
    import threading
    from collections import deque

    from rich.console import Console

    from interakt_track import SpoolFile
    from interakt_track.importing import Feeder, State

LOOK = 0.25  # seconds between two looks into the spool
STALLED = 3.0  # seconds without a delivery after which the API is asked whether it takes the key
ASK_AGAIN = 15.0  # seconds between two such questions
FEED_AGAIN = 5.0  # seconds until a spool that took nothing is tried again
KEY_REFUSED = (401, 403)


class Course:
    """How far an import is.

    Args:
        spool: Of the import.
        state: Of the import.
        feeder: What hands rows over to the spool.
        client: What sends from it.
        limit: Requests a minute.

    Attributes:
        refused_with: The status with which the API refuses the key; None when it does not, or is not reached.
        problem: Why no rows can be handed over for now.
        broken: Why the import cannot go on.
    """

    def __init__(self, spool: SpoolFile, state: State, feeder: Feeder, client: Client, limit: int) -> None:
        self._spool = spool
        self._state = state
        self._feeder = feeder
        self._client = client
        self._limit = limit
        self._pace = Pace()
        self._stalled_since = time.monotonic()
        self._asked_at = 0.0
        self._feed_at = 0.0
        self._is_reached = True
        self.refused_with: int | None = None
        self.problem = ""
        self.broken = ""
        self.sent = self.refused = self.waiting = 0

    def look(self) -> None:
        """Look into the spool."""
        try:
            found = self._spool.status()
        except SpoolError as error:
            self.broken = str(error)
            return
        sent = self._state.handed - found.waiting - found.failed
        if (sent, found.failed) != (self.sent, self.refused):
            self._stalled_since = time.monotonic()
            self._is_reached = True
        self.sent, self.refused, self.waiting = sent, found.failed, found.waiting
        self._pace.note(sent + found.failed)

    def step(self) -> None:
        """Hand over what there is room for, and find out why nothing is sent."""
        now = time.monotonic()
        if now >= self._feed_at:
            self._feed(now)
        if self.waiting and now - self._stalled_since >= STALLED and now - self._asked_at >= ASK_AGAIN:
            self._asked_at = now
            status = ask(self._client)
            self._is_reached = status is not None
            self.refused_with = status if status in KEY_REFUSED else None

    @property
    def is_over(self) -> bool:
        """Whether all of it was delivered or refused."""
        return not self.broken and not self.waiting and not self._feeder.has_more()

    @property
    def has_to_stop(self) -> bool:
        """Whether it cannot go on."""
        return self.refused_with is not None or bool(self.broken)

    @property
    def left(self) -> int:
        """How many rows are neither delivered nor refused."""
        return self._state.fine - self.sent - self.refused

    def __str__(self) -> str:
        pace = self._pace.per_minute
        lasting = pace if self._pace.is_whole else min(pace, self._limit)
        speed = f", {pace:,.0f} a minute, {span(self.left * 60 / lasting)} left" if pace else ""
        trouble = "" if self._is_reached else "; the API is not reached, it is tried again"
        stuck = f"; {self.problem}" if self.problem else ""
        return f"{self.sent:,} of {self._state.fine:,} sent, {self.refused:,} refused{speed}{trouble}{stuck}"

    def _feed(self, now: float) -> None:
        try:
            problem = self._client.stats().spool_problem
            if problem is None:
                self._feeder.feed(self.waiting)
                self.problem = ""
                return
        except (SpoolError, OSError) as error:
            problem = str(error)
        except ImportFileError as error:
            self.broken = str(error)
            return
        self.problem = f"no more rows are handed over: {problem}"
        self._feed_at = now + FEED_AGAIN


def watch(console: Console, course: Course, stop: threading.Event, log: deque[str], *, is_quiet: bool) -> None:
    """Show how far it is until it is over, stopped, or cannot go on.

    Args:
        console: The screen.
        course: Of the import.
        stop: Set by who stops it.
        log: What the client has to say.
        is_quiet: Whether nothing is shown, for programs.
    """
    columns = (BarColumn(bar_width=24), TextColumn("{task.description}"))
    next_line = time.monotonic() + LINE_INTERVAL
    is_shown = console.is_terminal and not is_quiet
    with Progress(*columns, console=console, transient=True, disable=not is_shown) as progress:
        task = progress.add_task("")
        while True:
            course.look()
            if stop.is_set() or course.is_over or course.has_to_stop:
                return
            course.step()
            while log and not is_quiet:
                say(console, log.popleft(), style="yellow")
            total = course.sent + course.refused + course.left
            progress.update(
                task, completed=total - course.left, total=total, description=printable(str(course), at_most=300)
            )
            if not console.is_terminal and not is_quiet and time.monotonic() >= next_line:
                next_line = time.monotonic() + LINE_INTERVAL
                say(console, str(course))
            stop.wait(LOOK)


def ask(client: Client) -> int | None:
    """Make the request that creates nobody, and return its answer's status; None where there is none."""
    path = Client(enabled=False).event("nobody", "nothing").message["path"]
    with suppress(Exception), client.api_client().get_httpx_client() as http:
        status: int = http.post(path, json={}).status_code
        return status
    return None
