"""An `AsyncClient` and the event loops, blocks, processes and exits around it."""

from __future__ import annotations

import asyncio
import os
import textwrap
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import pytest
from answering import note_answers
from running import run_python
from waiting import wait_until

from interakt_track import AsyncClient, ShutdownError, UnusableClientError
from interakt_track.sandbox import Fault, Sandbox
from interakt_track.testing import capture

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PREAMBLE = """
import asyncio, ctypes, gc, os, sys, time, warnings
import track
from forking import in_child, wait_for
warnings.simplefilter("ignore", DeprecationWarning)  # of forks while threads run, from Python 3.12 on
client = track.AsyncClient(write_key="test-key", host=os.environ["INTERAKT_HOST"])
"""


def a_client(sandbox: Sandbox, **settings: Any) -> AsyncClient:
    return AsyncClient(**{"write_key": "test-key", "host": sandbox.url, **settings})


def run_program(script: str, sandbox: Sandbox, *, stderr: str = "") -> Counter[str]:
    """Run a program to its end; return how often each event arrived."""
    done = run_python("-c", PREAMBLE + textwrap.dedent(script), INTERAKT_HOST=sandbox.url)
    assert (done.returncode, done.stderr) == (0, stderr)
    return Counter(event["event"] for event in sandbox.events)


async def until_requests(sandbox: Sandbox, count: int) -> None:
    await asyncio.to_thread(sandbox.wait_for_requests, count)


