"""Captures and forks: what a child calls is recorded for its parent, and no child sends anything. Real processes."""

from __future__ import annotations

import os
import textwrap

import pytest
from running import run_python

from interakt_track.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PREAMBLE = """
import ctypes, multiprocessing, os, tempfile, threading, warnings
import track
from forking import in_child, wait_for
from interakt_track.testing import SentEvent, capture
track.write_key = "test-key"
warnings.simplefilter("ignore", DeprecationWarning)  # of forks while threads run, from Python 3.12 on

def call(event="child", times=1):
    for n in range(times): track.event(user_id="u", event=event, traits={"n": n})

def names(sent):
    return [event.event for event in sent.events()]
"""


def run(script: str, sandbox: Sandbox, *, log: str = "") -> None:
    """Run a script to its end; see that it has sent nothing, and has told nothing but `log`."""
    done = run_python("-c", PREAMBLE + textwrap.dedent(script), INTERAKT_HOST=sandbox.url)
    assert done.returncode == 0, done.stderr
    assert (done.stderr == "") if log == "" else (log in done.stderr and "Traceback" not in done.stderr), done.stderr
    assert sandbox.requests == []


@pytest.mark.parametrize("fork", ["os.fork", "ctypes.CDLL(None).fork"])
def test_what_a_child_calls_is_recorded_in_its_place(sandbox: Sandbox, fork: str) -> None:
    run(
        f"""
def in_the_child():
    call("child")
    assert names(sent) == ["before", "child"], sent  # the child sees it as well
    assert track.stats().delivered == 1, track.stats()

with capture() as sent:
    call("before")
    wait_for(in_child(in_the_child, {fork}))
    call("after")
assert names(sent) == ["before", "child", "after"], sent
assert track.stats().delivered == 2, track.stats()
""",
        sandbox,
    )


def test_children_of_children_and_clients_they_make_are_recorded(sandbox: Sandbox) -> None:
    run(
        """
def make_and_call():
    with track.Client(write_key="test-key") as client: client.event("u", "grandchild")

def fork_and_call():
    wait_for(in_child(make_and_call))
    call("child")

with capture() as sent:
    wait_for(in_child(fork_and_call))
assert names(sent) == ["grandchild", "child"], sent
""",
        sandbox,
    )


def test_many_processes_and_threads_write_whole_lines(sandbox: Sandbox) -> None:
    run(
        """
def call_in_threads():
    threads = [threading.Thread(target=call, args=("x" * 300, 200)) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

with capture() as sent:
    children = [in_child(call_in_threads) for _ in range(4)]
    call_in_threads()
    for child in children: wait_for(child)
assert [names(sent).count("x" * 300), len(sent)] == [3000, 3000], len(sent)
assert sorted(event.traits["n"] for event in sent.events()) == sorted(list(range(200)) * 15)
""",
        sandbox,
    )


@pytest.mark.parametrize("target", ["call", "call_and_flush"])
def test_children_of_multiprocessing_are_recorded(sandbox: Sandbox, target: str) -> None:
    run(
        f"""
def call_and_flush():
    call()
    assert track.flush(0)

processes = multiprocessing.get_context("fork")
with capture() as sent:
    child = processes.Process(target={target})
    child.start()
    child.join()
    assert child.exitcode == 0
assert names(sent) == ["child"], sent
""",
        sandbox,
    )


def test_a_child_stays_captured_when_it_or_its_parent_leaves_the_block(sandbox: Sandbox) -> None:
    run(
        """
may_call, called = os.pipe(), os.pipe()
with capture() as sent:
    child = os.fork()
    if child == 0:
        os.read(may_call[0], 1)
        call("the parent has left")
if child == 0:
    call("the child has left")
    track.shutdown()
    os._exit(0)
os.write(may_call[1], b".")
wait_for(child)
assert names(sent) == ["the parent has left", "the child has left"], sent
""",
        sandbox,
    )


def test_a_child_of_a_client_with_a_spool_opens_no_file(sandbox: Sandbox) -> None:
    run(
        """
track.spool = "/nowhere/that/can/be/made/track.db"
with capture() as sent:
    call("parent")
    wait_for(in_child(call))
    assert track.stats().spool_problem is None, track.stats()
assert names(sent) == ["parent", "child"], sent
""",
        sandbox,
    )


def test_a_child_can_read_while_a_thread_of_its_parent_was_reading(sandbox: Sandbox) -> None:
    run(
        """
with capture() as sent:
    may_end = threading.Event()
    is_reading = threading.Event()
    def read():
        with sent._lock:
            is_reading.set()
            may_end.wait()
    thread = threading.Thread(target=read)
    thread.start()
    is_reading.wait()
    wait_for(in_child(lambda: names(sent)))
    may_end.set()
    thread.join()
""",
        sandbox,
    )


def test_a_child_that_has_closed_the_capture_says_so_and_harms_no_file(sandbox: Sandbox) -> None:
    run(
        """
def become_a_daemon():
    os.closerange(3, 1000)
    call("told")
    name = os.path.join(tempfile.gettempdir(), f"capture-{os.getpid()}")
    mine = [os.open(name, os.O_CREAT | os.O_RDWR) for _ in range(20)]  # one has the capture's number
    os.unlink(name)
    call("told again")
    assert os.fstat(mine[0]).st_size == 0

with capture() as sent:
    wait_for(in_child(become_a_daemon))
    call("parent")
assert names(sent) == ["parent"], sent
""",
        sandbox,
        log="this process has closed the file that its parent's capture is in",
    )


def test_the_guard_sees_what_children_call(sandbox: Sandbox) -> None:
    run(
        """
from interakt_track.testing import NetworkGuard
track.host = "https://api.example.invalid"
with NetworkGuard() as guard:
    wait_for(in_child(call))
    (place,) = guard.take_calls()
assert (place.function, place.what) == ("call", 'event "child" of u'), place
assert guard.take_calls() == []
""",
        sandbox,
    )


def test_a_child_that_leaves_the_guards_block_stays_guarded(sandbox: Sandbox) -> None:
    run(
        """
from interakt_track.testing import NetworkGuard

def leave_and_call():
    guard.__exit__(None, None, None)
    assert track.event("u", "child").status == "delivered"

track.host = "https://api.example.invalid"
with NetworkGuard() as guard:
    wait_for(in_child(leave_and_call))
    assert len(guard.take_calls()) == 1
""",
        sandbox,
    )


def test_a_capture_that_a_child_begins_ends_in_it(sandbox: Sandbox) -> None:
    run(
        """
from interakt_track._recording import RECORDING

def begin_and_end():
    with sent:
        call("captured")
    assert RECORDING.recorders == ()
    assert names(sent) == ["captured"], sent

sent = capture()
wait_for(in_child(begin_and_end))
""",
        sandbox,
    )
