"""Signal handlers that track: whatever they interrupt, nothing hangs and nothing is lost. Real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter

import pytest

from interakt_track.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timer")

PREAMBLE = """
import os, signal, sys, time
import track
track.write_key = "test-key"
track.max_queue_size = 100_000
"""


def run(script: str, sandbox: Sandbox) -> tuple[int, str, str]:
    """Run a script that must end in time; return its exit code and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PREAMBLE + textwrap.dedent(script)],
        env={**os.environ, "INTERAKT_HOST": sandbox.url},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "work",
    ["", "track.flush(0.001)", "track.stats()", "track.flush_interval = 0.01 + handled % 7 / 100"],
    ids=["track", "flush", "stats", "settings"],
)
def test_a_storm_of_signals_whose_handler_tracks(sandbox: Sandbox, work: str) -> None:
    """Its first signals come during the first call, which imports what it needs."""
    script = f"""
handled = depth = began = 0
def handle(*_):
    global handled, depth, began
    number, handled, depth = handled, handled + 1, depth + 1  # first, as a signal may come while one is handled
    if depth == 1:
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.0005)  # one, and no more: a slow machine would run out of stack
    track.event(user_id=f"handler-{{number % 5}}", event="handler", traits={{"number": number}})
    {work}
    depth -= 1
    if depth == 0:  # the loop has as much time as the handler took, on a slow machine too
        signal.setitimer(signal.ITIMER_REAL, max(0.002, time.monotonic() - began))
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0005)
called = 0
while handled < 200 or called < 600:
    if called < 600:
        track.event(user_id=f"main-{{called % 5}}", event="main", traits={{"number": called}})
        called += 1
    else:
        time.sleep(0.001)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
assert track.flush(30)
stats = track.stats()
assert stats.queued == stats.delivered == handled + called, (stats, handled, called)
print(handled)
"""

    code, out, err = run(script, sandbox)

    assert (code, err) == (0, ""), err  # whole: what is rare has to be told the first time
    arrived = Counter((body["event"], body["traits"]["number"]) for body in sandbox.events)
    assert arrived == {
        **{("main", number): 1 for number in range(600)},
        **{("handler", number): 1 for number in range(int(out))},
    }


def test_a_handler_that_tracks_while_a_warning_is_logged(sandbox: Sandbox) -> None:
    """The queue is full, so that each call takes the lock around what is told."""
    script = """
track.max_queue_size = 1
track.flush_interval = 60
track.event(user_id="u", event="e")
handled = 0
def handle(*_):
    global handled
    track.event(user_id="u", event="refused")
    handled += 1
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
called = 0
while handled < 2000:
    track.event(user_id="u", event="refused")
    called += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(track.stats().refused["queue_full"] - handled - called)
"""

    code, out, err = run(script, sandbox)

    assert (code, out) == (0, "0\n"), err
    assert [body["event"] for body in sandbox.events] == ["e"]


def test_a_handler_that_flushes_what_the_interrupted_loop_tracked(sandbox: Sandbox) -> None:
    """Not in the first call: threads that send wait for what it imports, and flush would wait for them."""
    script = """
flushed = []
def handle(*_):
    flushed.append(track.flush(20))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.signal(signal.SIGALRM, handle)
track.event(user_id="u", event="e", traits={"number": 0})
called = 1
signal.setitimer(signal.ITIMER_REAL, 0.01)
while len(flushed) < 5:
    if called < 2000:
        track.event(user_id=f"u{called % 50}", event="e", traits={"number": called})
        called += 1
signal.setitimer(signal.ITIMER_REAL, 0)
assert all(flushed), flushed
assert track.flush(30)
print(called)
"""

    code, out, err = run(script, sandbox)

    assert (code, err) == (0, "")
    assert Counter(body["traits"]["number"] for body in sandbox.events) == dict.fromkeys(range(int(out)), 1)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_handler_that_tracks_and_exits_amid_a_loop_of_calls(sandbox: Sandbox, name: str) -> None:
    script = f"""
import threading
called = 0
def handle(*_):
    track.event(user_id="u", event="handler")
    print(called, flush=True)
    sys.exit(5)
def end():
    while called < 300: time.sleep(0.001)
    os.kill(os.getpid(), signal.{name})
signal.signal(signal.{name}, handle)
threading.Thread(target=end, daemon=True).start()
while True:
    if called < 1000:
        track.event(user_id=f"u{{called % 50}}", event="main", traits={{"number": called}})
        called += 1
"""

    code, out, err = run(script, sandbox)

    assert (code, err) == (5, "")
    numbers = Counter(body["traits"]["number"] for body in sandbox.events if body["event"] == "main")
    assert set(numbers.values()) == {1}
    assert len(numbers) - int(out) in (0, 1)  # the handler may have come between a call and its count
    assert sum(body["event"] == "handler" for body in sandbox.events) == 1


@pytest.mark.parametrize("ending", ["os.kill(os.getpid(), signal.SIGINT)", "raise ValueError('the application')"])
def test_an_unhandled_end_leaves_within_the_shutdown_timeout(sandbox: Sandbox, ending: str) -> None:
    """Nobody answers: what cannot be delivered is counted, and the process ends."""
    sandbox.faults = "hang=1"
    script = f"""
track.shutdown_timeout = 1
for i in range(20): track.event(user_id=f"u{{i}}", event="e")
{ending}
time.sleep(30)
"""

    code, _, err = run(script, sandbox)

    assert code in (1, -signal.SIGINT)
    assert "20 messages could not be delivered within 1 s of leaving" in err
