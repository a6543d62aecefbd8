"""Awaited calls over real HTTP: what they return and raise, and what they share with clients that have threads."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import AsyncMock, create_autospec

import pytest
from starlette.background import BackgroundTask

import track
from interakt_track import (
    APIError,
    AsyncClient,
    AuthenticationError,
    Client,
    ExpiredError,
    InvalidMessageError,
    QueueFullError,
    RateLimitError,
    Receipt,
    RejectedError,
    SettingsError,
    UnreachableError,
)
from interakt_track._settings import SETTING_NAMES
from interakt_track.sandbox import Fault, Sandbox
from interakt_track.testing import capture
from interakt_track_client.api.track import create_event
from interakt_track_client.models import EventRequest

T = TypeVar("T")
NewClient = Callable[..., Client]
ENVELOPE = b'{"result": false, "message": "no"}'


def use(sandbox: Sandbox, calls: Callable[[AsyncClient], Awaitable[T]], **settings: Any) -> T:
    """Run code with a client of the sandbox; in the end its numbers have to add up, and nothing is left."""

    async def main() -> T:
        async with AsyncClient(**{"write_key": "test-key", "host": sandbox.url, **settings}) as client:
            returned = await calls(client)
        stats = client.stats()
        assert stats.queued == stats.delivered + stats.rejected + stats.dropped
        assert (stats.waiting, stats.in_flight) == (0, 0)
        return returned

    return asyncio.run(main())


async def until_requests(sandbox: Sandbox, count: int) -> None:
    await asyncio.to_thread(sandbox.wait_for_requests, count)


def test_a_call_returns_the_receipt_with_the_answer(sandbox: Sandbox) -> None:
    async def calls(client: AsyncClient) -> list[Receipt]:
        return [
            await client.identify("u1", "+91", "98765 43210", {"name": "Asha"}, tags=["new"], add_to_sales_cycle=True),
            await client.event("u1", "Order Placed", {"total": 5}),
        ]

    identified, placed = use(sandbox, calls)

    assert (bool(identified), identified.status, placed.status) == (True, "delivered", "delivered")
    assert identified.response is not None
    assert (identified.response.status_code, identified.response.body["result"]) == (202, True)
    assert placed.wait(0) is placed
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
    assert sandbox.events == [placed.message["body"]]


def test_each_persons_calls_are_sent_in_order_whatever_fails(sandbox: Sandbox) -> None:
    sandbox.faults = "5xx=15%,reset=5%,latency=2ms"  # type: ignore[assignment]  # its setter reads the spelling
    people = 20

    async def calls(client: AsyncClient) -> list[Receipt]:
        return await asyncio.gather(*(client.event(f"u{number % people}", "e", {"n": number}) for number in range(400)))

    receipts = use(sandbox, calls, max_workers=16, max_retries=12)

    sent = defaultdict(list)
    for event in sandbox.events:
        sent[event["userId"]].append(event["traits"]["n"])
    assert {receipt.status for receipt in receipts} == {"delivered"}
    assert len(sent) == people
    assert all(numbers == sorted(set(numbers)) and len(numbers) == 400 / people for numbers in sent.values())


def test_somebody_with_two_identifiers_is_behind_and_before_both(sandbox: Sandbox) -> None:
    sandbox.script([503, None, 503])

    async def calls(client: AsyncClient) -> None:
        await asyncio.gather(
            client.event("u1", "by id"),
            client.event(phone_number="9876543210", event="by phone"),
            client.event("u1", "by both", phone_number="9876543210"),
            client.event("u1", "by id again"),
            client.event(phone_number="9876543210", event="by phone again"),
        )

    use(sandbox, calls)

    sent = [event["event"] for event in sandbox.events]
    assert sorted(sent[:2]) == ["by id", "by phone"]
    assert sent[2] == "by both"


def test_other_people_do_not_wait_and_max_workers_bounds_what_is_under_way(sandbox: Sandbox) -> None:
    sandbox.script([Fault.hang()] * 3)

    async def calls(client: AsyncClient) -> tuple[int, int]:
        tasks = [asyncio.create_task(client.event(f"u{number}", "e")) for number in range(5)]
        await until_requests(sandbox, 3)
        stats = client.stats()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return stats.in_flight, stats.waiting

    assert use(sandbox, calls, max_workers=3) == (3, 2)
    assert len(sandbox.requests) == 3


def test_a_higher_priority_goes_first(sandbox: Sandbox) -> None:
    async def calls(client: AsyncClient) -> None:
        await asyncio.gather(
            client.event("u1", "first", priority="low"),
            client.event("u2", "low", priority="low"),
            client.event("u3", "normal"),
            client.event("u4", "high", priority="high"),
        )

    use(sandbox, calls, max_workers=1)

    assert [event["event"] for event in sandbox.events] == ["first", "high", "normal", "low"]


def test_connections_are_kept_and_are_no_more_than_requests_under_way(sandbox: Sandbox) -> None:
    async def calls(client: AsyncClient) -> None:
        for number in range(5):
            await client.event("u1", "e", {"n": number})
        await asyncio.gather(*(client.event(f"u{number}", "e") for number in range(50)))

    use(sandbox, calls, max_workers=4)

    assert {request.connection for request in sandbox.requests[:5]} == {1}
    assert sandbox.counts.connections <= 4


class TestFailures:
    """What was not delivered is raised by its call, after the retries that its kind gets."""

    def test_a_transient_failure_is_tried_again(self, sandbox: Sandbox) -> None:
        sandbox.script([503, Fault.reset(), 500])

        receipt = use(sandbox, lambda client: client.event("u1", "e"))

        assert receipt.status == "delivered"
        assert [request.status for request in sandbox.requests] == [503, None, 500, 201]

    def test_a_refused_message_raises_with_what_was_sent(self, sandbox: Sandbox) -> None:
        sandbox.fail_next(status=400)
        reports: list[Any] = []

        with pytest.raises(RejectedError) as caught:
            use(sandbox, lambda client: client.event("u1", "e"), on_error=lambda *report: reports.append(report))

        assert (caught.value.status_code, caught.value.attempts) == (400, 1)
        assert caught.value.queue_msg is not None
        assert caught.value.queue_msg["body"]["userId"] == "u1"
        assert reports == []  # it was told by the call

    def test_without_strict_it_is_the_receipts_error(self, sandbox: Sandbox) -> None:
        sandbox.fail_next(status=400)

        receipt = use(sandbox, lambda client: client.event("u1", "e"), strict=False)

        assert (bool(receipt), receipt.status, type(receipt.error)) == (False, "rejected", RejectedError)

    def test_retries_end(self, sandbox: Sandbox) -> None:
        sandbox.fail_next(9, status=503)

        with pytest.raises(APIError, match="503") as caught:
            use(sandbox, lambda client: client.event("u1", "e"), max_retries=2)

        assert caught.value.attempts == len(sandbox.requests) == 3

    def test_one_persons_failure_holds_up_no_longer_than_it_lasts(self, sandbox: Sandbox) -> None:
        sandbox.script([400])

        async def calls(client: AsyncClient) -> list[Any]:
            return await asyncio.gather(client.event("u1", "a"), client.event("u1", "b"), return_exceptions=True)

        first, second = use(sandbox, calls)

        assert isinstance(first, RejectedError)
        assert second.status == "delivered"

    @pytest.mark.parametrize("fault", [Fault.hang(), Fault.slow_head(0.05)], ids=["no answer", "a byte now and then"])
    def test_an_attempt_ends_in_time_whatever_the_server_does(self, sandbox: Sandbox, fault: Fault) -> None:
        sandbox.script([fault])

        async def calls(client: AsyncClient) -> float:
            started = asyncio.get_running_loop().time()
            with pytest.raises(UnreachableError) as caught:
                await client.event("u1", "e")
            assert caught.value.is_ambiguous
            return asyncio.get_running_loop().time() - started

        assert use(sandbox, calls, timeout=0.3, max_retries=0) < 0.3 + 1

    def test_a_message_that_was_taken_is_delivered_however_slow_the_rest_of_the_answer(self, sandbox: Sandbox) -> None:
        sandbox.script([Fault.slow(0.2)])  # some 20 s in all

        receipt = use(sandbox, lambda client: client.event("u1", "e"), timeout=2)

        assert receipt.status == "delivered"
        assert len(sandbox.requests) == 1

    def test_at_most_64_kib_of_an_answer_are_read(self, sandbox: Sandbox) -> None:
        sandbox.script([Fault(status=201, body=b" " * 10_000_000), Fault(status=400, body=b"a" * 10_000_000)])

        async def calls(client: AsyncClient) -> list[Any]:
            return await asyncio.gather(client.event("u1", "e"), client.event("u1", "e"), return_exceptions=True)

        taken, refused = use(sandbox, calls)

        assert taken.status == "delivered"
        assert isinstance(refused, RejectedError)
        assert len(refused.message) < 1000

    def test_an_event_that_may_have_arrived_is_not_repeated_where_that_is_asked_for(self, sandbox: Sandbox) -> None:
        sandbox.script([Fault.reset(received=True)])

        with pytest.raises(UnreachableError) as caught:
            use(sandbox, lambda client: client.event("u1", "e"), on_ambiguous="give_up")

        assert caught.value.is_ambiguous
        assert len(sandbox.requests) == 1

    @pytest.mark.parametrize("last", [400, 503])
    def test_the_error_tells_of_an_earlier_attempt_that_may_have_arrived(self, sandbox: Sandbox, last: int) -> None:
        sandbox.script([Fault.reset(received=True), last])

        with pytest.raises(APIError) as caught:
            use(sandbox, lambda client: client.event("u1", "e"), max_retries=1)

        assert (caught.value.status_code, caught.value.is_ambiguous) == (last, True)

    def test_a_server_that_is_not_there(self) -> None:
        async def main() -> None:
            async with AsyncClient(write_key="k", host="http://127.0.0.1:9", max_retries=0) as client:
                await client.event("u1", "e")

        with pytest.raises(UnreachableError, match="no connection") as caught:
            asyncio.run(main())
        assert not caught.value.is_ambiguous

    def test_the_key_and_payloads_are_in_no_text(self, sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
        sandbox.fail_next(status=400)

        with caplog.at_level(logging.DEBUG, "interakt_track"), pytest.raises(RejectedError) as caught:
            use(sandbox, lambda client: client.event("user-4711", "e", {"secret": "payload"}), write_key="test-key")

        shown = f"{caplog.text} {caught.value!r} {caught.value}"
        assert "POST /v1/public/track/events/" in shown
        assert not re.search("test-key|payload|user-47", shown)


class TestAccount:
    """Ration, pauses and a refused key are the account's, whoever sends."""

    def test_a_429_waits_for_retry_after_and_holds_up_everybody(self, sandbox: Sandbox, new_client: NewClient) -> None:
        sandbox.fail_next(status=429, retry_after=1)
        threads = new_client()

        async def calls(client: AsyncClient) -> list[Receipt]:
            first = asyncio.create_task(client.event("u1", "awaited"))
            await until_requests(sandbox, 1)
            while client.stats().retried == 0:  # noqa: ASYNC110 - nothing tells of an answer
                await asyncio.sleep(0.01)
            queued = threads.event("u2", "queued")
            receipts = [await first, await client.event("u3", "awaited")]
            await asyncio.to_thread(queued.wait, 10)
            return [*receipts, queued]

        receipts = use(sandbox, calls)

        refused, *others = sandbox.requests
        assert [receipt.status for receipt in receipts] == ["delivered"] * 3
        assert refused.status == 429
        assert refused.finished is not None
        assert min(request.started for request in others) >= refused.finished + 0.99

    def test_a_429_of_a_client_with_threads_holds_up_awaited_calls(
        self, sandbox: Sandbox, new_client: NewClient
    ) -> None:
        sandbox.fail_next(status=429, retry_after=60)
        new_client(max_retries=0, sync_mode=True, strict=False).event("u1", "e")

        with pytest.raises(ExpiredError):
            use(sandbox, lambda client: client.event("u2", "e"), timeout=0.2, max_retries=1)

        assert len(sandbox.requests) == 1

    def test_a_429_counts_as_an_attempt(self, sandbox: Sandbox) -> None:
        sandbox.fail_next(status=429)

        with pytest.raises(RateLimitError):
            use(sandbox, lambda client: client.event("u1", "e"), max_retries=0)

    def test_the_ration_counts_what_threads_sent(self, sandbox: Sandbox, new_client: NewClient) -> None:
        threads = new_client(rate_limit=1)
        threads.event("u1", "e")
        assert threads.flush(10)

        with pytest.raises(ExpiredError, match="before the message could be sent") as caught:
            use(sandbox, lambda client: client.event("u2", "e"), timeout=0.2, max_retries=1)

        assert caught.value.attempts == 0
        assert len(sandbox.requests) == 1

    def test_the_ration_is_kept(self, sandbox: Sandbox) -> None:
        async def calls(client: AsyncClient) -> list[Any]:
            return await asyncio.gather(*(client.event(f"u{n}", "e") for n in range(50)), return_exceptions=True)

        ends = use(sandbox, calls, rate_limit=100, timeout=1.7, max_retries=0)

        assert {type(end) for end in ends} == {Receipt, ExpiredError}
        assert 10 <= len(sandbox.requests) <= 10 + 3  # a tenth at once, then one in 0.61 s

    def test_a_refused_key_is_told_by_every_call_and_tried_once(self, sandbox: Sandbox) -> None:
        async def calls(client: AsyncClient) -> list[Any]:
            first = await asyncio.gather(client.event("u1", "e"), return_exceptions=True)
            rest = await asyncio.gather(*(client.event(f"u{n % 3}", "e") for n in range(20)), return_exceptions=True)
            return [*first, *rest]

        errors = use(sandbox, calls, write_key="wrong")

        assert {type(error) for error in errors} == {AuthenticationError}
        assert len({id(error) for error in errors}) == 21
        assert len(sandbox.requests) == 1


