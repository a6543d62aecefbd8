"""Forks: a child starts clean, sends its own messages and nothing of the parent's. Real processes."""

from __future__ import annotations

import multiprocessing
import os
import textwrap
from collections import Counter

import pytest
from running import run_python

from interakt_track.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PREAMBLE = """
import atexit, ctypes, gc, logging, multiprocessing, os, sys, threading, time, traceback, warnings
import track
from forking import in_child, wait_for
track.write_key = "test-key"
warnings.simplefilter("ignore", DeprecationWarning)  # of forks while threads run, from Python 3.12 on
"""


def run(script: str, sandbox: Sandbox) -> Counter[str]:
    """Run a script to its end; return how often each event arrived."""
    done = run_python("-c", PREAMBLE + textwrap.dedent(script), INTERAKT_HOST=sandbox.url)
    assert (done.returncode, done.stderr) == (0, "")
    return Counter(event["event"] for event in sandbox.events)


SEND_AND_FLUSH = """
def send_and_flush():
    assert track.stats().queued == 0, track.stats()
    for i in range(5): track.event(user_id="u", event="child")
    assert track.flush(15)
    assert track.stats().delivered == 5, track.stats()
"""


@pytest.mark.parametrize("fork", ["os.fork", "ctypes.CDLL(None).fork"])
def test_a_fork_after_use(sandbox: Sandbox, fork: str) -> None:
    arrived = run(
        SEND_AND_FLUSH
        + f"""
track.event(user_id="u", event="parent")
track.flush()
wait_for(in_child(send_and_flush, {fork}))
track.event(user_id="u", event="parent")
""",
        sandbox,
    )

    assert arrived == {"parent": 2, "child": 5}


@pytest.mark.parametrize("fork", ["os.fork", "ctypes.CDLL(None).fork"])
def test_a_fork_with_messages_waiting_sends_them_once(sandbox: Sandbox, fork: str) -> None:
    arrived = run(
        SEND_AND_FLUSH
        + f"""
track.flush_interval = 60
for i in range(9): track.event(user_id="u", event="parent")
wait_for(in_child(send_and_flush, {fork}))
""",
        sandbox,
    )

    assert arrived == {"parent": 9, "child": 5}


def test_a_fork_in_c_is_noticed_in_the_child_of_a_child(sandbox: Sandbox) -> None:
    arrived = run(
        SEND_AND_FLUSH
        + """
fork = ctypes.CDLL(None).fork
def send_and_fork():
    send_and_flush()
    wait_for(in_child(send_and_flush, fork))
track.flush_interval = 60
track.event(user_id="u", event="parent")
wait_for(in_child(send_and_fork, fork))
""",
        sandbox,
    )

    assert arrived == {"parent": 1, "child": 10}


@pytest.mark.parametrize("madvise", ["pass", "raise OSError"], ids=["an emulator", "an old kernel"])
def test_a_fork_in_c_is_noticed_where_the_system_wipes_no_memory(sandbox: Sandbox, madvise: str) -> None:
    arrived = run(
        SEND_AND_FLUSH
        + f"""
import mmap
from interakt_track import _lifecycle
class Page(mmap.mmap):
    def madvise(self, advice): {madvise}
mmap.mmap = Page
_lifecycle._mark = _lifecycle._mark_of_process()
assert _lifecycle._mark is None
track.flush_interval = 60
track.event(user_id="u", event="parent")
wait_for(in_child(send_and_flush, ctypes.CDLL(None).fork))
""",
        sandbox,
    )

    assert arrived == {"parent": 1, "child": 5}


def test_a_fork_before_use_as_gunicorn_does_with_preload(sandbox: Sandbox) -> None:
    arrived = run(SEND_AND_FLUSH + "for pid in [in_child(send_and_flush) for _ in range(3)]: wait_for(pid)", sandbox)

    assert arrived == {"child": 15}


def test_forks_while_sending(sandbox: Sandbox) -> None:
    """Another thread sends and imports all the while: no lock of ours, nor of the import system, is left behind."""
    arrived = run(
        SEND_AND_FLUSH
        + """
stop = threading.Event()
def produce():
    n = 0
    while not stop.is_set():
        track.event(user_id=f"p{n % 10}", event="parent")
        n += 1
        time.sleep(0.005)
producer = threading.Thread(target=produce)
producer.start()
for _ in range(10): wait_for(in_child(send_and_flush))
stop.set()
producer.join()
assert track.flush(20)
stats = track.stats()
assert stats.delivered == stats.queued
""",
        sandbox,
    )

    assert arrived["child"] == 50


def test_a_fork_in_on_error(sandbox: Sandbox) -> None:
    sandbox.fail_next(status=400)

    arrived = run(
        SEND_AND_FLUSH
        + """
logging.getLogger("interakt_track").setLevel("CRITICAL")
track.on_error = lambda error, queue_msg: wait_for(in_child(send_and_flush))
track.event(user_id="u", event="refused")
assert track.flush(20)
""",
        sandbox,
    )

    assert arrived == {"child": 5}


def test_a_fork_in_a_thread(sandbox: Sandbox) -> None:
    arrived = run(
        SEND_AND_FLUSH
        + """
track.event(user_id="u", event="parent")
def fork(): wait_for(in_child(send_and_flush))
thread = threading.Thread(target=fork)
thread.start()
thread.join()
""",
        sandbox,
    )

    assert arrived == {"parent": 1, "child": 5}


def test_a_fork_while_each_lock_of_ours_is_held(sandbox: Sandbox) -> None:
    """Whatever a thread of the parent held, the child has its own."""
    arrived = run(
        SEND_AND_FLUSH
        + """
client = track.Client(write_key="test-key")
client.event(user_id="u", event="parent")
client.flush()

kinds = (type(threading.Lock()), type(threading.RLock()))
def locks_of(thing, seen):
    if id(thing) in seen or isinstance(thing, (type, type(sys))): return
    seen.add(id(thing))
    for value in gc.get_referents(thing):
        if isinstance(value, kinds): yield value
        elif (type(value).__module__ or "").startswith("interakt_track") or isinstance(value, (dict, tuple)):
            yield from locks_of(value, seen)
locks = list(locks_of(client, set()))
assert len(locks) >= 5, locks

held = threading.Event()
def hold():
    for lock in locks: lock.acquire()
    held.set()
    time.sleep(60)
threading.Thread(target=hold, daemon=True).start()
held.wait()

def work():
    client.event(user_id="u", event="child")
    assert client.flush(15)
    client.stats()
    client.shutdown(5)
wait_for(in_child(work))
os._exit(0)
""",
        sandbox,
    )

    assert arrived == {"parent": 1, "child": 1}


@pytest.mark.parametrize("fork", ["os.fork", "ctypes.CDLL(None).fork"])
def test_a_receipt_of_the_parent_has_nothing_to_wait_for_in_the_child(sandbox: Sandbox, fork: str) -> None:
    run(
        """
track.flush_interval = 60
receipt = track.event(user_id="u", event="parent")
def work():
    assert receipt.wait().status == "queued"
wait_for(in_child(work, FORK))
""".replace("FORK", fork),
        sandbox,
    )


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing_children_deliver_without_a_flush(sandbox: Sandbox, method: str) -> None:
    done = run_python("multiprocessing_shop.py", method, INTERAKT_HOST=sandbox.url)

    assert (done.returncode, done.stderr) == (0, "")
    assert Counter(event["event"] for event in sandbox.events) == {"parent": 1, "child": 15}
