"""Flushing before a handler returns: in every form, within its time, and with nothing changed for its caller."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import MagicMock, Mock

import hypothesis.strategies as st
import pytest
from hypothesis import given

import track
from interakt_track import AsyncClient, Client
from interakt_track._rate_limit import Pacer
from interakt_track.sandbox import FaultPlan, Sandbox
from interakt_track.serverless import flushing


class Context:
    """What Lambda passes to a handler, with so many seconds left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


class Tracker:
    """Takes the place of a client, and notes how long it is flushed."""

    def __init__(self, while_flushing: Callable[[], bool] = lambda: True) -> None:
        self.settings = MagicMock(shutdown_timeout=10)
        self.flushed: list[float] = []
        self.results: list[bool] = []
        self._while_flushing = while_flushing

    def flush(self, timeout: float) -> bool:
        self.flushed.append(timeout)
        self.results.append(self._while_flushing())
        return True

    def join(self, timeout: float) -> None:
        """Do nothing."""


@pytest.fixture
def slow_client(new_client: Callable[..., Client]) -> Client:
    """A client that sends nothing of its own accord."""
    return new_client(flush_interval=60)


def test_a_function_has_sent_when_it_returns(sandbox: Sandbox, slow_client: Client) -> None:
    @flushing(client=slow_client)
    def handler(event: str, context: object, *, total: int = 0) -> str:
        """Take an order."""
        slow_client.event(user_id="u1", event=event, traits={"total": total})
        return event

    assert handler("Order Placed", None, total=5) == "Order Placed"

    assert [(body["event"], body["traits"]) for body in sandbox.events] == [("Order Placed", {"total": 5})]
    assert (handler.__name__, handler.__doc__) == ("handler", "Take an order.")


def test_a_coroutine_function_has_sent_when_it_returns(sandbox: Sandbox, slow_client: Client) -> None:
    @flushing(client=slow_client)
    async def handler(event: str, context: object) -> str:
        slow_client.event(user_id="u1", event=event)
        return event

    assert asyncio.run(handler("Order Placed", None)) == "Order Placed"

    assert len(sandbox.events) == 1
    assert inspect.iscoroutinefunction(handler)


def test_an_object_that_is_called_may_be_a_handler(sandbox: Sandbox, slow_client: Client) -> None:
    class Handler:
        def __call__(self, event: str, context: object) -> str:
            slow_client.event(user_id="u1", event=event)
            return event

    class Awaited:
        async def __call__(self, event: str, context: object) -> str:
            slow_client.event(user_id="u1", event=event)
            return event

    assert flushing(client=slow_client)(Handler())("Order Placed", None) == "Order Placed"
    assert len(sandbox.events) == 1
    assert asyncio.run(flushing(client=slow_client)(Awaited())("Order Paid", None)) == "Order Paid"
    assert len(sandbox.events) == 2


def test_a_coroutine_that_a_function_hands_on_has_sent_when_it_has_run(sandbox: Sandbox, slow_client: Client) -> None:
    async def handle(event: str) -> str:
        slow_client.event(user_id="u1", event=event)
        return event

    handler = flushing(client=slow_client)(lambda event, context: handle(event))

    async def serve() -> str:
        return await handler("Order Placed", None)

    assert asyncio.run(serve()) == "Order Placed"
    assert len(sandbox.events) == 1


def test_generators_are_refused_as_they_run_after_their_function_has_returned() -> None:
    def generate(event: object, context: object) -> Iterator[int]:
        yield 1

    async def generate_awaited(event: object, context: object) -> AsyncIterator[int]:
        yield 1

    class Generates:
        def __call__(self, event: object, context: object) -> Iterator[int]:
            yield 1

    for handler in (generate, generate_awaited, Generates()):
        with pytest.raises(TypeError, match="a generator runs after its function has returned"):
            flushing(handler)


def test_a_client_whose_calls_are_awaited_is_refused() -> None:
    with pytest.raises(TypeError, match=r"client must be a track\.Client"):
        flushing(client=AsyncClient())  # type: ignore[call-overload]  # that is the point


def test_the_event_loop_goes_on_while_a_coroutine_function_flushes() -> None:
    went_on = threading.Event()
    client: Any = Tracker(while_flushing=lambda: went_on.wait(10))

    @flushing(client=client)
    async def handler(event: str, context: object) -> None: ...

    async def go_on() -> None:
        went_on.set()

    async def serve() -> None:
        await asyncio.gather(handler("Order Placed", None), go_on())

    asyncio.run(serve())

    assert client.results == [True]


