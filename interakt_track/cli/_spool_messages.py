"""The commands `spool list`, `failed` and `export`: the messages in the file, as a table or as JSON."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.text import Text

from ._command_line import CannotDoError, counted, json_option, options, print_json
from ._screen import open_console, plain_table, printable
from ._spool_options import (
    failure_options,
    id_option,
    older_option,
    opened,
    person_options,
    show_option,
    span,
    spool_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from typing import TypeAlias

    from rich.table import Table

    from interakt_track import FailedMessage, SpooledMessage

    Row: TypeAlias = tuple[str | Text, ...]

Message = TypeVar("Message", bound="SpooledMessage")

ROWS = 50  # of a table; programs get them all

limit_option = click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    help=f"How many at most; {ROWS} where a table is shown, else all.",
)

LIST_EXAMPLES = """\b
Examples:
  interakt-track spool list
  interakt-track spool list --phone 9876543210 --show
  interakt-track spool list --older-than 12h --json | jq -r .event
"""


@click.command("list", epilog=LIST_EXAMPLES)
@options(spool_option, id_option, person_options, older_option, limit_option, show_option, json_option)
def list_waiting(
    *,
    spool: str | None,
    ids: tuple[int, ...],
    user_id: str | None,
    phone: str | None,
    older_than: float | None,
    limit: int | None,
    show: bool,
    is_json: bool,
) -> None:
    """List what waits, in the order in which it is sent.

    Who it is about is masked unless --show is given. With --json, each message is a line, with the body that would be
    sent; ids, numbers, tags and the values of traits are masked there, too.
    """
    with opened(spool) as file:
        messages = file.waiting(
            ids=ids or None,
            user_id=user_id,
            phone_number=phone,
            older_than=older_than,
            limit=_read_at_most(limit, is_json=is_json),
        )
        table = plain_table("id", "called", "what", "who", "attempts", right=(0, 1, 4))
        _print_messages(
            messages, table, _waiting_row, limit=limit, is_masked=not show, is_json=is_json, nothing="Nothing waits."
        )


FAILED_EXAMPLES = """\b
Examples:
  interakt-track spool failed
  interakt-track spool failed --status 400 --limit 10
  interakt-track spool failed --error ExpiredError --json > lost.jsonl
"""


@click.command(epilog=FAILED_EXAMPLES)
@options(spool_option, id_option, failure_options, person_options, older_option, limit_option, show_option, json_option)
def failed(
    *,
    spool: str | None,
    ids: tuple[int, ...],
    error: str | None,
    status_code: int | None,
    user_id: str | None,
    phone: str | None,
    older_than: float | None,
    limit: int | None,
    show: bool,
    is_json: bool,
) -> None:
    """List what failed, and why.

    A message fails when the API refuses it for good, or when its time was up. It is kept for 30 days, or what the
    setting `spool_retention` says. `interakt-track spool retry` sends it again, after what was wrong is mended.
    """
    with opened(spool) as file:
        messages = file.failed(
            ids=ids or None,
            error=error,
            status_code=status_code,
            user_id=user_id,
            phone_number=phone,
            older_than=older_than,
            limit=_read_at_most(limit, is_json=is_json),
        )
        table = plain_table("id", "when", "what", "who", "error", "status", "message", "tries", right=(0, 1, 5, 7))
        _print_messages(
            messages, table, _failed_row, limit=limit, is_masked=not show, is_json=is_json, nothing="Nothing failed."
        )


EXPORT_EXAMPLES = """\b
Examples:
  interakt-track spool export --output spool.jsonl
  interakt-track spool export --failed | jq -c .body
  interakt-track spool export --user-id u1 --output about-u1.jsonl
"""


@click.command(epilog=EXPORT_EXAMPLES)
@options(
    spool_option,
    click.option("--waiting", is_flag=True, help="Only what waits."),
    click.option("--failed", "is_failed", is_flag=True, help="Only what failed."),
    person_options,
    click.option("--output", "-o", metavar="FILE", type=click.Path(dir_okay=False), help="Where to; it must be new."),
)
def export(
    *,
    spool: str | None,
    waiting: bool,
    is_failed: bool,
    user_id: str | None,
    phone: str | None,
    output: str | None,
) -> None:
    """Write messages as JSON lines, complete.

    Each line has a message's path and body as they would be sent, and where it stands: `state`, `called_at`,
    `attempts`, and of a failed one why. Personal data is NOT masked; a file is made for its owner only (0600).
    """
    both = waiting == is_failed
    with opened(spool) as file:
        target = None if output is None else _new_file(output)
        try:
            count = 0
            for state, messages in (
                ("waiting", file.waiting(user_id=user_id, phone_number=phone) if both or waiting else ()),
                ("failed", file.failed(user_id=user_id, phone_number=phone) if both or is_failed else ()),
            ):
                for message in messages:
                    line = json.dumps({"state": state, **message.as_dict(is_masked=False)})
                    click.echo(line, file=target)
                    count += 1
        finally:
            if target is not None:
                target.close()
    if output is not None:
        open_console().print(f"{counted(count)} written to {printable(output)}", soft_wrap=True)


def _new_file(path: str) -> Any:
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CannotDoError(f"{path} cannot be made: {error.strerror}") from error
    return os.fdopen(number, "w", encoding="utf-8")


def _read_at_most(limit: int | None, *, is_json: bool) -> int | None:
    """Return how many are read: for a table one more than it shows, which tells that there are more."""
    return limit if is_json else (limit or ROWS) + 1


def _print_messages(
    messages: Iterable[Message],
    table: Table,
    as_row: Callable[[Message, bool], Row],
    *,
    limit: int | None,
    is_masked: bool,
    is_json: bool,
    nothing: str,
) -> None:
    """Print JSON lines, or so many rows of a table and whether there are more."""
    if is_json:
        for message in messages:
            print_json(message.as_dict(is_masked=is_masked))
        return
    console = open_console()
    at_most = limit or ROWS
    has_more = False
    for message in messages:
        has_more = table.row_count == at_most
        if has_more:
            break
        table.add_row(*as_row(message, is_masked))
    if not table.row_count:
        console.print(nothing)
        return
    console.print(table)
    if has_more:
        console.print(f"These are the first {at_most:,}; --limit shows more.", style="dim")


def _waiting_row(message: SpooledMessage, is_masked: bool) -> Row:
    return (
        str(message.id),
        _ago(message.called_at),
        *_what_and_who(message, is_masked=is_masked),
        str(message.attempts),
    )


def _failed_row(message: FailedMessage, is_masked: bool) -> Row:
    said = Text(printable(message.message))
    if message.is_superseded:
        said.append(" (superseded)", style="yellow")
    return (
        str(message.id),
        _ago(message.failed_at),
        *_what_and_who(message, is_masked=is_masked),
        message.error.removesuffix("Error"),
        "" if message.status_code is None else str(message.status_code),
        said,
        str(message.attempts),
    )


def _what_and_who(message: SpooledMessage, *, is_masked: bool) -> tuple[str, str]:
    what = "identify" if message.event is None else printable(message.event)
    if is_masked:
        return what, printable(message.masked_identity).replace("user_id=", "").replace(" phone=", "\n").replace(
            "phone=", ""
        )
    phone = None if message.phone_number is None else f"{message.country_code}{message.phone_number}"
    return what, "\n".join(printable(part) for part in (message.user_id, phone) if part is not None)


def _ago(then: datetime) -> str:
    return span(max(0.0, time.time() - then.timestamp()))
