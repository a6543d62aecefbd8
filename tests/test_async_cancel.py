"""Awaited calls that are cancelled, in each of their phases, over real HTTP: they say what was sent."""

from __future__ import annotations

import asyncio
import gc
import itertools
import re
import socket
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from functools import partial
from typing import Any

import anyio
import pytest
from answering import note_answers

from interakt_track import AsyncClient, CallCancelledError, DeliveryError, RejectedError, TrackError
from interakt_track.sandbox import Fault, Sandbox

Reports = list[tuple[TrackError, Any]]


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
def use(sandbox: Sandbox, reports: Reports) -> Iterator[Callable[..., Any]]:
    """Run code with a client of the sandbox, whose account has nothing under way in the end."""

    def start(calls: Callable[[AsyncClient], Awaitable[Any]], **settings: Any) -> Any:
        async def main() -> Any:
            values = {"write_key": "test-key", "host": sandbox.url, "on_error": lambda *report: reports.append(report)}
            async with AsyncClient(**{**values, **settings}) as client:
                returned = await calls(client)
            stats = client.stats()
            assert stats.queued == stats.delivered + stats.rejected + stats.dropped
            assert client._account is not None
            assert client._account._pacer._in_flight == 0
            return returned

        return asyncio.run(main())

    yield start
    gc.collect()  # what is left open says so


async def until_requests(sandbox: Sandbox, count: int) -> None:
    await asyncio.to_thread(sandbox.wait_for_requests, count)


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


async def cancelled(task: asyncio.Task[Any]) -> CallCancelledError:
    """Cancel a call, and return what it says."""
    task.cancel("somebody's reason")
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert type(caught.value) is asyncio.CancelledError  # `asyncio.timeout` of Python 3.11 knows no other
    assert caught.value.args == ("somebody's reason",)  # by which anyio knows its own
    said = caught.value.__cause__
    assert isinstance(said, CallCancelledError)
    assert CallCancelledError.of(caught.value) is said
    assert said.queue_msg is not None
    return said


def test_a_call_behind_one_of_the_same_person_was_not_sent(
    use: Callable[..., Any], sandbox: Sandbox, reports: Reports
) -> None:
    sandbox.script([Fault(latency=1.0)])

    async def calls(client: AsyncClient) -> CallCancelledError:
        first, second, third = (asyncio.create_task(client.event("u1", name)) for name in ("a", "b", "c"))
        await until_requests(sandbox, 1)
        said = await cancelled(second)
        await asyncio.gather(first, third)
        return said

    said = use(calls)

    assert (said.was_sent, said.is_ambiguous, said.attempts) == (False, False, 0)
    assert str(said) == "the call was cancelled before its message was sent"
    assert [event["event"] for event in sandbox.events] == ["a", "c"]
    assert [error for error, _ in reports] == [said]
    assert reports[0][1]["body"] == {"userId": "u1", "event": "b", "traits": {}}


def test_a_call_that_waits_for_the_ration_was_not_sent(use: Callable[..., Any], sandbox: Sandbox) -> None:
    async def calls(client: AsyncClient) -> CallCancelledError:
        await client.event("u1", "e")
        second = asyncio.create_task(client.event("u2", "e"))
        await until(lambda: client.stats().waiting)
        return await cancelled(second)

    assert use(calls, rate_limit=1).was_sent is False
    assert len(sandbox.requests) == 1


def test_a_call_that_waits_for_the_end_of_a_pause_was_not_sent(use: Callable[..., Any], sandbox: Sandbox) -> None:
    sandbox.fail_next(status=429, retry_after=60)

    async def calls(client: AsyncClient) -> list[CallCancelledError]:
        first = asyncio.create_task(client.event("u1", "e"))
        await until(lambda: client.stats().retried)
        second = asyncio.create_task(client.event("u2", "e"))
        await until(lambda: client.stats().waiting == 2)
        return [await cancelled(first), await cancelled(second)]

    said = use(calls)

    assert [(error.was_sent, error.attempts) for error in said] == [(False, 1), (False, 0)]
    assert len(sandbox.requests) == 1


