"""Under gunicorn: what a response promised is delivered, whether the workers are replaced or all of it is killed."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from service import Service
from spool_shop import LIFE, check_emptied, delivered, out_of_order, repeated
from waiting import wait_until

from interakt_track import Client
from interakt_track.sandbox import FaultPlan, Sandbox

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn needs fork"),
    pytest.mark.timeout(120),
]

WORKERS = 4
CUSTOMERS = 6
MAX_WORKERS = 8  # by default


class Gunicorn(Service):
    """A gunicorn that serves `programs/spool_wsgi.py`."""

    def __init__(self, sandbox: Sandbox, spool: Path, listener: socket.socket, *options: str) -> None:
        super().__init__(
            *("gunicorn", "--config", "gunicorn_hooks.py", "--no-control-socket"),
            *("--workers", str(WORKERS), "--bind", f"fd://{listener.fileno()}", *options, "spool_wsgi"),
            environment={
                "INTERAKT_HOST": sandbox.url,
                "SHOP_SPOOL": str(spool),
                "SHOP_TRACKS_WHEN_IMPORTED": "yes" if "--preload" in options else "no",
            },
            pass_fds=[listener.fileno()],
        )
        self.wait_for("Worker ready", times=WORKERS)

    def replace_workers(self) -> None:
        """Restart it gracefully; return when the new workers serve and the old ones have ended."""
        self.process.send_signal(signal.SIGHUP)
        self.wait_for("Worker ready", times=2 * WORKERS)
        self.wait_for("Worker exiting", times=WORKERS)


class Customers:
    """Visitors who order one thing after the other, and note which orders were answered with thanks."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: set[int] = set()
        self.thanked: set[int] = set()
        self._is_over = threading.Event()
        self._more = threading.Condition()

    def order(self, customer: int) -> None:
        for number in itertools.count(LIFE * customer):
            if self._is_over.is_set():
                break
            self.asked.add(number)
            connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
            with closing(connection), suppress(OSError, HTTPException):  # where it is being killed
                connection.request("GET", f"/u{customer:02}/{number}")
                if connection.getresponse().read() == b"thanks":
                    with self._more:
                        self.thanked.add(number)
                        self._more.notify_all()
            self._is_over.wait(0.01)

    def wait_for_thanks(self, more: int) -> None:
        """Wait until so many more orders were answered."""
        with self._more:
            goal = len(self.thanked) + more
            assert self._more.wait_for(lambda: len(self.thanked) >= goal, 40)

    @contextmanager
    def visiting(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.order, args=(customer,)) for customer in range(CUSTOMERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()


@pytest.fixture
def serve(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., Gunicorn]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started: list[Gunicorn] = []

        def start(*options: str) -> Gunicorn:
            started.append(Gunicorn(sandbox, tmp_path / "track.db", listener, *options))
            return started[-1]

        start.port = listener.getsockname()[1]  # type: ignore[attr-defined]  # a function may have attributes
        yield start
        for gunicorn in started:
            gunicorn.kill()


def drain(sandbox: Sandbox, spool: Path) -> None:
    """Send what is left, as a cron job would."""
    client = Client(write_key="test-key", host=sandbox.url, spool=spool, flush_interval=0.01)
    wait_until(lambda: client.stats().spool_waiting == 0, seconds=40)
    client.shutdown()


@pytest.mark.parametrize("options", [("--preload",), ("--worker-class", "gthread", "--threads", "2")], ids=" ".join)
def test_what_responses_promised_arrives_through_a_restart_and_a_kill(
    sandbox: Sandbox,
    serve: Callable[..., Gunicorn],
    tmp_path: Path,
    options: tuple[str, ...],
    is_soak: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    orders = 1_000 if is_soak else 80
    sandbox.faults = FaultPlan(latency=0.01, jitter=0.02)
    customers = Customers(serve.port)  # type: ignore[attr-defined]  # a function may have attributes
    first = serve(*options)

    with customers.visiting():
        customers.wait_for_thanks(orders)
        first.replace_workers()
        customers.wait_for_thanks(orders)
        repeated_before = len(repeated(sandbox.requests))
        first.kill()
        second = serve(*options)
        customers.wait_for_thanks(orders)
    second.stop()
    drain(sandbox, tmp_path / "track.db")

    requests = sandbox.requests
    again = repeated(requests)
    with capsys.disabled():
        if is_soak:
            print(f"\n{len(customers.thanked)} orders, {len(requests)} requests, {len(again)} of them repeated")
    assert customers.thanked - delivered(requests) == set()
    assert delivered(requests) - customers.asked == set()
    assert len(customers.thanked) >= 3 * orders
    assert repeated_before == 0
    assert len(again) <= MAX_WORKERS
    assert out_of_order(requests, lambda earlier, later: True) == []
    assert sum(event["event"] == "Shop Opened" for event in sandbox.events) in (
        (2, 3) if "--preload" in options else (0,)
    )
    for written in (first.written, second.written):
        assert "Traceback" not in written, written
        assert "98765" not in written
    check_emptied(tmp_path / "track.db")


def test_a_graceful_stop_leaves_nothing_in_the_spool(
    sandbox: Sandbox, serve: Callable[..., Gunicorn], tmp_path: Path
) -> None:
    """Each worker hands over to those that are left; the last one delivers all, well within its time."""
    sandbox.faults = FaultPlan(latency=0.05)
    customers = Customers(serve.port)  # type: ignore[attr-defined]  # a function may have attributes
    gunicorn = serve("--preload")

    with customers.visiting():
        customers.wait_for_thanks(150)
    gunicorn.stop()

    assert customers.thanked - delivered(sandbox.requests) == set(), gunicorn.written
    assert repeated(sandbox.requests) == []
    assert "Traceback" not in gunicorn.written
    assert "could not be delivered" not in gunicorn.written
    check_emptied(tmp_path / "track.db")
