"""The command `import`: customers or events from a file, checked first, then sent slowly; it resumes where it ended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from interakt_track import Client, SettingsError, SpoolError, SpoolFile
from interakt_track.importing import (
    PRESETS,
    Calls,
    Feeder,
    ImportFileError,
    Job,
    Places,
    keep_input,
    make_plan,
    open_table,
)

from ._command_line import CannotDoError, counted, host_option, json_option, options, print_json, write_key, yes_option
from ._import_course import Course, watch
from ._import_options import column_options, event_options, mapping_of, preset_option
from ._import_report import findings_as_dict, show_findings, show_plan
from ._screen import open_console, printable, say
from ._spool_drain import requests_a_minute
from ._spool_options import show_option, span
from ._watching import LEAVE, log_shown, stopped_by_signals

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console

    from interakt_track.importing import Findings, Mapping, Rejected, State, Subject

YEAR = 31_536_000.0  # seconds: an import that was stopped may be resumed after the holidays
SOME_REJECTED, NOT_ALL_SENT = 1, 3  # the program's status
DEFAULT_RATE = 150

EXIT_CODES = """\b
It ends with status 0 when every row was delivered, 1 when some were wrong or refused (they are in FILE.rejected.csv), 2
when it could not begin, and 3 when it ended before all was sent: the same command goes on where it was.

\b
The key is taken from the environment's INTERAKT_WRITE_KEY, or asked for.
"""
USERS_EXAMPLES = f"""\b
Examples:
  interakt-track import users customers.csv --dry-run
  interakt-track import users customers.csv --map "Mobile No=phone_number" --trait City=city --type age=int
  interakt-track import users customers.xlsx --sheet 2026 --type dob=date:%d/%m/%Y --ignore Notes
  interakt-track import users export.csv --preset shopify-customers

{EXIT_CODES}"""
EVENTS_EXAMPLES = f"""\b
Examples:
  interakt-track import events orders.csv --event "Order Placed" --type total=float --dry-run
  interakt-track import events log.jsonl --event-column name
  zcat log.jsonl.gz | interakt-track import events - --yes

\b
An event can set off a WhatsApp campaign: real customers may then get messages.

{EXIT_CODES}"""

sending_options = options(
    host_option,
    click.option(
        "--rate-limit",
        metavar="N",
        default=str(DEFAULT_RATE),
        show_default=True,
        type=requests_a_minute,
        help="Requests a minute at most: a number, growth (300) or advanced (600).",
    ),
    click.option(
        "--max-workers",
        metavar="N",
        default=8,
        show_default=True,
        type=click.IntRange(min=1),
        help="Requests under way at the same time.",
    ),
    click.option("--dry-run", is_flag=True, help="Check the file, and send nothing."),
    click.option("--restart", is_flag=True, help="Forget an import of the file that was begun, and send all of it."),
    click.option("--again", is_flag=True, help="Send all of a file that was imported already."),
    show_option,
    json_option,
)


GROUP_EXAMPLES = """\b
Examples:
  interakt-track import users customers.csv --dry-run
  interakt-track import events orders.csv --event "Order Placed"
