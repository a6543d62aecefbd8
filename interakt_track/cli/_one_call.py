"""What `identify` and `event` share: one call from the shell, made at once, and its answer told."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from interakt_track import AuthenticationError, Client, DeliveryError, InvalidMessageError, RejectedError, SettingsError

from ._command_line import (
    KEY_VARIABLE,
    CannotDoError,
    host_option,
    json_option,
    key_form,
    options,
    print_json,
    write_key,
)
from ._screen import open_console, printable, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from interakt_track import Receipt

TIMEOUT = 10.0  # seconds for one attempt
MAX_RETRIES = 2
REFUSED, UNREACHABLE = 1, 3  # the program's status
HEADERS = {"Authorization": "Basic ***", "Content-Type": "application/json"}

EXIT_CODES = """
It ends with status 0 when the API has taken it, 1 when the API has refused it, 2 when it cannot be sent as it is, and 3
when the API could not be reached, or was too busy.

The key is taken from the environment's INTERAKT_WRITE_KEY, or asked for: an argument could be read by every process.
"""


def trait(text: str) -> dict[str, Any]:
    """Return the trait of `NAME=VALUE`."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{printable(text)!r} is no name=value")
    return {name: value}


def json_traits(text: str) -> dict[str, Any]:
    """Return the trait of `NAME=JSON`, or those of an object."""
    if text.lstrip().startswith("{"):
        return _parsed(text)  # type: ignore[no-any-return]  # what begins so is an object
    ((name, value),) = trait(text).items()
    return {name: _parsed(value)}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        hint = "a text needs quotes, as in name='\"Asha\"'"
        raise click.BadParameter(f"{printable(text)!r} is no JSON: {error}; {hint}") from error


identity_options = options(
    click.option("--user-id", metavar="ID", help="The customer's permanent id."),
    click.option("--phone", metavar="NUMBER", help="The phone number; with a leading + it brings its country's code."),
    click.option(
        "--country-code", metavar="CODE", help="The number's country, as in +44, where it does not say; +91 without it."
    ),
)
trait_options = options(
    click.option(
        "--trait", "traits", metavar="NAME=VALUE", type=trait, multiple=True, help="A trait that is text. Repeatable."
    ),
    click.option(
        "--trait-json",
        "json_traits",
        metavar="NAME=JSON",
        type=json_traits,
        multiple=True,
        help="A trait of another type, total=1499 or vip=true, or an object of several. Repeatable.",
    ),
)
sending_options = options(
    host_option,
    click.option("--dry-run", is_flag=True, help="Show the request, and send nothing."),
    click.option("--curl", is_flag=True, help="With --dry-run: show it as a curl command, too."),
    json_option,
)


def merged(*several: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Return the traits of several options as one mapping; the last of a name counts."""
    return {name: value for pairs in several for pair in pairs for name, value in pair.items()}


def make_call(call: Callable[[Client], Receipt], *, host: str | None, dry_run: bool, curl: bool, is_json: bool) -> None:
    """Make one call and tell of its answer, or show its request; the program ends with the status that fits.

    Args:
        call: Makes it with a client.
        host: The API's; None: Interakt's.
        dry_run: Whether it is only shown.
        curl: Whether a curl command is shown, too.
        is_json: Whether JSON is printed.
    """
    if curl and not dry_run:
        raise click.UsageError("--curl shows what would be sent; it goes with --dry-run")
    try:
        if dry_run:
            _show(call, host, curl=curl, is_json=is_json)
        else:
            _send(call, host, is_json=is_json)
    except (InvalidMessageError, SettingsError) as error:
        raise CannotDoError(str(error)) from error


def _send(call: Callable[[Client], Receipt], host: str | None, *, is_json: bool) -> None:
    logging.getLogger("interakt_track").addHandler(logging.NullHandler())  # what the log would say is said below
    client = Client(
        write_key=write_key(), host=host, sync_mode=True, strict=True, timeout=TIMEOUT, max_retries=MAX_RETRIES
    )
    try:
        receipt = call(client)
    except DeliveryError as error:
        _tell_failure(error, is_json=is_json)
        sys.exit(REFUSED if isinstance(error, (AuthenticationError, RejectedError)) else UNREACHABLE)
    except KeyboardInterrupt:
        click.echo("interrupted; if the request was under way, it may have arrived", err=True)
        sys.exit(UNREACHABLE)
    finally:
        client.shutdown(0)
    response = receipt.response
    status_code, body = (None, None) if response is None else (response.status_code, response.body)
    if is_json:
        print_json({"status": "delivered", "status_code": status_code, "answer": body})
        return
    message = body.get("message") if isinstance(body, dict) else None
    said = f": {printable(str(message))}" if message else ""
    say(open_console(), f"delivered; the API answered {status_code}{said}")


def _tell_failure(error: DeliveryError, *, is_json: bool) -> None:
    if is_json:
        status_code = getattr(error, "status_code", None)
        is_refused = isinstance(error, (AuthenticationError, RejectedError))
        print_json(
            {
                "status": "refused" if is_refused else "unreachable",
                "status_code": status_code,
                "error": type(error).__name__,
                "message": str(error),
            }
        )
    else:
        click.echo(f"not delivered: {printable(str(error), at_most=500)}", err=True)
        if isinstance(error, AuthenticationError):
            click.echo("`interakt-track check` tells what is wrong with the key", err=True)


def _show(call: Callable[[Client], Receipt], host: str | None, *, curl: bool, is_json: bool) -> None:
    """Show the request; no key is needed for that."""
    client = Client(host=host, strict=True, enabled=False)
    request = call(client).message
    url = f"{client.settings.host}{request['path']}"
    command = _curl(url, request["body"])
    if is_json:
        shown = {"method": "POST", "url": url, "headers": HEADERS, "body": request["body"]}
        print_json({**shown, "curl": command} if curl else shown)
        return
    click.echo(f"POST {url}")
    for name, value in HEADERS.items():
        click.echo(f"{name}: {value}")
    click.echo(f"\n{json.dumps(request['body'], indent=2, ensure_ascii=False)}")
    if curl:
        click.echo(f"\n{command}")


def _curl(url: str, body: dict[str, Any]) -> str:
    """Return the curl command that sends the same, with the key where the environment has it."""
    return " ".join(
        [
            f"curl --request POST {shlex.quote(url)}",
            _authentication(),
            "--header 'Content-Type: application/json'",
            f"--data-raw {shlex.quote(json.dumps(body))}",
        ]
    )


def _authentication() -> str:
    """Return curl's option for the form that the environment's key has; none there: the dashboard's "Secret Key"."""
    pasted = os.environ.get(KEY_VARIABLE, "").strip()
    form = key_form(pasted) if pasted else "secret_key"
    if form == "header":
        return f'--header "Authorization: ${KEY_VARIABLE}"'
    if form == "raw":
        return f'--user "${KEY_VARIABLE}{"" if pasted.endswith(":") else ":"}"'  # a user without a password
    return f'--header "Authorization: Basic ${KEY_VARIABLE}"'
