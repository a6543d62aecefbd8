"""The command `spool status`: how much is in the file, how old it is, and how fast it goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from ._command_line import counted, json_option, options, print_json
from ._screen import open_console, plain_table, printable
from ._spool_options import opened, span, spool_option, waiting_for_others

if TYPE_CHECKING:
    from collections.abc import Iterable

    from interakt_track import SpoolStatus

EXAMPLES = """\b
Examples:
  interakt-track spool status --spool /var/lib/shop/track.db
  interakt-track spool status --json | jq .waiting
"""


@click.command(epilog=EXAMPLES)
@options(spool_option, json_option)
def status(*, spool: str | None, is_json: bool) -> None:
    """Tell how much waits, how old it is, and how fast it is sent.

    Looking changes nothing, and sends nothing. With INTERAKT_WRITE_KEY in the environment, it also tells which of the
    messages were called under that key; others wait for a process that has theirs.
    """
    with opened(spool) as file:
        found = file.status()
    if is_json:
        print_json(found.as_dict())
        return
    console = open_console()
    console.print(Text(printable(found.path), style="bold"), soft_wrap=True)
    console.print(_numbers(found))
    if found.accounts:
        console.print("", _accounts(found), sep="\n")
    notes = Text("\n").join(_notes(found))
    if notes:
        console.print("", notes, sep="\n", soft_wrap=not console.is_terminal)


def _numbers(found: SpoolStatus) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    oldest = "" if found.oldest_waiting is None else f"the oldest was called {span(found.oldest_waiting)} ago"
    table.add_row("waiting", f"{found.waiting:,}", oldest)
    failures = ""
    if found.newest_failed is not None and found.oldest_failed is not None:
        failures = f"the last {span(found.newest_failed)} ago"
        if found.failed > 1:
            failures += f", the first {span(found.oldest_failed)} ago"
    table.add_row("failed", Text(f"{found.failed:,}", style="yellow" if found.failed else ""), failures)
    sender = "a process sends from the file" if found.is_held else "no process sends from the file"
    table.add_row("a minute", f"{found.requests_last_minute:,}", f"requests in the last 60 s; {sender}")
    if found.waiting and found.is_held and found.time_to_empty is not None:
        table.add_row("empty in", span(found.time_to_empty), "at this rate")
    table.add_row("size", size(found.size), "")
    return table


def _accounts(found: SpoolStatus) -> Table:
    table = plain_table("account", "host", "waiting", "failed", "", right=(2, 3))
    for account in found.accounts:
        table.add_row(
            account.fingerprint,
            printable(account.host),
            f"{account.waiting:,}",
            f"{account.failed:,}",
            Text("your key", style="green") if account.is_own else "",
        )
    return table


def _notes(found: SpoolStatus) -> Iterable[Text]:
    others = waiting_for_others(found)
    is_key_known = any(account.is_own for account in found.accounts)
    if is_key_known and others:
        yield Text(
            f"{counted(others)} of another key or host: after a change of the key, `interakt-track spool adopt` gives "
            "them the new one.",
            style="yellow",
        )
    if found.waiting and not found.is_held:
        yield Text("`interakt-track spool drain` sends what waits.", style="dim")
    if found.failed:
        yield Text("`interakt-track spool failed` shows why they failed.", style="dim")


def size(count: int) -> str:
    """Return a number of bytes as people say it."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
