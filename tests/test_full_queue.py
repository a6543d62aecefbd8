"""A full queue: the new message is dropped, waits for room, or is refused with an error; `when_full` says which."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from interakt_track import Client, QueueFullError, _threads
from interakt_track.sandbox import Sandbox

NewClient = Callable[..., Client]


def fill(client: Client, messages: int = 3) -> None:
    for number in range(messages):
        assert client.event(f"waiting-{number}", "e")


def test_block_waits_for_room_and_loses_nothing(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(when_full="block", max_queue_size=5, block_timeout=30, max_workers=2)
    receipts: list[bool] = []

    def produce(producer: int) -> None:
        receipts.extend(bool(client.event(f"u{producer}", "e", {"n": number})) for number in range(100))

    producers = [threading.Thread(target=produce, args=(number,)) for number in range(3)]
    for thread in producers:
        thread.start()
    for thread in producers:
        thread.join(30)

    assert client.flush(30)
    assert receipts == [True] * 300
    for producer in range(3):
        mine = [event["traits"]["n"] for event in sandbox.events if event["userId"] == f"u{producer}"]
        assert mine == list(range(100))
    assert client.stats().refused == {}


def test_block_never_holds_more_than_there_is_room_for(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.faults = "latency=20ms"
    client = new_client(when_full="block", max_queue_size=5, max_workers=2)

    most = 0
    for number in range(60):
        client.event(f"u{number}", "e")
        most = max(most, client.stats().waiting)

    assert most <= 5
    assert client.flush(30)


def test_block_gives_up_after_block_timeout(
    new_client: NewClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.faults = "503=100%"
    client = new_client(when_full="block", max_queue_size=3, block_timeout=0.2, max_workers=1, max_retries=100)
    fill(client)
    sandbox.wait_for_requests(4)

    started = time.monotonic()
    receipts = [client.event(f"u{number}", "e") for number in range(3)]
    elapsed = time.monotonic() - started
    client.shutdown(0)

    assert {receipt.status for receipt in receipts} >= {"dropped"}
    dropped = [receipt for receipt in receipts if not receipt]
    assert all(isinstance(receipt.error, QueueFullError) for receipt in dropped)
    assert client.stats().refused == {"queue_full": len(dropped)}
    assert elapsed >= 0.2 * len(dropped)
    assert sum("the queue is full" in record.getMessage() for record in caplog.records) == 1


def test_a_full_queue_is_released_while_a_call_waits_for_room(new_client: NewClient) -> None:
    client = new_client(when_full="block", max_queue_size=3, flush_interval=60, block_timeout=30)
    fill(client)

    assert client.event("u1", "e")

    assert client.flush(20)


def test_block_sends_where_no_thread_can_be_started(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    client = new_client(when_full="block", max_queue_size=3, block_timeout=30)
    monkeypatch.setattr(_threads.threading.Thread, "start", refuse)

    for number in range(10):
        assert client.event(f"u{number}", "e")

    assert len(sandbox.events) >= 7
    assert client.flush(20)


def test_on_error_never_waits_for_the_room_that_only_it_can_make(new_client: NewClient, sandbox: Sandbox) -> None:
    results: list[Any] = []

    def on_error(error: Exception, message: Any) -> None:
        fill_up = [client.event(f"again-{number}", "e") for number in range(10)]
        results.extend(receipt.status for receipt in fill_up)

    sandbox.script([400])
    sandbox.faults = "latency=50ms"
    client = new_client(when_full="block", max_queue_size=2, max_workers=1, block_timeout=60, on_error=on_error)

    client.event("u1", "e")

    assert client.flush(30)
    assert "dropped" in results


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="interrupts the call by a Unix signal")
def test_a_blocked_call_can_be_interrupted(new_client: NewClient, sandbox: Sandbox) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    sandbox.faults = "503=100%"
    client = new_client(when_full="block", max_queue_size=1, block_timeout=60, max_workers=1, max_retries=100)
    handler = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)

    try:
        with pytest.raises(KeyboardInterrupt):
            fill(client, 50)
    finally:
        signal.signal(signal.SIGALRM, handler)

    sandbox.faults = None
    assert client.flush(50)
    assert client.stats().delivered == client.stats().queued


def test_raise_refuses_the_call(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(when_full="raise", max_queue_size=3, flush_interval=60)
    fill(client)

    with pytest.raises(QueueFullError, match="max_queue_size"):
        client.event("u1", "e")

    assert client.stats().refused == {"queue_full": 1}
    assert client.flush(20)
    assert client.event("u1", "e")


def test_raise_never_raises_where_strict_is_false(new_client: NewClient) -> None:
    client = new_client(when_full="raise", strict=False, max_queue_size=3, flush_interval=60)
    fill(client)

    receipt = client.event("u1", "e")

    assert not receipt
    assert isinstance(receipt.error, QueueFullError)


def test_a_flush_in_a_full_queue_takes_no_room(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.faults = "latency=300ms"
    client = new_client(max_queue_size=2, max_workers=1, flush_interval=60)
    flushes = [threading.Thread(target=client.flush, args=(20,)) for _ in range(5)]
    client.event("u1", "e")
    for flush in flushes:
        flush.start()
    sandbox.wait_for_requests(1)

    receipts = [client.event(f"u{number}", "e") for number in range(2)]

    assert [bool(receipt) for receipt in receipts] == [True, True]
    for flush in flushes:
        flush.join(20)
