"""One process, in the environment of one SDK: one measurement of it, printed as JSON."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sqlite3
import time
import tracemalloc
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from sdks import KEY, connect, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdks import Event

    Figures = dict[str, float]

NAME = "Order Placed"
BURST = 10  # calls between two short sleeps, in which the sending threads get their turn
QUIET = 0.25  # seconds in which an idle process uses no CPU to speak of
DOCUMENT = json.dumps([{"id": number, "name": f"name {number}", "tags": ["a", "b"]} for number in range(300)])


class Server:
    """The counting server, asked over HTTP."""

    def __init__(self, url: str) -> None:
        self._url = url

    def wait(self, count: str, at_least: int) -> dict[str, Any]:
        """Return all counts once this one has come that far."""
        return self._ask(f"_wait?{count}={at_least}")

    def counts(self) -> dict[str, Any]:
        """Return all counts as they are."""
        return self._ask("_counts")

    def _ask(self, what: str) -> dict[str, Any]:
        with urlopen(f"{self._url}/{what}", timeout=100) as answer:  # noqa: S310 - always our own http server
            counts: dict[str, Any] = json.load(answer)
        if counts["unknown"]:
            raise RuntimeError(f"the SDK sent requests that the server does not know: {counts}")
        return counts


def measure_calls(event: Event, flush: Callable[[], object], server: Server, events: int) -> Figures:
    """Time single calls, in short bursts, while the SDK sends."""
    warm_up(event, flush, server, BURST)
    times = []
    for number in range(events):
        user_id, traits = person(number)
        started = time.perf_counter_ns()
        event(user_id, NAME, traits)
        times.append(time.perf_counter_ns() - started)
        if number % BURST == 0:
            time.sleep(0.001)
    return percentiles(times)


def measure_scattered_calls(event: Event, flush: Callable[[], object], server: Server, events: int) -> Figures:
    """Time single calls between other work, as in an application: the caches hold that work and not the SDK."""
    warm_up(event, flush, server, BURST)
    times = []
    for number in range(events):
        json.dumps(json.loads(DOCUMENT))
        user_id, traits = person(number)
        started = time.perf_counter_ns()
        event(user_id, NAME, traits)
        times.append(time.perf_counter_ns() - started)
    return percentiles(times)


def measure_delivery(event: Event, flush: Callable[[], object], server: Server, events: int) -> Figures:
    """Queue events of as many people, and take the time and the CPU until the server has answered them all."""
    warm = warm_up(event, flush, server, max(16, events // 500 * 100))
    started, cpu = time.perf_counter(), time.process_time()
    for number in range(events):
        user_id, traits = person(number)
        event(user_id, NAME, traits)
    flush()
    counts = server.wait("delivered", warm["delivered"] + events)
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    if counts["delivered"] != warm["delivered"] + events:
        raise RuntimeError(f"the server received other events than were called: {counts}")
    return {
        "rate": events / elapsed,
        "cpu": cpu / events * 1e6,
        "connections": counts["connections"],
        "server_share": (counts["cpu"] - warm["cpu"]) / elapsed,
    }


def measure_memory(event: Event, flush: Callable[[], object], server: Server, events: int) -> Figures:
    """Count the bytes that Python allocates for events that wait, behind some that the server does not answer."""
    warm = warm_up(event, flush, server, 100)
    for number in range(200):  # more than any SDK takes out of its queue at a time
        event(f"blocked-{number}", NAME, {})
    server.wait("received", warm["received"] + 1)
    become_quiet()
    tracemalloc.start()
    for number in range(events):
        user_id, traits = person(number)
        event(user_id, NAME, traits)
    become_quiet()
    return {"bytes": tracemalloc.get_traced_memory()[0] / events}


def measure_ration(event: Event, flush: Callable[[], object], server: Server, events: int) -> Figures:
    """Queue a backlog, and look at each minute how much of what the server lets through was made use of.

    Args:
        events: The backlog: the limit of one minute more than are looked at.
    """
    del flush  # it waits until all is sent
    limits = server.counts()
    limit, minute = limits["limit"], limits["minute"]
    started = time.monotonic()
    for number in range(events):
        user_id, traits = person(number)
        event(user_id, NAME, traits)
    received = [0]
    minutes = events // limit - 1
    for number in range(1, minutes + 1):
        time.sleep(max(0.0, started + number * minute - time.monotonic()))
        received.append(server.counts()["received"])
    used = [later - earlier for earlier, later in pairwise(received)]
    return {"used": min(used) / limit, "refused": server.counts()["refused"] / minutes}


def measure_restart(event: Event, flush: Callable[[], object], server: Server, events: int) -> Figures:
    """Take the time from making a client to its first request, with a backlog in the spool, and its memory.

    Args:
        events: The backlog: so many copies of one event, each another person's.
    """
    import track  # noqa: PLC0415 - the others' environments have another one

    warm_up(event, flush, server, 10)
    track.flush_interval = track.batch_size = 3600
    event("user", NAME, person(0)[1])
    track.shutdown(0)
    with closing(sqlite3.connect(str(track.spool))) as connection:
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(waiting)")][1:]
        copied = ", ".join("'user-' || n" if name == "user_id" else name for name in columns)
        connection.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT ?) "
            f"INSERT INTO waiting (id, {', '.join(columns)}) SELECT id + n, {copied} FROM waiting, numbers ORDER BY n",
            (events,),
        )
        connection.commit()
    before = resident_memory()
    received = server.counts()["received"]
    started = time.perf_counter()
    client = track.Client(write_key=KEY, host=track.host or "", spool=track.spool)
    server.wait("received", received + 1)
    first = time.perf_counter() - started
    server.wait("received", received + min(events, 300))
    figures = {"first": first, "memory": resident_memory() - before}
    client.shutdown(0)
    return figures


def resident_memory() -> float:
    """Return this process's memory in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def person(number: int) -> tuple[str, dict[str, object]]:
    """Return somebody else's id for each number, and traits that share nothing with another event's."""
    return f"user-{number}", {"order": f"order-{number}", "total": number + 0.5, "city": "Pune"}


