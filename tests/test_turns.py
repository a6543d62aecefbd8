"""Awaited calls in virtual time: whatever fails, waits or is cancelled when, order, ration and numbers hold."""

from __future__ import annotations

import asyncio
import selectors
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track import (
    APIError,
    CallCancelledError,
    DeliveryError,
    ExpiredError,
    RateLimitError,
    ServerError,
    ShutdownError,
    UnreachableError,
)
from interakt_track._account import Account, Share
from interakt_track._async_worker import AsyncWorker
from interakt_track._errors import api_error
from interakt_track._logs import Quiet
from interakt_track._messages import event_message
from interakt_track._receipt import Response
from interakt_track._reporter import Reporter
from interakt_track._roster import Roster
from interakt_track._settings import Settings

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from interakt_track._messages import Message
    from interakt_track._receipt import Outcome

LEAST = 1e-5  # seconds; sums of floats are no more exact
TOTAL = 4 * 10.0  # seconds a call may last: timeout * (max_retries + 1)


class VirtualTime(selectors.DefaultSelector):
    """Waits by setting a clock, and notices where nothing is left to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("all tasks wait, and nothing will wake one")
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which time passes only where all tasks wait for it."""

    def __init__(self) -> None:
        self._virtual = VirtualTime()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class Attempt(NamedTuple):
    """One request that the account got."""

    message: Message
    started: float
    ended: float
    error: DeliveryError | None
    is_cancelled: bool = False


