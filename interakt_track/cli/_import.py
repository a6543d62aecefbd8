"""The command `import`: customers or events from a file, checked first, then sent slowly; it resumes where it ended."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from interakt_track import SettingsError, SpoolError
from interakt_track.importing import PRESETS, Calls, ImportFileError, Job, Places, keep_input, make_plan, open_table

from ._command_line import (
    CannotDoError,
    host_option,
    json_option,
    max_workers_option,
    options,
    rate_limit_option,
    write_key,
    yes_option,
)
from ._import_options import column_options, event_options, mapping_of, preset_option
from ._import_report import show_plan
from ._import_run import DEFAULT_RATE, NOT_ALL_SENT, Asked, check_only, import_all
from ._screen import open_console
from ._spool_options import show_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

    from interakt_track.importing import Mapping, Subject

NOTES = """
From stdin, a workbook is known by its content, JSON Lines by the { at the beginning, and all else is CSV. It is kept in
the working directory until all is sent, named by its content, as in stdin-1a2b3c4d5e6f; rejected rows are in
stdin-1a2b3c4d5e6f.rejected.csv. The same input in the same directory goes on. The key has to be in the environment.

It ends with status 0 when every row was delivered, 1 when some were wrong or refused (they are in FILE.rejected.csv), 2
when it could not begin, and 3 when it ended before all was sent: the same command goes on where it was.

The key is taken from the environment's INTERAKT_WRITE_KEY, or asked for.
"""
USERS_EXAMPLES = f"""\b
Examples:
  interakt-track import users customers.csv --dry-run
  interakt-track import users customers.csv --map "Mobile No=phone_number"
  interakt-track import users customers.csv --trait City=city --type age=int
  interakt-track import users customers.xlsx --sheet 2026 --ignore Notes
  interakt-track import users customers.csv --type dob=date:%d/%m/%Y
  interakt-track import users export.csv --preset shopify-customers
  zcat customers.csv.gz | interakt-track import users -
{NOTES}"""
EVENTS_EXAMPLES = f"""\b
Examples:
  interakt-track import events orders.csv --event "Order Placed" --dry-run
  interakt-track import events orders.xlsx --event-column Status --sheet 2026
  interakt-track import events orders.csv --event Paid --type total=float
  interakt-track import events orders.csv --map "Ordered at=created_at" \\
      --type "Ordered at=datetime:%d/%m/%Y %H:%M"
  interakt-track import events log.jsonl --event-column name --ignore debug
  zcat log.jsonl.gz | interakt-track import events - --yes

An event can set off a WhatsApp campaign: real customers may then get messages. It is asked about first; --yes answers,
and is needed where nobody can be asked, as from stdin.
{NOTES}"""

file_argument = click.argument("file", metavar="FILE", type=click.Path(allow_dash=True))  # so that shells complete it
sending_options = options(
    host_option,
    rate_limit_option(default=DEFAULT_RATE),
    max_workers_option,
    click.option("--dry-run", is_flag=True, help="Check the file, and send nothing."),
    click.option("--restart", is_flag=True, help="Forget an import of the file that was begun, and send all of it."),
    click.option("--again", is_flag=True, help="Send all of a file that was imported already."),
    show_option,
    json_option,
)


class NotEndedError(click.ClickException):
    """It could not be brought to its end: status 3, and one sentence."""

    exit_code = NOT_ALL_SENT


GROUP_EXAMPLES = """\b
Examples:
  interakt-track import users customers.csv --dry-run
  interakt-track import events orders.csv --event "Order Placed"
"""


@click.group(name="import", epilog=GROUP_EXAMPLES)
def import_() -> None:
    """Import customers or events from a file.

    It may be CSV, an Excel workbook, or JSON Lines.

    Every row is checked first, and what is wrong is shown; --dry-run ends there. Then the rows are sent, slowly, so
    that live traffic keeps its share of the account's limit. Ctrl-C ends it in order, and the same command goes on.
    """


@import_.command(epilog=USERS_EXAMPLES)
@file_argument
@options(preset_option, column_options, sending_options)
def users(file: str, preset: str | None, **given: Any) -> None:
    """Import customers: each row says who one is.

    FILE is a .csv, .xlsx or .jsonl file, or - for stdin. Columns user_id, phone_number, country_code, created_at, tags
    and add_to_sales_cycle are what their names say, in any spelling with blanks or dashes; every other one is a trait.
    Empty cells say nothing. user_id or phone_number is needed.
    """
    _run("users", file, PRESETS[preset] if preset else None, is_sure=True, **given)


@import_.command(epilog=EVENTS_EXAMPLES)
@file_argument
@options(event_options, column_options, sending_options, yes_option)
def events(file: str, **given: Any) -> None:
    """Import events: each row says what a customer did.

    FILE is a .csv, .xlsx or .jsonl file, or - for stdin. Columns user_id, phone_number, country_code, event and
    created_at are what their names say, in any spelling with blanks or dashes; every other one is a trait of the event.
    Empty cells say nothing. user_id or phone_number is needed, and the event: in a column, or with --event for all
    rows. Without created_at, events have the time at which they are imported.
    """
    _run("events", file, None, **given)


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
    how = Asked(**asked)
    console = open_console()
    try:
        with _source(file, subject) as places:
            table = open_table(places.file, encoding=encoding, sheet=sheet)
            plan = make_plan(table.columns, subject, options=said, preset=preset, country_code=country_code)
            key = None if how.dry_run else write_key()
            calls = Calls(plan, write_key=key, host=how.host)
            job = Job(places=places, table=table, plan=plan, calls=calls, encoding=encoding, sheet=sheet)
            if not how.is_json:
                show_plan(console, plan, table)
            status = check_only(console, job, how) if key is None else import_all(console, job, key, how)
    except (ImportFileError, SettingsError, SpoolError) as error:
        raise CannotDoError(str(error)) from error
    except click.Abort as error:
        raise CannotDoError("nothing was sent") from error
    except KeyboardInterrupt as error:
        raise NotEndedError("interrupted; the same command goes on") from error
    except OSError as error:
        raise NotEndedError(f"{error.filename}: {error.strerror}; the same command goes on") from error
    sys.exit(status)


@contextmanager
def _source(file: str, subject: Subject) -> Iterator[Places]:
    """Give the places of a file; what came from stdin is kept beside as long as it is not sent."""
    if file != "-":
        yield Places(Path(file), subject)
        return
    places = Places(keep_input(cast("BufferedReader", sys.stdin.buffer), Path.cwd()), subject)
    try:
        yield places
    finally:
        if not places.spool.exists():
            places.file.unlink(missing_ok=True)