def warm_up(event: Event, flush: Callable[[], object], server: Server, events: int) -> dict[str, Any]:
    """Let the SDK import, connect and start what it needs, and return the server's counts."""
    for number in range(events):
        event(f"warm-{number}", NAME, {})
    flush()
    return server.wait("delivered", events)


def become_quiet() -> None:
    """Wait until the SDK's threads have nothing to do but wait, and collect garbage."""
    while True:
        before = time.process_time()
        time.sleep(QUIET)
        if time.process_time() - before < QUIET / 50:
            break
    gc.collect()


def percentiles(nanoseconds: list[int]) -> Figures:
    """Return percentiles in microseconds, the cost of reading the clock included."""
    ordered = sorted(nanoseconds)
    return {
        name: ordered[int(len(ordered) * share)] / 1000
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
    }


MEASURES = {
    "calls": measure_calls,
    "scattered-calls": measure_scattered_calls,
    "delivery": measure_delivery,
    "memory": measure_memory,
    "ration": measure_ration,
    "restart": measure_restart,
}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measure", choices=MEASURES)
    parser.add_argument("sdk")
    parser.add_argument("url")
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=JSON", help="of the module")
    arguments = parser.parse_args()
    settings = {name: json.loads(value) for name, _, value in (text.partition("=") for text in arguments.setting)}
    event, flush = connect(arguments.sdk, load(arguments.sdk), arguments.url, **settings)
    print(json.dumps(MEASURES[arguments.measure](event, flush, Server(arguments.url), arguments.events)), flush=True)
    os._exit(0)  # the published SDK would never end by itself, and some wait for what is never answered


if __name__ == "__main__":
    main()
