"""The command `sandbox`: a local Track API that says what reaches it."""

from __future__ import annotations

import ipaddress
import os
import queue
import signal
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import click

import interakt_track
from interakt_track.sandbox import Sandbox

from ._faults import HELP, PLANS, chance, read_faults
from ._request_line import request_line
from ._screen import open_console, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from rich.console import Console

    from interakt_track.sandbox import Counts, Request

    Requests = queue.SimpleQueue[Request | None]  # None is the end of them

KEY_VARIABLE = "INTERAKT_WRITE_KEY"
ANY_KEY = "any-key-will-do"
LOOK_UP = 1.0  # seconds of one wait; without an end to each, Windows would not notice Ctrl-C


EXAMPLES = """\b
Examples:
  interakt-track sandbox
  interakt-track sandbox --port 9000 --plan growth
  interakt-track sandbox --latency 80ms --error-rate 5% --faults "reset=1%"
  interakt-track sandbox --fail-next 3 --fail-status 429

"""


@click.command(epilog=EXAMPLES + HELP)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port",
    default=8765,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 for a free one.",
)
@click.option("--check-key", is_flag=True, help=f"Accept only the key in the environment's {KEY_VARIABLE}.")
@click.option("--plan", type=click.Choice(list(PLANS)), help="Answer 429 beyond 300 or 600 requests a minute.")
@click.option("--latency", metavar="TIME", help="How long every answer takes: 50ms, 2s.")
@click.option(
    "--error-rate",
    metavar="CHANCE",
    type=chance,
    help="How often the answer is a 500, 502, 503 or 504: 5%, 0.05.",
)
@click.option("--fail-next", metavar="NUMBER", type=click.IntRange(min=1), help="Let so many requests fail first.")
@click.option(
    "--fail-status",
    default=503,
    show_default=True,
    metavar="STATUS",
    type=click.IntRange(400, 599),
    help="What these are answered with.",
)
@click.option("--faults", metavar="FAULTS", help="What goes wrong, and how often; see below.")
@click.option("--quiet", "-q", is_flag=True, help="No line for each request.")
def sandbox(
    *,
    host: str,
    port: int,
    check_key: bool,
    plan: str | None,
    latency: str | None,
    error_rate: str | None,
    fail_next: int | None,
    fail_status: int,
    faults: str | None,
    quiet: bool,
) -> None:
    """Run a local Track API to send to, and see what arrives.

    Each request is a line here, and everything of it is on the page that it serves at /: the people with their traits
    and events, what was refused and why, and controls for what goes wrong.

    It answers as the real one is known to, checks bodies against the API's contract and says why it refuses one. All
    is kept in memory; nothing leaves this machine. Any key is accepted unless --check-key says otherwise, and none is
    shown. Ctrl-C ends it with a summary and status 0.
    """
    fault_plan = read_faults(
        f"rate={PLANS[plan]}" if plan else None,
        f"latency={latency}" if latency else None,
        f"5xx={error_rate}" if error_rate else None,
        faults,
    )
    requests: Requests = queue.SimpleQueue()
    local_api = Sandbox(
        host=host,
        port=port,
        write_key=_key_of_environment() if check_key else None,
        faults=fault_plan,
        on_request=None if quiet else requests.put,  # a terminal that stands still must not hold up the answers
        page=True,
    )
    local_api.fail_next(fail_next or 0, status=fail_status)
    try:
        local_api.start()
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0]  # Python adds the address, which is told already
        raise click.ClickException(
            f"cannot listen on port {port} of {host}: {reason}; "
            "choose another with --port (0 takes a free one) or --host"
        ) from error
    console = open_console()
    with local_api, _end_put_by_signals(requests):
        _greet(console, local_api.url, host=host, is_key_checked=check_key)
        _show_until_end(console, requests)
    requests.put(None)
    _show_until_end(console, requests)
    console.print(f"\n{_summary(local_api.counts)}", soft_wrap=True)


def _key_of_environment() -> str:
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        raise click.UsageError(f"--check-key needs a key in the environment's {KEY_VARIABLE}")
    try:
        settings = interakt_track.Client(write_key=key, host="http://localhost").settings
    except interakt_track.SettingsError as error:
        raise click.UsageError(f"{KEY_VARIABLE}: {error}") from error
    return settings.write_key or ""


@contextmanager
def _end_put_by_signals(requests: Requests) -> Iterator[None]:
    """Let Ctrl-C, and what container runtimes and `kill` send, put an end behind what has arrived.

    An exception out of the signal's handler would lose the line that is being printed. A second signal raises one.
    """

    def put_end(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        requests.put(None)

    before = {number: signal.signal(number, put_end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _greet(console: Console, url: str, *, host: str, is_key_checked: bool) -> None:
    console.print(f"The sandbox listens on {url}", style="bold", soft_wrap=True)
    console.print(f"Open {url}/ in a browser to see what arrives.", soft_wrap=True)
    console.print("Point the SDK at it:\n")
    console.print(f'    track.host = "{url}"', style="cyan", soft_wrap=True)
    if is_key_checked:
        console.print(f"    # and the key that is in {KEY_VARIABLE}; any other is refused\n", style="dim")
    else:
        console.print(f'    track.write_key = "{ANY_KEY}"\n', style="cyan")
    if not _is_this_machine(host):
        say(
            console,
            "Whoever can reach this machine can send to it, and see the customers on its page.\n",
            style="yellow",
        )
    console.print("What arrives is shown below; Ctrl-C ends it.\n", style="dim")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _show_until_end(console: Console, requests: Requests) -> None:
    while True:
        try:
            request = requests.get(timeout=LOOK_UP)
        except queue.Empty:
            continue
        if request is None:
            return
        console.print(request_line(request, datetime.now().astimezone()), soft_wrap=True)


def _summary(counts: Counts) -> str:
    return (
        f"{counts.requests} requests over {counts.connections} connections: {counts.users} customers and "
        f"{counts.events} events received, {counts.refused} refused, {counts.unanswered} not answered"
    )