"""


@click.group(name="import", epilog=GROUP_EXAMPLES)
def import_() -> None:
    """Import customers or events from a file.

    It may be CSV, an Excel workbook, or JSON Lines.

    Every row is checked first, and what is wrong is shown; `--dry-run` ends there. Then the rows are sent, slowly, so
    that live traffic keeps its share of the account's limit. Ctrl-C ends it in order, and the same command goes on.
    """


@import_.command(epilog=USERS_EXAMPLES)
@click.argument("file", metavar="FILE")
@options(preset_option, column_options, sending_options)
def users(file: str, preset: str | None, **given: Any) -> None:
    """Import customers: each row says who one is.

    FILE is a .csv, .xlsx or .jsonl file, or - for stdin. Columns user_id, phone_number, country_code, created_at, tags
    and add_to_sales_cycle are what their names say, in any spelling with blanks or dashes; every other one is a trait.
    Empty cells say nothing.
    """
    _run("users", file, PRESETS[preset] if preset else None, is_sure=True, **given)


@import_.command(epilog=EVENTS_EXAMPLES)
@click.argument("file", metavar="FILE")
@options(event_options, column_options, sending_options, yes_option)
def events(file: str, **given: Any) -> None:
    """Import events: each row says what a customer did.

    FILE is a .csv, .xlsx or .jsonl file, or - for stdin. Columns user_id, phone_number, country_code, event and
    created_at are what their names say; every other one is a trait of the event.
    """
    _run("events", file, None, **given)


@attrs.frozen(kw_only=True)
class _Asked:
    """How an import is to be made, beside what its columns are."""

    host: str | None
    rate_limit: Any
    max_workers: int
    dry_run: bool
    restart: bool
    again: bool
    show: bool
    is_json: bool
    is_sure: bool


def _run(
    subject: Subject,
    file: str,
    preset: Mapping | None,
    *,
    maps: Any,
    traits: Any,
    kinds: Any,
    ignored: Any,
    country_code: str,
    encoding: str | None,
    sheet: str | None,
    event_column: str | None = None,
    event: str | None = None,
    **asked: Any,
) -> None:
    said = mapping_of(maps, traits, kinds, ignored, event_column=event_column, event=event)
    how = _Asked(**asked)
    console = open_console()
    try:
        places = Places(_source(file))
        table = open_table(places.file, encoding=encoding, sheet=sheet)
        plan = make_plan(table.columns, subject, options=said, preset=preset, country_code=country_code)
        key = None if how.dry_run else write_key()
        job = Job(
            places=places,
            table=table,
            plan=plan,
            calls=Calls(plan, write_key=key, host=how.host),
            encoding=encoding,
            sheet=sheet,
        )
        if not how.is_json:
            show_plan(console, plan, table)
        status = _dry_run(console, job, how) if key is None else _import(console, job, key, how)
    except (ImportFileError, SettingsError, SpoolError) as error:
        raise CannotDoError(str(error)) from error
    sys.exit(status)


def _source(file: str) -> Path:
    if file == "-":
        return keep_input(sys.stdin.buffer, Path.cwd())
    return Path(file)


def _dry_run(console: Console, job: Job, how: _Asked) -> int:
    _, found = job.examine(None)
    if how.is_json:
        print_json({"check": findings_as_dict(found, is_shown=how.show)})
    else:
        show_findings(console, found, is_shown=how.show)
        say(console, "Nothing was sent.")
    return SOME_REJECTED if found.wrong else 0


def _import(console: Console, job: Job, key: str, how: _Asked) -> int:
    with job.held():
        is_anew = how.restart or how.again
        known = job.known_state(is_anew=is_anew)
        state, found = job.examine(known)
        if not how.is_json:
            show_findings(console, found, is_shown=how.show)
        if found.fine:
            _make_sure(console, state, how)
        if is_anew:
            job.begin_anew()
        if known is not None:
            _tell_resumed(console, found, how)
        state.save(job.places.state)
        rejected: Rejected | None
        if not found.fine:
            rejected = job.finish(state, None)
            course = None
        else:
            course, rejected = _send(console, job, state, key, how)
        return _sum_up(console, found, course, rejected, how)


def _make_sure(console: Console, state: State, how: _Asked) -> None:
    left = state.fine - state.handed
    if not how.is_json:
        say(
            console,
            f"{counted(left, 'row')} will be sent to {Client(host=how.host, enabled=False).settings.host}, at most "
            f"{how.rate_limit} requests a minute, about {span(left * 60 / _number(how.rate_limit))}: "
            "half of what the smallest plan allows, so that live traffic keeps its share; --rate-limit changes it.",
        )
    if how.is_sure:
        return
    question = "Events can set off WhatsApp campaigns, and then real customers get messages. Send them?"
    if not sys.stdin.isatty():
        raise CannotDoError(f"{question} Nobody can be asked here: --yes says so")
    click.confirm(question, abort=True, err=True)


def _number(rate_limit: Any) -> int:
    return Client(enabled=False, rate_limit=rate_limit).settings.rate_limit or DEFAULT_RATE


def _tell_resumed(console: Console, found: Findings, how: _Asked) -> None:
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


def _rows(numbers: Collection[int]) -> str:
    return f"{'row' if len(numbers) == 1 else 'rows'} {', '.join(map(str, numbers))}"


def _send(console: Console, job: Job, state: State, key: str, how: _Asked) -> tuple[Course, Rejected | None]:
    with (
        log_shown(console) as log,
        stopped_by_signals() as stop,
        Client(
            write_key=key,
            host=how.host,
            spool=job.places.spool,
            spool_sync="full",
            spool_max_age=YEAR,
            spool_retention=YEAR,
            rate_limit=how.rate_limit,
            max_workers=how.max_workers,
            shutdown_timeout=LEAVE,
        ) as client,
        SpoolFile(job.places.spool, sync="full") as spool,
    ):
        job.place(state, spool)
        course = Course(spool, state, Feeder(spool, state, job.places.state, job.table, job.calls), client)
        watch(console, course, stop, log, is_quiet=how.is_json)
        client.shutdown(LEAVE)  # what is in flight is noted before anything is counted
        course.look()
        rejected = job.finish(state, spool) if course.is_over else None
    if course.is_over:
        job.places.remove_spool()
    return course, rejected


def _sum_up(console: Console, found: Findings, course: Course | None, rejected: Rejected | None, how: _Asked) -> int:
    is_over = course is None or course.is_over
    sent, refused, left = (0, 0, 0) if course is None else (course.sent, course.refused, course.left)
    status = NOT_ALL_SENT if not is_over else SOME_REJECTED if rejected is not None else 0
    if how.is_json:
        print_json(
            {
                "check": findings_as_dict(found, is_shown=how.show),
                "sent": sent,
                "refused": refused,
                "left": left,
                "rejected": None if rejected is None else str(rejected.path),
            }
        )
        return status
    say(
        console,
        f"{counted(sent, 'row')} sent, {refused:,} refused by the API, {found.wrong:,} not sent as they were wrong.",
    )
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
    say(console, f"{counted(course.left, 'row')} left; the same command goes on.", style="yellow")
