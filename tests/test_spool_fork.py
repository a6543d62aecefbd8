"""Forks with an open spool: each process has its own connection, and each message arrives once. Real processes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from running import PROGRAMS, run_python
from spool_shop import check_emptied

from interakt_track.sandbox import FaultPlan, Sandbox

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

MAX_WORKERS = 8

PREAMBLE = """
import ctypes, os, sys, threading, time, traceback, warnings
import track
from forking import in_child, wait_for
track.write_key = "test-key"
track.spool = os.environ["SHOP_SPOOL"]
track.flush_interval = 0.01
warnings.simplefilter("ignore", DeprecationWarning)  # of forks while threads run, from Python 3.12 on

def send(event):
    return [track.event(user_id=f"u{n}", event=event, traits={"n": n}) for n in range(5)]

def send_and_flush():
    assert track.stats().queued == 0, track.stats()
    receipts = send("child")
    assert track.flush(15)
    stats = track.stats()
    assert [receipt.wait(15).status for receipt in receipts] == ["delivered"] * 5
    assert stats.delivered >= 5, stats  # and those of others that it has sent
    assert stats.spool_problem is None, stats

def files_open():
    paths = []
    for name in os.listdir("/proc/self/fd"):
        try: paths.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError: pass
    return {path for path in paths if path.startswith(track.spool)}
"""


def run(script: str, sandbox: Sandbox, folder: Path, *, log: str = "") -> Counter[str]:
    """Run a script to its end; return how often each event arrived, and see that the spool is whole and empty."""
    spool = folder / "track.db"
    done = run_python("-c", PREAMBLE + textwrap.dedent(script), INTERAKT_HOST=sandbox.url, SHOP_SPOOL=str(spool))
    assert done.returncode == 0, done.stderr
    assert (done.stderr == "") if log == "" else (log in done.stderr and "Traceback" not in done.stderr), done.stderr
    check_emptied(spool)
    return Counter(event["event"] for event in sandbox.events)


def test_a_child_opens_its_own_after_its_parent_did(sandbox: Sandbox, tmp_path: Path) -> None:
    arrived = run(
        """
        send("parent")
        track.flush()
        for _ in range(3): wait_for(in_child(send_and_flush))
        send("parent")
        """,
        sandbox,
        tmp_path,
    )

    assert arrived == {"parent": 10, "child": 15}


def test_what_waits_in_the_parent_is_sent_once(sandbox: Sandbox, tmp_path: Path) -> None:
    arrived = run(
        """
        track.flush_interval = 1  # the parent sends for both
        send("parent")
        wait_for(in_child(send_and_flush))
        """,
        sandbox,
        tmp_path,
    )

    assert arrived == {"parent": 5, "child": 5}


def test_forks_while_another_thread_sends(sandbox: Sandbox, tmp_path: Path) -> None:
    """The children end as if they crashed: one that sends leaves what is in flight to be sent again."""
    arrived = run(
        """
        import logging  # as applications do; where a fork meets this import in another thread, Python complains
        stop = threading.Event()
        made = 0
        def produce():
            global made
            while not stop.is_set():
                assert track.event(user_id=f"p{made % 10}", event="parent", traits={"n": made})
                made += 1
                time.sleep(0.02)  # slower than a loaded machine sends: its children wait behind what it calls
        producer = threading.Thread(target=produce, daemon=True)
        producer.start()
        while not made: time.sleep(0.001)  # a child that made its own client would count what it reads of its parent's
        for _ in range(6): wait_for(in_child(send_and_flush))
        stop.set()
        producer.join()
        assert track.flush(20)
        stats = track.stats()
        assert stats.delivered == stats.queued >= made, stats  # those of its children too that it has sent
        assert stats.spool_problem is None, stats
        track.event(user_id="made", event=str(made))
        """,
        sandbox,
        tmp_path,
    )

    made = next(int(event) for event in arrived if event.isdigit())
    assert made <= arrived.pop("parent") <= made + 6 * MAX_WORKERS
    assert arrived == {"child": 30, str(made): 1}
    assert made > 10
    assert {event["traits"]["n"] for event in sandbox.events if event["event"] == "parent"} == set(range(made))


def test_a_fork_waits_for_a_file_that_is_being_opened(sandbox: Sandbox, tmp_path: Path) -> None:
    """A connection that nobody in the child knows of would be there for good, and SQLite believe in its locks."""
    arrived = run(
        """
        import sqlite3
        is_opening = threading.Event()
        connect = sqlite3.connect
        def connect_slowly(*args, **kwargs):
            connection = connect(*args, **kwargs)
            is_opening.set()
            time.sleep(0.3)  # a fork that does not wait comes within it
            return connection
        sqlite3.connect = connect_slowly
        threading.Thread(target=send, args=("parent",)).start()
        is_opening.wait()
        sqlite3.connect = connect
        def work():
            assert not files_open(), files_open()
            send_and_flush()
        wait_for(in_child(work))
        """,
        sandbox,
        tmp_path,
    )

    assert arrived == {"parent": 5, "child": 5}


def test_children_that_outlive_their_parent(sandbox: Sandbox, tmp_path: Path) -> None:
    """The parent holds the lease, and its end hands over to a child that has the lock's file from it."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            PREAMBLE
            + textwrap.dedent(f"""
                send("parent")
                track.flush()
                def work():
                    sys.stdin.read()  # until the test closes it
                    send_and_flush()
                    os.write({writer}, b"done")
                in_child(work)
                os.kill(os.getpid(), 9)
                """),
        ],
        env={**os.environ, "INTERAKT_HOST": sandbox.url, "SHOP_SPOOL": str(tmp_path / "track.db")},
        stdin=subprocess.PIPE,
        cwd=PROGRAMS,
        pass_fds=[writer],
    )
    os.close(writer)
    assert process.wait(20) == -9

    with process:
        pass  # its input is closed
    with os.fdopen(reader) as said:
        assert said.read() == "done"

    assert Counter(event["event"] for event in sandbox.events) == {"parent": 5, "child": 5}


