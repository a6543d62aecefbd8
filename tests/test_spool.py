"""The spool as a user sees it: what was called is in a file, and leaves it when it is delivered or refused."""

from __future__ import annotations

import json
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from running import run_python
from spool_clients import NewClient, clients_of_spool
from spool_left_behind import leave_behind
from waiting import wait_until

from interakt_track import (
    Client,
    ExpiredError,
    RejectedError,
    ServerError,
    TrackError,
    UnreachableError,
)
from interakt_track._account import ACCOUNTS
from interakt_track._settings import Settings
from interakt_track.sandbox import Fault, FaultPlan, Sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "track.db"


@pytest.fixture
def new_client(sandbox: Sandbox, path: Path) -> Iterator[NewClient]:
    with clients_of_spool(sandbox, path) as make:
        yield make


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again after hundredths of seconds."""
    monkeypatch.setattr("interakt_track._retry.FIRST_DELAY", 0.01)
    monkeypatch.setattr("interakt_track._retry.MAX_DELAY", 0.02)
    monkeypatch.setattr("interakt_track._rate_limit.FIRST_PAUSE", 0.05)
    monkeypatch.setattr("interakt_track._rate_limit.MAX_OUTAGE_PAUSE", 0.05)


def rows(path: Path, table: str = "waiting") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY id")]


def alter(path: Path, statement: str) -> None:
    """Change the file behind the SDK's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def numbers(sandbox: Sandbox) -> list[int]:
    return [body["traits"]["n"] for body in sandbox.events]


def check_account(client: Client) -> None:
    stats = client.stats()
    assert stats.queued == stats.delivered + stats.rejected + stats.dropped + stats.waiting + stats.in_flight


def test_a_call_has_returned_means_that_its_message_is_in_the_file(new_client: NewClient, path: Path) -> None:
    client = new_client(flush_interval=3600)

    client.identify("u1", phone_number="9876543210", traits={"name": "Asha", "cities": ["Pune", None]}, tags=["a", "b"])
    client.event("u1", "Order Placed", {"total": 12.5}, created_at="2025-01-01T00:00:00Z", priority="high")

    first, second = rows(path)
    assert (first["kind"], first["user_id"], first["country_code"], first["phone_number"]) == (
        "user", "u1", "+91", "9876543210",
    )  # fmt: skip
    assert json.loads(first["traits"]) == {"name": "Asha", "cities": ["Pune", None]}
    assert json.loads(first["tags"]) == ["a", "b"]
    assert (second["event"], second["priority"], second["created_at"]) == (
        "Order Placed", 0, "2025-01-01T00:00:00.000Z",
    )  # fmt: skip
    assert json.loads(second["traits"]) == {"total": 12.5}


