"""What another process, or a person, does to a message of one file: receipts, numbers and order follow it."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from spool_clients import NewClient, change_settings, clients_of_spool
from waiting import wait_until

from interakt_track import Client, SpoolError, SpoolFile
from interakt_track._database import Database
from interakt_track._settings import Settings
from interakt_track._spool import Spool
from interakt_track.sandbox import Sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "track.db"


@pytest.fixture
def new_client(sandbox: Sandbox, path: Path) -> Iterator[NewClient]:
    with clients_of_spool(sandbox, path) as make:
        yield make


def has_lease(client: Client) -> bool:
    spool = client._engine.spool
    return spool is not None and spool._access.has_lease()


def new_holder(new_client: NewClient, **settings: object) -> Client:
    """Make a client, and wait until it is the one that sends."""
    client = new_client(**settings)
    wait_until(lambda: has_lease(client))
    return client


def counts(client: Client) -> dict[str, int]:
    """Return what became of a client's messages, without what is zero."""
    numbers = client.stats().as_dict()
    names = ("queued", "delivered", "rejected", "dropped", "waiting", "in_flight")
    return {name: numbers[name] for name in names if numbers[name]}


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


# Receipts.


def test_a_receipt_tells_of_what_was_delivered_by_a_process_that_has_left(
    sandbox: Sandbox, new_client: NewClient
) -> None:
    holder = new_holder(new_client)
    client = new_client()
    receipts = [client.event(f"u{number}", "Paid") for number in range(20)]
    sandbox.wait_for_requests(20)

    holder.shutdown(5)
    wait_until(lambda: has_lease(client))

    assert {receipt.wait(10).status for receipt in receipts} == {"delivered"}
    assert counts(client) == {"queued": 20, "delivered": 20}
    assert len(sandbox.events) == 20


def test_a_receipt_tells_of_what_a_person_takes_out_of_the_file(
    sandbox: Sandbox, new_client: NewClient, path: Path
) -> None:
    holder = new_holder(new_client, write_key="another-key")
    client = new_client()
    receipt = client.event("u", "Paid")

    with SpoolFile(path) as spool:
        assert spool.drop_waiting() == 1

    assert receipt.wait(10).status == "dropped"
    assert counts(client) == {"queued": 1, "dropped": 1}
    assert counts(holder) == {}


def test_a_flush_ends_in_time_while_somebody_looks_at_the_numbers(new_client: NewClient) -> None:
    new_holder(new_client)
    client = new_client()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.01):
            client.stats()

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for number in range(3):
            client.event(f"u{number}", "Paid")
            began = time.monotonic()
            assert client.flush(30)
            assert time.monotonic() - began < 15, "it was told only when its time was up"
    finally:
        is_over.set()
        watcher.join()


# Numbers.


def test_what_another_process_ended_is_counted_once_whatever_is_closed_and_opened_between(
    sandbox: Sandbox, new_client: NewClient
) -> None:
    new_holder(new_client)
    client = new_client()
    sandbox.fail_next(1, status=400)
    client.event("u", "Bad")
    assert client.flush(10)
    first = counts(client)

    client.shutdown(5)
    client.event("u", "Good")
    assert client.flush(10)

    assert first == {"queued": 1, "rejected": 1}
    assert counts(client) == {"queued": 2, "rejected": 1, "delivered": 1}


def test_what_was_taken_out_here_is_not_counted_again_when_others_send(
    sandbox: Sandbox, new_client: NewClient, path: Path
) -> None:
    sandbox.faults = "latency=300ms"
    client = new_holder(new_client, max_workers=1)
    client.event("same", "e0")
    wait_until(lambda: client.stats().in_flight)
    for number in range(1, 6):
        client.event("same", f"e{number}")
    with SpoolFile(path) as spool:
        ids = sorted(message.id for message in spool.waiting())
        assert spool.drop_waiting(ids=ids[1:]) == 5
    assert client.flush(10)
    before = counts(client)
    client.shutdown(5)
    new_holder(new_client)

    for number in range(5):
        client.event("other", f"f{number}")
    assert client.flush(20)

    assert before == {"queued": 6, "delivered": 1, "dropped": 5}
    assert counts(client) == {"queued": 11, "delivered": 6, "dropped": 5}


