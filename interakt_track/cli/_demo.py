"""The command `demo`: calls through the real queue over real HTTP, and the proof that all of it arrived."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from interakt_track import Client
from interakt_track.sandbox import Sandbox

from ._arrivals import compare
from ._demo_report import Outcome, show_report
from ._faults import HELP, read_faults
from ._screen import open_console
from ._shop import make_day

if TYPE_CHECKING:
    from rich.console import Console

    from interakt_track import TrackError
    from interakt_track.sandbox import FaultPlan

LOOK = 0.05  # seconds between two looks at how far the delivery is
LEAVE = 1.0  # seconds to leave in when the time was up or Ctrl-C was pressed: the sandbox is as near as it gets
KEEP = 200_000  # requests of which the records stay: 9,000 messages with all their retries
KEEP_BYTES = 1 << 30  # far more than these are


EXAMPLES = """\b
Examples:
  interakt-track demo
  interakt-track demo --faults "5xx=10%,reset=2%,latency=20ms"   see it retry
  interakt-track demo --faults "400=1%"                          see it fail

"""


@click.command(epilog=EXAMPLES + HELP)
@click.option(
    "--customers", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many come to the shop."
)
@click.option(
    "--faults",
    metavar="FAULTS",
    default="latency=50ms",
    show_default=True,
    help="What the local API does to the requests; see below.",
)
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="How long the delivery may take.",
)
@click.pass_context
def demo(ctx: click.Context, *, customers: int, faults: str, timeout: float) -> None:
    """Watch a few hundred messages arrive, as they were called.

    A local Track API is started, and a shop's day is called: sign-ups, products viewed and added, orders placed, by
    people who do not exist. The SDK delivers the calls as it would deliver yours: through its queue, in the
    background, in order, over HTTP. Then what arrived is compared with what was called. Status 0 means that every
    message arrived, unchanged and in each person's order; else 1, and what is missing is listed.
    """
    console = open_console()
    _pass_proxies_by()
    logging.getLogger("interakt_track").addHandler(logging.NullHandler())  # the report tells what the SDK would log
    outcome = _run(console, customers=customers, plan=read_faults(faults), timeout=timeout)
    show_report(console, outcome)
    if not outcome.is_well:
        ctx.exit(1)


def _run(console: Console, *, customers: int, plan: FaultPlan, timeout: float) -> Outcome:
    calls = make_day(customers)
    reasons: Counter[str] = Counter()

    def count_reason(error: TrackError, _: object) -> None:
        reasons[str(error)] += 1

    with Sandbox(faults=plan, keep=KEEP, keep_bytes=KEEP_BYTES) as local_api:
        console.print(f"A shop's day, sent to a local Track API at {local_api.url}\n", style="bold", soft_wrap=True)
        with Client(
            write_key="no-key-needed",
            host=local_api.url,
            on_error=count_reason,
            max_queue_size=len(calls),
            shutdown_timeout=LEAVE,
        ) as client:
            since = datetime.now(UTC)
            started = time.perf_counter()
            receipts = []
            call_times = []
            for call in calls:
                before = time.perf_counter()
                receipts.append(call.make(client))
                call_times.append(time.perf_counter() - before)
            until = datetime.now(UTC)
            _watch(console, client, total=len(calls), deadline=started + timeout)
            delivered = time.perf_counter()
        sent = [(call, receipt.message) for call, receipt in zip(calls, receipts, strict=True)]
        return Outcome(
            calls=calls,
            paths={call.kind: message["path"] for call, message in sent},
            call_times=call_times,
            delivery_time=delivered - started,
            arrivals=compare(calls, local_api.requests, since=since, until=until),
            counts=local_api.counts,
            stats=client.stats(),
            reasons=reasons,
        )


def _pass_proxies_by() -> None:
    """Keep a proxy that the environment names out of what stays on this machine."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))


def _watch(console: Console, client: Client, *, total: int, deadline: float) -> None:
    """Show the delivery until it is over, or its time is; in a pipe, one line stands for the moving bar."""
    if not console.is_terminal:
        console.print(f"Delivering {total} messages ...")
    columns = (
        TextColumn("Delivering"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        is_over = False
        while not is_over and time.perf_counter() < deadline:
            is_over = client.flush(LOOK)
            stats = client.stats()
            progress.update(task, completed=stats.delivered + stats.rejected + stats.dropped)