def test_what_a_process_left_behind_is_sent_by_the_next_with_the_time_of_its_call(
    new_client: NewClient, path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interakt_track._requests.LATE", 0.0)
    before = time.time()
    leave_behind(
        path, sandbox.url,
        'client.identify("u1", traits={"vip": True, "score": 1.5}, tags=["x"], add_to_sales_cycle=False)\n'
        'client.event("u1", "Order Placed", {"items": [{"sku": "ä"}]})',
    )  # fmt: skip
    assert sandbox.requests == []

    new_client()
    user, event = (request.body for request in sandbox.wait_for_requests(2))

    assert user == {
        "userId": "u1", "traits": {"vip": True, "score": 1.5}, "tags": ["x"], "add_to_sales_cycle": False,
    }  # fmt: skip
    assert event is not None
    called_at = datetime.fromisoformat(event.pop("createdAt")).timestamp()
    assert event == {"userId": "u1", "event": "Order Placed", "traits": {"items": [{"sku": "ä"}]}}
    assert before - 0.001 <= called_at <= time.time()
    wait_until(lambda: rows(path) == [])


def test_each_persons_order_holds_across_lives(new_client: NewClient, path: Path, sandbox: Sandbox) -> None:
    leave_behind(path, sandbox.url, 'for n in range(30): client.event(f"u{n % 3}", "e", {"n": n})')
    client = new_client()
    for n in range(30, 60):
        client.event(f"u{n % 3}", "e", {"n": n})

    assert client.flush(20)

    assert sorted(numbers(sandbox)) == list(range(60))
    for person in range(3):
        assert [n for n in numbers(sandbox) if n % 3 == person] == list(range(person, 60, 3))


def test_an_outage_costs_no_message_however_long(new_client: NewClient, sandbox: Sandbox, quick: None) -> None:
    reports: list[TrackError] = []
    client = new_client(max_retries=0, on_error=lambda error, _: reports.append(error))
    sandbox.faults = FaultPlan(chances=((Fault(status=503), 0.5), (Fault.html(502), 0.25), (Fault.reset(), 0.25)))

    receipts = [client.event(f"u{n}", "e", {"n": n}) for n in range(40)]
    sandbox.wait_for_requests(200, timeout=30)
    assert sandbox.events == []
    assert {receipt.status for receipt in receipts} == {"queued"}
    sandbox.faults = None

    assert client.flush(30)
    assert {receipt.status for receipt in receipts} == {"delivered"}
    assert set(numbers(sandbox)) == set(range(40))
    assert reports == []


def test_in_an_outage_few_requests_are_made(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(max_workers=4)
    sandbox.faults = "503=100%"

    for n in range(200):
        client.event(f"u{n}", "e", {"n": n})
    sandbox.wait_for_requests(10)
    before = len(sandbox.requests)
    threading.Event().wait(2)  # nothing is waited for: little happens

    assert len(sandbox.requests) - before < 20


def test_what_is_too_old_when_it_fails_ends_among_the_failed(
    new_client: NewClient, path: Path, sandbox: Sandbox, quick: None
) -> None:
    reports: list[tuple[TrackError, Any]] = []
    client = new_client(spool_max_age=0.3, on_error=lambda *report: reports.append(report))
    sandbox.faults = "503=100%"

    receipt = client.event("u1", "e", {"n": 1}).wait(20)

    assert receipt.status == "dropped"
    assert isinstance(receipt.error, ExpiredError)
    assert "503" in str(receipt.error)
    wait_until(lambda: reports)
    assert [queue_msg["body"]["traits"] for _, queue_msg in reports] == [{"n": 1}]
    assert rows(path) == []
    (failed,) = rows(path, "failed")
    assert failed["error"] == "ExpiredError"
    assert failed["attempts"] > 1


def test_what_is_old_and_was_never_tried_is_tried_once(new_client: NewClient, path: Path, sandbox: Sandbox) -> None:
    leave_behind(path, sandbox.url, 'client.event("u1", "e", {"n": 1})')
    alter(path, "UPDATE waiting SET called_at = called_at - 86400 * 30")

    new_client()

    assert sandbox.wait_for(1)
    assert numbers(sandbox) == [1]


@pytest.mark.parametrize(
    ("fault", "status_code"), [(Fault(status=400), 400), (Fault(status=422), 422), (Fault.false_result(), 201)]
)
def test_what_the_api_refuses_ends_among_the_failed(
    new_client: NewClient, path: Path, sandbox: Sandbox, fault: Fault, status_code: int
) -> None:
    reports: list[TrackError] = []
    client = new_client(on_error=lambda error, _: reports.append(error))
    sandbox.fail_next(1, fault=fault)
    before = time.time()

    refused = client.event("u1", "Bad", {"phone": "9876543210"}).wait(20)
    client.event("u1", "Good").wait(20)

    assert refused.status == "rejected"
    assert len(reports) == 1
    (failed,) = rows(path, "failed")
    assert (failed["error"], failed["attempts"], failed["event"]) == ("RejectedError", 1, "Bad")
    assert failed["status_code"] == status_code
    assert failed["message"]
    assert before <= failed["failed_at"] <= time.time()
    assert json.loads(failed["traits"]) == {"phone": "9876543210"}
    assert rows(path) == []


def test_one_poisonous_message_ends_after_twenty_failures_among_others_successes(
    new_client: NewClient, path: Path, sandbox: Sandbox, quick: None
) -> None:
    client = new_client(max_workers=2)
    sandbox.fail_next(10_000, status=500, when=lambda one: (one.body or {}).get("event") == "Poison")

    poison = client.event("u1", "Poison")
    follower = client.event("u1", "e", {"n": 1})
    n = 2
    while poison.status == "queued":
        client.event(f"u{n}", "e", {"n": n}).wait(5)
        n += 1
    follower.wait(20)

    assert poison.status == "dropped"
    assert isinstance(poison.error, ServerError)
    attempts = [one for one in sandbox.requests if (one.body or {}).get("event") == "Poison"]
    assert len(attempts) >= 20
    (failed,) = rows(path, "failed")
    assert (failed["attempts"], failed["status_code"]) == (len(attempts), 500)
    assert follower.status == "delivered"


def test_failures_alone_do_not_end_a_message(new_client: NewClient, path: Path, sandbox: Sandbox, quick: None) -> None:
    client = new_client()
    sandbox.faults = "500=100%"

    receipt = client.event("u1", "e")
    sandbox.wait_for_requests(40, timeout=30)

    assert receipt.status == "queued"
    assert rows(path, "failed") == []


def test_thousands_of_one_persons_failing_messages_hold_up_nobody(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    leave_behind(path, sandbox.url, 'for n in range(5000): client.event("poison", "Poison", {"n": n})')
    sandbox.fail_next(10_000, status=500, when=lambda one: (one.body or {}).get("event") == "Poison")
    client = new_client(max_queue_size=100)
    sandbox.wait_for_requests(2)

    others = [client.event(f"u{n}", "e", {"n": n}).wait(10) for n in range(5)]

    assert {receipt.status for receipt in others} == {"delivered"}
    assert len(rows(path)) == 5000


def test_all_of_a_person_with_more_messages_than_there_is_room_for_arrive_in_order(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    leave_behind(
        path, sandbox.url,
        "for n in range(300):\n"
        '    if n % 3 == 0: client.event("u1", "e", {"n": n})\n'
        '    elif n % 3 == 1: client.event("u1", "e", {"n": n}, phone_number="9876543210")\n'
        '    else: client.event(event="e", traits={"n": n}, phone_number="9876543210")',
    )  # fmt: skip
    client = new_client(max_queue_size=16)

    wait_until(lambda: client.stats().spool_waiting == 0, seconds=40)

    arrived = numbers(sandbox)
    assert sorted(arrived) == list(range(300))
    assert [n for n in arrived if n % 3 != 2] == [n for n in range(300) if n % 3 != 2]
    assert [n for n in arrived if n % 3 != 0] == [n for n in range(300) if n % 3 != 0]


def test_no_more_is_in_memory_than_the_queue_may_hold(new_client: NewClient, path: Path, sandbox: Sandbox) -> None:
    leave_behind(path, sandbox.url, 'for n in range(2000): client.event(f"u{n}", "e", {"n": n})')
    sandbox.faults = "latency=5ms"
    client = new_client(max_queue_size=50)

    seen = []
    while client.stats().spool_waiting:
        stats = client.stats()
        seen.append(stats.waiting + stats.in_flight)

    assert max(seen) <= 50
    assert sorted(numbers(sandbox)) == list(range(2000))


def test_a_refused_key_lets_everything_wait_and_a_good_one_sends_it(
    new_client: NewClient,
    path: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("interakt_track._account.PROBE_INTERVAL", 0.3)
    reports: list[TrackError] = []
    client = new_client(on_error=lambda error, _: reports.append(error))
    sandbox.fail_next(3, status=401)

    receipts = [client.event(f"u{n}", "e", {"n": n}) for n in range(20)]
    assert client.flush(20)

    assert {receipt.status for receipt in receipts} == {"delivered"}
    assert [one.status for one in sandbox.requests].count(401) == 3
    assert reports == []
    assert rows(path, "failed") == []
    assert len([line for line in caplog.records if "wait in the spool" in line.getMessage()]) == 1


def test_pages_of_a_gateway_send_nothing_to_the_failed(
    new_client: NewClient, path: Path, sandbox: Sandbox, quick: None
) -> None:
    client = new_client()
    sandbox.faults = FaultPlan(chances=((Fault.html(404), 0.5), (Fault.html(403), 0.5)))

    for n in range(30):
        client.event(f"u{n}", "e", {"n": n})
    sandbox.wait_for_requests(60, timeout=30)
    sandbox.faults = None

    assert client.flush(30)
    assert rows(path, "failed") == []
    assert sorted(numbers(sandbox)) == list(range(30))


def test_merged_identifies_leave_the_file_together(new_client: NewClient, path: Path, sandbox: Sandbox) -> None:
    client = new_client(flush_interval=0.2)

    receipts = [client.identify("u1", traits={f"t{n}": n}) for n in range(10)]
    assert client.flush(20)

    assert {receipt.status for receipt in receipts} == {"delivered"}
    assert len(sandbox.requests) < 10
    assert client.stats().merged >= 1
    assert rows(path) == []


def test_of_a_refused_merged_request_only_the_bad_one_ends_among_the_failed(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    client = new_client(flush_interval=0.2)
    sandbox.fail_next(100, status=400, when=lambda one: "bad" in ((one.body or {}).get("traits") or {}))

    receipts = [client.identify("u1", traits={"bad" if n == 2 else f"t{n}": n}) for n in range(5)]
    assert client.flush(20)

    assert [receipt.status for receipt in receipts] == ["delivered", "delivered", "rejected", "delivered", "delivered"]
    assert [json.loads(row["traits"]) for row in rows(path, "failed")] == [{"bad": 2}]
    assert rows(path) == []


def test_shutdown_keeps_what_waits_and_the_next_client_sends_it(
    new_client: NewClient, path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    reports: list[TrackError] = []
    client = new_client(on_error=lambda error, _: reports.append(error))
    sandbox.faults = "latency=200ms"
    receipts = [client.event(f"u{n}", "e", {"n": n}) for n in range(100)]

    client.shutdown(0.1)

    # The file is asked a moment before the queue: an answer that comes at the very end may lie between the two.
    wait_until(lambda: 0 < (stats := client.stats()).waiting == stats.spool_waiting)
    check_account(client)
    assert client.stats().dropped == 0
    assert reports == []
    assert {receipt.status for receipt in receipts} <= {"delivered", "queued"}
    assert "could not be delivered" not in caplog.text
    sandbox.faults = None
    other = new_client()
    wait_until(lambda: other.stats().spool_waiting == 0)
    assert set(numbers(sandbox)) == set(range(100))


def test_a_client_that_was_shut_down_goes_on_where_it_was(new_client: NewClient, path: Path, sandbox: Sandbox) -> None:
    client = new_client(flush_interval=3600)
    receipts = [client.event("u1", "e", {"n": n}) for n in range(5)]
    client.shutdown(0)

    receipts.append(client.event("u1", "e", {"n": 5}))
    assert client.flush(20)

    assert [receipt.status for receipt in receipts] == ["delivered"] * 6
    assert numbers(sandbox) == list(range(6))
    check_account(client)
    assert client.stats().delivered == 6


def test_a_shutdown_begins_no_request_that_might_not_end_in_time(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    client = new_client(max_workers=4)
    sandbox.faults = "latency=100ms"
    for n in range(100):
        client.event(f"u{n}", "e", {"n": n})

    client.shutdown(2)

    assert client.stats().in_flight == 0
    assert 0 < client.stats().delivered < 100
    sandbox.faults = None
    other = new_client()
    wait_until(lambda: other.stats().spool_waiting == 0)
    assert sorted(numbers(sandbox)) == list(range(100))


@pytest.mark.parametrize("pause", [0.0, 0.6], ids=["while they are under way", "after their answers"])
def test_requests_that_a_shutdown_leaves_under_way_are_not_made_again_here(
    new_client: NewClient, path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, pause: float
) -> None:
    client = new_client(max_workers=4)
    sandbox.faults = "latency=300ms"
    receipts = [client.event(f"u{n}", "e", {"n": n}) for n in range(12)]
    sandbox.wait_for_requests(4)
    client.shutdown(0)
    time.sleep(pause)

    receipts.append(client.event("later", "e", {"n": 12}))
    assert client.flush(20)

    assert [receipt.wait(10).status for receipt in receipts] == ["delivered"] * 13
    assert sorted(numbers(sandbox)) == list(range(13))
    assert client.stats().delivered == 13
    check_account(client)
    assert caplog.text == ""


def test_of_two_clients_one_sends_and_the_other_takes_over_when_it_leaves(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    first, second = new_client(), new_client()
    receipts = [client.event("u1", "e", {"n": n}) for n in range(10) for client in (first, second)]

    assert second.flush(20)
    assert first.flush(20)
    assert {receipt.wait(10).status for receipt in receipts} == {"delivered"}
    assert len(sandbox.events) == 20
    first.shutdown(5)
    late = second.event("u1", "late").wait(10)

    assert late.status == "delivered"
    assert late.response is not None  # it sent this one itself
    for client in (first, second):
        check_account(client)
        assert client.stats().waiting == 0


def test_a_client_that_does_not_send_learns_what_became_of_its_messages(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    reports: dict[str, list[TrackError]] = {"first": [], "second": []}
    first = new_client(on_error=lambda error, _: reports["first"].append(error))
    first.event("u0", "e").wait(10)  # from now on it is the first one that sends
    second = new_client(on_error=lambda error, _: reports["second"].append(error))
    sandbox.fail_next(status=400, when=lambda one: (one.body or {}).get("event") == "Bad")

    good, bad = second.event("u1", "Good"), second.event("u2", "Bad")
    assert second.flush(20)

    assert (good.wait(10).status, bad.wait(10).status) == ("delivered", "rejected")
    assert isinstance(bad.error, RejectedError)
    assert bad.error.status_code == 400
    wait_until(lambda: reports["first"] != [])  # a moment after the file says so
    assert (len(reports["first"]), len(reports["second"])) == (1, 0)
    stats = second.stats()
    assert (stats.queued, stats.delivered, stats.rejected, stats.waiting) == (2, 1, 1, 0)
    assert first.stats().queued == 3


def test_leaving_while_another_client_is_there_waits_only_for_what_is_in_flight(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    first, second = new_client(max_workers=2), new_client()
    sandbox.faults = "latency=100ms"
    second.stats()
    for n in range(200):
        first.event(f"u{n}", "e", {"n": n})
    sandbox.wait_for_requests(4)

    started = time.monotonic()
    first.shutdown(60)

    assert time.monotonic() - started < 10
    assert len(sandbox.events) < 100, "most is left to the other one"
    assert first.stats().in_flight == 0
    sandbox.faults = None
    wait_until(lambda: second.stats().spool_waiting == 0)
    assert sorted(numbers(sandbox)) == list(range(200))


def test_another_spool_is_used_once_what_was_called_before_is_read_and_the_old_one_is_emptied(
    new_client: NewClient, path: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    client = new_client(flush_interval=3600)
    spool = client._engine.spool
    assert spool is not None
    client.event("u1", "e", {"n": 1})
    wait_until(lambda: not spool.has_own())

    client.configure(Settings(write_key="test-key", host=sandbox.url, spool=tmp_path / "other.db", flush_interval=3600))
    client.event("u1", "e", {"n": 2})
    assert [row["traits"] for row in rows(tmp_path / "other.db")] == ['{"n":2}']
    assert client.flush(20)

    assert sorted(numbers(sandbox)) == [1, 2]
    assert rows(path) == rows(tmp_path / "other.db") == []
    check_account(client)


def test_a_spool_can_be_added_and_taken_away(new_client: NewClient, path: Path, sandbox: Sandbox) -> None:
    client = new_client(spool=None, flush_interval=3600)
    settings = {"write_key": "test-key", "host": sandbox.url, "flush_interval": 3600}

    client.event("u1", "e", {"n": 1})
    client.configure(Settings(**settings, spool=path))
    client.event("u2", "e", {"n": 2})
    client.configure(Settings(**settings))
    client.event("u3", "e", {"n": 3})

    assert client.flush(20)
    assert sorted(numbers(sandbox)) == [1, 2, 3]
    check_account(client)


def test_the_key_is_in_no_file_and_another_keys_messages_wait(
    new_client: NewClient,
    path: Path,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave_behind(path, sandbox.url, 'client.event("u1", "Other")', key="another-key")
    ACCOUNTS.forget()
    client = new_client()
    assert client.event("u1", "Mine").wait(20).status == "delivered"

    wait_until(lambda: "does not use" in caplog.text)

    assert [body["event"] for body in sandbox.events] == ["Mine"]
    assert [row["event"] for row in rows(path)] == ["Other"]
    for file in path.parent.iterdir():
        assert b"test-key" not in file.read_bytes()
        assert b"another-key" not in file.read_bytes()


def test_a_takeover_keeps_the_ration(new_client: NewClient, path: Path, sandbox: Sandbox) -> None:
    first = new_client(rate_limit=20)
    for n in range(60):
        first.event(f"u{n}", "e", {"n": n})
    sandbox.wait_for_requests(3)
    first.shutdown(0)
    ACCOUNTS.forget()  # as another process, which knows only what is in the file
    before = len(sandbox.requests)

    second = new_client(rate_limit=20)
    second.stats()
    threading.Event().wait(2.5)  # a new account would start with a burst of two
    after = len(sandbox.requests)

    assert before >= 3
    assert after - before <= 1
    assert sandbox.wait_for_requests(after + 1), "the second one sends"


@pytest.mark.parametrize("is_holder", [True, False])
def test_sync_mode_waits_for_the_answer_and_raises(
    new_client: NewClient, path: Path, sandbox: Sandbox, is_holder: bool
) -> None:
    if not is_holder:
        new_client().event("u0", "e").wait(10)
    client = new_client(sync_mode=True)

    assert client.event("u1", "Good").status == "delivered"
    sandbox.fail_next(status=400)
    with pytest.raises(RejectedError) as caught:
        client.event("u1", "Bad")

    assert caught.value.status_code == 400
    assert rows(path) == []
    assert len(rows(path, "failed")) == (0 if is_holder else 1)  # who sends cannot know that somebody is told
    check_account(client)


@pytest.mark.parametrize("is_holder", [True, False])
def test_a_sync_call_whose_time_is_up_takes_its_message_along(
    new_client: NewClient, path: Path, sandbox: Sandbox, is_holder: bool
) -> None:
    sandbox.faults = "latency=300ms"
    other = new_client(max_workers=1)
    blockers = [other.event("u1", "e", {"n": n}) for n in range(10)]
    sandbox.wait_for_requests(1)
    client = other if is_holder else new_client()
    client.configure(
        Settings(
            write_key="test-key",
            host=sandbox.url,
            spool=path,
            sync_mode=True,
            timeout=0.3,
            max_retries=0,
            max_workers=1,
        )
    )

    with pytest.raises(ExpiredError):
        client.event("u1", "Late")

    sandbox.faults = None
    wait_until(lambda: rows(path) == [])
    assert {receipt.wait(10).status for receipt in blockers} == {"delivered"}
    assert "Late" not in [body["event"] for body in sandbox.events]
    check_account(client)


def test_an_event_in_doubt_is_given_up_where_that_is_wanted(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    leave_behind(
        path, sandbox.url,
        'client.event("u1", "Doubtful")\nclient.event("u2", "Sure")',
    )  # fmt: skip
    alter(path, "UPDATE waiting SET is_started = (event = 'Doubtful')")
    reports: list[TrackError] = []

    client = new_client(on_ambiguous="give_up", on_error=lambda error, _: reports.append(error))
    wait_until(lambda: client.stats().spool_waiting == 0)

    assert [body["event"] for body in sandbox.events] == ["Sure"]
    assert [row["event"] for row in rows(path, "failed")] == ["Doubtful"]
    wait_until(lambda: reports)
    assert isinstance(reports[0], UnreachableError)
    assert reports[0].is_ambiguous


def test_before_send_decides_what_is_stored(new_client: NewClient, path: Path) -> None:
    def without_email(body: dict[str, Any]) -> dict[str, Any]:
        del body["traits"]["email"]
        return body

    client = new_client(before_send=without_email, flush_interval=3600)

    client.identify("u1", traits={"email": "a@example.com", "name": "Asha"})

    assert [json.loads(row["traits"]) for row in rows(path)] == [{"name": "Asha"}]


def test_the_file_and_its_folder_are_its_owners_only(new_client: NewClient, path: Path) -> None:
    client = new_client(flush_interval=3600)
    client.event("u1", "e")

    wait_until((path.parent / "track.db-lease").exists)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert set(modes) >= {"track.db", "track.db-wal", "track.db-shm", "track.db-lease", "track.db-open"}
    assert set(modes.values()) == {0o600}


def test_an_id_is_never_used_twice(new_client: NewClient, path: Path) -> None:
    client = new_client(flush_interval=3600)
    ids = []

    for _ in range(5):
        client.event("u1", "e")
        ids.append(rows(path)[-1]["id"])
        alter(path, "DELETE FROM waiting")

    assert ids == sorted(set(ids))


def test_failed_messages_expire(
    new_client: NewClient, path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interakt_track._housekeeping.INTERVAL", 0.1)
    client = new_client(spool_retention=60)
    sandbox.fail_next(2, status=400)
    client.event("u1", "Old").wait(10)
    client.event("u1", "New").wait(10)
    alter(path, "UPDATE failed SET failed_at = failed_at - 61 WHERE event = 'Old'")

    wait_until(lambda: len(rows(path, "failed")) == 1)

    assert [row["event"] for row in rows(path, "failed")] == ["New"]


def test_a_row_that_cannot_be_read_ends_among_the_failed_and_others_are_sent(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    leave_behind(path, sandbox.url, 'for n in range(3): client.event("u1", "e", {"n": n})')
    alter(path, "UPDATE waiting SET traits = '{' WHERE id = 2")

    client = new_client()
    wait_until(lambda: client.stats().spool_waiting == 0)

    assert numbers(sandbox) == [0, 2]
    assert [row["id"] for row in rows(path, "failed")] == [2]


def test_a_spool_costs_nothing_where_there_is_none(path: Path) -> None:
    program = "import os, sys, track\n"
    program += "track.write_key, track.host, track.spool = 'k', 'http://127.0.0.1:9', sys.argv[1] or None\n"
    program += "track.event('u', 'e')\n"
    program += "print([name for name in ('sqlite3', 'interakt_track._spool') if name in sys.modules], flush=True)\n"
    program += "os._exit(0)"

    without, with_one = (run_python("-c", program, spool) for spool in ("", str(path)))

    assert (without.stdout, without.stderr) == ("[]\n", "")
    assert (with_one.stdout, with_one.stderr) == ("['sqlite3', 'interakt_track._spool']\n", "")


def test_what_on_error_calls_is_never_reported_again(new_client: NewClient, path: Path, sandbox: Sandbox) -> None:
    told: list[Any] = []

    def on_error(error: TrackError, queue_msg: Any) -> None:
        told.append(queue_msg["body"]["event"])
        client.event("u1", "From on_error")

    client = new_client(on_error=on_error)
    sandbox.fail_next(100, status=400)

    client.event("u1", "Bad")
    wait_until(lambda: len(rows(path, "failed")) == 2)
    assert client.flush(20)  # until all is reported

    assert told == ["Bad"]
    assert len(rows(path, "failed")) == 2


def test_text_that_is_no_utf_8_costs_its_row_and_is_in_no_log(
    new_client: NewClient, path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    leave_behind(path, sandbox.url, 'for n in range(3): client.event(f"u{n}", "e", {"n": n})')
    alter(path, "UPDATE waiting SET user_id = CAST(X'39383736353433323130FF' AS TEXT) WHERE id = 2")

    client = new_client()
    wait_until(lambda: client.stats().spool_waiting == 0)

    assert sorted(numbers(sandbox)) == [0, 2]
    assert "begun with the 2 waiting messages that could be read" in caplog.text
    assert "9876543210" not in caplog.text
