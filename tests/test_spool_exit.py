"""Waiting with a spool: for room, for what is in the file, at exit; and what a signal handler's call may hold up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from running import run_python
from spool_clients import NewClient, clients_of_spool
from waiting import wait_until

from interakt_track import Client, ExpiredError, Stats, UnreachableError
from interakt_track.sandbox import Fault, FaultPlan, Sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "track.db"


@pytest.fixture
def new_client(sandbox: Sandbox, path: Path) -> Iterator[NewClient]:
    with clients_of_spool(sandbox, path) as make:
        yield make


@pytest.fixture
def no_file(path: Path) -> Path:
    """A path at which no file can be made."""
    path.parent.write_text("a file where the folder should be")
    return path


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