def test_where_no_thread_can_be_started_a_coroutine_function_flushes_in_its_own(
    sandbox: Sandbox, slow_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    @flushing(client=slow_client, context=Context(30))
    async def handler(event: str) -> str:
        slow_client.event(user_id="u1", event=event)
        return event

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        assert asyncio.run(handler("Order Placed")) == "Order Placed"

    assert len(sandbox.events) == 1


@pytest.mark.parametrize("is_awaited", [False, True], ids=["function", "coroutine function"])
def test_what_a_handler_raises_is_raised_as_it_is(sandbox: Sandbox, slow_client: Client, is_awaited: bool) -> None:
    error = LookupError("no such order")

    def fail() -> None:
        slow_client.event(user_id="u1", event="Order Refused")
        raise error

    @flushing(client=slow_client)
    def handler(event: str, context: object) -> None:
        fail()

    @flushing(client=slow_client)
    async def awaited(event: str, context: object) -> None:
        fail()

    with pytest.raises(LookupError) as raised:
        asyncio.run(awaited("", None)) if is_awaited else handler("", None)

    assert raised.value is error
    assert raised.value.__context__ is None
    assert len(sandbox.events) == 1


def test_a_block_has_sent_when_it_is_left(sandbox: Sandbox, slow_client: Client) -> None:
    flushes = flushing(client=slow_client, context=Context(30))

    async def serve() -> None:
        async with flushes:
            slow_client.event(user_id="u2", event="Order Placed")
        assert len(sandbox.events) == 2

    with flushes:
        slow_client.event(user_id="u1", event="Order Placed")
    assert len(sandbox.events) == 1
    asyncio.run(serve())


def test_without_a_client_it_is_the_modules(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "write_key", "test-key")
    monkeypatch.setattr(track, "host", sandbox.url)
    monkeypatch.setattr(track, "flush_interval", 60)

    @flushing
    def handler(event: str, context: object) -> None:
        track.event(user_id="u1", event=event)

    handler("Order Placed", Context(30))

    assert len(sandbox.events) == 1


@pytest.mark.parametrize(
    ("options", "context", "seconds"),
    [
        ({}, Context(8), 7.5),
        ({"margin": 2}, Context(8), 6),
        ({"margin": 2}, Context(1), 0),
        ({"timeout": 3}, Context(8), 3),
        ({"timeout": 30}, Context(8), 7.5),
        ({"timeout": 30}, None, 30),
        ({}, None, 10),
    ],
)
def test_it_takes_no_longer_than_there_is_time(options: dict[str, Any], context: object, seconds: float) -> None:
    tracker = Tracker()
    client: Any = tracker

    @flushing(client=client, **options)
    def handler(event: str, context: object) -> None: ...

    handler("Order Placed", context)
    handler("Order Placed", context=context)
    handler(event="Order Placed", context=context)

    assert tracker.flushed == [seconds] * 3


def test_the_context_is_the_one_behind_the_event() -> None:
    """An event that a test has made of a mock has every attribute."""
    tracker = Tracker()
    client: Any = tracker

    @flushing(client=client)
    def handler(event: object, context: object) -> None: ...

    handler(MagicMock(), Context(8))

    assert tracker.flushed == [7.5]


class Unable:
    """A context of a host that is not there."""

    def get_remaining_time_in_millis(self) -> int:
        raise OSError("no host")


class Proxy:
    """What frameworks hand around: outside of a request, any look at it fails."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("outside of a request")


@pytest.mark.parametrize(
    "context", [MagicMock(), Mock(), Unable(), Proxy()], ids=lambda context: type(context).__name__
)
def test_a_context_that_cannot_tell_costs_no_result(context: object) -> None:
    tracker = Tracker()
    client: Any = tracker

    @flushing(client=client)
    def handler(event: str, context: object) -> str:
        return event

    assert handler("Order Placed", context) == "Order Placed"
    assert tracker.flushed == [10]


def test_a_wrong_setting_costs_no_result(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(track, "timeout", -1)

    @flushing
    def handler(event: str, context: object) -> str:
        if event == "no such order":
            raise LookupError(event)
        return event

    assert handler("Order Placed", Context(5)) == "Order Placed"
    with pytest.raises(LookupError):
        handler("no such order", Context(5))
    assert caplog.text.count("timeout must be a number of seconds above 0") >= 2


@pytest.mark.parametrize("seconds", [{"margin": -1}, {"timeout": -0.1}])
def test_negative_seconds_are_refused(seconds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"^margin and timeout are seconds, 0 or more$"):
        flushing(**seconds)  # type: ignore[arg-type,call-overload]  # a mapping could be anything


def test_what_is_left_is_told_by_its_number_only(
    sandbox: Sandbox, slow_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.faults = FaultPlan(latency=0.5)

    with caplog.at_level(logging.WARNING), flushing(client=slow_client, context=Context(0.6)):
        slow_client.event(user_id="u1", phone_number="9876543210", event="Order Placed")
        slow_client.event(user_id="u1", event="Order Paid")

    assert [record.message for record in caplog.records] == [
        "2 messages were not sent when the handler returned; the next invocation goes on with it, if there is one"
    ]


def test_a_message_that_was_refused_is_not_told_as_left(
    sandbox: Sandbox, new_client: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    """Its `on_error` takes longer than the handler has."""
    is_told, may_return = threading.Event(), threading.Event()

    def on_error(*_: object) -> None:
        is_told.set()
        may_return.wait(20)

    client = new_client(flush_interval=0.01, on_error=on_error)
    sandbox.fail_next(status=400)

    with caplog.at_level(logging.WARNING), flushing(client=client, context=Context(0.5)):
        client.event(user_id="u1", event="Order Placed")
        assert is_told.wait(20)
    may_return.set()

    assert "not sent" not in caplog.text


@given(
    limit=st.integers(1, 12),
    naps=st.lists(st.tuples(st.floats(0, 30), st.floats(0, 100)), max_size=6),
)
def test_a_clock_that_stands_still_while_frozen_never_exceeds_the_ration(
    limit: int, naps: list[tuple[float, float]]
) -> None:
    """Naps are how long the process is awake, and then frozen; it starts requests whenever it may."""
    pacer = Pacer(limit)
    now = asleep = 0.0
    starts: list[float] = []
    for awake, frozen in [*naps, (130.0, 0.0)]:
        until = now + awake
        while (delay := pacer.delay(now)) <= until - now:
            now += delay
            if pacer.delay(now) == 0:
                pacer.start(now)
                pacer.accept(now)
                starts.append(now + asleep)
        now, asleep = until, asleep + frozen

    assert all(sum(start <= other < start + 60 for other in starts) <= limit for start in starts)
