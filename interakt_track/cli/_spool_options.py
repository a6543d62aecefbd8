"""What the commands of `spool` share: the file they are about, and which messages are meant."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from interakt_track import InvalidMessageError, SettingsError, SpoolError, SpoolFile

from ._command_line import CannotDoError, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interakt_track import SpoolStatus

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


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
show_option = click.option("--show", is_flag=True, help="Show personal data, which is masked otherwise.")


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


def waiting_for_others(status: SpoolStatus) -> int:
    """Return how many messages wait under other keys or hosts."""
    return sum(account.waiting for account in status.accounts if not account.is_own)


def span(seconds: float) -> str:
    """Return about how long a time is, in one unit."""
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * size or (seconds >= size and unit == "min"):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
