"""Under gevent, patched before or after the import: delivered, and other greenlets go on. Real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections import Counter

import pytest

from interakt_track.sandbox import Sandbox

PATCH_FIRST = """
from gevent import monkey
monkey.patch_all()
import track
"""
IMPORT_FIRST = """
import track
from gevent import monkey
monkey.patch_all()
"""
PREAMBLE = """
import gevent, os, sys, time
track.write_key = "test-key"
track.flush_interval = 0.05

class Ticker:
    '''A greenlet that notes how long it was kept from running.'''
    def __init__(self):
        self.longest, self.ticks = 0.0, 0
        gevent.spawn(self.tick)
    def tick(self):
        while True:
            before = time.monotonic()
            gevent.sleep(0.01)
            self.longest = max(self.longest, time.monotonic() - before)
            self.ticks += 1
"""

both_orders = pytest.mark.parametrize("start", [PATCH_FIRST, IMPORT_FIRST], ids=["patched first", "imported first"])


def run(script: str, sandbox: Sandbox) -> str:
    """Run a script to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "INTERAKT_HOST": sandbox.url},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def arrived(sandbox: Sandbox) -> Counter[str]:
    return Counter(event["userId"] for event in sandbox.events)


@both_orders
def test_the_end_of_the_program_delivers(sandbox: Sandbox, start: str) -> None:
    run(start + PREAMBLE + "for i in range(20): track.event(user_id=f'u{i}', event='e')", sandbox)

    assert arrived(sandbox) == {f"u{i}": 1 for i in range(20)}


@both_orders
def test_flush_waits_while_other_greenlets_run(sandbox: Sandbox, start: str) -> None:
    sandbox.faults = "latency=3s"  # several times the longest that anything computes, on a machine with much else to do
    script = """
ticker = Ticker()
def produce(name):
    for i in range(4): track.event(user_id=f'{name}-{i}', event='e')
for greenlet in [gevent.spawn(produce, name) for name in 'abc']: greenlet.join()
print(track.flush(30), ticker.ticks > 10, ticker.longest < 3, track.stats().delivered)
"""

    written = run(start + PREAMBLE + script, sandbox)

    assert written == "True True True 12\n"
    assert arrived(sandbox) == {f"{name}-{i}": 1 for name in "abc" for i in range(4)}


@both_orders
def test_on_error_may_track_flush_and_wait(sandbox: Sandbox, start: str) -> None:
    sandbox.fail_next(2, status=400)
    script = """
import logging
logging.getLogger('interakt_track').setLevel('CRITICAL')
def on_error(error, queue_msg):
    gevent.sleep(0.01)
    track.flush()
    print(type(error).__name__, queue_msg['body']['userId'], flush=True)
    track.event(user_id='again', event='e')
track.on_error = on_error
for i in range(2): track.event(user_id='u', event='e', traits={'n': i})
print(track.flush(20))
"""

    written = run(start + PREAMBLE + script, sandbox)

    assert written == "RejectedError u\nRejectedError u\nTrue\n"
    assert arrived(sandbox) == {"again": 2}


@both_orders
def test_sync_mode_returns_what_became_of_a_call(sandbox: Sandbox, start: str) -> None:
    sandbox.fail_next(status=400)
    script = """
track.sync_mode = True
def call():
    try: print(track.event(user_id='u', event='e').status)
    except track.RejectedError: print('refused')
gevent.spawn(call).join()
call()
"""

    written = run(start + PREAMBLE + script, sandbox)

    assert written == "refused\ndelivered\n"
    assert arrived(sandbox) == {"u": 1}


@both_orders
@pytest.mark.parametrize("wait", ["pass", "gevent.sleep(0.3)"], ids=["while it waits", "while it is sent"])
def test_a_forked_child_leaves_the_parents_messages_alone(sandbox: Sandbox, start: str, wait: str) -> None:
    """Greenlets are copied by a fork: those of the parent would go on in the child."""
    sandbox.faults = "latency=600ms"
    script = f"""
import warnings
warnings.simplefilter('ignore', DeprecationWarning)  # of forks while threads run, from Python 3.12 on
for i in range(5): track.event(user_id=f'parent-{{i}}', event='e')
{wait}
pid = os.fork()
if pid == 0:
    track.event(user_id='child', event='e')
    gevent.sleep(1)
else:
    print(track.flush(20), track.stats().delivered, track.stats().retried)
    os.waitpid(pid, 0)
"""

    written = run(start + PREAMBLE + script, sandbox)

    assert written == "True 5 0\n"
    assert arrived(sandbox) == {"child": 1, **{f"parent-{i}": 1 for i in range(5)}}
