"""A key that the API refuses: nothing more is sent under it but a try a minute, and nothing waits in vain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interakt_track import AuthenticationError, Client, TrackError, UnreachableError, _account
from interakt_track.sandbox import Fault, Sandbox

NewClient = Callable[..., Client]
REFUSAL = Fault(status=401, message="Invalid token provided")


class Reports:
    """An `on_error` that keeps what it is told."""

    def __init__(self) -> None:
        self.errors: list[TrackError] = []
        self.people: list[str] = []

    def __call__(self, error: TrackError, queue_msg: Any) -> None:
        self.errors.append(error)
        self.people.append(queue_msg["body"]["userId"])


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.mark.parametrize("status", [401, 403])
def test_what_waits_is_rejected_at_once_and_reported_once_each(
    new_client: NewClient, sandbox: Sandbox, reports: Reports, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    sandbox.faults = f"{status}=100%"
    client = new_client(on_error=reports, max_workers=4, flush_interval=60, batch_size=1000)
    for number in range(500):
        client.event(f"u{number}", "e")

    assert client.flush(20)

    assert client.stats().rejected == 500
    assert sorted(reports.people) == sorted(f"u{number}" for number in range(500))
    assert {type(error) for error in reports.errors} == {AuthenticationError}
    assert len({id(error) for error in reports.errors}) == 500
    assert len(sandbox.requests) <= 4  # one of each thread
    assert sorted(error.attempts for error in reports.errors)[-5:].count(1) == len(sandbox.requests)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert str(status) in caplog.text


def test_a_later_call_is_rejected_unsent(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.faults = "401=100%"
    client = new_client()
    client.event("u1", "e").wait(10)

    receipt = client.event("u2", "e").wait(10)

    assert receipt.status == "rejected"
    assert isinstance(receipt.error, AuthenticationError)
    assert receipt.error.attempts == 0
    assert receipt.error.queue_msg == receipt.message
    assert [request.user_id for request in sandbox.requests] == ["u1"]


def test_one_message_a_minute_is_tried_and_success_ends_it(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr(_account, "PROBE_INTERVAL", 60.0)
    sandbox.script([REFUSAL, REFUSAL])
    client = new_client()
    account = client._account
    assert account is not None
    clock = _Clock(monkeypatch, client, now)

    statuses = []
    for person, seconds in [("u1", 0), ("u2", 59), ("u3", 61), ("u4", 119), ("u5", 122), ("u6", 122)]:
        clock.now = now + seconds
        client.event(person, "e")
        assert client.flush(10)
        statuses.append(client.stats().rejected)

    assert [request.user_id for request in sandbox.requests] == ["u1", "u3", "u5", "u6"]
    assert statuses == [1, 2, 3, 4, 4, 4]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_what_comes_while_one_is_tried_is_rejected(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.script([REFUSAL, Fault(latency=2)])
    monkeypatch.setattr(_account, "PROBE_INTERVAL", 0.0)
    client = new_client()
    client.event("u1", "e").wait(10)
    monkeypatch.setattr(_account, "PROBE_INTERVAL", 60.0)
    tried = client.event("u2", "e")
    sandbox.wait_for_requests(2)

    meanwhile = client.event("u3", "e").wait(10)

    assert meanwhile.status == "rejected"
    assert tried.wait(10).status == "delivered"
    assert client.event("u3", "e").wait(10).status == "delivered"


def test_other_accounts_go_on(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(write_key="wrong")
    client.event("u1", "e").wait(10)
    client.configure(new_client().settings)

    assert client.event("u1", "e").wait(10).status == "delivered"


def test_a_page_of_a_gateway_says_nothing_about_the_key(new_client: NewClient, sandbox: Sandbox) -> None:
    page = Fault(status=403, body=b"<html>Forbidden</html>", content_type="text/html")
    sandbox.script([page])
    client = new_client()

    first = client.event("u1", "e").wait(10)
    second = client.event("u2", "e").wait(10)

    assert (first.status, second.status) == ("rejected", "delivered")


def test_messages_between_attempts_are_rejected_with_the_rest(
    new_client: NewClient, sandbox: Sandbox, reports: Reports
) -> None:
    sandbox.script([Fault(status=503, retry_after=300)])
    client = new_client(on_error=reports)
    delayed = client.event("u1", "e")
    sandbox.wait_for_requests(1)
    sandbox.faults = "401=100%"

    client.event("u2", "e")

    assert client.flush(20)
    assert delayed.status == "rejected"
    assert sorted(reports.people) == ["u1", "u2"]


def test_identifies_that_merged_are_each_rejected(new_client: NewClient, sandbox: Sandbox, reports: Reports) -> None:
    sandbox.faults = "401=100%"
    client = new_client(on_error=reports, flush_interval=60)
    client.identify("u1", traits={"a": 1})
    client.identify("u1", traits={"b": 2})

    assert client.flush(20)

    assert reports.people == ["u1", "u1"]
    assert client.stats().rejected == 2


def test_in_sync_mode_the_refusal_is_raised_without_a_request(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.faults = "401=100%"
    client = new_client(sync_mode=True)

    for _ in range(2):
        with pytest.raises(AuthenticationError, match="401"):
            client.event("u1", "e")

    assert len(sandbox.requests) == 1


def test_an_on_error_that_tracks_is_not_asked_about_its_own_messages(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.faults = "401=100%"
    people: list[str] = []

    def on_error(error: TrackError, queue_msg: Any) -> None:
        people.append(queue_msg["body"]["userId"])
        client.event("watcher", "Delivery Failed")

    client = new_client(on_error=on_error)
    client.event("u1", "e")
    client.event("u2", "e")

    assert client.flush(20)
    client.shutdown(5)

    assert sorted(people) == ["u1", "u2"]
    assert client.stats().rejected == client.stats().queued == 4


def test_the_ration_does_not_slow_the_rejection(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.faults = "401=100%"
    client = new_client(rate_limit=1)
    for number in range(100):
        client.event(f"u{number}", "e")

    assert client.flush(20)

    assert client.stats().rejected == 100


class _Clock:
    """The queue's clock and the worker's, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, client: Client, now: float) -> None:
        self.now = now
        monkeypatch.setattr(client._queue, "_clock", lambda: self.now)
        monkeypatch.setattr("interakt_track._worker.monotonic", lambda: self.now)


def test_an_attempt_without_an_answer_does_not_clear_the_key(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.script([REFUSAL, Fault(ending="reset")])
    monkeypatch.setattr(_account, "PROBE_INTERVAL", 0.0)
    client = new_client(max_retries=0)
    client.event("u1", "e").wait(10)

    probe = client.event("u2", "e").wait(10)
    monkeypatch.setattr(_account, "PROBE_INTERVAL", 60.0)
    account = client._account

    assert isinstance(probe.error, UnreachableError)
    assert account is not None
    assert account.refusal(float("-inf")) is not None
