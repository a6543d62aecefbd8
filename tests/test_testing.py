"""Captures: what an application's test would have sent is recorded, exactly, and nothing is sent."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any

import attrs
import pytest

import interakt_track as track
from interakt_track import AsyncClient, Client, InvalidMessageError
from interakt_track._default import MODULE_SETTINGS, DefaultClient
from interakt_track._recording import RECORDING
from interakt_track._settings import Settings
from interakt_track.sandbox import Sandbox
from interakt_track.testing import Capture, Messages, NetworkGuard, SentEvent, SentUser, capture, explain_comparison
from interakt_track_client.api.track import create_user
from interakt_track_client.models import UserRequest

NewClient = Callable[..., Client]


@pytest.fixture
def module(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The module's functions, with a client of their own and settings that lead to the sandbox."""
    own = DefaultClient(track._module_client._read, track._module_client._is_strict)
    monkeypatch.setattr(track, "_module_client", own)
    monkeypatch.setattr(track, "host", sandbox.url)
    monkeypatch.setattr(track, "write_key", "test-key")
    monkeypatch.setattr(track, "flush_interval", 0.01)
    yield monkeypatch
    if own._client is not None:
        own._client.shutdown(1)


def counts(client: Client) -> tuple[int, int, int]:
    stats = client.stats()
    return stats.queued, stats.delivered, stats.waiting + stats.in_flight


def sdk_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("interakt-track")}


# Who is recorded.


def test_a_capture_records_the_functions_and_every_client_and_sends_nothing(
    module: pytest.MonkeyPatch, new_client: NewClient, sandbox: Sandbox
) -> None:
    earlier = new_client()

    with capture() as sent:
        track.identify("u1", traits={"name": "Asha"})
        earlier.event("u2", "Earlier Client")
        with Client(write_key="another", host=sandbox.url) as later:
            later.event("u3", "Later Client")
        track.event("u1", "Order Placed")
        assert track.flush(0)

    names = [message.event if isinstance(message, SentEvent) else message.kind for message in sent]
    assert names == ["user", "Earlier Client", "Later Client", "Order Placed"]
    earlier.event("u2", "After")
    earlier.flush(10)
    assert [event["event"] for event in sandbox.events] == ["After"]
    assert len(sandbox.requests) == 1


def test_awaited_calls_are_recorded(sandbox: Sandbox) -> None:
    async def call(earlier: AsyncClient) -> None:
        async with AsyncClient() as later:
            for client in (earlier, later):
                receipt = await client.event("u1", "Order Placed")
                assert receipt.response is not None
                assert (receipt.status, receipt.response.status_code) == ("delivered", 201)
        assert earlier.stats().delivered == 1

    client = AsyncClient(write_key="test-key", host=sandbox.url)
    with capture() as sent:
        asyncio.run(call(client))

    assert sent == [SentEvent("Order Placed", user_id="u1")] * 2
    assert sandbox.requests == []


def test_low_level_calls_are_refused_and_not_sent(client: Client, sandbox: Sandbox) -> None:
    customer = UserRequest(user_id="u1")

    async def call_awaited() -> None:
        async with client.api_client() as api:
            await create_user.asyncio(client=api, body=customer)

    with client.api_client() as api:
        with capture(), pytest.raises(RuntimeError, match="a low-level call cannot be captured"):
            create_user.sync_detailed(client=api, body=customer)
        with capture(), pytest.raises(RuntimeError, match="a low-level call cannot be captured"):
            asyncio.run(call_awaited())
        with NetworkGuard():
            create_user.sync_detailed(client=api, body=customer)  # to this machine

    assert len(sandbox.requests) == 1


