"""Where this SDK's own time goes: of a call, of sending, of the import.

profile_call.py call [--phone]     each step of `track.event`, in microseconds, steps inside of steps indented
profile_call.py send               functions by their own time while one thread sends, and the bare cost of a request
profile_call.py import [--call] [--phone]   modules by their own time, to the end of the import or of the first call
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import pstats
import re
import subprocess
import sys
import time
import timeit
from importlib import import_module
from itertools import cycle
from typing import TYPE_CHECKING, Any

from processes import serving

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "Order Placed"
TRAITS = {"order": "order-1", "total": 1499.5, "city": "Pune"}
SHOWN = 30  # functions or modules
MARK = "import begins here"
REPEAT = 9


def profile_call(number: int, *, phone: bool) -> None:
    """Print what each step of a call costs, while all workers wait for answers; each event is another person's."""
    track, lifecycle, messages, receipt = _rooms("", "._lifecycle", "._messages", "._receipt")
    ids = cycle([f"user-{person}" for person in range(REPEAT * number)])
    numbers = cycle([f"98{person:08}" for person in range(REPEAT * number)])
    who: Callable[[], tuple[str | None, str | None]] = (
        (lambda: (None, next(numbers))) if phone else (lambda: (next(ids), None))
    )
    with serving(latency=float("inf")) as url:
        track.write_key, track.host, track.max_queue_size = "benchmark", url, 10**9
        (module_client,) = [value for value in vars(track).values() if type(value).__name__ == "DefaultClient"]
        client = module_client.get()
        queue = client._queue

        def new_message() -> Any:
            user_id, phone_number = who()
            return messages.event_message(
                user_id,
                NAME,
                TRAITS,
                None,
                phone_number,
                None,
                default_country_code="+91",
                account=client._account,
                priority="normal",
                problems=None,
            )

        def call(event: Callable[..., object]) -> object:
            user_id, phone_number = who()
            return event(user_id, NAME, TRAITS, None, phone_number)

        for _ in range(200):
            call(track.event)
        message = new_message()
        some_messages = cycle([new_message() for _ in range(REPEAT * number)])
        bare = _microseconds(lambda: None, number)
        bare_call = _microseconds(lambda: call(lambda *arguments: None), number)
        steps: list[tuple[str, float, Callable[[], object]]] = [
            ("track.event(…)", bare_call, lambda: call(track.event)),
            ("  the client, as set", bare, module_client.get),
            ("  Client.event(…)", bare_call, lambda: call(client.event)),
            ("    event_message(…)", bare_call, new_message),
            ("      phone number", bare, lambda: messages.parse_phone_arguments(message.phone_number, None, "+91")),
            ("      snapshot(traits)", bare, lambda: messages.snapshot(TRAITS, None)),
            ("    needs_care()", bare, lifecycle.needs_care),
            ("    queue.put(message)", bare, lambda: queue.put(next(some_messages))),
            ("    Receipt(…)", bare, lambda: receipt.Receipt(message, queue)),
        ]
        whole = None
        for name, not_counted, step in steps:
            cost = _microseconds(step, number) - not_counted
            whole = whole or cost
            print(f"{name:26} {cost:6.2f} µs {cost / whole:6.0%}", flush=True)
    os._exit(0)  # what waits would be tried for ten seconds more


def profile_send(number: int) -> None:
    """Print where the CPU of sending goes, one thread against a server without latency."""
    track, message_room, sender_room = _rooms("", "._messages", "._sender")
    with serving() as url:
        account = track.Client(write_key="benchmark", host=url)._account
        messages = [
            message_room.event_message(
                f"user-{person}",
                NAME,
                TRAITS,
                None,
                None,
                None,
                default_country_code="+91",
                account=account,
                priority="normal",
                problems=None,
            )
            for person in range(number)
        ]
        sender = sender_room.Sender()

        def send_all() -> None:
            for message in messages:
                sender.send(message, timeout=10, with_call_time=False)

        send_all()
        started, cpu = time.perf_counter(), time.process_time()
        send_all()
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        print(f"one request: {wall / number * 1e6:.0f} µs, of which {cpu / number * 1e6:.0f} µs of CPU; profiled:")
        profiler = cProfile.Profile()
        profiler.runcall(send_all)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(SHOWN)
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(SHOWN)


def profile_import(*, call: bool, phone: bool) -> None:
    """Print which modules the time of a fresh process goes to."""
    program = [f"import sys; sys.stderr.write('{MARK}\\n')", "import track"]
    if call or phone:
        who = "phone_number='9876543210'" if phone else "user_id='u1'"
        program += ["track.write_key, track.host = 'benchmark', 'http://127.0.0.1:9'", "track.shutdown_timeout = 0"]
        program += ["track.flush_interval = 60", f"track.event(event='Order Placed', {who})", "import os; os._exit(0)"]
    command = [sys.executable, "-E", "-s", "-X", "importtime", "-c", "; ".join(program)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = re.findall(r"import time: +(\d+) \| +(\d+) \| ( *)(\S+)", ran.stderr.partition(MARK)[2])
    modules = [(int(own), int(whole), len(depth) // 2, name) for own, whole, depth, name in lines]
    print(
        f"{len(modules)} modules, {sum(module[0] for module in modules) / 1000:.1f} ms (importtime's own cost included)"
    )
    print(f"{'own ms':>8} {'with all it imports':>20}")
    for own, whole, depth, name in sorted(modules, reverse=True)[:SHOWN]:
        print(f"{own / 1000:8.2f} {whole / 1000:20.2f}  {name} (depth {depth})")


def _rooms(*names: str) -> list[Any]:
    """Import rooms of the package; untyped, as what they hold is not for use from outside."""
    return [import_module(f"interakt_track{name}") for name in names]


def _microseconds(step: Callable[[], object], number: int) -> float:
    """Return the best of some runs, in CPU time of this thread, so that what else the machine does counts little.

    With the garbage collector on: timeit switches it off, an application does not.
    """
    runs = timeit.repeat(step, setup=gc.enable, timer=time.thread_time, repeat=REPEAT, number=number)
    return min(runs) / number * 1e6


def main() -> None:
    """Profile what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["call", "send", "import"])
    parser.add_argument("--call", action="store_true", help="import: on to the end of the first call")
    parser.add_argument("--phone", action="store_true", help="with a phone number in place of a user id")
    parser.add_argument("--number", type=int, default=5000, help="call, send: how often each step is run, at a time")
    arguments = parser.parse_args()
    if arguments.what == "call":
        profile_call(arguments.number, phone=arguments.phone)
    elif arguments.what == "send":
        profile_send(arguments.number)
    else:
        profile_import(call=arguments.call, phone=arguments.phone)


if __name__ == "__main__":
    main()
