"""What type checkers say of the public face: mypy in its strict mode, and pyright. Checked, never run.

A line with `type: ignore` is a mistake that a checker must find: where it does not, the comment is an error itself.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, assert_type
from uuid import UUID

import interakt_track
import track
from interakt_track import InvalidMessageError, Stats
from interakt_track.serverless import flushing
from interakt_track.testing import Capture, Messages, SentEvent, SentMessage, SentUser, capture
from interakt_track_client import AuthenticatedClient
from track import (
    APIError,
    AsyncClient,
    Client,
    DeliveryError,
    FailedMessage,
    QueueFullError,
    Receipt,
    Response,
    SettingsError,
    SpooledMessage,
    SpoolFile,
    SpoolStatus,
    TrackError,
)
from track.client import Client as OldClient
from track.request import APIError as OldAPIError
from track.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping


class Size(Enum):
    LARGE = "L"


Status = Literal["queued", "delivered", "rejected", "dropped", "disabled", "invalid"]


def settings_of_the_module() -> None:
    print("version " + track.__version__)
    track.write_key = "key"
    interakt_track.write_key = None
    track.host = "http://localhost:8080"
    track.sync_mode = track.debug = track.enabled = track.strict = True
    track.timeout = track.flush_interval = track.shutdown_timeout = 1.5
    track.max_retries = track.max_queue_size = track.batch_size = track.max_workers = 4
    track.default_country_code = "+44"
    track.on_error = on_error
    track.on_error = None
    track.before_send = before_send
    track.rate_limit = 300
    track.rate_limit = "growth"
    track.when_full = "block"
    track.block_timeout = 0.5
    track.on_ambiguous = "give_up"

    track.wirte_key = "key"  # type: ignore[attr-defined]  # misspelt
    track.timeout = "10"  # type: ignore[assignment]  # text for a number
    track.max_workers = 1.5  # type: ignore[assignment]  # half a worker
    track.on_error = on_error_of_one  # type: ignore[assignment]  # lacks an argument
    track.rate_limit = "starter"  # type: ignore[assignment]  # that plan has no API
    track.when_full = "wait"  # type: ignore[assignment]  # one of three words
    track.on_ambiguous = True  # type: ignore[assignment]  # one of two words
    track.before_send = on_error  # type: ignore[assignment]  # takes one too many


def on_error(error: TrackError, queue_msg: Mapping[str, Any]) -> None:
    print(queue_msg["path"])
    if isinstance(error, DeliveryError):
        assert_type(error.attempts, int)
        if error.queue_msg is not None:
            assert_type(error.queue_msg["path"], str)
            assert_type(error.queue_msg["body"], dict[str, Any])
            print(error.queue_msg["url"])  # type: ignore[typeddict-item]  # there is no such entry
    if isinstance(error, APIError):
        assert_type(error.status_code, int)
        assert_type(error.message, str)
        assert_type(error.status, object)
        assert_type(error.retry_after, float | None)
        print(error.code)  # type: ignore[attr-defined]  # the API has none


def on_error_of_one(error: TrackError) -> None: ...


def before_send(body: dict[str, Any]) -> dict[str, Any] | None:
    return body if body.get("userId") else None


def calls() -> None:
    receipt = track.identify("u1", "+91", "98765 43210", {"name": "Asha", "age": 24})
    assert_type(receipt, Receipt)
    assert_type(bool(receipt), bool)
    assert_type(receipt.status, Status)
    assert_type(receipt.error, TrackError | None)
    assert_type(receipt.response, Response | None)
    assert_type(receipt.wait(1.5), Receipt)
    if receipt.response is not None:
        assert_type(receipt.response.status_code, int)
    assert_type(receipt.message["path"], str)
    assert_type(receipt.message["body"], dict[str, Any])
    ok, message = receipt
    print(ok, message)

    track.identify(user_id=5, country_code=91, phone_number=9876543210)
    track.identify(user_id=UUID(int=5), tags=["vip"], add_to_sales_cycle=True, created_at=datetime.now(UTC))
    track.identify(phone_number="+44 7911 123456", created_at="2025-03-27T13:26:52.926Z")
    assert_type(track.event("u1", "Order Placed", {"total": Decimal("1.10"), "size": Size.LARGE}), Receipt)
    interakt_track.event(user_id="u1", event="Order Placed", traits=None, created_at=None)
    track.event("u1", "Order Placed", priority="high")
    track.identify("u1", priority="low")
    assert_type(track.flush(), bool)
    assert_type(track.flush(1), bool)
    track.join(1.5)
    track.shutdown(timeout=0)

    print(receipt.status == "sent")  # type: ignore[comparison-overlap]  # there is no such status
    receipt.status = "delivered"  # type: ignore[misc]  # a receipt has no setters
    track.evnt("u1", "Order Placed")  # type: ignore[attr-defined]  # misspelt
    track.event(userid="u1", event="Order Placed")  # type: ignore[call-arg]  # misspelt
    track.event("u1", 5)  # type: ignore[arg-type]  # a name is text
    track.event("u1", "Order Placed", [("total", 5)])  # type: ignore[arg-type]  # traits are a mapping
    track.event("u1", "Order Placed", {1: 5})  # type: ignore[dict-item]  # a trait's name is text
    track.event("u1", "Order Placed", {}, "+91", "9876543210", datetime.now(UTC))  # type: ignore[call-arg]  # by name only
    track.event("u1", "Order Placed", created_at=5)  # type: ignore[arg-type]  # neither a datetime nor text
    track.event("u1", "Order Placed", tags=["vip"])  # type: ignore[call-arg]  # customers have tags, events have none
    track.identify("u1", add_to_sales_cycle="yes")  # type: ignore[arg-type]  # a flag
    track.event("u1", "Order Placed", priority="urgent")  # type: ignore[arg-type]  # one of three words
    track.flush("1")  # type: ignore[arg-type]  # seconds are a number


def numbers() -> None:
    stats = track.stats()
    assert_type(stats, Stats)
    assert_type(stats.queued + stats.delivered + stats.rejected + stats.dropped, int)
    assert_type(stats.waiting + stats.in_flight + stats.retried + stats.retried_ambiguous + stats.merged, int)
    assert_type(stats.refused["queue_full"], int)


def clients() -> None:
    with Client(write_key="key", host="http://localhost", timeout=1.5, on_error=on_error) as client:
        assert_type(client, Client)
        assert_type(client.identify(5, traits={"a": [1, {"b": None}]}), Receipt)
        assert_type(client.event("u1", event="Order Placed"), Receipt)
        assert_type(client.flush(1), bool)
        assert_type(client.stats(), Stats)
        assert_type(client.api_client(), AuthenticatedClient)
    assert_type(track.api_client(), AuthenticatedClient)

    Client(b"key")  # type: ignore[call-arg, arg-type]  # settings have names; no order of theirs would take bytes
    Client(write_keys="key")  # type: ignore[call-arg]  # misspelt
    Client(timeout="10")  # type: ignore[arg-type]  # text for a number


async def awaited_calls() -> None:
    async with AsyncClient(write_key="key", timeout=1.5, on_error=on_error, rate_limit="growth") as client:
        assert_type(client, AsyncClient)
        assert_type(await client.identify(5, traits={"a": [1, {"b": None}]}, tags=["vip"]), Receipt)
        assert_type(await client.event("u1", "Order Placed", {"total": 1}, priority="high"), Receipt)
        assert_type(await client.flush(1), bool)
        assert_type(client.stats(), Stats)
        assert_type(client.api_client(), AuthenticatedClient)
        first, second = await asyncio.gather(client.event("u1", "a"), client.identify("u1"))
        assert_type(first, Receipt)
        assert_type(second, Receipt)
        assert_type(asyncio.create_task(client.event("u1", "a")), asyncio.Task[Receipt])
        try:
            async with asyncio.timeout(1):
                await client.event("u1", "e")
        except TimeoutError as error:
            cancelled = track.CallCancelledError.of(error)
            assert_type(cancelled, track.CallCancelledError | None)
            if cancelled is not None:
                assert_type(cancelled.was_sent, bool | None)
    assert_type(await client.shutdown(timeout=1), None)

    client.event("u1", "e")  # type: ignore[unused-coroutine]  # nobody awaits it
    await client.event("u1", 5)  # type: ignore[arg-type]  # a name is text
    AsyncClient(write_keys="key")  # type: ignore[call-arg]  # misspelt
    with AsyncClient() as client:  # type: ignore[attr-defined]  # it is asynchronous
        pass


def errors() -> None:
    try:
        track.event("u1", "Order Placed")
    except (InvalidMessageError, SettingsError) as error:
        print(ValueError.with_traceback(error, None))  # they are ValueErrors, too
    except QueueFullError as error:
        assert_type(error, QueueFullError)
    except TrackError as error:
        assert_type(error, TrackError)


def a_spool_looked_after() -> None:
    with SpoolFile("track.db") as spool:
        assert_type(spool, SpoolFile)
        assert_type(spool.status(), SpoolStatus)
        assert_type(spool.status().oldest_waiting, float | None)
        for waiting in spool.waiting(user_id=1, limit=10):
            assert_type(waiting, SpooledMessage)
            assert_type(waiting.called_at, datetime)
            assert_type(waiting.traits, dict[str, Any])
            print(waiting.error)  # type: ignore[attr-defined]  # it has not failed
        for failed in track.SpoolFile(Path("track.db")).failed(error="RejectedError", status_code=400):
            assert_type(failed, FailedMessage)
            assert_type(failed.status_code, int | None)
        assert_type(spool.retry(ids=[1, 2], skip_superseded=True).count, int)
        assert_type(spool.erase(phone_number="9876543210").is_overwritten, bool)
        assert_type(spool.adopt().waiting, int)

        spool.retry(ids="1")  # type: ignore[arg-type]  # text is no list of numbers
        spool.drop_failed(user_id="u1")  # type: ignore[call-arg]  # that is to erase


def a_test_of_an_application() -> None:
    with capture() as sent:
        assert_type(sent, Capture)
    assert_type(sent[0], SentMessage)
    assert_type(sent[1:], Messages[SentMessage])
    assert_type(sent.users, Messages[SentUser])
    assert_type(sent.events("Order Placed"), Messages[SentEvent])
    assert_type(sent.users.for_user(1), Messages[SentUser])
    [order] = sent.for_user(phone_number="+919876543210").events()
    assert_type(order.event, str)
    assert_type(order.traits, dict[str, Any])
    assert sent == [SentUser(user_id="u1", tags=["a"]), SentEvent("Order Placed", user_id="u1", traits={"total": 1})]
    for message in sent:
        if message.kind == "event":
            assert_type(message, SentEvent)

    SentEvent(user_id="u1")  # type: ignore[call-arg]  # an event has a name
    print(sent.users[0].event)  # type: ignore[attr-defined]  # a customer has none
    order.traits = {}  # type: ignore[misc]  # frozen


async def handlers_of_a_frozen_host() -> None:
    @flushing
    def handler(event: str, context: object) -> int:
        return len(event)

    @flushing(timeout=5)
    async def awaited(event: str, context: object) -> int:
        return len(event)

    assert_type(handler("", None), int)
    assert_type(await awaited("", None), int)
    with flushing(client=Client(write_key="key")):
        pass
    async with flushing(margin=1):
        pass

    handler(1, None)  # type: ignore[arg-type]  # its arguments are still its own
    flushing(context=5)  # type: ignore[call-overload]  # a number has no time left


def names_of_1_0_x() -> None:
    track.api_key = "key"
    assert_type(track.user("u1", "+91", "9876543210", {"name": "Asha"}), Receipt)
    print("version " + VERSION)
    assert_type(OldAPIError(400, "no"), APIError)
    client = OldClient("key", "http://localhost", False, True, 10, 100, on_error, 3, 0.5)
    assert_type(client.user("u1"), Receipt)
    assert_type(client.event("u1", "Order Placed"), Receipt)

    track.user("u1", created_at=datetime.now(UTC))  # type: ignore[call-arg]  # it never took one
    OldClient(secret="key")  # type: ignore[call-arg]  # never its name
