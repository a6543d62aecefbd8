"""One run of an import: checked and told, asked about, sent, and summed up; the status that the program ends with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import attrs
import click

from interakt_track import Client, SpoolFile
from interakt_track.importing import Feeder

from ._command_line import CannotDoError, counted, print_json
from ._import_course import Course, watch
from ._import_report import findings_as_dict, show_findings
from ._screen import printable, say
from ._spool_options import span
from ._watching import LEAVE, log_shown, stopped_by_signals

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console

    from interakt_track.importing import Findings, Job, Rejected, State

YEAR = 31_536_000.0  # seconds: an import that was stopped may be resumed after the holidays
SOME_REJECTED, NOT_ALL_SENT = 1, 3  # the program's status
DEFAULT_RATE = 150  # half of what the smallest plan allows
SYNCED_RATE = 1200  # requests a minute; up to that each delivery survives a power cut, beyond it disks hold up sending


@attrs.frozen(kw_only=True)
class Asked:
    """How an import is to be made, beside what its columns are; as the options say."""

    host: str | None
    rate_limit: Any
    max_workers: int
    dry_run: bool
    restart: bool
    again: bool
    show: bool
    is_json: bool
    is_sure: bool


def check_only(console: Console, job: Job, how: Asked) -> int:
    """Check the file, and tell what is found; return the program's status."""
    _, found = _examined(console, job, None, how)
    if how.is_json:
        print_json({"check": findings_as_dict(found, is_shown=how.show)})
    else:
        show_findings(console, found, job.table, is_shown=how.show)
        say(console, "Nothing was sent.")
    return SOME_REJECTED if found.wrong else 0


def import_all(console: Console, job: Job, key: str, how: Asked) -> int:
    """Check the file, and send what can be sent, or go on with that; return the program's status.

    Raises:
        ImportFileError: It cannot begin.
        SpoolError: The spool beside the file cannot be used.
    """
    host = Client(host=how.host, enabled=False).settings.host
    with job.held():
        known = None if how.restart or how.again else job.known_state()
        state, found = _examined(console, job, known, how)
        if not how.is_json:
            show_findings(console, found, job.table, is_shown=how.show)
        left = state.fine
        if known is not None:
            left = state.fine - state.handed + job.place(state, write_key=key, host=host)
            _tell_resumed(console, found, how)
        if found.fine:
            _make_sure(console, left, host, how)
        if known is None:
            state.rejected = job.forget()
        state.save(job.places.state)
        rejected = _tell_wrong(console, job, state, how) if found.wrong and not state.wrong_told else None
        if not found.fine:
            job.finish(state, None)
            return _sum_up(console, found, None, rejected, how)
        course, last = _send(console, job, state, key, how)
        return _sum_up(console, found, course, last or rejected, how)


def _examined(console: Console, job: Job, known: State | None, how: Asked) -> tuple[State, Findings]:
    if how.is_json or not console.is_terminal:
        return job.examine(known)
    with console.status("checking ...") as status:
        return job.examine(known, on_rows=lambda rows: status.update(f"checking ... {counted(rows, 'row')}"))


def _make_sure(console: Console, left: int, host: str, how: Asked) -> None:
    pace = _pace(how)
    why = (
        " (half of what the smallest plan allows, so that live traffic keeps its share)" if pace == DEFAULT_RATE else ""
    )
    if not how.is_json:
        say(
            console,
            f"{counted(left, 'row')} will be sent to {host}, at most {pace} requests a minute{why}, in about "
            f"{span(left * 60 / pace)}; --rate-limit changes that.",
        )
    if how.is_sure:
        return
    question = "Events can set off WhatsApp campaigns, and then real customers get messages. Send them?"
    if not is_somebody_there():
        raise CannotDoError(f"{question} Nobody can be asked here: --yes says so")
    if not click.confirm(question, err=True):
        raise CannotDoError("nothing was sent")


def _pace(how: Asked) -> int:
    """Return the requests a minute, which may be given as a plan's name."""
    return Client(rate_limit=how.rate_limit, enabled=False).settings.rate_limit or DEFAULT_RATE


def is_somebody_there() -> bool:
    """Tell whether somebody can answer a question."""
    return sys.stdin.isatty()