def test_a_call_that_waits_for_room_was_not_sent(use: Callable[..., Any], sandbox: Sandbox) -> None:
    sandbox.script([Fault(latency=1.0)])

    async def calls(client: AsyncClient) -> CallCancelledError:
        first, second = (asyncio.create_task(client.event("u1", name)) for name in ("a", "b"))
        await until_requests(sandbox, 1)
        third = asyncio.create_task(client.event("u1", "c"))
        await asyncio.sleep(0)
        said = await cancelled(third)
        await asyncio.gather(first, second)
        return said

    assert use(calls, max_queue_size=1, when_full="block").was_sent is False
    assert len(sandbox.requests) == 2


def test_a_call_on_its_way_may_have_arrived_and_the_persons_next_one_goes_after_it(
    use: Callable[..., Any], sandbox: Sandbox, reports: Reports
) -> None:
    sandbox.script([Fault.hang(received=True)])

    async def calls(client: AsyncClient) -> CallCancelledError:
        first, second = (asyncio.create_task(client.event("u1", name)) for name in ("a", "b"))
        await until_requests(sandbox, 1)
        said = await cancelled(first)
        assert (await second).status == "delivered"
        return said

    said = use(calls)

    assert (said.was_sent, said.is_ambiguous, said.attempts) == (None, True, 1)
    assert [request.body["event"] for request in sandbox.requests if request.body] == ["a", "b"]
    assert [error for error, _ in reports] == [said]