def test_calls_of_threads_are_recorded_whenever_they_began(client: Client, sandbox: Sandbox) -> None:
    may_call = threading.Event()

    def call(name: str) -> None:
        assert may_call.wait(20)
        for _ in range(100):
            client.event("u", name)

    threads = [threading.Thread(target=call, args=("before",))]
    threads[0].start()
    with capture() as sent:
        threads += [threading.Thread(target=call, args=("within",)) for _ in range(3)]
        for thread in threads[1:]:
            thread.start()
        may_call.set()
        for thread in threads:
            thread.join()

    assert (len(sent.events("before")), len(sent.events("within"))) == (100, 300)
    assert sandbox.requests == []
    assert client.stats().delivered == 400


def test_what_waits_when_it_begins_is_sent_and_not_recorded(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(flush_interval=60)
    before = client.event("u", "before")

    with capture() as sent:
        client.event("u", "within")
        assert client.flush(10)
        assert [event["event"] for event in sandbox.events] == ["before"]

    assert before.status == "delivered"
    assert sent == [SentEvent("within", user_id="u")]


def test_sending_goes_on_after_it_also_when_the_block_raised(client: Client, sandbox: Sandbox) -> None:
    sent = Capture()

    def fail() -> None:
        with sent:
            client.event("u", "within")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    client.event("u", "after")
    client.flush(10)
    assert [event.event for event in sent.events()] == ["within"]
    assert [event["event"] for event in sandbox.events] == ["after"]


def test_a_capture_within_another_leaves_it_all_messages(client: Client, sandbox: Sandbox) -> None:
    with capture() as outer:
        client.event("u", "first")
        with capture() as inner:
            client.event("u", "second")
        client.event("u", "third")

    assert [event.event for event in outer.events()] == ["first", "second", "third"]
    assert [event.event for event in inner.events()] == ["second"]
    assert client.stats().delivered == 3
    assert sandbox.requests == []


def test_captures_may_end_in_any_order(client: Client, sandbox: Sandbox) -> None:
    first, second = Capture(), Capture()
    first.__enter__()
    second.__enter__()

    first.__exit__(None, None, None)
    client.event("u", "for the second")
    second.__exit__(None, None, None)
    client.event("u", "for the API")

    client.flush(10)
    assert (len(first), len(second), len(sandbox.requests)) == (0, 1, 1)


def test_a_client_that_is_made_while_a_capture_begins_or_ends_is_not_missed(
    new_client: NewClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Capture()
    meanwhile = iter([sent.__enter__, lambda: sent.__exit__(None, None, None)])
    start = Client._start

    def start_and_change(client: Client) -> None:
        start(client)
        next(meanwhile)()

    monkeypatch.setattr(Client, "_start", start_and_change)
    new_client().event("u", "recorded")
    client = new_client()
    client.event("u", "sent")

    client.flush(10)
    assert [event.event for event in sent.events()] == ["recorded"]
    assert [event["event"] for event in sandbox.events] == ["sent"]


def test_a_call_on_its_way_when_the_block_ends_is_recorded(client: Client, new_client: NewClient) -> None:
    message = new_client(enabled=False).event("u", "late")._message
    assert message is not None
    with capture() as sent:
        put = client._put

    assert put(message)

    assert sent == [SentEvent("late", user_id="u")]


def test_outside_of_a_capture_a_call_takes_the_way_it_always_took(client: Client) -> None:
    way = client._put

    with capture():
        assert client._put != way

    assert way == client._queue.put == client._put


# What is recorded.


def test_what_is_recorded_is_what_is_sent(client: Client, sandbox: Sandbox) -> None:
    def call() -> None:
        client.identify(
            7,
            phone_number="098765 43210",
            traits={"n": Decimal("1.5"), "day": date(2026, 1, 2), "of": ("a", None, {"é\u2028\r\n": True})},
            tags=["a", "b"],
            created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            add_to_sales_cycle=False,
        )
        client.identify("u2", "44", "7700 900123", {"big": 10**400, "small": 1e-300})
        client.event(
            phone_number="+44 7700 900123", event="Ordered\n", traits={"total": 2998}, created_at="2026-01-02T03:04:05Z"
        )
        client.event("u3", "Left")

    call()
    client.flush(10)
    with capture() as sent:
        call()

    bodies = [request.body for request in sandbox.requests]
    assert len(bodies) == 4
    assert sorted(bodies, key=str) == sorted((message.body for message in sent), key=str)


def test_records_are_typed(client: Client) -> None:
    with capture() as sent:
        client.identify(7, phone_number="9876543210", traits={"day": date(2026, 1, 2)}, tags=["a"])
        client.event("u2", "Order Placed", {"lines": ({"n": 1},)}, created_at=datetime(2026, 1, 2, tzinfo=UTC))

    user, order = sent
    assert user == SentUser(
        user_id="7", country_code="+91", phone_number="9876543210", traits={"day": "2026-01-02"}, tags=("a",)
    )
    assert order == SentEvent(
        "Order Placed", user_id="u2", traits={"lines": [{"n": 1}]}, created_at="2026-01-02T00:00:00.000Z"
    )
    assert (user.kind, order.kind) == ("user", "event")
    assert order.called_at is not None
    assert abs((datetime.now(UTC) - order.called_at).total_seconds()) < 60


def test_a_changed_copy_is_a_record_of_its_own() -> None:
    with capture() as sent:
        track.event(user_id="u1", event="Order Placed", traits={"total": 1})

    copy = attrs.evolve(sent.events()[0], traits={"total": 2})

    assert (copy.traits, copy.called_at) == ({"total": 2}, sent[0].called_at)
    assert copy.body == {}  # no request had it


def test_messages_are_found_by_event_and_by_customer(client: Client) -> None:
    with capture() as sent:
        client.identify("u1", phone_number="9876543210")
        client.event("u1", "Order Placed", {"n": 1})
        client.event(5, "Order Placed", {"n": 2})
        client.event(phone_number="9876543210", event="Left")

    assert [event.traits["n"] for event in sent.events("Order Placed")] == [1, 2]
    assert sent.events("Order placed") == []
    assert sent.users == [SentUser(user_id="u1", country_code="+91", phone_number="9876543210")]
    assert len(sent.for_user("u1")) == 2
    assert sent.for_user(5).events() == sent[2:3]
    assert sent.for_user(phone_number="9876543210") == sent.for_user(phone_number="+919876543210") == [sent[0], sent[3]]
    with pytest.raises(TypeError, match="a user_id or a phone_number"):
        sent.for_user()


def test_a_capture_is_a_sequence_that_grows_and_can_be_cleared(client: Client) -> None:
    with capture() as sent:
        assert not sent
        client.event("u", "first")
        view = sent.events()
        client.event("u", "second")
        assert (len(sent), len(view), sent[-1].user_id, len(list(sent))) == (2, 1, "u", 2)

        sent.clear()

        client.event("u", "third")
        assert sent == [SentEvent("third", user_id="u")]
    assert sent == Messages([SentEvent("third", user_id="u")])
    assert sent != "third"


def test_identifies_are_recorded_as_they_were_called(client: Client) -> None:
    with capture() as sent:
        client.identify("u", traits={"a": 1})
        client.identify("u", traits={"b": 2})

    assert [user.traits for user in sent.users] == [{"a": 1}, {"b": 2}]


def test_before_send_has_run(new_client: NewClient) -> None:
    def without_secrets(body: dict[str, Any]) -> dict[str, Any] | None:
        return None if body["event"] == "Secret" else {**body, "traits": {"n": 1}}

    client = new_client(before_send=without_secrets)

    with capture() as sent:
        dropped = client.event("u", "Secret")
        client.event("u", "Order Placed", {"email": "asha@example.com"})

    assert (dropped.status, client.stats().refused) == ("dropped", {"before_send": 1})
    assert sent == [SentEvent("Order Placed", user_id="u", traits={"n": 1})]


# What the application sees.


@pytest.mark.parametrize("is_sync", [False, True], ids=["queued", "sync"])
def test_receipts_and_numbers_are_those_of_delivered_messages(
    new_client: NewClient, sandbox: Sandbox, is_sync: bool
) -> None:
    client = new_client(sync_mode=is_sync, flush_interval=60)
    threads = sdk_threads()

    with capture():
        receipts = [client.event("u", "Order Placed"), client.identify("u")]

        assert [receipt.wait().status for receipt in receipts] == ["delivered", "delivered"]
        assert [receipt.response and receipt.response.status_code for receipt in receipts] == [201, 202]
        assert all(receipts)
        assert receipts[0].error is None
        assert receipts[0].message["body"] == {"userId": "u", "event": "Order Placed", "traits": {}}
        assert counts(client) == (2, 2, 0)
        assert client.flush(0)
        assert sdk_threads() <= threads

    assert sandbox.requests == []


def test_wrong_arguments_are_told_as_always(new_client: NewClient) -> None:
    strict, lenient = new_client(), new_client(strict=False)

    with capture() as sent:
        with pytest.raises(InvalidMessageError, match="both missing"):
            strict.event(event="Order Placed")
        refused = lenient.event(event="Order Placed")
        lenient.event("u", "Order Placed", {"n": 1, "bad": object()})

    assert (bool(refused), refused.status) == (False, "invalid")
    assert sent == [SentEvent("Order Placed", user_id="u", traits={"n": 1})]


@pytest.mark.parametrize("settings", [{}, {"sync_mode": True}, {"before_send": dict}], ids=str)
def test_no_key_is_needed(settings: dict[str, Any]) -> None:
    with capture() as sent, Client(**settings) as client:
        assert client.event("u", "Order Placed").status == "delivered"

    assert len(sent) == 1
    with pytest.raises(track.SettingsError, match="write_key is missing"):
        client.event("u", "Order Placed")


def test_what_is_disabled_is_not_recorded(new_client: NewClient) -> None:
    client = new_client(enabled=False)

    with capture() as sent:
        receipt = client.event("u", "Order Placed")

    assert (receipt.status, len(sent)) == ("disabled", 0)
    assert repr(sent) == "<Capture of no messages; calls that were refused: 1 disabled>"
    sent.clear()
    assert repr(sent) == "<Capture of no messages>"


def test_there_is_always_room(new_client: NewClient) -> None:
    client = new_client(max_queue_size=1, when_full="raise", rate_limit=1)

    with capture() as sent:
        for _ in range(50):
            client.event("u", "Order Placed")

    assert len(sent) == 50


def test_settings_are_as_they_were_and_may_change_within(module: pytest.MonkeyPatch) -> None:
    read = attrgetter(*MODULE_SETTINGS)
    before = read(track)

    with capture() as sent:
        assert read(track) == before
        track.identify(phone_number="7700 900123", country_code="44")
        module.setattr(track, "default_country_code", "+44")
        track.identify(phone_number="7700 900123")

    assert sent[0] == sent[1]
    assert track.default_country_code == "+44"
    module.setattr(track, "default_country_code", before[MODULE_SETTINGS.index("default_country_code")])
    assert read(track) == before


def test_a_client_keeps_to_its_settings(new_client: NewClient) -> None:
    client = new_client(timeout=3)
    before = client.settings

    with capture():
        client.configure(Settings(host=before.host, write_key="test-key", default_country_code="+44"))
        client.event("u", "Order Placed")

    assert client.settings.default_country_code == "+44"


# Spools.


def test_no_spool_is_opened_and_after_the_block_it_is(new_client: NewClient, sandbox: Sandbox, tmp_path: Path) -> None:
    spool = tmp_path / "folder" / "track.db"

    with capture() as sent:
        client = new_client(spool=spool)
        client.event("u", "within")
        assert client.flush(0)
        assert (client.stats().delivered, client.stats().spool_waiting) == (1, None)
    assert not spool.parent.exists()
    client.event("u", "after")

    assert spool.exists()
    assert client.flush(20)
    assert [event["event"] for event in sandbox.events] == ["after"]
    assert [event.event for event in sent.events()] == ["within"]


@pytest.mark.parametrize("is_sync", [False, True], ids=["queued", "sync"])
def test_a_spool_that_is_open_gets_nothing(
    new_client: NewClient, sandbox: Sandbox, tmp_path: Path, is_sync: bool
) -> None:
    spool = tmp_path / "track.db"
    client = new_client(spool=spool, sync_mode=is_sync)
    client.event("u", "before").wait(20)

    with capture() as sent:
        assert client.event("u", "within").wait(0).status == "delivered"
        assert client.flush(10)

    with track.SpoolFile(spool) as file:
        assert file.status().last_id == 1
    assert counts(client) == (2, 2, 0)
    assert len(sent) == len(sandbox.events) == 1


def test_a_block_within_takes_a_capture_or_guard_of_its_own(client: Client, sandbox: Sandbox) -> None:
    for one in (capture(), NetworkGuard()):
        with one:
            with pytest.raises(RuntimeError, match="is in use; make another one"), one:
                pytest.fail("it has begun")
            client.event("u", "within")

        with one:  # again, but not within
            client.event("u", "again")

    client.flush(10)
    assert [event["event"] for event in sandbox.events] == [
        "within",
        "again",
    ]  # which the guard lets through: it is here


# What a test sees.


def test_a_capture_says_what_it_holds(client: Client) -> None:
    with capture() as sent:
        assert repr(sent) == "<Capture of no messages>"
        client.identify("u1", traits={"name": "Asha"}, tags=["a"])
        client.event(phone_number="9876543210", event="Order Placed")
        assert repr(sent) == '<Capture of user u1, "Order Placed" of +91 9876543210>'
        for _ in range(9):
            client.event("u", "e")

    assert repr(sent).endswith('"e" of u and 1 more>')
    assert repr(sent.events("none")) == "<no messages>"
    assert repr(sent[:2]) == (
        "[SentUser(user_id='u1', traits={'name': 'Asha'}, tags=('a',)), "
        "SentEvent('Order Placed', country_code='+91', phone_number='9876543210')]"
    )
    assert eval(repr(list(sent[:2]))) == sent[:2]


ORDER = SentEvent("Order Placed", user_id="u1", traits={"total": 2, "lines": [{"n": 1}, {"n": 2}]})


@pytest.mark.parametrize(
    ("expected", "lines"),
    [
        pytest.param(
            [SentEvent("Order Placed", user_id="u1", traits={"total": 2, "lines": [{"n": 1}, {"n": 3}]})],
            ['event "Order Placed", at index 0:', "  traits['lines'][1]['n']: 2 sent, 3 expected"],
            id="a trait deep inside",
        ),
        pytest.param(
            [SentEvent("Order Placed", user_id="u1", traits={"lines": [], "paid": None})],
            [
                'event "Order Placed", at index 0:',
                "  traits['total']: 2 sent, not expected",
                "  traits['lines']: [{'n': 1}, {'n': 2}] sent, [] expected",
                "  traits['paid']: not sent, None expected",
            ],
            id="traits that are missing",
        ),
        pytest.param([SentEvent("Order Placed", user_id="u2", traits=ORDER.traits)],
            ['event "Order Placed", at index 0:', "  user_id: 'u1' sent, 'u2' expected"], id="another customer"),
        pytest.param([SentUser(user_id="u1"), ORDER], ["only expected: SentUser(user_id='u1')"], id="one too few"),
        pytest.param([], [f"only sent: {ORDER!r}"], id="one too many"),
        pytest.param(
            [SentUser(user_id="u1")],
            [f"only sent: {ORDER!r}", "only expected: SentUser(user_id='u1')"],
            id="another kind",
        ),
    ],
)  # fmt: skip
def test_a_difference_is_told_message_by_message(expected: list[SentEvent | SentUser], lines: list[str]) -> None:
    sent = Messages([ORDER])
    assert sent != expected

    explained = explain_comparison("==", sent, expected)

    count = "1 message" if len(expected) == 1 else f"{len(expected)} messages"
    assert explained == [f"1 message sent == {count} expected", *lines]


def test_a_difference_is_told_from_the_other_side_too() -> None:
    other = SentEvent("Order Placed", user_id="u1")

    assert explain_comparison("==", [other], Messages([ORDER])) == [
        "1 message expected == 1 message sent",
        'event "Order Placed", at index 0:',
        "  traits['total']: not expected, 2 sent",
        "  traits['lines']: not expected, [{'n': 1}, {'n': 2}] sent",
    ]
    assert explain_comparison("==", other, ORDER) is not None
    assert explain_comparison("==", [1], [2]) is None
    assert explain_comparison("<", [other], [ORDER]) is None
    assert explain_comparison("==", Messages(), []) is None


def test_another_order_of_the_same_messages_is_told() -> None:
    first, second, third = (SentEvent("Order Placed", user_id=name) for name in ("u1", "u2", "u3"))

    explained = explain_comparison("==", Messages([first, second, third]), [first, third, second])

    assert explained == [
        "3 messages sent == 3 messages expected",
        "the same messages, in another order:",
        "  at index 1: SentEvent('Order Placed', user_id='u2') sent,",
        "    SentEvent('Order Placed', user_id='u3') expected",
        "  at index 2: SentEvent('Order Placed', user_id='u3') sent,",
        "    SentEvent('Order Placed', user_id='u2') expected",
    ]


def test_an_id_of_an_expected_message_may_be_a_number(client: Client) -> None:
    with capture() as sent:
        client.event(5, "Order Placed")

    assert sent == [SentEvent("Order Placed", user_id=5)]


def test_an_index_without_a_message_says_what_there_is(client: Client) -> None:
    with capture() as sent:
        client.event("u1", "Order Placed")

    with pytest.raises(IndexError, match=r"there is no message 1 in \[SentEvent\('Order Placed', user_id='u1'\)\]"):
        sent.events()[1]


def test_what_is_looked_for_is_compared_with_the_nearest() -> None:
    far, near = SentEvent("Order Placed", user_id="u2"), ORDER
    wanted = SentEvent("Order Placed", user_id="u1", traits={**ORDER.traits, "total": 3})

    assert explain_comparison("in", wanted, Messages([far, near, SentUser(user_id="u1")])) == [
        f"{wanted!r} in 3 messages sent",
        'the nearest event "Order Placed" differs:',
        "  traits['total']: 3 expected, 2 sent",
    ]
    assert explain_comparison("in", wanted, Messages([SentUser(user_id="u1")])) == [
        f"{wanted!r} in 1 message sent",
        'there is no event "Order Placed"; there are:',
        "  SentUser(user_id='u1')",
    ]


# The capture itself.


def test_the_second_name_of_the_package_has_the_same_classes() -> None:
    import track.testing

    assert track.testing.capture is capture


def test_a_capture_leaves_nothing_open() -> None:
    def files() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    gc.collect()
    before = files()

    for _ in range(20):
        with capture():
            pass

    gc.collect()
    assert files() == before
    assert RECORDING.recorders == ()


def test_a_line_that_is_half_written_is_read_when_it_is_whole(client: Client) -> None:
    with capture() as sent:
        client.event("u", "whole")
        (line,) = sent._tape.read()
        os.write(sent._tape._file, line[:10])
        assert len(sent) == 0

        os.write(sent._tape._file, line[10:] + b"\n")

        assert len(sent) == 1