def _tell_resumed(console: Console, found: Findings, how: Asked) -> None:
    """Say that an import goes on, and which rows may have been sent by the process that did not live to note it."""
    if how.is_json:
        return
    say(console, "Going on with the import that was begun.")
    if found.sought:
        say(
            console,
            f"Under way when the last process ended, so they may arrive twice: {_rows(found.sought.values())}, "
            "and what was merged with them.",
            style="yellow",
        )


def _tell_wrong(console: Console, job: Job, state: State, how: Asked) -> Rejected | None:
    """Write the wrong rows before the others are sent, which may take days, and say where they are."""
    rejected = job.write_rejected(state)
    if rejected is not None and not how.is_json:
        words = f"{counted(rejected.count, 'wrong row')} to mend meanwhile: {printable(str(rejected.path))}"
        say(console, words, style="yellow")
    return rejected


def _rows(numbers: Collection[int]) -> str:
    return f"{'row' if len(numbers) == 1 else 'rows'} {', '.join(map(str, numbers))}"


def _send(console: Console, job: Job, state: State, key: str, how: Asked) -> tuple[Course, Rejected | None]:
    with (
        log_shown(console) as log,
        stopped_by_signals() as stop,
        _client(job, key, how) as client,
        SpoolFile(job.places.spool, sync="full") as spool,
        job.occupied(),
    ):
        course = Course(spool, state, Feeder(spool, state, job.places, job.table, job.calls), client, _pace(how))
        watch(console, course, stop, log, is_quiet=how.is_json)
        client.shutdown(LEAVE)  # what is in flight is noted before anything is counted
        course.look()
        rejected = job.finish(state, spool) if course.is_over else None
        if how.is_json:
            log.clear()
    if course.is_over:
        job.places.remove_spool()
    return course, rejected


def _client(job: Job, key: str, how: Asked) -> Client:
    return Client(
        write_key=key,
        host=how.host,
        spool=job.places.spool,
        spool_sync="full" if _pace(how) <= SYNCED_RATE else "normal",
        spool_max_age=YEAR,
        spool_retention=YEAR,
        rate_limit=how.rate_limit,
        max_workers=how.max_workers,
        shutdown_timeout=LEAVE,
    )


def _sum_up(console: Console, found: Findings, course: Course | None, rejected: Rejected | None, how: Asked) -> int:
    is_over = course is None or course.is_over
    sent, refused, left = (0, 0, 0) if course is None else (course.sent, course.refused, course.left)
    status = NOT_ALL_SENT if not is_over else SOME_REJECTED if found.wrong or refused else 0
    if how.is_json:
        print_json(
            {
                "check": findings_as_dict(found, is_shown=how.show),
                "sent": sent,
                "refused": refused,
                "left": left,
                "in_doubt": sorted(found.sought.values()),
                "rejected": None if rejected is None else str(rejected.path),
            }
        )
        return status
    done = counted(sent, "row") if is_over else f"{sent:,} of {counted(found.fine, 'row')}"
    say(console, f"{done} sent, {refused:,} refused by the API, {found.wrong:,} not sent as they were wrong.")
    if rejected is not None:
        say(
            console,
            f"{counted(rejected.count, 'row')} to mend and import again: {printable(str(rejected.path))}",
            style="yellow",
        )
        if rejected.kinds:
            types = " ".join(f"--type '{name}={kind}'" for name, kind in rejected.kinds.items())
            say(
                console,
                f"It is CSV; add this to read its cells as they were: {printable(types, at_most=1000)}",
                style="yellow",
            )
    if course is not None and not is_over:
        _tell_left(console, course)
    return status


def _tell_left(console: Console, course: Course) -> None:
    if course.refused_with is not None:
        why = (
            "the key is wrong, or not this host's" if course.refused_with == 401 else "the plan may have no API access"
        )
        say(console, f"The API refuses the key ({course.refused_with}): {why}. Nothing is lost.", style="red")
    if course.broken:
        say(console, printable(course.broken, at_most=500), style="red")
    later = "; those that were refused will be in the file of rejected rows then" if course.refused else ""
    say(console, f"{counted(course.left, 'row')} left; the same command goes on{later}.", style="yellow")
