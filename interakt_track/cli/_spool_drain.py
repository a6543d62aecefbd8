"""The command `spool drain`: send until nothing waits, for a deploy or a cron job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, Progress, TextColumn

from interakt_track import Client

from ._command_line import counted, host_option, max_workers_option, options, rate_limit_option, write_key
from ._screen import open_console, printable, say
from ._spool_options import opened, span, spool_option, waiting_for_others
from ._watching import LEAVE, LINE_INTERVAL, Pace, log_shown, stopped_by_signals

if TYPE_CHECKING:
    import threading
    from collections import deque

    from rich.console import Console

    from interakt_track import SpoolFile, SpoolStatus

LOOK = 0.25  # seconds between two looks into the file
LOOK_SHARE = 10  # and this often as long as a look takes: counting a million messages is some work
DAY = 86_400.0

EXAMPLES = """\b
Examples:
  INTERAKT_WRITE_KEY=... interakt-track spool drain --spool track.db
  interakt-track spool drain --rate-limit growth
  interakt-track spool drain --timeout 600 || echo "not all of it is sent"

\b
The key is taken from the environment's INTERAKT_WRITE_KEY, or asked for.
"""


@click.command(epilog=EXAMPLES)
@options(
    spool_option,
    host_option,
    rate_limit_option(),
    max_workers_option,
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="How long it may take; without it, as long as it takes.",
    ),
    click.option(
        "--retention",
        metavar="DAYS",
        default=30.0,
        show_default=True,
        type=click.FloatRange(min=0, min_open=True, max=365),
        help="How long failed messages are kept; older ones are removed.",
    ),
)
@click.pass_context
def drain(
    ctx: click.Context,
    *,
    spool: str | None,
    host: str | None,
    rate_limit: Any,
    max_workers: int,
    timeout: float | None,
    retention: float,
) -> None:
    """Send what waits in the file until nothing does.

    Messages of other hosts and keys are left alone. Where another process sends from the file, this one watches, and
    takes over should that one end. Ctrl-C ends it; what is not sent stays in the file.

    Status 0 means that nothing waits and nothing failed meanwhile; 1, that something did; 2, that it could not begin.
    """
    console = open_console()
    with opened(spool) as file:
        key = write_key()
        begun = file.status(write_key=key, host=host)
        if begun.own is None or not begun.own.waiting:
            say(console, "Nothing waits under this key.")
            _note_strangers(console, begun)
            return
        if begun.is_held:
            say(console, "Another process sends from the file; this one watches, and takes over if that one ends.")
        with (
            log_shown(console) as log,
            Client(
                write_key=key,
                host=host,
                spool=file.path,
                rate_limit=rate_limit,
                max_workers=max_workers,
                shutdown_timeout=LEAVE,
                spool_retention=retention * DAY,
            ),
            stopped_by_signals() as stop,
        ):
            course = _watch(console, _Course(file, begun, key, host), stop, timeout=timeout, log=log)
        course.look()
    _sum_up(console, course, is_stopped=stop.is_set())
    if course.waiting or course.failed:
        ctx.exit(1)


class _Course:
    """How far it is."""

    def __init__(self, file: SpoolFile, begun: SpoolStatus, key: str, host: str | None) -> None:
        self._file = file
        self._begun = begun
        self._key = key
        self._host = host
        self._pace = Pace()
        self.started = time.monotonic()
        self.sent = self.failed = 0
        self.waiting = 0
        self.took = 0.0
        self.look()

    def look(self) -> None:
        """Look into the file; what others send, call and fail with counts, too."""
        begun, now = self._begun, time.monotonic()
        found = self._file.status(write_key=self._key, host=self._host)
        self.took = time.monotonic() - now
        self.found = found
        self.waiting = 0 if found.own is None else found.own.waiting
        self.failed = found.given_up - begun.given_up
        called = found.last_id - begun.last_id
        self.sent = max(self.sent, begun.waiting + called - found.waiting - self.failed)
        self._pace.note(self.sent)

    def __str__(self) -> str:
        per_minute = self._pace.per_minute
        pace = f", {per_minute:,.0f} a minute" if per_minute else ""
        left = f", {span(self.waiting * 60 / per_minute)} left" if per_minute and self.waiting else ""
        return f"{self.sent:,} sent, {self.failed:,} failed{pace}{left}"


def _watch(
    console: Console, course: _Course, stop: threading.Event, *, timeout: float | None, log: deque[str]
) -> _Course:
    """Show how far it is until it is over, stopped, or its time is up."""
    columns = (BarColumn(bar_width=24), TextColumn("{task.description}"))
    deadline = None if timeout is None else course.started + timeout
    next_line = course.started
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("")
        while True:
            while log:
                say(console, log.popleft(), style="yellow")
            total = course.sent + course.failed + course.waiting
            progress.update(task, completed=total - course.waiting, total=total, description=str(course))
            if not course.waiting or stop.is_set() or (deadline is not None and time.monotonic() >= deadline):
                return course
            if not console.is_terminal and time.monotonic() >= next_line:
                next_line = time.monotonic() + LINE_INTERVAL
                say(console, f"{course}; {counted(course.waiting)} waiting")
            stop.wait(max(LOOK, course.took * LOOK_SHARE))
            course.look()


def _sum_up(console: Console, course: _Course, *, is_stopped: bool) -> None:
    took = span(time.monotonic() - course.started)
    say(console, f"{counted(course.sent)} sent in {took}, {course.failed:,} failed.")
    if course.failed:
        say(console, "`interakt-track spool failed` shows why they failed.", style="yellow")
    if course.waiting:
        why = "Stopped" if is_stopped else "The time is up"
        say(
            console,
            f"{why}: {counted(course.waiting)} waiting, safe in {printable(course.found.path)}; run it again to go on.",
            style="yellow",
        )
    else:
        say(console, "Nothing waits under this key any more.", style="green")
    _note_strangers(console, course.found)


def _note_strangers(console: Console, found: SpoolStatus) -> None:
    others = waiting_for_others(found)
    if others:
        say(
            console,
            f"{counted(others)} of another key or host left alone; see `interakt-track spool adopt`.",
            style="yellow",
        )
