"""A client's calls: what they give back, what is sent, and what a setting changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interakt_track import (
    AuthenticationError,
    Client,
    InvalidMessageError,
    QueueFullError,
    RejectedError,
    SettingsError,
    TrackError,
    UnreachableError,
)
from interakt_track.sandbox import Fault, Sandbox

NewClient = Callable[..., Client]
Reports = list[tuple[TrackError, dict[str, Any]]]


def test_a_call_arrives_over_real_http(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(flush_interval=60)
    receipt = client.identify("u1", "+91", "98765 43210", {"name": "Asha"}, tags=["new"], add_to_sales_cycle=True)
    client.event("u1", "Product Added", {"price": 1499})

    assert receipt.status == "queued"
    assert client.flush(10)
    assert sandbox.users == [
        {
            "userId": "u1",
            "countryCode": "+91",
            "phoneNumber": "9876543210",
            "traits": {"name": "Asha"},
            "tags": ["new"],
            "add_to_sales_cycle": True,
        }
    ]
    assert sandbox.events == [{"userId": "u1", "event": "Product Added", "traits": {"price": 1499}}]
    assert receipt.status == "delivered"


def test_a_receipt_says_what_was_queued_and_unpacks_as_in_1_0(client: Client) -> None:
    receipt = client.event("u1", "Order Placed", {"total": 5})

    ok, message = receipt

    assert ok is True
    assert message == {
        "path": "/v1/public/track/events/",
        "body": {"userId": "u1", "event": "Order Placed", "traits": {"total": 5}},
    }
    assert bool(receipt)
    assert "u1" not in repr(receipt)


def test_a_receipt_cannot_be_changed(client: Client) -> None:
    receipt = client.event("u1", "e")

    with pytest.raises(AttributeError):
        receipt.status = "delivered"  # type: ignore[misc]  # the point of the test


def test_the_snapshot_is_that_of_the_call(client: Client, sandbox: Sandbox) -> None:
    traits: dict[str, Any] = {"items": [1]}

    client.event("u1", "e", traits)
    traits["items"].append(2)
    traits["late"] = True

    client.flush(10)
    assert sandbox.events[0]["traits"] == {"items": [1]}


def test_bad_input_raises_at_the_call(client: Client) -> None:
    with pytest.raises(InvalidMessageError, match="user_id"):
        client.event(event="Nobody did this")
    assert client.stats().queued == 0


def test_a_missing_key_is_told_where_it_is_needed(sandbox: Sandbox) -> None:
    client = Client(host=sandbox.url)

    with pytest.raises(SettingsError, match="write_key is missing"):
        client.event("u1", "e")
    assert not Client(enabled=False).event("u1", "e")


def test_a_key_the_environment_gets_later_is_found(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(host=sandbox.url)
    with pytest.raises(SettingsError, match="write_key is missing"):
        client.event("u1", "e")

    monkeypatch.setenv("INTERAKT_WRITE_KEY", "test-key")

    assert client.event("u1", "e").wait(10).status == "delivered"
    client.shutdown()


def test_disabled_calls_validate_and_send_nothing(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(enabled=False)

    receipt = client.event("u1", "e")

    assert (receipt.status, bool(receipt)) == ("disabled", False)
    with pytest.raises(InvalidMessageError):
        client.event("u1", "")
    assert client.stats().refused["disabled"] == 1
    assert client.flush(5)
    assert sandbox.requests == []


class TestSyncMode:
    """In sync mode a call returns when its message is delivered, and raises otherwise."""

    def test_a_call_returns_the_response(self, new_client: NewClient, sandbox: Sandbox) -> None:
        receipt = new_client(sync_mode=True).identify("u1", traits={"a": 1})

        assert receipt.status == "delivered"
        assert receipt.response is not None
        assert receipt.response.status_code == 202
        assert receipt.response.json()["result"] is True
        assert len(sandbox.users) == 1

    def test_it_does_not_wait_for_the_batch(self, new_client: NewClient) -> None:
        assert new_client(sync_mode=True, flush_interval=3600).event("u1", "e").status == "delivered"

    def test_a_refused_message_raises_with_what_was_sent(self, new_client: NewClient, sandbox: Sandbox) -> None:
        sandbox.fail_next(status=400)

        with pytest.raises(RejectedError) as caught:
            new_client(sync_mode=True).event("u1", "e")

        assert caught.value.status_code == 400
        assert caught.value.attempts == 1
        assert caught.value.queue_msg is not None
        assert caught.value.queue_msg["body"]["userId"] == "u1"

    def test_a_transient_failure_is_tried_again(self, new_client: NewClient, sandbox: Sandbox) -> None:
        sandbox.script([503, 500])

        assert new_client(sync_mode=True).event("u1", "e").status == "delivered"
        assert [request.status for request in sandbox.requests] == [503, 500, 201]

    def test_no_retries_means_one_attempt(self, new_client: NewClient, sandbox: Sandbox) -> None:
        sandbox.fail_next(2, status=429)

        with pytest.raises(TrackError, match="429"):
            new_client(sync_mode=True, max_retries=0).event("u1", "e")
        assert len(sandbox.requests) == 1

    def test_a_call_ends_when_its_time_is_up(self, new_client: NewClient, sandbox: Sandbox) -> None:
        sandbox.script([Fault.hang()] * 5)
        client = new_client(sync_mode=True, timeout=0.2, max_retries=1)

        with pytest.raises(UnreachableError):
            client.event("u1", "e")
        assert client.stats().dropped == 1

    def test_a_message_that_did_not_get_its_turn_is_withdrawn(self, new_client: NewClient, sandbox: Sandbox) -> None:
        sandbox.fail_next(status=429, retry_after=30)
        client = new_client(sync_mode=True, timeout=0.3, max_retries=1)

        with pytest.raises(TrackError, match=r"429|before the message could be sent"):
            client.event("u1", "e")
        assert len(sandbox.requests) == 1
        assert client.stats().dropped == 1

    def test_without_strict_nothing_raises(self, new_client: NewClient, sandbox: Sandbox) -> None:
        sandbox.fail_next(status=400)

        receipt = new_client(sync_mode=True, strict=False).event("u1", "e")

        assert (bool(receipt), receipt.status) == (False, "rejected")
        assert isinstance(receipt.error, RejectedError)

    def test_a_wrong_key_is_an_authentication_error(self, new_client: NewClient) -> None:
        with pytest.raises(AuthenticationError, match="401"):
            new_client(sync_mode=True, write_key="wrong").event("u1", "e")

    def test_flush_join_and_shutdown_are_safe(self, new_client: NewClient) -> None:
        client = new_client(sync_mode=True)
        client.event("u1", "e")

        assert client.flush()
        client.join()
        client.shutdown()
        client.shutdown()


class TestLenient:
    """With `strict=False` a call in a request path never raises."""

    def test_a_bad_trait_is_left_out_and_reported(self, new_client: NewClient, sandbox: Sandbox) -> None:
        reports: Reports = []
        client = new_client(strict=False, on_error=lambda *report: reports.append(report))

        receipt = client.event("u1", "e", {"good": 1, "bad": object(), "worse": {"deep": [b"x"]}})

        assert receipt
        assert client.flush(10)
        assert sandbox.events[0]["traits"] == {"good": 1}
        client.shutdown()
        assert sorted(str(error).split()[0] for error, _ in reports) == ['traits["bad"]', 'traits["worse"]["deep"][0]']

    def test_an_unusable_call_gives_a_falsy_receipt(self, new_client: NewClient) -> None:
        reports: Reports = []
        client = new_client(strict=False, on_error=lambda *report: reports.append(report))

        receipt = client.event(event="Nobody did this")

        assert (bool(receipt), receipt.status) == (False, "invalid")
        assert isinstance(receipt.error, InvalidMessageError)
        client.shutdown()
        assert [error for error, _ in reports] == [receipt.error]
        assert client.stats().refused["invalid"] == 1

    def test_an_argument_that_cannot_be_looked_at_is_invalid(self, new_client: NewClient) -> None:
        class Odd:
            @property
            def __class__(self) -> type:  # type: ignore[override]  # the oddity
                raise RuntimeError("no class")

        client = new_client(strict=False)

        assert client.event(Odd(), "e").status == "invalid"
        assert client.event("u1", "e", phone_number=Odd()).status == "invalid"

    def test_a_missing_key_is_a_falsy_receipt(self, sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
        receipt = Client(host=sandbox.url, strict=False).event("u1", "e")

        assert isinstance(receipt.error, SettingsError)
        assert [record.levelname for record in caplog.records] == ["ERROR"]


class TestBeforeSend:
    """`before_send` sees the body at the call, and decides what is sent."""

    def test_it_changes_what_is_sent(self, new_client: NewClient, sandbox: Sandbox) -> None:
        def add_shop(body: dict[str, Any]) -> dict[str, Any]:
            body["traits"]["shop"] = "Pune"
            return body

        traits = {"a": 1}
        client = new_client(before_send=add_shop)
        client.event("u1", "e", traits)

        client.flush(10)
        assert sandbox.events[0]["traits"] == {"a": 1, "shop": "Pune"}
        assert traits == {"a": 1}

    def test_none_drops_the_message(self, new_client: NewClient, sandbox: Sandbox) -> None:
        client = new_client(before_send=lambda body: None)

        receipt = client.event("u1", "e")

        assert (bool(receipt), receipt.status) == (False, "dropped")
        assert client.stats().refused["before_send"] == 1
        assert client.flush(5)
        assert sandbox.requests == []

    @pytest.mark.parametrize("result", [5, {"userId": "u1", "event": "", "traits": {}}, {"event": "e", "traits": {}}])
    def test_what_makes_no_message_is_dropped_and_reported(self, new_client: NewClient, result: Any) -> None:
        reports: Reports = []
        client = new_client(before_send=lambda body: result, on_error=lambda *report: reports.append(report))

        receipt = client.event("u1", "e")

        assert receipt.status == "dropped"
        client.shutdown()
        assert [type(error) for error, _ in reports] == [InvalidMessageError]
        assert reports[0][1]["body"]["event"] == "e"

    def test_when_it_raises_the_caller_is_not_disturbed(self, new_client: NewClient, sandbox: Sandbox) -> None:
        reports: Reports = []

        def fail(body: dict[str, Any]) -> dict[str, Any]:
            raise RuntimeError(f"secret of {body['userId']}")

        client = new_client(before_send=fail, on_error=lambda *report: reports.append(report))

        receipt = client.event("u1", "e")

        assert receipt.status == "dropped"
        client.shutdown()
        assert [str(error) for error, _ in reports] == ["before_send made no message: RuntimeError"]
        assert sandbox.requests == []

    def test_the_order_follows_the_new_identity(self, new_client: NewClient, sandbox: Sandbox) -> None:
        def to_one_person(body: dict[str, Any]) -> dict[str, Any]:
            return {**body, "userId": "one"}

        client = new_client(before_send=to_one_person)
        for i in range(20):
            client.event(f"u{i}", "e", {"n": i})

        client.flush(10)
        assert [event["traits"]["n"] for event in sandbox.events] == list(range(20))


def test_a_full_queue_is_told_by_the_receipt(
    new_client: NewClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    reports: Reports = []
    client = new_client(max_queue_size=10, flush_interval=60, on_error=lambda *report: reports.append(report))

    receipts = [client.event(f"u{i}", "e") for i in range(1000)]

    assert [receipt.status for receipt in receipts[:10]] == ["queued"] * 10
    assert {receipt.status for receipt in receipts[10:]} == {"dropped"}
    assert isinstance(receipts[-1].error, QueueFullError)
    assert client.stats().refused == {"queue_full": 990}
    assert client.stats().queued == 10
    assert client.flush(10)
    assert len(sandbox.events) == 10
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "the queue is full (10 messages wait); new messages are dropped"
    ]
    assert reports == []


def test_a_call_after_shutdown_starts_sending_again(client: Client, sandbox: Sandbox) -> None:
    client.event("u1", "before")
    client.shutdown()

    client.event("u1", "after")

    assert client.flush(10)
    assert [event["event"] for event in sandbox.events] == ["before", "after"]


def test_leaving_the_block_delivers(sandbox: Sandbox) -> None:
    with Client(write_key="test-key", host=sandbox.url) as client:
        client.event("u1", "e")

    assert len(sandbox.events) == 1


def test_queued_messages_keep_the_key_of_their_call(sandbox: Sandbox, new_client: NewClient) -> None:
    with Sandbox() as other:
        client = new_client(flush_interval=60)
        client.event("u1", "old")
        client.configure(type(client.settings)(write_key="new-key", host=other.url))
        client.event("u1", "new")

        assert client.flush(10)
        assert [event["event"] for event in sandbox.events] == ["old"]
        assert [event["event"] for event in other.events] == ["new"]
        assert other.requests[0].is_signed_with("new-key")
        assert client.stats().delivered == 2


def test_the_stats_are_a_frozen_record(client: Client) -> None:
    stats = client.stats()

    with pytest.raises(AttributeError, match="frozen"):
        stats.queued = 5
    assert stats == client.stats()
    assert "queued=0" in repr(stats)


def test_the_low_level_client_is_ready(client: Client, sandbox: Sandbox) -> None:
    from interakt_track_client.api.track import create_event
    from interakt_track_client.models import EventRequest

    with client.api_client() as api:
        answer = create_event.sync_detailed(client=api, body=EventRequest(event="e", user_id="u1"))

    assert answer.status_code == 201
    assert sandbox.requests[0].headers["user-agent"].startswith("interakt-track-python/2.")
    assert "test-key" not in repr(api)


def test_the_low_level_client_needs_a_key() -> None:
    with pytest.raises(SettingsError, match="write_key is missing"):
        Client().api_client()