class TestShutdown:
    """Leaving the block ends all that is under way, in time."""

    def test_calls_under_way_are_waited_for(self, sandbox: Sandbox) -> None:
        sandbox.script([Fault(latency=0.5)])

        async def main() -> str:
            async with a_client(sandbox) as client:
                task = asyncio.create_task(client.event("u1", "e"))
                await until_requests(sandbox, 1)
            assert task.done()
            return (await task).status

        assert asyncio.run(main()) == "delivered"

    def test_those_that_take_too_long_raise(self, sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
        sandbox.script([Fault.hang()])

        async def main() -> list[Any]:
            async with a_client(sandbox, shutdown_timeout=0.1) as client:
                tasks = [asyncio.create_task(client.event("u1", "e")) for _ in range(3)]
                await until_requests(sandbox, 1)
            assert all(task.done() for task in tasks)
            assert client.stats().dropped == 3
            return await asyncio.gather(*tasks, return_exceptions=True)

        errors = asyncio.run(main())

        assert [type(error) for error in errors] == [ShutdownError] * 3
        assert [(error.is_ambiguous, error.attempts) for error in errors] == [(True, 1), (False, 0), (False, 0)]
        assert len({id(error) for error in errors}) == 3
        assert "3 calls were ended: the client was shut down" in caplog.text
        assert len(sandbox.requests) == 1

    def test_one_that_was_taken_as_it_was_cut_off_is_delivered(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sandbox.script([Fault.slow(0.2)])
        begun = note_answers(monkeypatch)

        async def main() -> str:
            client = a_client(sandbox)
            task = asyncio.create_task(client.event("u1", "e"))
            while not begun:  # noqa: ASYNC110 - nothing of the loop tells of it
                await asyncio.sleep(0.01)
            await client.shutdown(0)
            return (await task).status

        assert asyncio.run(main()) == "delivered"

    def test_a_shutdown_that_is_cancelled_ends_what_is_under_way_at_once(self, sandbox: Sandbox) -> None:
        sandbox.script([Fault.hang()])

        async def main() -> BaseException | None:
            client = a_client(sandbox)
            task = asyncio.create_task(client.event("u1", "e"))
            await until_requests(sandbox, 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.shutdown(60)
            assert task.done()
            return task.exception()

        assert isinstance(asyncio.run(main()), ShutdownError)

    def test_nothing_can_be_called_after_it(self, sandbox: Sandbox) -> None:
        async def main() -> None:
            async with aclosing(a_client(sandbox)) as client:
                await client.event("u1", "e")
            with pytest.raises(UnusableClientError, match="closed; make another one"):
                await client.event("u1", "e")
            await client.shutdown()
            assert await client.flush()

        asyncio.run(main())

        assert len(sandbox.requests) == 1

    def test_tasks_that_were_made_before_it_begin_their_calls(self, sandbox: Sandbox) -> None:
        async def main() -> str:
            async with a_client(sandbox) as client:
                task = asyncio.create_task(client.event("u1", "e"))
            assert task.done()
            return (await task).status

        assert asyncio.run(main()) == "delivered"

    def test_those_that_wait_for_room_are_told_that_it_is_closed(self, sandbox: Sandbox) -> None:
        sandbox.script([Fault.hang()])

        async def main() -> list[Any]:
            client = a_client(sandbox, max_workers=1, max_queue_size=1, when_full="block")
            tasks = [asyncio.create_task(client.event("u1", "e")) for _ in range(3)]
            await until_requests(sandbox, 1)
            await client.shutdown(0)
            return await asyncio.gather(*tasks, return_exceptions=True)

        ends = asyncio.run(main())

        assert [type(end) for end in ends] == [ShutdownError, ShutdownError, UnusableClientError]

    def test_it_waits_for_no_thread_of_the_loop(self, sandbox: Sandbox) -> None:
        is_let_go = threading.Event()

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(ThreadPoolExecutor(1))
            busy = loop.run_in_executor(None, is_let_go.wait, 20)
            client = a_client(sandbox, on_error=print)
            await client.event("u1", "e")
            try:
                async with asyncio.timeout(10):
                    await client.shutdown()
            finally:
                is_let_go.set()
                await busy

        asyncio.run(main())

    def test_a_capture_does_not_open_it_again(self, sandbox: Sandbox) -> None:
        async def main() -> None:
            async with a_client(sandbox) as client:
                pass
            with capture() as sent, pytest.raises(UnusableClientError):
                await client.event("u1", "e")
            assert len(sent) == 0

        asyncio.run(main())

    def test_without_strict_that_is_a_false_receipt(self, sandbox: Sandbox) -> None:
        async def main() -> None:
            async with a_client(sandbox, strict=False) as client:
                pass
            receipt = await client.event("u1", "e")
            assert (bool(receipt), receipt.status) == (False, "dropped")
            assert isinstance(receipt.error, UnusableClientError)
            assert client.stats().refused["unusable"] == 1

        asyncio.run(main())

    def test_what_on_error_is_told_is_told_before_it_returns(self, sandbox: Sandbox) -> None:
        told: list[object] = []
        is_let_go = threading.Event()

        def on_error(error: Exception, _: object) -> None:
            is_let_go.wait(10)
            told.append(error)

        async def main() -> None:
            async with a_client(sandbox, on_error=on_error, rate_limit=1) as client:
                await client.event("u1", "e")
                task = asyncio.create_task(client.event("u2", "e"))
                await asyncio.sleep(0)
                task.cancel()
                asyncio.get_running_loop().call_later(0.1, is_let_go.set)

        asyncio.run(main())

        assert len(told) == 1

    def test_a_flush_waits_for_calls_and_says_whether_they_are_over(self, sandbox: Sandbox) -> None:
        sandbox.script([Fault(latency=0.5)])

        async def main() -> list[bool]:
            async with a_client(sandbox) as client:
                before = await client.flush()
                task = asyncio.create_task(client.event("u1", "e"))
                await until_requests(sandbox, 1)
                said = [before, await client.flush(0.05), await client.flush()]
                assert task.done()
                return said

        assert asyncio.run(main()) == [True, False, True]


class TestLoops:
    """A client belongs to one event loop at a time."""

    def test_it_goes_on_in_the_next_loop_when_the_first_is_closed(self, sandbox: Sandbox) -> None:
        arrived = run_program(
            """
            async def main():
                await client.event(user_id="u1", event="e")

            asyncio.run(main())
            asyncio.run(main())
            assert client.stats().delivered == 2
            """,
            sandbox,
        )

        assert arrived == {"e": 2}
        assert {request.connection for request in sandbox.requests} == {1, 2}

    def test_calls_that_a_closed_loop_left_hold_up_nobody(self, sandbox: Sandbox) -> None:
        sandbox.script([Fault.hang()])

        arrived = run_program(
            """
            async def begin():
                tasks.extend(asyncio.create_task(client.event(user_id="u1", event=event)) for event in ("a", "b"))
                while client.stats().in_flight + client.stats().waiting < 2:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.3)

            async def go_on():
                async with client:
                    assert (await client.event(user_id="u1", event="c")).status == "delivered"

            tasks = []
            loop = asyncio.new_event_loop()
            loop.run_until_complete(begin())
            loop.close()  # as no careful program does
            asyncio.run(go_on())
            assert client.stats().dropped == 2
            os._exit(0)  # else asyncio tells of each task
            """,
            sandbox,
            stderr="2 calls were ended: the event loop was closed before the message was delivered\n",
        )

        assert arrived == {"c": 1}

    def test_a_request_that_a_closed_loop_left_ends_without_noise_when_it_is_collected(self, sandbox: Sandbox) -> None:
        sandbox.script([Fault.hang()])

        run_program(
            """
            async def begin():
                call = client.event(user_id="u1", event="a")
                tasks.append(asyncio.create_task(call))
                while not client.stats().in_flight:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.3)
                return call

            tasks = []
            loop = asyncio.new_event_loop()
            call = loop.run_until_complete(begin())
            loop.close()
            call.close()  # as the collector does, in whatever context it runs
            assert (client.stats().dropped, client.stats().in_flight) == (1, 0)
            os._exit(0)  # else asyncio tells of the task
            """,
            sandbox,
        )

    def test_a_call_in_another_loop_is_refused(self, sandbox: Sandbox) -> None:
        async def main() -> None:
            async with a_client(sandbox) as client:
                await client.event("u1", "e")

                def elsewhere() -> None:
                    asyncio.run(client.event("u2", "e"))  # type: ignore[arg-type]  # it is a coroutine

                with pytest.raises(UnusableClientError, match="belongs to another event loop; make one for each"):
                    await asyncio.to_thread(elsewhere)
                with pytest.raises(UnusableClientError, match="another event loop"):
                    await asyncio.to_thread(asyncio.run, client.shutdown())
                assert (await client.event("u1", "e")).status == "delivered"

        asyncio.run(main())

        assert len(sandbox.events) == 2

    def test_without_a_loop_it_says_so(self, sandbox: Sandbox) -> None:
        call = a_client(sandbox).event("u1", "e")

        with pytest.raises(UnusableClientError, match="no asyncio event loop runs here"):
            call.send(None)

    def test_clients_of_two_loops_share_their_accounts_ration(self, sandbox: Sandbox) -> None:
        async def call() -> str:
            settings = {"rate_limit": 20, "timeout": 2, "max_retries": 0, "strict": False}
            async with a_client(sandbox, **settings) as client:
                return (await client.event("u1", "e")).status

        async def main() -> list[str]:
            return await asyncio.gather(*(asyncio.to_thread(asyncio.run, call()) for _ in range(4)))

        said = asyncio.run(main())

        assert sorted(said) == ["delivered", "delivered", "dropped", "dropped"]  # a tenth of 20 at once


class TestConnections:
    """Connections are kept a little, and closed before the server closes them."""

    def test_idle_ones_are_closed(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("interakt_track._async_sender.KEEPALIVE_EXPIRY", 1.0)

        async def main() -> None:
            async with a_client(sandbox) as client:
                await asyncio.gather(*(client.event(f"u{number}", "e") for number in range(4)))
                assert client._engine._worker is not None
                sender = client._engine._worker._sender
                kept = len(sender._idle)  # type: ignore[union-attr]  # it is the real one, and has sent
                async with asyncio.timeout(20):
                    while sender._idle or sender._closing:  # type: ignore[union-attr]  # noqa: ASYNC110 - as above
                        await asyncio.sleep(0.01)
                assert kept == 4
                await client.event("u1", "e")

        asyncio.run(main())

        assert sandbox.requests[-1].connection == 5

    def test_a_connection_the_server_has_closed_is_not_used(self) -> None:
        with Sandbox(write_key="test-key", idle_timeout=0.1) as sandbox:

            async def main() -> list[str]:
                async with a_client(sandbox, max_retries=0) as client:
                    first = await client.event("u1", "e")
                    await asyncio.sleep(0.5)
                    return [first.status, (await client.event("u1", "e")).status]

            assert asyncio.run(main()) == ["delivered", "delivered"]


@needs_fork
@pytest.mark.parametrize("fork", ["os.fork", "ctypes.CDLL(None).fork"])
def test_a_forked_child_makes_its_own_calls_and_leaves_the_parents_connections(sandbox: Sandbox, fork: str) -> None:
    arrived = run_program(
        f"""
        async def call(event):
            assert (await client.event(user_id="u1", event=event)).status == "delivered"

        def child():
            assert client.stats().queued == 0
            warnings.simplefilter("always", ResourceWarning)
            asyncio.run(call_and_leave())
            gc.collect()
            assert client.stats().delivered == 1

        async def call_and_leave():
            async with client:
                await call("child")

        with asyncio.Runner() as runner:  # inside of a running loop, Python 3.12 hears only of forks with hooks
            runner.run(call("parent"))
            wait_for(in_child(child, {fork}))
            runner.run(call("parent"))
            assert client.stats().delivered == 2
            runner.run(client.shutdown())
        """,
        sandbox,
    )

    assert arrived == {"parent": 2, "child": 1}
    assert [request.connection for request in sandbox.requests] == [1, 2, 1]


@needs_fork
def test_a_child_is_not_held_up_by_calls_that_the_parent_had_under_way(sandbox: Sandbox) -> None:
    sandbox.script([Fault(latency=1.0)])

    arrived = run_program(
        """
        def child():
            async def call():
                async with client:
                    await client.event(user_id="u1", event="child")
            asyncio.run(call())

        async def main():
            async with client:
                task = asyncio.create_task(client.event(user_id="u1", event="parent"))
                while not client.stats().in_flight:
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(wait_for, in_child(child, os.fork))
                assert (await task).status == "delivered"

        asyncio.run(main())
        """,
        sandbox,
    )

    assert arrived == {"parent": 1, "child": 1}


def test_what_a_cancelled_call_lost_is_told_before_the_process_ends(sandbox: Sandbox) -> None:
    sandbox.script([Fault.hang()])
    script = """
        def on_error(error, message):
            time.sleep(0.2)
            print(type(error).__name__, message["body"]["event"], flush=True)

        async def main():
            client = track.AsyncClient(write_key="test-key", host=os.environ["INTERAKT_HOST"], on_error=on_error)
            task = asyncio.create_task(client.event(user_id="u1", event="lost"))
            while not client.stats().in_flight:
                await asyncio.sleep(0.01)
            task.cancel()

        asyncio.run(main())
        """

    done = run_python("-c", PREAMBLE + textwrap.dedent(script), INTERAKT_HOST=sandbox.url)

    assert (done.returncode, done.stdout) == (0, "CallCancelledError lost\n")
    assert done.stderr.startswith("event of user_id=*** was not delivered: the call was cancelled before")


def test_a_client_that_nobody_closed_ends_with_its_program(sandbox: Sandbox) -> None:
    arrived = run_program(
        """
        async def main():
            await client.event(user_id="u1", event="e")

        asyncio.run(main())
        """,
        sandbox,
    )

    assert arrived == {"e": 1}


def test_nothing_is_imported_for_it_unless_it_is_used() -> None:
    program = "import sys, track; print('asyncio' in sys.modules); track.AsyncClient; print('asyncio' in sys.modules)"

    assert run_python("-c", program).stdout == "False\nTrue\n"


def test_no_call_stops_the_loop_for_an_import(sandbox: Sandbox) -> None:
    program = """
        async def main():
            before = set(sys.modules)
            async with client:
                await client.event(user_id="u1", event="e")
            print(*sorted(set(sys.modules) - before))

        asyncio.run(main())
        """

    done = run_python("-c", PREAMBLE + textwrap.dedent(program), INTERAKT_HOST=sandbox.url)

    late = set(done.stdout.split()) - {"queue", "_queue", "typing_extensions"}
    assert (done.returncode, late) == (0, set())
    wait_until(lambda: len(sandbox.events) == 1)