class ScriptedSender:
    """Takes as long for each attempt, and ends it so, as its message's traits say."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.under_way: list[Message] = []
        self.most_under_way = 0
        self.ended = asyncio.Event()

    async def send(self, message: Message, *, timeout: float, with_call_time: bool) -> Response:  # noqa: ASYNC109 - as the real one
        script = message.traits["script"]
        number = sum(attempt.message is message for attempt in self.attempts)
        seconds, result = script[number] if number < len(script) else (0.1, "ok")
        loop = asyncio.get_running_loop()
        started, error, is_cancelled = loop.time(), None, False
        self.under_way.append(message)
        self.most_under_way = max(self.most_under_way, len(self.under_way))
        try:
            await asyncio.sleep(min(seconds, timeout))
            error = failure("reset" if seconds > timeout else result)
            if error is not None:
                raise error
        except asyncio.CancelledError as cancellation:
            is_cancelled = True
            raise cancellation from CallCancelledError(None)
        finally:
            self.under_way.remove(message)
            self.attempts.append(Attempt(message, started, loop.time(), error, is_cancelled))
            self.ended.set()
        return Response(201, {"result": True})

    async def aclose(self) -> None:
        """Nothing is open."""


def failure(result: str | int) -> DeliveryError | None:
    if result == "ok":
        return None
    if result in ("refused", "reset"):
        return UnreachableError("no connection", is_ambiguous=result == "reset")
    assert isinstance(result, int)
    return api_error(result, "no", status=False, retry_after=2.0 if result == 429 else None)


class Bench:
    """A worker and what it is made of."""

    def __init__(self, *, rate_limit: int | None = None, **settings: Any) -> None:
        self.account = Account("http://localhost", "key")
        self.share = Share()
        self.account.ask(self.share, rate_limit)
        self.roster = Roster()
        self.sender = ScriptedSender()
        self.reports: list[Any] = []
        self.quiet = Quiet()
        self.reporter = Reporter(lambda: False, self.quiet)
        self.loop = asyncio.get_running_loop()
        self.worker = AsyncWorker(
            self.roster,
            self.reporter,
            self.quiet,
            settings=Settings(**settings),
            sender=self.sender,
            clock=self.loop.time,
        )

    def message(self, user: str | None = "u1", phone: str | None = None, *script: tuple[float, str | int]) -> Message:
        traits = {"script": [list(step) for step in script]}
        return event_message(user, "e", traits, None, phone, None, "normal", "+91", self.account, None)

    def start(self, *person: Any) -> asyncio.Task[Outcome | None]:
        return self.loop.create_task(self.worker.send(self.message(*person)))

    def starts(self) -> list[float]:
        return sorted(attempt.started for attempt in self.sender.attempts)

    def assert_empty(self) -> None:
        stats = self.roster.ledger.stats(0, {}, self._nothing())
        assert stats.queued == stats.delivered + stats.rejected + stats.dropped
        assert (stats.waiting, stats.in_flight) == (0, 0)
        assert self.account._pacer._in_flight == 0
        assert (self.roster._lanes, self.roster._in_flight) == ({}, set())
        assert self.worker.turns.calls() == []

    @staticmethod
    def _nothing() -> Any:
        from interakt_track._ledger import Spooled

        return Spooled()


class Plan(NamedTuple):
    """One call, and what happens to it."""

    user: str | None
    phone: str | None
    at: float
    cancelled_after: float | None
    script: list[tuple[float, str | int]]


results = st.sampled_from(["ok", "ok", "refused", "reset", 503, 500, 429, 400])
steps = st.tuples(st.sampled_from([0.0, 0.1, 0.5, 3.0, 15.0]), results)
times = st.sampled_from([0.0, 0.0, 0.05, 0.1, 0.3, 1.0, 5.0, 20.0])
plans = st.builds(
    Plan,
    user=st.sampled_from([None, "u1", "u2", "u3"]),
    phone=st.sampled_from([None, "9876543210", "9876543211"]),
    at=times,
    cancelled_after=st.none() | times,
    script=st.lists(steps, max_size=5),
).filter(lambda plan: plan.user is not None or plan.phone is not None)


def is_same_person(one: Message, other: Message) -> bool:
    return (one.user_id is not None and one.user_id == other.user_id) or (
        one.phone_number is not None and one.phone_number == other.phone_number
    )


@given(
    calls=st.lists(plans, max_size=25),
    max_workers=st.sampled_from([1, 2, 8]),
    rate_limit=st.sampled_from([None, None, 30]),
    max_queue_size=st.sampled_from([3, 10000]),
    when_full=st.sampled_from(["drop", "block"]),
)
def test_order_ration_and_numbers_hold_whatever_happens_to_calls(
    calls: list[Plan], max_workers: int, rate_limit: int | None, max_queue_size: int, when_full: str
) -> None:
    async def main() -> None:
        bench = Bench(
            rate_limit=rate_limit, max_workers=max_workers, max_queue_size=max_queue_size, when_full=when_full
        )
        begun: list[Message] = []
        ends: dict[Message, tuple[float, Any]] = {}

        async def call(plan: Plan) -> None:
            await asyncio.sleep(plan.at)
            message = bench.message(plan.user, plan.phone, *plan.script)
            begun.append(message)
            started, end = bench.loop.time(), None
            try:
                async with asyncio.timeout(plan.cancelled_after):
                    end = await bench.worker.send(message)
            except TimeoutError as error:
                end = CallCancelledError.of(error)
                assert end is not None
            ends[message] = (bench.loop.time() - started, end)

        await asyncio.gather(*map(call, calls))

        check_ends(bench, ends)
        check_order(bench, begun)
        bench.assert_empty()
        assert bench.sender.most_under_way <= max_workers
        if rate_limit is not None:
            starts = bench.starts()
            assert all(later - first > 60 for first, later in zip(starts, starts[rate_limit:], strict=False))

    run(main())


def check_ends(bench: Bench, ends: dict[Message, tuple[float, Any]]) -> None:
    for message, (seconds, end) in ends.items():
        attempts = [attempt for attempt in bench.sender.attempts if attempt.message is message]
        is_taken = any(attempt.error is None and not attempt.is_cancelled for attempt in attempts)
        is_doubtful = any(
            attempt.is_cancelled or (attempt.error and attempt.error.is_ambiguous) for attempt in attempts
        )
        assert seconds <= TOTAL + LEAST
        if end is None:  # there was no room
            assert attempts == []
        elif isinstance(end, CallCancelledError):
            assert end.was_sent is (None if is_doubtful else False)
            assert end.attempts == len(attempts)
            assert end.is_ambiguous is is_doubtful
        elif end.error is None:
            assert (end.status, is_taken) == ("delivered", True)
        else:
            assert not is_taken
            assert end.error.attempts == len(attempts)
            assert end.error.queue_msg["body"]["event"] == "e"
            assert isinstance(end.error, (APIError, UnreachableError, ExpiredError))


def check_order(bench: Bench, begun: list[Message]) -> None:
    spans = {}
    for message in begun:
        attempts = [attempt for attempt in bench.sender.attempts if attempt.message is message]
        if attempts:
            spans[message] = (min(a.started for a in attempts), max(a.ended for a in attempts))
    for first, second in combinations(spans, 2):
        if is_same_person(first, second):
            assert spans[first][1] <= spans[second][0]


def test_calls_that_are_cancelled_before_their_turn_take_no_place_in_the_ration() -> None:
    async def main() -> None:
        bench = Bench(rate_limit=100, max_workers=4)
        first = bench.start("first", None, (5.0, "ok"))
        other = [bench.start(f"u{number}") for number in range(500)]
        behind = [bench.start("first") for _ in range(500)]
        await asyncio.sleep(2.0)
        sent_before = len(bench.sender.attempts)
        for task in (*other, *behind):
            task.cancel()
        await asyncio.wait([*other, *behind])
        started = bench.loop.time()

        last = [bench.start("first"), bench.start("u1")]
        await asyncio.gather(first, *last)

        assert sent_before < 20
        assert bench.loop.time() - started < 3.0 + 4 * 0.61 + 0.2  # that of `first`, and a few places at most
        bench.assert_empty()

    run(main())


def test_turns_are_not_given_to_those_who_are_cancelled_with_the_others() -> None:
    async def main() -> None:
        bench = Bench(rate_limit=600, max_workers=4)
        tasks = [bench.start(f"u{number}", None, (9.0, "ok")) for number in range(500)]
        await asyncio.sleep(1.0)

        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

        assert len(bench.account._pacer._starts) == 4
        bench.assert_empty()

    run(main())


def test_a_lone_call_is_tried_again_when_its_delay_is_over() -> None:
    async def main() -> None:
        bench = Bench()

        outcome = await bench.start("u1", None, (0.1, 503), (0.1, "refused"), (0.1, "reset"))

        assert outcome is not None
        assert outcome.status == "delivered"
        assert bench.loop.time() < 1000 + 0.4 + 0.5 + 1 + 2 + LEAST  # the most that its delays can be

    run(main())


def test_nobody_overtakes_who_waits_for_room() -> None:
    async def main() -> None:
        bench = Bench(max_workers=1, max_queue_size=1, when_full="block")
        first, second, third = (bench.start("u1", None, (1.0, "ok")) for _ in range(3))
        await asyncio.sleep(0.5)

        second.cancel()  # which makes room, but `third` has not heard of it
        last = bench.start("u1")
        await asyncio.gather(first, third, last)

        called = [attempt.message.called_at for attempt in bench.sender.attempts]
        assert called == sorted(called)
        assert len(called) == 3

    run(main())


def test_there_is_room_as_soon_as_one_that_waited_has_its_turn() -> None:
    async def main() -> None:
        bench = Bench(max_workers=1, max_queue_size=1, when_full="block", block_timeout=3)

        outcomes = await asyncio.gather(
            bench.start("u1", None, (1.0, "ok")), bench.start("u2", None, (9.0, "ok")), bench.start("u3")
        )

        assert [outcome and outcome.status for outcome in outcomes] == ["delivered"] * 3

    run(main())


def test_who_waits_for_room_is_let_in_in_order() -> None:
    async def main() -> None:
        bench = Bench(max_workers=1, max_queue_size=2, when_full="block", block_timeout=30)
        tasks = [bench.start("u1", None, (1.0, "ok")) for _ in range(8)]
        await asyncio.sleep(1.0)  # room has just come about
        tasks.append(bench.start("u1"))
        messages = [attempt.message for attempt in bench.sender.attempts]

        await asyncio.gather(*tasks)

        messages = [attempt.message for attempt in bench.sender.attempts]
        assert messages == sorted(messages, key=lambda message: message.called_at)
        assert len(messages) == 9
        bench.assert_empty()

    run(main())


def test_a_call_waits_for_room_no_longer_than_it_may() -> None:
    async def main() -> None:
        bench = Bench(max_workers=1, max_queue_size=1, when_full="block", block_timeout=3)
        tasks = [bench.start("u1", None, (9.0, "ok")), bench.start("u1")]
        await asyncio.sleep(0.5)
        started = bench.loop.time()

        assert await bench.start("u2") is None
        assert bench.loop.time() - started == pytest.approx(3.0)
        await asyncio.gather(*tasks)
        bench.assert_empty()

    run(main())


def test_without_patience_there_is_no_waiting_for_room() -> None:
    async def main() -> None:
        bench = Bench(max_workers=1, max_queue_size=1)
        tasks = [bench.start("u1", None, (9.0, "ok")), bench.start("u1")]
        await asyncio.sleep(0)

        assert await bench.start("u2") is None
        await asyncio.gather(*tasks)
        bench.assert_empty()

    run(main())


def test_the_time_of_a_call_bounds_the_wait_for_a_429_too() -> None:
    async def main() -> None:
        bench = Bench(timeout=1.0, max_retries=2)
        bench.account.admit(bench.loop.time())
        bench.account.refuse(bench.loop.time(), bench.loop.time(), 300.0, 0.5)
        started = bench.loop.time()

        outcome = await bench.start("u1")

        assert outcome is not None
        assert isinstance(outcome.error, ExpiredError)
        assert bench.loop.time() - started == pytest.approx(3.0)
        bench.assert_empty()

    run(main())


def test_a_call_whose_time_is_up_tells_what_its_last_attempt_failed_with() -> None:
    async def main() -> None:
        bench = Bench(timeout=1.0, max_retries=1)

        outcome = await bench.start("u1", None, (0.1, 429), (0.1, 429))

        assert outcome is not None
        assert isinstance(outcome.error, RateLimitError)
        assert outcome.error.attempts == 1  # its two seconds are over when the pause is
        bench.assert_empty()

    run(main())


def test_an_event_that_may_have_arrived_is_not_repeated_where_that_is_asked_for() -> None:
    async def main() -> None:
        bench = Bench(on_ambiguous="give_up")

        lost, sent = await asyncio.gather(
            bench.start("u1", None, (0.1, "reset")), bench.start("u2", None, (0.1, "refused"))
        )

        assert lost is not None
        assert sent is not None
        assert isinstance(lost.error, UnreachableError)
        assert sent.status == "delivered"
        assert len(bench.sender.attempts) == 3

    run(main())


def test_a_call_cancelled_between_two_attempts_says_what_the_first_may_have_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("interakt_track._verdict.random", lambda: 0.5)

    async def main() -> None:
        bench = Bench()
        said = []
        for result in ("reset", "refused"):
            script = [(0.1, result), (0.1, "ok")]
            task = bench.start(result, None, *script)
            bench.sender.ended.clear()
            await bench.sender.ended.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            said.append(caught.value.__cause__)

        assert [error.was_sent for error in said if isinstance(error, CallCancelledError)] == [None, False]
        assert len(bench.sender.attempts) == 2
        bench.assert_empty()

    run(main())


def test_what_is_cut_off_says_whether_it_may_have_arrived() -> None:
    async def main() -> None:
        bench = Bench(max_workers=1, max_queue_size=2, when_full="block")
        tasks = [bench.start("u1", None, (9.0, "ok")), bench.start("u1"), bench.start("u2"), bench.start("u3")]
        await asyncio.sleep(1.0)

        cut = bench.worker.cut_off("the end")
        *outcomes, without_room = await asyncio.gather(*tasks)

        errors = [outcome.error for outcome in outcomes if outcome is not None]
        assert (cut, without_room) == (4, None)
        assert [type(error) for error in errors] == [ShutdownError] * 3
        assert [error.is_ambiguous for error in errors if isinstance(error, ShutdownError)] == [True, False, False]
        assert bench.loop.time() == pytest.approx(1001.0)
        bench.assert_empty()

    run(main())


def test_what_is_cut_off_between_attempts_may_have_arrived_if_an_earlier_one_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("interakt_track._verdict.random", lambda: 0.5)

    async def main() -> None:
        bench = Bench()
        tasks = [bench.start(result, None, (1.0, result), (9.0, "ok")) for result in ("reset", "refused")]
        await asyncio.sleep(1.1)

        bench.worker.cut_off("the end")
        outcomes = await asyncio.gather(*tasks)

        errors = [outcome.error for outcome in outcomes if outcome is not None]
        assert [(type(error), getattr(error, "is_ambiguous", None)) for error in errors] == [
            (ShutdownError, True),
            (ShutdownError, False),
        ]
        bench.assert_empty()

    run(main())


def test_what_is_cut_off_as_its_turn_came_has_made_no_request() -> None:
    async def main() -> None:
        bench = Bench(max_workers=1)
        first, second = bench.start("u1", None, (1.0, "ok")), bench.start("u2")
        await asyncio.sleep(0.5)

        while first in asyncio.all_tasks() or not bench.roster._in_flight:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0 if not bench.sender.under_way else 0.1)
        bench.worker.cut_off("the end")
        outcome = await second

        assert outcome is not None
        assert isinstance(outcome.error, ShutdownError)
        assert (outcome.error.attempts, outcome.error.is_ambiguous) == (0, False)
        assert len(bench.sender.attempts) == 1
        bench.assert_empty()

    run(main())


def test_a_request_that_fails_as_it_is_cut_off_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        bench = Bench()
        attempts = []

        async def fail(message: Message, **_: Any) -> Response:
            attempts.append(message)
            bench.worker.cut_off("the end")  # which would break it off in the loop's next round
            raise api_error(503, "no", status=False)

        monkeypatch.setattr(bench.sender, "send", fail)

        outcome = await bench.start("u1")

        assert outcome is not None
        assert isinstance(outcome.error, ServerError)
        assert len(attempts) == 1
        bench.assert_empty()

    run(main())


def test_a_call_cancelled_as_its_turn_came_to_be_refused_has_made_no_request() -> None:
    async def main() -> None:
        bench = Bench(max_workers=1)
        first, second = bench.start("u1", None, (1.0, 401)), bench.start("u2")

        while not any(unit.refusal for unit in bench.roster._in_flight):  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0 if bench.account._refusal else 0.1)
        second.cancel()
        await asyncio.wait([first, second])

        with pytest.raises(asyncio.CancelledError) as caught:
            second.result()
        assert isinstance(caught.value.__cause__, CallCancelledError)
        assert (caught.value.__cause__.was_sent, caught.value.__cause__.attempts) == (False, 0)
        bench.assert_empty()

    run(main())


def test_a_flush_waits_for_what_was_under_way_and_for_nothing_later() -> None:
    async def main() -> None:
        bench = Bench()
        early = bench.start("u1", None, (2.0, "ok"))
        await asyncio.sleep(0)
        flush = bench.loop.create_task(bench.worker.turns.flush(None))
        short = bench.loop.create_task(bench.worker.turns.flush(1.0))
        await asyncio.sleep(0)
        late = bench.start("u2", None, (9.0, "ok"))

        assert not await short
        assert await flush
        assert (early.done(), late.done()) == (True, False)
        await late

    run(main())
