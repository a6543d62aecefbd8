"""What commands share: options and their values, the key, questions, and how what cannot be done is told."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from interakt_track import Client, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")

KEY_VARIABLE = "INTERAKT_WRITE_KEY"


class CannotDoError(click.ClickException):
    """What was asked cannot be done here: status 2, as of wrong usage, and one sentence."""

    exit_code = 2


host_option = click.option(
    "--host", envvar="INTERAKT_HOST", show_envvar=True, help="The API; Interakt's where none is named."
)
json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON, for programs.")
max_workers_option = click.option(
    "--max-workers",
    metavar="N",
    default=8,
    show_default=True,
    type=click.IntRange(min=1),
    help="Requests under way at the same time.",
)
yes_option = click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")


def requests_a_minute(text: str) -> int | None:
    """Return a number of requests, also of a plan's name."""
    given: Any = int(text) if text.isdecimal() else text
    try:
        return Client(rate_limit=given, enabled=False).settings.rate_limit
    except SettingsError:
        raise click.BadParameter(f"{text!r} is neither a whole number from 1 on, nor growth or advanced") from None


def calling_code(text: str) -> str:
    """Return a country's calling code, as the client takes it."""
    try:
        return Client(default_country_code=text, enabled=False).settings.default_country_code
    except SettingsError:
        raise click.BadParameter(f"{text!r} is no country's calling code, such as +91 or +44") from None


def rate_limit_option(*, default: int | None = None) -> Callable[[Command], Command]:
    """Return the option `--rate-limit`; without a default, the pace is learned."""
    return click.option(
        "--rate-limit",
        metavar="N",
        default=None if default is None else str(default),
        show_default=default is not None,
        type=requests_a_minute,
        help="Requests a minute at most: a number from 1 on, growth (300) or advanced (600).",
    )


def options(*several: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds several options, which the help lists in this order."""

    def add(command: Command) -> Command:
        for option in reversed(several):
            command = option(command)
        return command

    return add


def write_key() -> str:
    """Return the environment's key, or ask for one; it is never an argument, which every process could read."""
    key = os.environ.get(KEY_VARIABLE)
    if key:
        return key
    if not sys.stdin.isatty():
        raise CannotDoError(f"the key is missing; put it into the environment's {KEY_VARIABLE}")
    try:
        asked: str = click.prompt("Write key", hide_input=True, err=True)
    except click.Abort:
        raise CannotDoError("no key was given, and nothing was sent") from None
    return asked


def key_form(pasted: str) -> Literal["raw", "secret_key", "header"]:
    """Return which form of a key this is: the key itself, the dashboard's base64 "Secret Key", or a header's value."""
    key = pasted.strip()
    if key.lower().startswith("basic "):
        return "header"
    is_raw = Client(write_key=key, enabled=False).settings.write_key == key.rstrip(":")
    return "raw" if is_raw else "secret_key"


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
