"""Leaving the process: it always ends in time, with everything delivered or reported. Real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter

import pytest

from interakt_track.sandbox import Fault, Sandbox

SLACK = 4.0  # seconds a process takes to start and end on a loaded machine

PREAMBLE = """
import atexit, os, sys, signal, threading, time
import track
track.write_key = os.environ["INTERAKT_WRITE_KEY"]
"""


def start(script: str, sandbox: Sandbox) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PREAMBLE + textwrap.dedent(script)],
        env={**os.environ, "INTERAKT_HOST": sandbox.url, "INTERAKT_WRITE_KEY": "test-key"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script: str, sandbox: Sandbox, *, seconds: float = 10.0) -> tuple[int, str, str]:
    """Run a script that must end within so many seconds; return its exit code and what it wrote."""
    process = start(script, sandbox)
    try:
        out, err = process.communicate(timeout=seconds + SLACK)
    finally:
        process.kill()
    return process.returncode, out, err


def test_ten_calls_and_the_end_deliver_ten(sandbox: Sandbox) -> None:
    code, out, err = run('for i in range(10): track.event(user_id=f"u{i}", event="e")', sandbox)

    assert (code, out, err) == (0, "", "")
    assert len(sandbox.events) == 10


def test_a_few_hundred_at_some_latency_are_delivered(sandbox: Sandbox) -> None:
    sandbox.faults = "latency=30ms"

    code, _, err = run('for i in range(300): track.event(user_id=f"u{i}", event="e")', sandbox)

    assert (code, err) == (0, "")
    assert len(sandbox.events) == 300


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("sys.exit(3)", 3),
        ("raise ValueError('the application')", 1),
        ("signal.signal(15, lambda *_: sys.exit(4)); os.kill(os.getpid(), 15); time.sleep(9)", 4),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", None),  # 1 where an import at exit evaluates a string
    ],
)
def test_every_orderly_end_delivers(sandbox: Sandbox, ending: str, code: int | None) -> None:
    returned, _, _ = run(f'for i in range(20): track.event(user_id="u", event="e")\n{ending}', sandbox)

    assert returned in ((code,) if code is not None else (1, -signal.SIGINT))
    assert len(sandbox.events) == 20


def test_less_than_a_batch_at_some_latency_is_delivered_in_parallel(sandbox: Sandbox) -> None:
    """From Python 3.12 on the end of the program starts no thread: those there are have to be enough."""
    sandbox.faults = "latency=300ms"

    code, _, err = run('for i in range(90): track.event(user_id=f"u{i}", event="e")', sandbox)

    assert (code, err) == (0, "")
    assert len(sandbox.events) == 90


def test_a_client_with_a_dead_host_takes_no_time_from_another(sandbox: Sandbox) -> None:
    with Sandbox(faults="hang=1") as dead:
        script = f"""
            clients = [track.Client(flush_interval=20, shutdown_timeout=2) for _ in range(6)]
            clients += [track.Client(host={dead.url!r}, shutdown_timeout=2) for _ in range(3)]  # one is hardly the last
            for client in clients: client.event("u", "e")
        """

        code, _, err = run(script, sandbox, seconds=4)

    assert code == 0
    assert "1 message could not be delivered" in err
    assert len(sandbox.events) == 6


def test_a_first_message_from_an_atexit_handler_is_sent(sandbox: Sandbox) -> None:
    code, _, err = run('atexit.register(lambda: track.event(user_id="u", event="e"))', sandbox)

    assert (code, err) == (0, "")
    assert len(sandbox.events) == 1


def test_the_first_import_by_an_atexit_handler_sends(sandbox: Sandbox) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import atexit, threading\ndef f():\n    import track\n    track.event('u', 'e')\natexit.register(f)",
        ],
        env={**os.environ, "INTERAKT_HOST": sandbox.url, "INTERAKT_WRITE_KEY": "test-key"},
        capture_output=True,
        timeout=20,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert len(sandbox.events) == 1


def test_a_message_from_a_handler_that_runs_after_ours_is_sent(sandbox: Sandbox) -> None:
    script = """
        del sys.modules["track"], sys.modules["interakt_track"]
        for name in [name for name in sys.modules if name.startswith(("track.", "interakt_track."))]:
            del sys.modules[name]
        atexit.register(lambda: later.event(user_id="u", event="e"))
        import track as later
        later.write_key = "test-key"
        later.event(user_id="u", event="before")
    """

    code, _, err = run(script, sandbox)

    assert (code, err) == (0, "")
    assert sorted(event["event"] for event in sandbox.events) == ["before", "e"]


def test_messages_of_a_thread_that_ends_with_the_process(sandbox: Sandbox) -> None:
    script = """
        def work():
            time.sleep(0.3)
            for i in range(5): track.event(user_id="u", event="e", traits={"n": i})
        threading.Thread(target=work).start()
    """

    code, _, err = run(script, sandbox)

    assert (code, err) == (0, "")
    assert [event["traits"]["n"] for event in sandbox.events] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("fault", [Fault.hang(), Fault(status=503), Fault(status=429)], ids=lambda fault: fault.name)
def test_it_ends_within_the_shutdown_timeout_and_reports_the_rest(sandbox: Sandbox, fault: Fault) -> None:
    sandbox.fail_next(10_000, fault=fault)
    script = """
        track.shutdown_timeout = 1
        track.max_retries = 100
        track.on_error = lambda error, queue_msg: print(type(error).__name__, flush=True)
        for i in range(20): track.event(user_id=f"u{i}", event="e")
    """
    started = time.monotonic()

    code, out, err = run(script, sandbox, seconds=1)

    assert code == 0
    assert time.monotonic() - started < 1 + SLACK
    assert out.splitlines() == ["ShutdownError"] * 20
    assert err.count("20 messages could not be delivered within 1 s of leaving") == 1
    assert "Traceback" not in err


def test_it_ends_when_nobody_is_there(sandbox: Sandbox) -> None:
    sandbox.stop()
    script = """
        track.shutdown_timeout = 2
        for i in range(5): track.event(user_id=f"u{i}", event="e")
        atexit.register(lambda: print(track.stats(), flush=True))
    """

    code, out, err = run(script, sandbox, seconds=2)

    assert code == 0
    assert "queued=5" in out
    assert "Traceback" not in err


def test_a_slow_on_error_gets_a_second_and_no_more(sandbox: Sandbox) -> None:
    sandbox.fail_next(10, status=400)
    script = """
        track.shutdown_timeout = 1
        track.on_error = lambda error, queue_msg: time.sleep(60)
        for i in range(3): track.event(user_id=f"u{i}", event="e")
    """

    code, _, err = run(script, sandbox, seconds=2)

    assert code == 0
    assert "Traceback" not in err


def test_what_holds_up_the_end_takes_no_time_from_on_error(sandbox: Sandbox) -> None:
    """From Python 3.12 on, the thread that leaves sends, too, and nothing bounds how long it looks up a name."""
    script = """
        import socket
        look_up = socket.getaddrinfo
        def look_up_slowly(*arguments, **options):
            time.sleep(2.5)
            return look_up(*arguments, **options)
        def on_error(error, queue_msg):
            time.sleep(0.01)
            print(type(error).__name__, flush=True)
        track.on_error = on_error
        track.shutdown_timeout = 0.5
        track.max_retries = 100
        track.event(user_id="first", event="e").wait(1)  # threads are there
        socket.getaddrinfo = look_up_slowly
        for i in range(19): track.event(user_id=f"u{i}", event="e")
    """
    sandbox.faults = "503=100%"

    code, out, _ = run(script, sandbox, seconds=4)

    assert (code, Counter(out.splitlines())) == (0, {"ShutdownError": 20})


def test_ctrl_c_while_leaving_leaves(sandbox: Sandbox) -> None:
    sandbox.fail_next(10, fault=Fault.hang())
    process = start(
        'track.shutdown_timeout = 60\ntrack.event(user_id="u", event="e")\nprint("end", flush=True)', sandbox
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "end\n"
        sandbox.wait_for_requests(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=1 + SLACK)
    finally:
        process.kill()

    assert "1 message could not be delivered" in err


def test_the_number_of_losses_is_told_at_the_end(sandbox: Sandbox) -> None:
    sandbox.fail_next(10, status=400)

    code, _, err = run('for i in range(10): track.event(user_id=f"customer-{i}", event="e")', sandbox)

    assert code == 0
    first, last = err.splitlines()
    assert first.startswith("event of user_id=***")
    assert "was not delivered: the API answered 400" in first
    assert last.startswith("9 more such lines were not shown; the last: event of")
    assert "customer" not in err


def test_messages_of_a_client_nobody_holds_any_more_are_sent(sandbox: Sandbox) -> None:
    code, _, err = run('track.Client().event("u", "e")', sandbox)

    assert (code, err) == (0, "")
    assert len(sandbox.events) == 1


def test_an_unused_client_costs_no_thread(sandbox: Sandbox) -> None:
    code, out, _ = run("track.Client(); track.stats(); print(threading.active_count())", sandbox)

    assert (code, out) == (0, "1\n")