def test_a_row_that_cannot_be_read_is_counted_as_rejected(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    holder = new_holder(new_client, write_key="another-key")
    client = new_client()
    client.event("u", "Paid")  # nobody keeps the receipt, and nobody sends it
    change(path, "UPDATE waiting SET traits = 'no JSON'")

    holder.shutdown(5)

    assert client.flush(10)
    assert counts(client) == {"queued": 1, "rejected": 1}
    assert sandbox.events == []


# What the row says that another process has written.


def test_an_event_in_doubt_is_given_up_by_its_own_caller_too(
    sandbox: Sandbox, new_client: NewClient, path: Path
) -> None:
    holder = new_holder(new_client, write_key="another-key")
    client = new_client(on_ambiguous="give_up")
    receipt = client.event("u", "Paid")
    change(
        path, "INSERT INTO start (origin, account, wall, monotonic, message) SELECT 7, account, 0, 0, id FROM waiting"
    )

    holder.shutdown(5)

    assert receipt.wait(10).status == "dropped"
    assert sandbox.events == []


def test_what_was_rejected_elsewhere_and_then_removed_counts_as_rejected(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    new_holder(new_client)
    sandbox.faults = "400=100%"
    other = new_client()
    other.event("u1", "e")
    spool = other._engine.spool
    assert spool is not None
    wait_until(lambda: spool.tally.handed == 0)  # though nobody waits, nor asks for the numbers
    with SpoolFile(path) as file:
        assert file.drop_failed() == 1

    assert counts(other) == {"queued": 1, "rejected": 1}


@pytest.mark.parametrize(("faults", "ended"), [("latency=400ms", "delivered"), ("latency=400ms,400=100%", "rejected")])
def test_what_is_taken_out_while_it_is_in_flight_is_counted_once(
    new_client: NewClient, path: Path, sandbox: Sandbox, faults: str, ended: str
) -> None:
    sandbox.faults = faults
    client = new_client()
    client.event("u1", "e")
    sandbox.wait_for_requests(1)

    with SpoolFile(path) as file:
        assert file.erase(user_id="u1").waiting == 1

    assert client.flush(10)
    spool = client._engine.spool
    assert spool is not None
    spool.step()
    assert counts(client) == {"queued": 1, ended: 1}


def test_strikes_are_counted_on_across_processes(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    sandbox.fail_next(1000, status=500)
    holder = new_holder(new_client, write_key="another-key")
    client = new_client()
    receipt = client.event("u", "Paid")
    change(path, "UPDATE waiting SET strikes = 19")

    holder.shutdown(5)
    wait_until(lambda: client.stats().retried)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT strikes FROM waiting").fetchone()[0] >= 19
    assert receipt.status == "queued"


# Another key.


@pytest.mark.parametrize("knows_new_key", [True, False])
def test_what_is_adopted_under_way_is_sent_under_its_new_key_once(
    new_client: NewClient, path: Path, knows_new_key: bool
) -> None:
    with Sandbox(write_key="new-key") as sandbox:
        client = new_holder(new_client, write_key="old-key", host=sandbox.url)
        receipts = [client.event(f"u{number}", "Paid") for number in range(10)]
        sandbox.wait_for_requests(1)
        new_key = Settings(write_key="new-key", host=sandbox.url, spool=path, flush_interval=0.01)
        if knows_new_key:
            client.configure(new_key)
            assert client.event("v", "New key works").wait(10).status == "delivered"

        with SpoolFile(path) as spool:
            assert spool.adopt("new-key", sandbox.url).waiting == 10
        if not knows_new_key:
            wait_until(lambda: client.stats().waiting == 10 and not client._queue.messages_in_flight())
            client.configure(new_key)

        assert {receipt.wait(20).status for receipt in receipts} == {"delivered"}
        assert sorted(event["userId"] for event in sandbox.events if event["event"] == "Paid") == [
            f"u{number}" for number in range(10)
        ]
        expected = 10 + knows_new_key
        wait_until(lambda: counts(client) == {"queued": expected, "delivered": expected})


# Failed messages that a later one supersedes.


@pytest.mark.parametrize(("status", "is_superseded"), [(400, False), (None, True)])
def test_only_what_was_delivered_supersedes(
    sandbox: Sandbox, new_client: NewClient, path: Path, status: int | None, is_superseded: bool
) -> None:
    client = new_client()
    sandbox.fail_next(1, status=400)
    client.identify("u1", traits={"name": "first"})
    assert client.flush(10)
    if status is not None:
        sandbox.fail_next(1, status=status)
    client.configure(
        Settings(write_key="test-key", host=sandbox.url, spool=path, flush_interval=0.01, sync_mode=True, strict=False)
    )
    client.identify("u1", traits={"name": "second"})

    with SpoolFile(path) as spool:
        assert [message.is_superseded for message in spool.failed()] == [is_superseded]


# Settings that change, and files that do not.


def test_how_surely_a_call_is_written_follows_the_setting(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    client = new_client()
    client.event("u", "Paid")
    assert client.flush(10)
    database = client._engine.spool._access.journal.database  # type: ignore[union-attr]  # it has one, and it is open
    before = database.value("PRAGMA synchronous")

    client.configure(Settings(write_key="test-key", host=sandbox.url, spool=path, spool_sync="full"))

    assert (before, database.value("PRAGMA synchronous")) == (1, 2)


def test_no_call_is_within_the_shrinking_of_the_file(new_client: NewClient, path: Path) -> None:
    client = new_client(write_key="a-key-that-is-refused")
    columns = "id, origin, account, kind, priority, told_by, called_at, traits"
    row = f"INSERT INTO waiting ({columns}) VALUES (?, 1, 1, 'event', 1, 0, 0, ?)"
    journal = client._engine.spool._access.journal  # type: ignore[union-attr]  # it has one
    assert journal is not None
    journal.database.run_together((row, (number, "x" * 500)) for number in range(1, 3000))
    journal.database.execute("DELETE FROM waiting WHERE id < 2900")
    is_over = threading.Event()
    seen: list[bool] = []

    def call() -> None:
        with closing(Database(str(path))) as other:
            while not is_over.is_set():
                number = journal.database.execute(row, (None, "call")).lastrowid
                seen.append(bool(other.fetch("SELECT 1 FROM waiting WHERE id = ?", (number,))))

    caller = threading.Thread(target=call)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # let the other thread in wherever that can be
    try:
        caller.start()
        for _ in range(200):
            journal.shrink()
    finally:
        sys.setswitchinterval(interval)
        is_over.set()
        caller.join()

    assert seen
    assert all(seen)


def test_a_file_that_cannot_be_used_keeps_nobody_busy(
    new_client: NewClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    step = Spool._step

    def counted(self: Spool, is_hurried: bool) -> float:
        nonlocal steps
        steps += 1
        return step(self, is_hurried)

    monkeypatch.setattr(Spool, "_step", counted)
    client = new_client(spool=tmp_path)  # a folder
    client.event("u", "Paid")
    assert client.flush(10)

    after_flush = steps
    assert not threading.Event().wait(0.5)

    assert steps - after_flush <= 3
    client.shutdown(1)


def test_what_waits_in_memory_is_not_overtaken_by_what_another_process_sends(
    sandbox: Sandbox, new_client: NewClient, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interakt_track._access.TRY_AGAIN", 0.05)
    sandbox.fail_next(1, retry_after=3)
    path.mkdir()  # no file can be made there
    client = new_client()
    client.event("u", "First")
    sandbox.wait_for_requests(1)
    path.rmdir()
    new_holder(new_client)
    wait_until(lambda: client._engine.spool._access.journal)  # type: ignore[union-attr]  # it has one

    client.event("u", "Second")

    assert client.flush(20)
    assert [event["event"] for event in sandbox.events] == ["First", "Second"]
    assert client.stats().spool_problem is None


def test_what_is_in_a_full_file_can_be_sent(sandbox: Sandbox, new_client: NewClient) -> None:
    client = new_holder(new_client, spool_max_bytes=2**20)
    journal = client._engine.spool._access.journal  # type: ignore[union-attr]  # it has one
    assert journal is not None
    sandbox.stop()
    client.event("u", "Paid")

    def fill() -> None:
        start = "INSERT INTO start (origin, account, wall, monotonic, message) VALUES (1, 1, 0, 0, 0)"
        while True:  # until not even one more has a place
            journal.database.execute(start)

    with pytest.raises(SpoolError, match="spool_max_bytes"):
        fill()
    sandbox.start()

    assert client.flush(10)
    assert [event["event"] for event in sandbox.events] == ["Paid"]


# What is in memory already.


def test_many_messages_in_memory_do_not_stop_the_reading(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(max_workers=4)
    sandbox.faults = "latency=2ms"
    for number in range(400):
        client.event("u1", f"a{number}", priority="high")
    for number in range(4000):
        client.event(f"o{number}", "b")

    sandbox.wait_for(4400, timeout=45)
    assert client.flush(5)


def test_an_adopted_person_keeps_the_order_while_a_request_is_under_way(new_client: NewClient, path: Path) -> None:
    with Sandbox(faults="latency=500ms") as sandbox:
        client = new_client(host=sandbox.url, write_key="old-key", flush_interval=0.02)
        for number in range(3):
            client.event("u1", f"e{number}")
        sandbox.wait_for_requests(1)

        change_settings(client, write_key="new-key")
        with SpoolFile(path) as file:
            file.adopt("new-key", sandbox.url)
        client.event("u1", "e3")

        assert client.flush(40)
        assert [event["event"] for event in sandbox.events] == ["e0", "e1", "e2", "e3"]


def test_one_file_by_two_names_is_sent_from_once(new_client: NewClient, path: Path, sandbox: Sandbox) -> None:
    links = [path.with_name(f"release-{number}.db") for number in range(2)]
    for link in links:
        link.symlink_to(path)
    sandbox.faults = "latency=20ms"
    clients = [new_client(spool=link) for link in links]
    for number in range(40):
        clients[number % 2].event("u1", "e", {"n": number})

    assert all(client.flush(20) for client in clients)
    assert [event["traits"]["n"] for event in sandbox.events] == list(range(40))
    assert [file.name for file in path.parent.glob("*-lease")] == [f"{path.name}-lease"]


def test_a_client_that_is_not_enabled_sends_nothing_of_the_file(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    sandbox.faults = "503=100%"
    first = new_client(flush_interval=3600)
    first.event("u1", "e")
    first.shutdown(0)
    sandbox.faults = None

    idle = new_client(enabled=False)
    assert not has_lease(idle)
    second = new_client()
    wait_until(lambda: second.stats().spool_waiting == 0)

    assert not has_lease(idle)
    assert len(sandbox.events) == 1


def test_refused_messages_leave_a_file_that_is_larger_than_it_may_be(new_client: NewClient, sandbox: Sandbox) -> None:
    first = new_client(flush_interval=3600)
    for number in range(3500):
        first.event(f"u{number}", "e", {"text": "x" * 2000})
    first.shutdown(0)
    sandbox.faults = "400=100%"

    second = new_client(spool_max_bytes=2**20)

    wait_until(lambda: second.stats().spool_waiting == 0, seconds=45)
