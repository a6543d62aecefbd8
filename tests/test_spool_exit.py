"""Waiting with a spool: for room, for what is in the file, at exit; and what a signal handler's call may hold up."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Self

import pytest
from running import run_python
from spool_clients import NewClient, clients_of_spool
from waiting import wait_until

from interakt_track import Client, ExpiredError, Stats, UnreachableError
from interakt_track.sandbox import Fault, FaultPlan, Sandbox

LONG = 20.0  # seconds; what takes so long has failed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "track.db"


@pytest.fixture
def new_client(sandbox: Sandbox, path: Path) -> Iterator[NewClient]:
    with clients_of_spool(sandbox, path) as make:
        yield make


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads of the application."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def no_file(path: Path) -> Path:
    """A path at which no file can be made."""
    path.parent.write_text("a file where the folder should be")
    return path


class HeldUp:
    """A function that waits until it is let go.

    Attributes:
        is_asked: Whether it was called.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.is_asked = threading.Event()
        self._may_go = threading.Event()
        function = getattr(owner, name)

        def wait(*arguments: object) -> object:
            self.is_asked.set()
            assert self._may_go.wait(LONG)
            return function(*arguments)

        monkeypatch.setattr(owner, name, wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._may_go.set()


def numbers_of(stats: Stats) -> tuple[int, int, int, int, int]:
    return stats.queued, stats.delivered, stats.rejected, stats.dropped, stats.waiting


def count_tries(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Note each time that a waiting call tries to queue its message."""
    tries: list[None] = []
    put = client._engine.put_at_once

    def note(message: object) -> bool:
        tries.append(None)
        return put(message)  # type: ignore[arg-type]  # what the engine passes

    monkeypatch.setattr(client._engine, "put_at_once", note)
    return tries


def test_a_call_that_waits_for_room_sleeps_until_there_is_some(
    new_client: NewClient, sandbox: Sandbox, no_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.faults = FaultPlan(chances=((Fault.hang(), 1.0),))
    client = new_client(when_full="block", block_timeout=0.5, max_queue_size=4, max_workers=1)
    while client.event("u", "e"):
        pass

    tries = count_tries(client, monkeypatch)
    receipt = client.event("u", "e")

    assert not receipt
    assert 1 <= len(tries) < 20
    sandbox.faults = None


def test_a_call_that_waits_for_room_goes_on_when_there_is_some(
    new_client: NewClient, sandbox: Sandbox, no_file: Path
) -> None:
    sandbox.faults = "latency=20ms"
    client = new_client(when_full="block", block_timeout=30, max_queue_size=4, max_workers=2)

    receipts = [client.event(f"u{number % 3}", "e", {"n": number}) for number in range(60)]

    assert all(receipts)
    assert client.flush(30)
    for person in range(3):
        mine = [body["traits"]["n"] for body in sandbox.events if body["userId"] == f"u{person}"]
        assert mine == list(range(person, 60, 3))


@pytest.mark.parametrize("is_slow", [False, True])
def test_an_event_called_by_an_exit_handler_arrives_once(sandbox: Sandbox, path: Path, is_slow: bool) -> None:
    """The end of the program starts no thread, from Python 3.12 on: whoever leaves reads the file, and sends."""
    sandbox.faults = "latency=400ms" if is_slow else None
    script = """
import atexit, os, threading, track
track.spool = os.environ["SPOOL"]
def refuse(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")
def leave():
    threading.Thread.start = refuse
    track.event("u1", "Bye")
atexit.register(leave)
"""

    done = run_python(
        "-W", "error", "-c", script,
        INTERAKT_HOST=sandbox.url, INTERAKT_WRITE_KEY="test-key", SPOOL=str(path),
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert [body["event"] for body in sandbox.events] == ["Bye"]
    assert len(sandbox.requests) == 1


def test_of_two_that_leave_at_the_same_time_one_stays_to_send(new_client: NewClient) -> None:
    """Else each would leave what waits to the other one."""
    spools = [client._engine.spool for client in (new_client(), new_client())]
    wait_until(lambda: all(spool is not None and spool._access.journal is not None for spool in spools))
    first, second = spools
    assert first is not None
    assert second is not None

    is_first_alone = first.is_alone()
    first.step()  # as its thread does between the question and what follows from it
    is_second_alone = second.is_alone()

    assert (is_first_alone, is_second_alone) == (False, True)


def test_what_is_in_no_file_waits_for_retry_after_while_its_process_leaves_beside_another(
    new_client: NewClient, sandbox: Sandbox, path: Path
) -> None:
    new_client()  # has the file open, so that whoever leaves keeps nothing of it
    sandbox.script([Fault(status=503, retry_after=1)])
    script = """
import os, time, track
track.flush_interval = 0
receipt = track.event("u1", "in memory")
while not track.stats().retried:
    time.sleep(0.01)
track.spool = os.environ["SPOOL"]
track.event("u2", "in the file")
track.shutdown(20)
print(receipt.status)
"""

    done = run_python(
        "-W", "error", "-c", script,
        INTERAKT_HOST=sandbox.url, INTERAKT_WRITE_KEY="test-key", SPOOL=str(path),
    )  # fmt: skip

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "delivered\n")
    first, second = (request.started for request in sandbox.requests if request.user_id == "u1")
    assert second - first >= 1.0


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_call_in_sync_mode_may_have_arrived_that_another_process_has_started(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, is_answered: bool
) -> None:
    monkeypatch.setattr("interakt_track._spool.LOOK", 0.05)
    sender = new_client(timeout=2)
    assert sender.event("u", "before").wait(20).status == "delivered"
    caller = new_client(sync_mode=True, strict=False, timeout=0.5, max_retries=0)
    sandbox.script([Fault(latency=1.0) if is_answered else Fault.hang(received=True)])

    receipt = caller.event("u1", "Paid")

    assert receipt.status == "dropped"
    assert isinstance(receipt.error, UnreachableError)
    assert receipt.error.is_ambiguous
    assert numbers_of(caller.stats()) == (1, 0, 0, 1, 0)
    wait_until(lambda: sender.stats().waiting + sender.stats().in_flight == 0)
    assert numbers_of(caller.stats()) == (1, 0, 0, 1, 0)
    assert numbers_of(sender.stats()) == ((2, 2, 0, 0, 0) if is_answered else (2, 1, 0, 1, 0))
    assert [body["event"] for body in sandbox.events] == ["before", "Paid"]  # and it was not sent again


def test_a_call_in_sync_mode_that_nobody_has_started_has_not_arrived(new_client: NewClient, sandbox: Sandbox) -> None:
    sender = new_client(max_workers=1, timeout=30)
    assert sender.event("u", "before").wait(20).status == "delivered"
    caller = new_client(sync_mode=True, strict=False, timeout=0.5, max_retries=0)
    sandbox.script([Fault(latency=2.0)])
    sender.event("u1", "slow")
    sandbox.wait_for_requests(2)

    receipt = caller.event("u1", "Paid")

    assert receipt.status == "dropped"
    assert isinstance(receipt.error, ExpiredError)
    assert numbers_of(caller.stats()) == (1, 0, 0, 1, 0)
    assert sender.flush(20)
    assert [body["event"] for body in sandbox.events] == ["before", "slow"]


def test_a_call_in_sync_mode_that_waits_for_a_locked_file_is_not_written_to_it_later(
    new_client: NewClient, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interakt_track._spool.LOOK", 0.05)
    sender = new_client()
    assert sender.event("u", "before").wait(20).status == "delivered"
    caller = new_client(sync_mode=True, strict=False, timeout=0.5, max_retries=0)
    assert caller.event("u", "first")
    with closing(sqlite3.connect(path, isolation_level=None)) as other_program:
        other_program.execute("BEGIN IMMEDIATE")
        receipt = caller.event("u", "Paid")
    wait_until(lambda: caller.stats().spool_problem is None)

    assert caller.event("u", "last")

    assert isinstance(receipt.error, ExpiredError)
    assert numbers_of(caller.stats()) == (3, 2, 0, 1, 0)
    assert [body["event"] for body in sandbox.events] == ["before", "first", "last"]


def test_sending_goes_on_while_the_file_is_counted(
    new_client: NewClient, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_client()
    assert client.event("u", "before").wait(LONG).status == "delivered"
    journal = client._engine.spool._access.journal  # type: ignore[union-attr]  # it has a spool

    with HeldUp(monkeypatch, journal, "count_waiting") as counting:
        stats = pool.submit(client.stats)
        assert counting.is_asked.wait(LONG)
        receipt = pool.submit(lambda: client.event("u", "meanwhile").wait(LONG)).result(LONG)
        assert not stats.done()

    assert receipt.status == "delivered"
    assert stats.result(LONG).queued == 2


def test_sending_goes_on_while_a_flush_asks_the_file(
    new_client: NewClient, sandbox: Sandbox, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.faults = "latency=200ms"
    client = new_client(max_workers=1)
    receipts = [client.event(f"u{number}", "e") for number in range(3)]
    sandbox.wait_for_requests(1)
    journal = client._engine.spool._access.journal  # type: ignore[union-attr]  # it has a spool
    flushing = pool.submit(client.flush, LONG)
    wait_until(client._queue.waiters.has_any)

    with HeldUp(monkeypatch, journal, "has_own") as looking:
        assert looking.is_asked.wait(LONG)
        statuses = [pool.submit(receipt.wait, LONG).result(LONG).status for receipt in receipts]
        assert not flushing.done()

    assert statuses == ["delivered"] * 3
    assert flushing.result(LONG)


def test_a_call_waits_for_nobody_who_holds_the_queue(
    new_client: NewClient, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler's call may come while its thread holds the lock of the file, and another waits for that."""
    monkeypatch.setattr("interakt_track._spool.LOOK", LONG)  # so that the attendant sleeps until a call wakes it
    client = new_client()
    assert client.event("u", "before").wait(LONG).status == "delivered"
    spool = client._engine.spool
    assert spool is not None
    wait_until(lambda: spool._attendant.is_asleep)

    with client._queue._lock:
        receipt = pool.submit(client.event, "u", "meanwhile").result(LONG)

    assert receipt.wait(LONG).status == "delivered"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timer")
def test_a_storm_of_signals_whose_handler_tracks_while_others_count_and_wait(sandbox: Sandbox, path: Path) -> None:
    script = """
import os, signal, threading, time, track
track.spool = os.environ["SPOOL"]
track.flush_interval = 0.01
track.event("u", "first").wait(20)
handled = 0
def handle(*_):
    global handled
    track.event("handler", "e", {"number": handled})
    handled += 1
    signal.setitimer(signal.ITIMER_REAL, 0.001)
is_over = False
def count_and_wait():
    while not is_over:
        track.stats()
        track.flush(0.01)
others = [threading.Thread(target=count_and_wait) for _ in range(2)]
for other in others: other.start()
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001)
called = 0
while handled < 300:
    if called < 1000:
        track.event(f"main-{called % 5}", "e", {"number": called})
        called += 1
signal.signal(signal.SIGALRM, signal.SIG_IGN)
is_over = True
for other in others: other.join()
assert track.flush(40)
stats = track.stats()
assert stats.queued == stats.delivered == 1 + handled + called, (stats, handled, called)
print(1 + handled + called)
"""

    done = run_python(
        "-X", "faulthandler", "-W", "error", "-c", script,
        INTERAKT_HOST=sandbox.url, INTERAKT_WRITE_KEY="test-key", SPOOL=str(path),
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert len(sandbox.events) == int(done.stdout)