def test_a_large_message_that_is_being_sent_may_have_arrived(
    use: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server reads some of it and no more; what the buffers on the way hold may still arrive."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def calls(client: AsyncClient) -> CallCancelledError:
            loop = asyncio.get_running_loop()
            connect = loop.create_connection

            async def connect_with_small_buffer(*arguments: Any, **options: Any) -> Any:
                transport, protocol = await connect(*arguments, **options)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                return transport, protocol

            monkeypatch.setattr(loop, "create_connection", connect_with_small_buffer)
            task = asyncio.create_task(client.event("u1", "e", {"a": "a" * 1_000_000}))
            connection, _ = await asyncio.to_thread(listener.accept)
            with connection:
                assert await asyncio.to_thread(connection.recv, 100)
                return await cancelled(task)

        said = use(calls, host=f"http://127.0.0.1:{listener.getsockname()[1]}")

    assert said.was_sent is None


def test_a_call_without_a_connection_yet_was_not_sent(use: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def calls(client: AsyncClient) -> CallCancelledError:
        is_asked = asyncio.Event()

        async def getaddrinfo(*_: Any, **__: Any) -> Any:
            is_asked.set()
            await asyncio.sleep(60)

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        task = asyncio.create_task(client.event("u1", "e"))
        await is_asked.wait()
        return await cancelled(task)

    said = use(calls, host="http://somewhere.invalid")

    assert (said.was_sent, said.attempts) == (False, 1)


@pytest.mark.parametrize(
    ("fault", "was_sent"), [(Fault(status=503), False), (Fault.reset(received=True), None)], ids=["503", "reset"]
)
def test_a_call_between_two_attempts_says_what_the_first_one_may_have_done(
    use: Callable[..., Any],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    was_sent: bool | None,
) -> None:
    monkeypatch.setattr("interakt_track._retry.FIRST_DELAY", 60.0)
    monkeypatch.setattr("interakt_track._verdict.random", lambda: 1.0)
    sandbox.script([fault])

    async def calls(client: AsyncClient) -> CallCancelledError:
        task = asyncio.create_task(client.event("u1", "e"))
        await until(lambda: client.stats().retried)
        return await cancelled(task)

    said = use(calls)

    assert (said.was_sent, said.attempts) == (was_sent, 1)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("status", "was_sent"), [(201, True), (400, False), (500, None)], ids=["taken", "refused", "failed"]
)
def test_a_call_whose_answer_has_begun_knows_what_it_says(
    use: Callable[..., Any],
    sandbox: Sandbox,
    reports: Reports,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    was_sent: bool | None,
) -> None:
    sandbox.script([Fault.slow(0.2, status)])  # the head of the answer comes at once, its body takes some 20 s
    begun = note_answers(monkeypatch)

    async def calls(client: AsyncClient) -> tuple[CallCancelledError, int]:
        task = asyncio.create_task(client.event("u1", "e"))
        await until(lambda: begun)
        return await cancelled(task), client.stats().delivered

    said, delivered = use(calls)

    assert said.was_sent is was_sent
    assert delivered == (1 if was_sent else 0)
    assert len(reports) == (0 if was_sent else 1)


class CancelledAt:
    """Awaits a call, and cancels its task as often as asked from the n-th time on that it gives up control."""

    def __init__(self, call: Coroutine[Any, Any, Any], n: int, *, times: int) -> None:
        self.is_cancelled = False
        self._call = call
        self._from, self._to = n, n + times - 1

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        resume: Callable[[], Any] = lambda: self._call.send(None)  # noqa: E731 - it changes with what comes back
        for count in itertools.count(1):
            try:
                waited_for = resume()
            except StopIteration as end:
                return end.value
            if self._from <= count <= self._to:
                self.is_cancelled = True
                asyncio.get_running_loop().call_soon(task.cancel)
            try:
                yield waited_for
            except BaseException as error:  # noqa: BLE001 - it is thrown where it would have come out
                resume = partial(self._call.throw, error)
            else:
                resume = partial(self._call.send, None)


@pytest.mark.parametrize("is_warm", [False, True], ids=["new connection", "kept connection"])
@pytest.mark.parametrize("times", [1, 2])
def test_wherever_a_call_is_cancelled_it_tells_the_truth_and_the_next_one_is_delivered(
    use: Callable[..., Any], sandbox: Sandbox, times: int, is_warm: bool
) -> None:
    async def calls(client: AsyncClient, n: int) -> bool:
        if is_warm:
            await client.event("u1", "warm")
        step = CancelledAt(client.event("u1", f"cancelled at {n}"), n, times=times)
        try:
            await asyncio.create_task(run(step))
        except asyncio.CancelledError as error:
            said = CallCancelledError.of(error)
            assert said is not None
            assert (await client.event("u1", f"after {n}")).status == "delivered"
            arrived = [event["event"] for event in sandbox.events]
            assert said.was_sent is not False or f"cancelled at {n}" not in arrived
            assert said.was_sent is not True or f"cancelled at {n}" in arrived
        return step.is_cancelled

    async def run(step: CancelledAt) -> Any:
        return await step

    n = 1
    while use(partial(calls, n=n)):
        n += 1

    assert n > 5


def test_a_call_that_was_over_before_it_was_cancelled_is_over(use: Callable[..., Any]) -> None:
    async def calls(client: AsyncClient) -> bool:
        task = asyncio.create_task(client.event("u1", "e"))
        await task
        return task.cancel()

    assert use(calls) is False


def test_a_timeout_says_it_by_its_cause(use: Callable[..., Any], sandbox: Sandbox) -> None:
    sandbox.script([Fault.hang(), Fault.hang()])

    async def calls(client: AsyncClient) -> list[CallCancelledError | None]:
        said = []
        try:
            async with asyncio.timeout(0.2):
                await client.event("u1", "e")
        except TimeoutError as error:
            said.append(CallCancelledError.of(error))
        try:
            await asyncio.wait_for(client.event("u2", "e"), 0.2)
        except TimeoutError as error:
            said.append(CallCancelledError.of(error))
        return said

    assert [type(error) for error in use(calls)] == [CallCancelledError] * 2


def test_a_timeout_of_anyio_says_it_too(use: Callable[..., Any], sandbox: Sandbox) -> None:
    sandbox.script([Fault.hang(), Fault.hang()])

    async def calls(client: AsyncClient) -> list[CallCancelledError | None]:
        said = []
        try:
            with anyio.fail_after(0.2):
                await client.event("u1", "e")
        except TimeoutError as error:
            said.append(CallCancelledError.of(error))
            try:
                with anyio.fail_after(0.01):
                    await anyio.sleep(60)
            except TimeoutError as later:
                said.append(CallCancelledError.of(later))
        return said

    said, of_something_else = use(calls)

    assert isinstance(said, CallCancelledError)
    assert of_something_else is None


def test_a_scope_of_anyio_as_web_frameworks_use_them_knows_its_cancellation(
    use: Callable[..., Any], sandbox: Sandbox
) -> None:
    sandbox.script([Fault.hang()])

    async def calls(client: AsyncClient) -> bool:
        with anyio.move_on_after(0.2) as scope:
            await client.event("u1", "e")
        assert (await client.event("u1", "e")).status == "delivered"
        return scope.cancelled_caught

    assert use(calls) is True


def test_a_timeout_of_something_else_says_nothing_even_after_a_call_that_was_cancelled(
    use: Callable[..., Any], sandbox: Sandbox
) -> None:
    sandbox.script([Fault.hang()])

    async def calls(client: AsyncClient) -> CallCancelledError | None:
        try:
            async with asyncio.timeout(0.1):
                await client.event("u1", "e")
        except TimeoutError:
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(60)
            except TimeoutError as later:
                return CallCancelledError.of(later)
        raise AssertionError("it ended")

    assert use(calls) is None


def test_a_failing_task_group_ends_its_calls_and_all_are_told(
    use: Callable[..., Any], sandbox: Sandbox, reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.script([Fault.hang()] * 2)

    async def fail(client: AsyncClient) -> None:
        await until(lambda: client.stats().in_flight == 2)
        await until_requests(sandbox, 2)
        raise LookupError

    async def call_in_a_group(client: AsyncClient) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(300):
                tasks.create_task(client.event(f"u{number % 7}", "e"))
            tasks.create_task(fail(client))

    async def calls(client: AsyncClient) -> int:
        with pytest.raises(ExceptionGroup) as caught:
            await call_in_a_group(client)
        assert [type(error) for error in caught.value.exceptions] == [LookupError]
        assert (await client.event("u1", "after")).status == "delivered"
        return client.stats().dropped

    assert use(calls, max_workers=2) == 300
    said = [error.was_sent for error, _ in reports if isinstance(error, CallCancelledError)]
    assert (said.count(None), said.count(False)) == (2, 298)
    assert len(sandbox.requests) == 3
    assert len(re.findall("was not delivered: the call was cancelled", caplog.text)) == 1  # one line a minute


def test_a_cancelled_request_leaves_no_connection_that_others_would_use(
    use: Callable[..., Any], sandbox: Sandbox
) -> None:
    sandbox.script([Fault(latency=1.0)] * 8)

    async def calls(client: AsyncClient) -> list[Any]:
        tasks = [asyncio.create_task(client.event(f"u{number}", "e", {"n": number})) for number in range(8)]
        await until_requests(sandbox, 8)
        for task in tasks[::2]:
            task.cancel()
        receipts = await asyncio.gather(*tasks, return_exceptions=True)
        receipts += await asyncio.gather(*(client.event(f"u{number}", "e") for number in range(8)))
        return receipts

    ends = use(calls)

    assert [type(end).__name__ for end in ends] == ["CancelledError", "Receipt"] * 4 + ["Receipt"] * 8
    answered = [end.response.body["result"] for end in ends if not isinstance(end, BaseException)]
    assert answered == [True] * 12
    left, stayed = (
        {request.connection for request in sandbox.requests[:8] if request.is_abandoned is is_left}
        for is_left in (True, False)
    )
    assert (len(left), len(stayed)) == (4, 4)
    assert {request.connection for request in sandbox.requests[8:]}.isdisjoint(left)


def test_a_coroutine_that_is_thrown_away_ends_its_message(
    use: Callable[..., Any], sandbox: Sandbox, reports: Reports
) -> None:
    async def calls(client: AsyncClient) -> None:
        await client.event("u1", "e")
        waiting = client.event("u2", "e")
        waiting.send(None)  # as a task does it
        waiting.close()

    use(calls, rate_limit=1)

    assert [error.was_sent for error, _ in reports if isinstance(error, CallCancelledError)] == [False]
    assert len(sandbox.requests) == 1


def test_what_is_told_of_a_cancelled_call_shows_nobody(
    use: Callable[..., Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.script([Fault.hang()])

    async def calls(client: AsyncClient) -> CallCancelledError:
        task = asyncio.create_task(client.event("user-4711", "e", {"a": "payload"}, phone_number="9876543210"))
        await until_requests(sandbox, 1)
        return await cancelled(task)

    said = use(calls)

    assert "may have arrived" in caplog.text
    assert not re.search("4711|987654|payload|test-key", f"{caplog.text}{said!r}{said}")
    assert isinstance(said, DeliveryError)


def test_the_cancellation_of_one_call_is_no_failure_of_another(use: Callable[..., Any], sandbox: Sandbox) -> None:
    sandbox.script([Fault.hang(), 400])

    async def calls(client: AsyncClient) -> BaseException:
        first, second = (asyncio.create_task(client.event("u1", name)) for name in ("a", "b"))
        await until_requests(sandbox, 1)
        await cancelled(first)
        with pytest.raises(RejectedError) as caught:
            await second
        return caught.value

    error = use(calls)

    assert isinstance(error, RejectedError)
    assert error.attempts == 1
