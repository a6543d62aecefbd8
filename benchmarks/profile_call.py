"""Where this SDK's own time goes: of a call, of sending, of the import.

    profile_call.py call [--phone]     each step of `track.event`, in microseconds, steps inside of steps indented
    profile_call.py send               functions by their own time while one thread sends, and the bare cost of a request
    profile_call.py import [--call] [--phone]   modules by their own time, to the end of the import or of the first call
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import re
import subprocess
import sys
import time
import timeit
from os import getpid
from typing import TYPE_CHECKING, Any

from processes import serving

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "Order Placed"
TRAITS = {"order": "order-1", "total": 1499.5, "city": "Pune"}
SHOWN = 30  # functions or modules
MARK = "import begins here"


def profile_call(*, phone: bool) -> None:
    """Print what each step of a call costs, the garbage collector included, while eight threads wait for answers."""
    import track  # noqa: PLC0415 - its cost is what another profile of this program shows
    from interakt_track import _lifecycle, _messages, _receipt  # noqa: PLC0415 - as above

    arguments: dict[str, Any] = {"phone_number": "9876543210"} if phone else {"user_id": "user-1"}
    with serving(latency=float("inf")) as url:
        track.write_key, track.host, track.max_queue_size = "benchmark", url, 10**9
        client = track._engine.get()
        track.event(NAME, "the first one takes longer", **({} if phone else {"phone_number": "9876543210"}))

        positional = (arguments.get("user_id"), NAME, TRAITS, None, arguments.get("phone_number"), None)
        keywords: dict[str, Any] = {
            "default_country_code": "+91",
            "account": client._account,
            "priority": 1,
            "problems": None,
        }
        phone_pair = ("+91", "9876543210") if phone else _messages._NO_PHONE
        message = _messages.event_message(*positional, **keywords)
        queue = client._queue
        steps: list[tuple[str, Callable[[], object]]] = [
            ("track.event(…)", lambda: track.event(event=NAME, traits=TRAITS, **arguments)),
            ("  settings compared", track._engine.get),
            ("  Client.event(…)", lambda: client.event(event=NAME, traits=TRAITS, **arguments)),
            ("    event_message(…)", lambda: _messages.event_message(*positional, **keywords)),
            ("      time()", time.time),
            ("      snapshot(traits)", lambda: _messages.snapshot(TRAITS, None)),
            ("      Message(…)", lambda: _new_message(_messages, message, phone_pair)),
            ("    queue.put(message)", lambda: queue.put(message)),
            ("    Receipt(…)", lambda: _receipt.Receipt(message, queue)),
            ("    is_forked()", _lifecycle.is_forked),
            ("      getpid()", getpid),
        ]
        if phone:
            steps.insert(6, ("      phone number", lambda: _messages.parse_phone_arguments("9876543210", None, "+91")))
        bare = _microseconds(lambda: None)
        whole = None
        for name, step in steps:
            cost = max(0.0, _microseconds(step) - bare)
            whole = whole or cost
            print(f"{name:26} {cost:6.2f} µs {cost / whole:6.0%}")


def profile_send() -> None:
    """Print where the CPU of sending goes, one thread against a server without latency."""
    import track  # noqa: PLC0415 - as above
    from interakt_track._messages import event_message  # noqa: PLC0415 - as above
    from interakt_track._sender import Sender  # noqa: PLC0415 - as above

    with serving() as url:
        account = track.Client(write_key="benchmark", host=url)._account
        messages = [
            event_message(
                f"user-{number}",
                NAME,
                TRAITS,
                None,
                None,
                None,
                default_country_code="+91",
                account=account,
                priority=1,
                problems=None,
            )
            for number in range(2000)
        ]
        sender = Sender()

        def send_all() -> None:
            for message in messages:
                sender.send(message, timeout=10, with_call_time=False)

        send_all()
        started, cpu = time.perf_counter(), time.process_time()
        send_all()
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        print(f"one request: {wall / 2000 * 1e6:.0f} µs, of which {cpu / 2000 * 1e6:.0f} µs of CPU; profiled:")
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
    print(f"{len(modules)} modules, {sum(module[0] for module in modules) / 1000:.1f} ms (importtime's own cost included)")
    print(f"{'own ms':>8} {'with all it imports':>20}")
    for own, whole, depth, name in sorted(modules, reverse=True)[:SHOWN]:
        print(f"{own / 1000:8.2f} {whole / 1000:20.2f}  {name} (depth {depth})")


def _new_message(messages: Any, message: Any, phone: object) -> object:
    return messages.Message(
        "event",
        message.user_id,
        phone,
        NAME,
        message.traits,
        None,
        None,
        None,
        message.called_at,
        message.account,
        1,
    )


def _microseconds(step: Callable[[], object]) -> float:
    """Return the best of some runs; timeit switches the garbage collector off, an application does not."""
    runs = timeit.repeat(step, setup=gc.enable, repeat=7, number=10_000)
    return min(runs) / 10_000 * 1e6


def main() -> None:
    """Profile what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["call", "send", "import"])
    parser.add_argument("--call", action="store_true", help="import: on to the end of the first call")
    parser.add_argument("--phone", action="store_true", help="with a phone number in place of a user id")
    arguments = parser.parse_args()
    if arguments.what == "call":
        profile_call(phone=arguments.phone)
    elif arguments.what == "send":
        profile_send()
    else:
        profile_import(call=arguments.call, phone=arguments.phone)


if __name__ == "__main__":
    main()