def test_a_child_holds_none_of_the_parents_files_and_the_parent_goes_on(sandbox: Sandbox, tmp_path: Path) -> None:
    """Closing an inherited connection, or the lease, would end the locks of the process that has it."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("only Linux tells which files a process has open")

    arrived = run(
        """
        send("parent")
        assert track.flush(15)
        before = files_open()
        assert any(path.endswith("-lease") for path in before), before
        def look():
            assert files_open() == set(), files_open()
            send_and_flush()
            track.shutdown()
            assert files_open() == set(), files_open()
        wait_for(in_child(look))
        send("parent")
        assert track.flush(15)
        assert files_open() == before, (files_open(), before)
        """,
        sandbox,
        tmp_path,
    )

    assert arrived == {"parent": 10, "child": 5}


def test_an_application_that_is_loaded_before_its_workers_fork(sandbox: Sandbox, tmp_path: Path) -> None:
    """As gunicorn does with --preload; the master has tracked, its workers do so all at once."""
    arrived = run(
        """
        send("master")
        for pid in [in_child(send_and_flush) for _ in range(4)]: wait_for(pid)
        """,
        sandbox,
        tmp_path,
    )

    assert arrived == {"master": 5, "child": 20}


def test_a_child_of_a_child(sandbox: Sandbox, tmp_path: Path) -> None:
    arrived = run(
        """
        def send_and_fork():
            send_and_flush()
            wait_for(in_child(send_and_flush))
            send("child")
            assert track.flush(15)
        send("parent")
        wait_for(in_child(send_and_fork))
        """,
        sandbox,
        tmp_path,
    )

    assert arrived == {"parent": 5, "child": 15}


def test_a_receipt_of_the_parent_does_not_block_in_the_child(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults = FaultPlan(latency=0.3)

    arrived = run(
        """
        receipt = track.event(user_id="u", event="parent")
        def work(): assert receipt.wait().status == "queued"
        wait_for(in_child(work))
        assert receipt.wait(15).status == "delivered"
        """,
        sandbox,
        tmp_path,
    )

    assert arrived == {"parent": 1}


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing_children_deliver_without_a_flush(sandbox: Sandbox, method: str, tmp_path: Path) -> None:
    done = run_python(
        "multiprocessing_shop.py", method, INTERAKT_HOST=sandbox.url, SHOP_SPOOL=str(tmp_path / "track.db")
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert Counter(event["event"] for event in sandbox.events) == {"parent": 1, "child": 15}


FORKED_IN_C = "was open when this process was forked in a way that Python is not told of"


def test_a_child_forked_in_c_after_use_keeps_its_messages_in_memory(sandbox: Sandbox, tmp_path: Path) -> None:
    arrived = run(
        """
        send("parent")
        track.flush()
        def work():
            send("child")
            assert "forked" in track.stats().spool_problem, track.stats()
            assert track.flush(15)
            stats = track.stats()
            assert (stats.queued, stats.delivered) == (5, 5), stats
        wait_for(in_child(work, ctypes.CDLL(None).fork))
        send("parent")
        assert track.flush(15)
        assert track.stats().spool_problem is None
        """,
        sandbox,
        tmp_path,
        log=FORKED_IN_C,
    )

    assert arrived == {"parent": 10, "child": 5}


def test_a_child_forked_in_c_before_use_has_the_spool(sandbox: Sandbox, tmp_path: Path) -> None:
    arrived = run("wait_for(in_child(send_and_flush, ctypes.CDLL(None).fork)); send('parent')", sandbox, tmp_path)

    assert arrived == {"parent": 5, "child": 5}


def test_the_parent_of_a_child_forked_in_c_keeps_its_locks(sandbox: Sandbox, tmp_path: Path) -> None:
    """Had the child closed the connection or unlocked the lease, another process could send beside the parent."""
    arrived = run(
        """
        import subprocess
        send("parent")
        assert track.flush(15)
        def work():
            send("child")
            assert track.flush(15)
            track.shutdown()
        wait_for(in_child(work, ctypes.CDLL(None).fork))
        probe = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        taken = subprocess.run([sys.executable, "-c", probe, track.spool + "-lease"], stderr=subprocess.PIPE)
        assert b"BlockingIOError" in taken.stderr, taken
        send("parent")
        """,
        sandbox,
        tmp_path,
        log=FORKED_IN_C,
    )

    assert arrived == {"parent": 10, "child": 5}
