"""What becomes of accepted messages: retries, refusals, order, merging and reports, over real HTTP."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from interakt_track import (
    APIError,
    AuthenticationError,
    Client,
    DeliveryError,
    RejectedError,
    ServerError,
    TrackError,
    UnreachableError,
)
from interakt_track._logs import Quiet
from interakt_track._reporter import Reporter
from interakt_track._settings import Settings
from interakt_track.sandbox import Fault, Request, Sandbox

NewClient = Callable[..., Client]


class Reports:
    """An `on_error` that keeps what it is told."""

    def __init__(self) -> None:
        self.errors: list[TrackError] = []
        self.bodies: list[dict[str, Any]] = []
        self.threads: set[str] = set()

    def __call__(self, error: TrackError, queue_msg: Any) -> None:
        self.errors.append(error)
        self.bodies.append(queue_msg["body"])
        self.threads.add(threading.current_thread().name)


@pytest.fixture
def reports() -> Reports:
    return Reports()


def of_person(user_id: str) -> Callable[[Request], bool]:
    return lambda request: request.user_id == user_id


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
def test_what_may_pass_is_tried_again(client: Client, sandbox: Sandbox, status: int) -> None:
    sandbox.fail_next(status=status, retry_after=0)

    client.event("u1", "e")

    assert client.flush(20)
    assert [request.status for request in sandbox.requests] == [status, 201]
    assert client.stats().retried == 1


@pytest.mark.parametrize(
    "fault",
    [Fault.reset(), Fault.close(), Fault.not_http(), Fault.html(502), Fault.truncate(503), Fault.garbage(500)],
    ids=lambda fault: fault.name,
)
def test_a_broken_connection_or_gateway_is_tried_again(client: Client, sandbox: Sandbox, fault: Fault) -> None:
    sandbox.fail_next(fault=fault)

    client.event("u1", "e")

    assert client.flush(20)
    assert client.stats().delivered == 1
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("status", [400, 402, 404, 405, 409, 413, 422, 307])
def test_other_refusals_are_final(new_client: NewClient, sandbox: Sandbox, reports: Reports, status: int) -> None:
    client = new_client(on_error=reports)
    sandbox.fail_next(status=status)

    receipt = client.event("u1", "e", {"n": 1})

    assert client.flush(10)
    assert len(sandbox.requests) == 1
    assert receipt.status == "rejected"
    (error,) = reports.errors
    assert isinstance(error, RejectedError)
    assert error.status_code == status
    assert error.attempts == 1
    assert error.queue_msg == {"path": "/v1/public/track/events/", "body": reports.bodies[0]}
    assert reports.bodies == [{"userId": "u1", "event": "e", "traits": {"n": 1}}]


@pytest.mark.parametrize(
    "fault",
    [Fault.html(400), Fault.empty(400), Fault.json_list(400), Fault.broken_json(400), Fault.bad_gzip(400)],
    ids=lambda fault: fault.name,
)
def test_odd_bodies_of_a_refusal_confuse_nothing(
    new_client: NewClient, sandbox: Sandbox, reports: Reports, fault: Fault
) -> None:
    client = new_client(on_error=reports)
    sandbox.fail_next(fault=fault)

    client.event("u1", "e")

    assert client.flush(10)
    (error,) = reports.errors
    assert isinstance(error, RejectedError)
    assert error.status_code == 400


@pytest.mark.parametrize(
    "fault",
    [Fault.html(202), Fault.empty(202), Fault.json_list(202), Fault.broken_json(202), Fault.bad_gzip(202)],
    ids=lambda fault: fault.name,
)
def test_every_2xx_is_delivered_once_whatever_its_body(client: Client, sandbox: Sandbox, fault: Fault) -> None:
    sandbox.fail_next(fault=fault)

    receipt = client.event("u1", "e")

    assert client.flush(10)
    assert receipt.status == "delivered"
    assert len(sandbox.requests) == 1


def test_a_2xx_that_says_false_is_a_refusal(new_client: NewClient, sandbox: Sandbox, reports: Reports) -> None:
    client = new_client(on_error=reports)
    sandbox.fail_next(fault=Fault.false_result())

    client.event("u1", "e")

    assert client.flush(10)
    assert [type(error) for error in reports.errors] == [RejectedError]


def test_a_message_is_given_up_after_max_retries(new_client: NewClient, sandbox: Sandbox, reports: Reports) -> None:
    client = new_client(on_error=reports, max_retries=2)
    sandbox.fail_next(10, status=500)

    receipt = client.event("u1", "e")

    assert client.flush(20)
    assert len(sandbox.requests) == 3
    (error,) = reports.errors
    assert isinstance(error, ServerError)
    assert error.attempts == 3
    assert receipt.status == "dropped"
    assert client.stats().dropped == 1


def test_a_429_costs_no_retry(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(max_retries=0)
    sandbox.fail_next(3, status=429, retry_after=0)

    client.event("u1", "e")

    assert client.flush(20)
    assert client.stats().delivered == 1


def test_a_429_pauses_the_whole_account(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client()
    sandbox.fail_next(status=429, retry_after=1)

    client.event("u0", "e")
    assert not client.flush(0.3)
    for i in range(1, 20):
        client.event(f"u{i}", "e")

    assert client.flush(20)
    first, second, *_ = (request.started for request in sandbox.requests)
    assert second - first >= 1.0
    assert len(sandbox.requests) == 21


def test_retry_after_of_a_503_is_a_minimum(client: Client, sandbox: Sandbox) -> None:
    sandbox.fail_next(status=503, retry_after=1)

    client.event("u1", "e")

    assert client.flush(20)
    first, second = (request.started for request in sandbox.requests)
    assert second - first >= 1.0


def test_nobody_there_is_unreachable(new_client: NewClient, sandbox: Sandbox, reports: Reports) -> None:
    sandbox.stop()
    client = new_client(on_error=reports, max_retries=1)

    client.event("u1", "e")

    assert client.flush(20)
    (error,) = reports.errors
    assert isinstance(error, UnreachableError)
    assert not error.is_ambiguous
    assert error.attempts == 2


def test_one_persons_messages_keep_their_order_across_retries(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(max_retries=30)
    sandbox.faults = "503=0.15,reset=0.05,seed=5"

    for i in range(120):
        client.event(f"u{i % 12}", "e", {"n": i})

    assert client.flush(50)
    assert client.stats().delivered == 120
    of: defaultdict[str, list[int]] = defaultdict(list)
    for event in sandbox.events:
        of[event["userId"]].append(event["traits"]["n"])
    assert all(numbers == sorted(numbers) for numbers in of.values())


def test_one_persons_failure_never_delays_another(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(max_retries=10)
    sandbox.fail_next(1000, status=500, when=of_person("unlucky"))
    for i in range(300):
        client.event("unlucky", "e", {"n": i})

    receipt = client.event("lucky", "e")

    assert receipt.wait(10).status == "delivered"
    assert client.stats().delivered == 1
    client.shutdown(0)


def test_requests_of_different_people_run_at_the_same_time(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.faults = "latency=100ms"
    client = new_client(max_workers=8)

    for i in range(32):
        client.event(f"u{i}", "e")

    assert client.flush(20)
    requests = sandbox.requests
    most = max(sum(r.started <= one.started < (r.finished or 0) for r in requests) for one in requests)
    assert 4 <= most <= 8
    assert len({request.connection for request in requests}) <= 8


class TestMerging:
    """Identifies of one person that wait at the same time go out as one request."""

    def test_later_traits_win_and_tags_unite(self, new_client: NewClient, sandbox: Sandbox) -> None:
        client = new_client(flush_interval=60)
        client.identify("u1", traits={"name": "A", "city": "Pune"}, tags=["a", "b"])
        client.identify("u1", traits={"city": "Goa"}, tags=["b", "c"])

        assert client.flush(10)
        assert sandbox.users == [{"userId": "u1", "traits": {"name": "A", "city": "Goa"}, "tags": ["a", "b", "c"]}]
        assert client.stats().merged == 1
        assert client.stats().delivered == 2

    def test_an_event_between_keeps_them_apart(self, new_client: NewClient, sandbox: Sandbox) -> None:
        client = new_client(flush_interval=60)
        client.identify("u1", traits={"a": 1})
        client.event("u1", "e")
        client.identify("u1", traits={"a": 2})

        assert client.flush(10)
        assert [request.kind for request in sandbox.requests] == ["user", "event", "user"]

    def test_one_that_may_be_tried_again_stays_one(self, new_client: NewClient, sandbox: Sandbox) -> None:
        client = new_client(flush_interval=60)
        client.identify("u1", traits={"a": 1})
        client.identify("u1", traits={"b": 1})
        sandbox.fail_next(status=408)

        assert client.flush(20)
        assert [request.status for request in sandbox.requests] == [408, 202]
        assert sandbox.users == [{"userId": "u1", "traits": {"a": 1, "b": 1}}]
        assert client.stats().retried == 1

    def test_a_refused_one_is_taken_apart(self, new_client: NewClient, sandbox: Sandbox, reports: Reports) -> None:
        client = new_client(flush_interval=60, on_error=reports)
        sandbox.fail_next(10, status=400, when=lambda r: "bad" in (r.body or {}).get("traits", {}))
        receipts = [
            client.identify("u1", traits={"a": 1}),
            client.identify("u1", traits={"bad": 1}),
            client.identify("u1", traits={"b": 1}),
        ]
        client.event("u1", "after")

        assert client.flush(10)
        assert [receipt.status for receipt in receipts] == ["delivered", "rejected", "delivered"]
        assert [user["traits"] for user in sandbox.users] == [{"a": 1}, {"b": 1}]
        assert reports.bodies == [{"userId": "u1", "traits": {"bad": 1}}]
        assert sandbox.requests[-1].kind == "event"
        assert client.stats().delivered == 3
        assert client.stats().rejected == 1


class TestReports:
    """`on_error` is told once, in a thread of its own, and cannot stop sending."""

    def test_it_is_called_once_per_message(self, new_client: NewClient, sandbox: Sandbox, reports: Reports) -> None:
        client = new_client(on_error=reports)
        sandbox.fail_next(50, status=400)

        for i in range(50):
            client.event(f"u{i}", "e")

        assert client.flush(20)
        assert sorted(body["userId"] for body in reports.bodies) == sorted(f"u{i}" for i in range(50))
        assert reports.threads == {"interakt-track-on-error"}
        assert client.stats().rejected == 50

    def test_raising_stops_nothing(
        self, new_client: NewClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(error: TrackError, queue_msg: object) -> None:
            raise RuntimeError("from the callback")

        client = new_client(on_error=fail)
        sandbox.fail_next(2, status=400)

        for i in range(5):
            client.event("u1", "e", {"n": i})

        assert client.flush(10)
        assert client.stats().delivered == 3
        assert sum("on_error raised" in record.getMessage() for record in caplog.records) == 1

    def test_not_even_an_exit_in_it_ends_reporting(self, new_client: NewClient, sandbox: Sandbox) -> None:
        told: list[TrackError] = []

        def leave(error: TrackError, queue_msg: object) -> None:
            told.append(error)
            raise SystemExit(1)

        client = new_client(on_error=leave)
        sandbox.fail_next(2, status=400)

        client.event("u1", "e")
        assert client.flush(10)
        client.event("u1", "e")

        assert client.flush(10)
        assert len(told) == 2

    def test_its_own_message_can_be_waited_for_in_it(self, new_client: NewClient, sandbox: Sandbox) -> None:
        statuses: list[str] = []
        client = new_client(on_error=lambda error, queue_msg: statuses.append(receipts[0].wait().status))
        sandbox.fail_next(status=400)

        receipts = [client.event("u1", "e")]

        assert client.flush(10)
        assert statuses == ["rejected"]

    def test_slow_reports_never_stop_sending(self, new_client: NewClient, sandbox: Sandbox) -> None:
        is_told, may_go_on = threading.Event(), threading.Event()

        def wait(error: TrackError, queue_msg: object) -> None:
            is_told.set()
            may_go_on.wait(20)

        client = new_client(on_error=wait)
        sandbox.fail_next(status=400)
        refused = client.event("u1", "e")
        assert is_told.wait(10)

        receipts = [client.event("u1", "e") for _ in range(20)]

        assert receipts[-1].wait(10).status == "delivered"
        assert not client.flush(0.05)
        assert refused.wait(0).status == "rejected"
        may_go_on.set()
        assert client.flush(10)

    def test_it_may_call_the_sdk(self, new_client: NewClient, sandbox: Sandbox) -> None:
        told: list[object] = []

        def report(error: TrackError, queue_msg: object) -> None:
            told.append(error)
            told.append(client.flush())
            client.join()
            client.shutdown()
            client.event("u2", "Delivery failed")

        client = new_client(on_error=report)
        sandbox.fail_next(2, status=400)

        client.event("u1", "e")

        assert client.flush(10)
        assert client.flush(10)
        assert client.stats().rejected == 2
        assert len(told) == 2, "what it queued and lost is counted, not reported to it again"
        assert told[1] is False

    def test_without_on_error_a_line_a_minute_tells(
        self, client: Client, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        sandbox.fail_next(20, status=400)

        for i in range(20):
            client.event(f"u{i}", "e")

        assert client.flush(10)
        lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(lines) == 1
        assert "400" in lines[0]

    def test_a_retry_that_succeeds_tells_nothing(
        self, client: Client, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        sandbox.script([503, 500])

        client.event("u1", "e")

        assert client.flush(20)
        assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


def test_a_log_handler_that_raises_costs_nothing(
    new_client: NewClient, sandbox: Sandbox, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Raises(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("from the handler")

    monkeypatch.setattr(logging.getLogger("interakt_track"), "handlers", [Raises()])
    client = new_client(debug=True, on_error=reports, strict=False)
    sandbox.fail_next(status=400)

    client.event("u1", "e")
    client.event("u1", "e")
    client.event(event="nobody")

    assert client.flush(10)
    assert client.stats().delivered == client.stats().rejected == 1
    assert len(reports.errors) == 2


def test_an_idle_thread_takes_what_comes_while_another_is_busy(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(max_workers=4)
    for i in range(20):
        client.event(f"u{i}", "e")
    assert client.flush(10)
    sandbox.fail_next(fault=Fault(status=201, latency=8.0), when=of_person("slow"))
    client.event("slow", "e")
    sandbox.wait_for_requests(21)

    assert client.event("other", "e").wait(4).status == "delivered"
    client.shutdown(0)


def test_fewer_workers_send_at_once_after_max_workers_is_lowered(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.faults = "latency=50ms"
    client = new_client(max_workers=8)
    for i in range(24):
        client.event(f"u{i}", "e")
    sandbox.wait_for_requests(8)
    client.configure(Settings(write_key="test-key", host=sandbox.url, max_workers=1))
    assert client.flush(20)
    sandbox.clear()

    for i in range(6):
        client.event(f"u{i}", "e")

    assert client.flush(20)
    requests = sandbox.requests
    assert all((one.finished or 0) <= after.started for one, after in pairwise(requests))


class TestWaiting:
    """A receipt can be waited for."""

    def test_a_delivered_message(self, client: Client) -> None:
        receipt = client.event("u1", "e")

        assert receipt.wait(10) is receipt
        assert receipt.status == "delivered"
        assert receipt.response is not None
        assert receipt.response.status_code == 201

    def test_a_lost_message(self, client: Client, sandbox: Sandbox) -> None:
        sandbox.fail_next(status=400)

        receipt = client.event("u1", "e").wait(10)

        assert receipt.status == "rejected"
        assert isinstance(receipt.error, APIError)

    def test_time_that_is_up(self, new_client: NewClient) -> None:
        receipt = new_client(flush_interval=60).event("u1", "e")

        assert receipt.wait(0.05).status == "queued"


def test_a_wrong_key_rejects(new_client: NewClient, reports: Reports) -> None:
    client = new_client(write_key="wrong", on_error=reports)

    client.event("u1", "e")

    assert client.flush(10)
    assert [type(error) for error in reports.errors] == [AuthenticationError]
    assert client.stats().rejected == 1


def test_an_event_that_leaves_late_carries_the_time_of_its_call(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_client(flush_interval=60)
    client.event("u1", "late")
    client.event("u1", "told", created_at="2025-01-01T00:00:00Z")
    client.identify("u1")
    monkeypatch.setattr("interakt_track._requests.LATE", 0.0)

    assert client.flush(10)
    late, told = sandbox.events
    assert late["createdAt"].startswith("20")
    assert late["createdAt"].endswith("Z")
    assert told["createdAt"] == "2025-01-01T00:00:00.000Z"
    assert "createdAt" not in sandbox.users[0]


def test_an_event_sent_at_once_carries_no_time(client: Client, sandbox: Sandbox) -> None:
    client.event("u1", "e")

    assert client.flush(10)
    assert "createdAt" not in sandbox.events[0]


def test_no_error_text_holds_a_key_or_a_payload(new_client: NewClient, sandbox: Sandbox, reports: Reports) -> None:
    client = new_client(on_error=reports, max_retries=0)
    sandbox.script([400, 500, Fault.close()])

    for phone in ("9876543210", "9876543211", "9876543212"):
        client.event("person@example.com", "e", {"secret": "trait"}, phone_number=phone)

    assert client.flush(10)
    assert len(reports.errors) == 3
    for error in reports.errors:
        assert isinstance(error, DeliveryError)
        for private in ("test-key", "98765", "person@", "trait"):
            assert private not in f"{error} {error!r}"


def test_the_reporter_asks_whether_it_is_needed_without_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who queues may hold the queue's lock, which the answer takes, and want the reporter's, as a signal handler's."""
    monkeypatch.setattr("interakt_track._reporter.LINGER", 0.01)
    can_be_taken: list[bool] = []
    is_asked = threading.Event()

    def is_needed() -> bool:
        def take() -> None:
            reporter.prepare()

        thread = threading.Thread(target=take)
        thread.start()
        thread.join(5)
        can_be_taken.append(not thread.is_alive())
        is_asked.set()
        return False

    reporter = Reporter(is_needed, Quiet())
    reporter.on_error = lambda error, queue_msg: None

    reporter.prepare()

    assert is_asked.wait(20)
    assert can_be_taken == [True]
