"""flush, join and shutdown: they tell the truth, end in time, and are safe anywhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import interakt_track._engine
from interakt_track import Client, ShutdownError, TrackError
from interakt_track.sandbox import Fault, Sandbox

NewClient = Callable[..., Client]
SLACK = 2.0  # seconds a loaded machine may add to a bound


def test_flush_skips_the_flush_interval(new_client: NewClient) -> None:
    client = new_client(flush_interval=3600)
    receipts = [client.event(f"u{i}", "e") for i in range(10)]

    assert client.flush(10)
    assert {receipt.status for receipt in receipts} == {"delivered"}


def test_flush_with_nothing_to_do_is_true(client: Client) -> None:
    assert client.flush()
    assert client.flush(0)


def test_flush_is_false_at_the_deadline(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(timeout=30)
    sandbox.fail_next(fault=Fault.hang())
    client.event("u1", "e")
    started = time.monotonic()

    assert not client.flush(0.2)
    assert time.monotonic() - started < 0.2 + SLACK
    client.shutdown(0)


def test_flush_without_a_timeout_gives_up_when_nothing_moves(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interakt_track._engine, "PATIENCE", 0.3)
    client = new_client(timeout=30)
    sandbox.fail_next(fault=Fault.hang())
    client.event("u1", "e")

    assert not client.flush()
    client.shutdown(0)


def test_shutdown_waits_for_the_report_of_what_was_given_up_just_now(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that gave it up writes a line to a log that takes its time, and reports it then."""
    monkeypatch.setattr(interakt_track._engine, "REPORTING_TIME", 20)
    is_writing, may_go_on = threading.Event(), threading.Event()

    class SlowLog(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            is_writing.set()
            assert may_go_on.wait(20)

    log, slow = logging.getLogger("interakt_track"), SlowLog()
    reports: list[TrackError] = []
    client = new_client(max_retries=0, on_error=lambda error, queue_msg: reports.append(error))
    sandbox.fail_next(status=500)
    log.addHandler(slow)
    try:
        receipt = client.event("u1", "e")
        assert is_writing.wait(20)
        threading.Timer(0.2, may_go_on.set).start()  # once the client is being left
        client.shutdown(0)
    finally:
        may_go_on.set()
        log.removeHandler(slow)

    assert reports == [receipt.error]


def test_flush_waits_only_for_what_was_queued_before(new_client: NewClient) -> None:
    client = new_client()
    client.event("u1", "e")
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            client.event("u2", "e")
            time.sleep(0.001)

    producer = threading.Thread(target=go_on)
    producer.start()
    try:
        assert client.flush(10)
    finally:
        stop.set()
        producer.join()


def test_many_threads_may_flush(client: Client) -> None:
    for i in range(50):
        client.event(f"u{i}", "e")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: client.flush(20), range(8)))

    assert results == [True] * 8


def test_join_delivers_without_a_flush(client: Client, sandbox: Sandbox) -> None:
    client.event("u1", "e")

    client.join()

    assert len(sandbox.events) == 1


def test_after_shutdown_the_threads_end(new_client: NewClient) -> None:
    client = new_client()
    before = set(threading.enumerate())
    for i in range(20):
        client.event(f"u{i}", "e")
    client.flush(10)
    ours = set(threading.enumerate()) - before

    client.shutdown()

    assert ours
    for thread in ours:
        thread.join(SLACK)
        assert not thread.is_alive()


def test_a_thread_that_sends_during_shutdown_ends_after_its_answer(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interakt_track._queue.LINGER", 60.0)
    before = set(threading.enumerate())
    sandbox.faults = "latency=300ms"
    client = new_client()
    client.event("u1", "e")
    sandbox.wait_for_requests(1)
    ours = {thread for thread in set(threading.enumerate()) - before if "worker" in thread.name}

    client.shutdown(0)

    assert ours
    for thread in ours:
        thread.join(20)
        assert not thread.is_alive()


def test_shutdown_reports_what_could_not_be_sent(
    new_client: NewClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    reports: list[TrackError] = []
    client = new_client(timeout=30, on_error=lambda error, _: reports.append(error), max_workers=1)
    sandbox.fail_next(10, fault=Fault.hang())
    receipts = [client.event(f"u{i}", "e") for i in range(5)]
    started = time.monotonic()

    client.shutdown(0.3)

    assert time.monotonic() - started < 0.3 + SLACK
    assert [type(error) for error in reports] == [ShutdownError] * 5
    assert {receipt.status for receipt in receipts} == {"dropped"}
    assert client.stats().dropped == 5
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["5 messages could not be delivered within 0.3 s of leaving"]


def test_a_late_answer_after_shutdown_changes_nothing(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.faults = "latency=500ms"
    client = new_client()
    receipt = client.event("u1", "e")
    sandbox.wait_for_requests(1)

    client.shutdown(0)
    sandbox.wait_for(1)
    follower = client.event("u1", "e").wait(10)

    assert receipt.status == "dropped"
    assert follower.status == "delivered"
    assert client.stats().dropped == 1


def test_any_order_any_number_of_times(client: Client) -> None:
    for end in (client.shutdown, client.flush, client.join, client.shutdown, client.join, client.flush):
        end()

    assert client.event("u1", "e").wait(10).status == "delivered"


@pytest.mark.parametrize("has_threads", [True, False])
def test_where_no_thread_can_be_started_flush_sends(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, has_threads: bool
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    reports: list[TrackError] = []
    client = new_client(on_error=lambda error, _: reports.append(error))
    sandbox.fail_next(status=400)
    if not has_threads:
        monkeypatch.setattr(threading.Thread, "start", refuse)

    for i in range(5):
        client.event("u1", "e", {"n": i})

    assert client.flush(10)
    assert [event["traits"]["n"] for event in sandbox.events] == [1, 2, 3, 4]
    assert len(reports) == 1


def test_where_no_thread_can_be_started_sync_mode_sends(new_client: NewClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    client = new_client(sync_mode=True)
    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert client.event("u1", "e").status == "delivered"