class TestTheDoor:
    """What is wrong with a call is told by the call, before it is awaited."""

    def test_bad_input_raises_at_the_call(self, sandbox: Sandbox) -> None:
        async def calls(client: AsyncClient) -> None:
            with pytest.raises(InvalidMessageError, match="user_id"):
                client.event(event="Nobody did this")

        use(sandbox, calls)

    def test_without_strict_it_is_a_false_receipt(self, sandbox: Sandbox) -> None:
        reports: list[Any] = []

        async def calls(client: AsyncClient) -> list[Receipt]:
            return [await client.event(event="Nobody"), await client.event("u1", "e", {"a": 1, "b": object()})]

        nobody, lacking = use(sandbox, calls, strict=False, on_error=lambda *report: reports.append(report))

        assert (nobody.status, lacking.status) == ("invalid", "delivered")
        assert sandbox.events[0]["traits"] == {"a": 1}
        assert [type(error) for error, _ in reports] == [InvalidMessageError] * 2

    def test_the_snapshot_is_that_of_the_call_not_of_the_await(self, sandbox: Sandbox) -> None:
        async def calls(client: AsyncClient) -> None:
            traits = {"items": [1]}
            calls = []
            for number in range(3):
                traits["items"][0] = number
                calls.append(client.event("u1", "e", traits))
            await asyncio.gather(*calls)

        use(sandbox, calls)

        assert [event["traits"]["items"] for event in sandbox.events] == [[0], [1], [2]]

    def test_before_send_changes_or_drops_what_is_sent(self, sandbox: Sandbox) -> None:
        def before_send(body: dict[str, Any]) -> dict[str, Any] | None:
            return None if body["event"] == "secret" else body | {"traits": {"shop": "Pune"}}

        async def calls(client: AsyncClient) -> list[Receipt]:
            return [await client.event("u1", "secret"), await client.event("u1", "e")]

        dropped, sent = use(sandbox, calls, before_send=before_send)

        assert (dropped.status, sent.status) == ("dropped", "delivered")
        assert sandbox.events == [{"userId": "u1", "event": "e", "traits": {"shop": "Pune"}}]

    def test_a_before_send_that_returns_what_has_to_be_awaited_is_none(
        self, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Later:
            """What an `async def` returns, but that nobody warns of it."""

        receipt = use(sandbox, lambda client: client.event("u1", "e"), before_send=lambda body: Later())

        assert isinstance(receipt.error, InvalidMessageError)
        assert "before_send failed; its message is dropped" in caplog.text
        assert "strict is False" not in caplog.text  # it is True

    @pytest.mark.parametrize("name", ["before_send", "on_error"])
    def test_functions_that_have_to_be_awaited_are_refused(self, name: str) -> None:
        async def later(*_: Any) -> None: ...

        with pytest.raises(SettingsError, match=f"^{name} must be a plain function"):
            AsyncClient(**{name: later})  # type: ignore[arg-type]  # a mapping could be anything

    def test_disabled_calls_send_nothing(self, sandbox: Sandbox) -> None:
        receipt = use(sandbox, lambda client: client.event("u1", "e"), enabled=False)

        assert (bool(receipt), receipt.status, sandbox.requests) == (False, "disabled", [])

    def test_a_missing_key_is_told_at_the_call_and_found_later(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def calls(client: AsyncClient) -> Receipt:
            with pytest.raises(SettingsError, match="write_key is missing"):
                client.event("u1", "e")
            monkeypatch.setenv("INTERAKT_WRITE_KEY", "test-key")
            return await client.event("u1", "e")

        assert use(sandbox, calls, write_key=None).status == "delivered"

    def test_more_calls_than_may_wait(self, sandbox: Sandbox) -> None:
        async def calls(client: AsyncClient) -> list[Any]:
            return await asyncio.gather(*(client.event("u1", "e", {"n": n}) for n in range(4)), return_exceptions=True)

        dropped = use(sandbox, calls, max_queue_size=2, max_workers=1)
        raised = use(sandbox, calls, max_queue_size=2, max_workers=1, when_full="raise")
        waited = use(sandbox, calls, max_queue_size=2, max_workers=1, when_full="block")

        assert [receipt.status for receipt in dropped] == ["delivered"] * 3 + ["dropped"]
        assert isinstance(dropped[-1].error, QueueFullError)
        assert [type(end) for end in raised] == [Receipt] * 3 + [QueueFullError]
        assert [receipt.status for receipt in waited] == ["delivered"] * 4

    def test_a_spool_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="spool is for what waits in a queue"):
            AsyncClient(write_key="k", spool=tmp_path / "track.db")
        assert list(tmp_path.iterdir()) == []

    def test_a_wrong_setting_is_told(self) -> None:
        with pytest.raises(SettingsError, match="timeout must be"):
            AsyncClient(timeout=0)

    def test_a_late_event_carries_the_time_of_its_call(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("interakt_track._requests.LATE", 0.0)

        use(sandbox, lambda client: client.event("u1", "e"))

        assert sandbox.events[0]["createdAt"].endswith("Z")


def test_captures_record_awaited_calls(sandbox: Sandbox) -> None:
    async def calls(client: AsyncClient) -> list[Receipt]:
        with capture() as sent:
            receipts = [await client.event("u1", "e"), await client.identify("u1", traits={"a": 1})]
        assert len(sent) == 2
        return receipts

    receipts = use(sandbox, calls)

    assert [receipt.status for receipt in receipts] == ["delivered"] * 2
    assert sandbox.requests == []


def test_a_call_of_a_capture_that_is_awaited_after_it_needs_a_key(sandbox: Sandbox) -> None:
    async def calls(client: AsyncClient) -> None:
        with capture():
            call = client.event("u1", "e")
        with pytest.raises(SettingsError, match="write_key is missing"):
            await call

    use(sandbox, calls, write_key=None)


def test_a_framework_that_runs_it_in_the_background_awaits_it(sandbox: Sandbox) -> None:
    async def calls(client: AsyncClient) -> None:
        await BackgroundTask(client.identify, "u1", traits={"a": 1})()
        await BackgroundTask(client.event, "u1", "e")()

    use(sandbox, calls)

    assert (len(sandbox.users), len(sandbox.events)) == (1, 1)


def test_the_low_level_client_is_made_ready(sandbox: Sandbox) -> None:
    async def calls(client: AsyncClient) -> int:
        async with client.api_client() as low_level:
            answer = await create_event.asyncio_detailed(client=low_level, body=EventRequest(user_id="u1", event="e"))
        return answer.status_code.value

    assert use(sandbox, calls) == 201


def test_what_a_client_shows_holds_no_key() -> None:
    client = AsyncClient(write_key="the-key", host="http://localhost")

    assert repr(client) == "<AsyncClient of http://localhost>"
    assert "the-key" not in repr(client.settings)


def test_mocks_made_of_the_class_are_awaited() -> None:
    mock = create_autospec(AsyncClient, instance=True)

    assert isinstance(mock.flush, AsyncMock)
    assert hasattr(track, "AsyncClient")
    asyncio.run(mock.event("u1", "e"))
    mock.event.assert_awaited_once_with("u1", "e")


def test_the_table_of_the_documentation_names_each_setting_once() -> None:
    page = (Path(__file__).parent.parent / "docs" / "how-to" / "asyncio.md").read_text(encoding="utf-8")
    table = page.partition("| setting | for an awaited call |")[2].partition("\n\n")[0]

    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]

    assert sorted(named) == sorted(SETTING_NAMES)
