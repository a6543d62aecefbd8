"""Under gunicorn: a preloaded application's master and workers each send their own, once. A real gunicorn."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest
from service import Service

from interakt_track.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn needs fork")

WORKER_CLASSES = ["sync", "gthread", "gevent"]


class Gunicorn(Service):
    """A gunicorn with three workers that serves `programs/shop_wsgi.py`, imported by the master before it forks."""

    def __init__(self, sandbox: Sandbox, *options: str, import_events: int, flush_interval: float) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            super().__init__(
                *("gunicorn", "--preload", "--config", "gunicorn_hooks.py", "--no-control-socket"),
                *("--workers", "3", "--bind", f"fd://{listener.fileno()}", *options, "shop_wsgi"),
                environment={
                    "INTERAKT_HOST": sandbox.url,
                    "SHOP_IMPORT_EVENTS": str(import_events),
                    "SHOP_FLUSH_INTERVAL": str(flush_interval),
                },
                pass_fds=[listener.fileno()],
            )
        self.wait_for("Worker ready", times=3)  # one that is still starting would miss the signal to stop

    def order(self, number: int) -> str:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", f"/{number}")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def place_orders(self, orders: int) -> None:
        with ThreadPoolExecutor(8) as customers:
            assert set(customers.map(self.order, range(orders))) == {"thanks"}

    def stop(self) -> None:
        """Stop it gracefully; return when every process of it has ended."""
        super().stop()
        assert "Traceback" not in self.written, self.written


@pytest.fixture
def serve(sandbox: Sandbox) -> Iterator[Callable[..., Gunicorn]]:
    started: list[Gunicorn] = []

    def start(*options: str, import_events: int = 0, flush_interval: float = 0.05) -> Gunicorn:
        gunicorn = Gunicorn(sandbox, *options, import_events=import_events, flush_interval=flush_interval)
        started.append(gunicorn)
        return gunicorn

    yield start
    for gunicorn in started:
        gunicorn.kill()


def count(sandbox: Sandbox, event: str) -> Counter[int]:
    return Counter(body["traits"]["number"] for body in sandbox.events if body["event"] == event)


def senders(sandbox: Sandbox, event: str) -> set[int]:
    return {body["traits"]["pid"] for body in sandbox.events if body["event"] == event}


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_master_and_workers_deliver_each_event_once(
    sandbox: Sandbox, serve: Callable[..., Gunicorn], worker_class: str
) -> None:
    sandbox.faults = "latency=50ms"  # so that workers are forked while the master sends
    gunicorn = serve("--worker-class", worker_class, import_events=60)

    gunicorn.place_orders(90)
    gunicorn.stop()

    assert count(sandbox, "Shop Imported") == dict.fromkeys(range(60), 1), gunicorn.written
    assert count(sandbox, "Order Placed") == dict.fromkeys(range(90), 1), gunicorn.written
    assert senders(sandbox, "Shop Imported") == {gunicorn.process.pid}
    assert len(senders(sandbox, "Order Placed")) >= 2


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_stopped_worker_delivers_what_waits(
    sandbox: Sandbox, serve: Callable[..., Gunicorn], worker_class: str
) -> None:
    gunicorn = serve("--worker-class", worker_class, import_events=5, flush_interval=60)

    gunicorn.place_orders(20)
    assert sandbox.events == []
    gunicorn.stop()

    assert count(sandbox, "Shop Imported") == dict.fromkeys(range(5), 1), gunicorn.written
    assert count(sandbox, "Order Placed") == dict.fromkeys(range(20), 1), gunicorn.written


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_recycled_worker_delivers_what_waits(
    sandbox: Sandbox, serve: Callable[..., Gunicorn], worker_class: str
) -> None:
    gunicorn = serve("--worker-class", worker_class, "--max-requests", "5", flush_interval=60)

    gunicorn.place_orders(40)
    gunicorn.order(40)
    gunicorn.wait_for("Order 40", times=1)
    recycled = gunicorn.written.count("Autorestarting worker")
    gunicorn.wait_for("Worker exiting", times=recycled)
    gunicorn.wait_for("Worker ready", times=3 + recycled)
    sandbox.wait_for(5 * recycled, timeout=30)
    gunicorn.stop()

    assert recycled >= 1
    assert count(sandbox, "Order Placed") == dict.fromkeys(range(41), 1), gunicorn.written
