"""What the commands of `spool` share: the file they are about, the key, and which messages are meant."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from interakt_track import InvalidMessageError, SettingsError, SpoolError, SpoolFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from interakt_track import SpoolStatus

Command = TypeVar("Command", bound="Callable[..., Any]")

KEY_VARIABLE = "INTERAKT_WRITE_KEY"
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class CannotDoError(click.ClickException):
    """What was asked cannot be done here: status 2, as of wrong usage, and one sentence."""

    exit_code = 2


def seconds(text: str) -> float:
    """Return the seconds of a time such as 90m, 12h or 30d."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip().lower())
    if found is None:
        raise click.BadParameter(f"{text!r} is no time such as 45s, 90m, 12h or 30d")
    return float(found[1]) * SECONDS[found[2]]


spool_option = click.option(
    "--spool",
    metavar="PATH",
    envvar="INTERAKT_SPOOL",
    show_envvar=True,
    type=click.Path(),
    help="The spool's file, as in the setting `spool`.",
)
host_option = click.option(
    "--host", envvar="INTERAKT_HOST", show_envvar=True, help="The API; Interakt's where none is named."
)
json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON, for programs.")
yes_option = click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
show_option = click.option("--show", is_flag=True, help="Show personal data, which is masked otherwise.")


def options(*several: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds several options, which the help lists in this order."""

    def add(command: Command) -> Command:
        for option in reversed(several):
            command = option(command)
        return command

    return add


id_option = click.option("--id", "ids", metavar="N", multiple=True, type=int, help="Only this one; may be repeated.")
older_option = click.option("--older-than", metavar="TIME", type=seconds, help="Only older ones: 12h, 30d.")
failure_options = options(
    click.option("--error", metavar="NAME", help="Only those with this error, such as RejectedError."),
    click.option(
        "--status", "status_code", metavar="CODE", type=int, help="Only those the API answered so, as in 400."
    ),
)
person_options = options(
    click.option("--user-id", metavar="ID", help="Only those about this customer."),
    click.option(
        "--phone", metavar="NUMBER", help="Only those about this number: with +91 or another code, or Indian."
    ),
)


@contextmanager
def opened(path: str | None) -> Iterator[SpoolFile]:
    """Open the spool, and tell what is wrong with it, or with an argument, in one sentence."""
    if not path:
        raise CannotDoError("which file? Name the spool with --spool, or in the environment's INTERAKT_SPOOL")
    try:
        with SpoolFile(path) as spool:
            yield spool
    except SpoolError as error:
        hint = "; a client makes it with its first call" if error.reason == "missing" else ""
        raise CannotDoError(f"{error}{hint}") from error
    except (SettingsError, InvalidMessageError) as error:
        raise CannotDoError(str(error)) from error


def write_key() -> str:
    """Return the environment's key, or ask for one; it is never an argument, which every process could read."""
    key = os.environ.get(KEY_VARIABLE)
    if key:
        return key
    if not sys.stdin.isatty():
        raise CannotDoError(f"the key is missing; put it into the environment's {KEY_VARIABLE}")
    asked: str = click.prompt("Write key", hide_input=True, err=True)
    return asked


def make_sure(question: str, *, is_sure: bool) -> None:
    """Ask before something that cannot be undone, unless `--yes` has answered."""
    if not is_sure:
        click.confirm(question, abort=True, err=True)


def print_json(value: object) -> None:
    """Print one line of JSON; in ASCII, so that no pipe's encoding matters."""
    click.echo(json.dumps(value))


def counted(count: int, what: str = "message") -> str:
    """Return a number and what is counted."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def waiting_for_others(status: SpoolStatus) -> int:
    """Return how many messages wait under other keys or hosts."""
    return sum(account.waiting for account in status.accounts if not account.is_own)


def span(seconds: float) -> str:
    """Return about how long a time is, in one unit."""
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * size or (seconds >= size and unit == "min"):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
