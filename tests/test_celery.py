"""Under Celery: each child of the pool sends what its tasks tracked, once, also when it ends. A real worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest
from redis_broker import needs_redis, serving_redis
from running import PROGRAMS
from service import Service

from interakt_track.sandbox import Sandbox

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="a pool of forked children needs fork"),
    needs_redis,
]


class CeleryWorker(Service):
    """`celery worker` with a pool of two forked children, for the tasks of `programs/shop_tasks.py`."""

    def __init__(self, sandbox: Sandbox, broker: str, *options: str, import_events: int, flush_interval: float) -> None:
        environment = {
            "INTERAKT_HOST": sandbox.url,
            "SHOP_BROKER": broker,
            "SHOP_IMPORT_EVENTS": str(import_events),
            "SHOP_FLUSH_INTERVAL": str(flush_interval),
        }
        super().__init__(
            *("celery", "--app", "shop_tasks", "worker", "--pool", "prefork"),
            *("--concurrency", "2", "--loglevel", "INFO", "--without-gossip", "--without-mingle", *options),
            environment=environment,
        )
        self.shop = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "shop_tasks"],
            cwd=PROGRAMS,
            env={**os.environ, **environment, "SHOP_IMPORT_EVENTS": "0"},
            stdin=subprocess.PIPE,
            text=True,
        )
        self.wait_for(" ready.", times=1)

    def queue(self, task: str, numbers: Iterable[int]) -> None:
        assert self.shop.stdin is not None
        print(task, *numbers, file=self.shop.stdin, flush=True)

    def kill(self) -> None:
        super().kill()
        self.shop.communicate()  # it ends with its input


@pytest.fixture
def work(sandbox: Sandbox) -> Iterator[Callable[..., CeleryWorker]]:
    started: list[CeleryWorker] = []

    with serving_redis() as broker:

        def start(*options: str, import_events: int, flush_interval: float) -> CeleryWorker:
            worker = CeleryWorker(sandbox, broker, *options, import_events=import_events, flush_interval=flush_interval)
            started.append(worker)
            return worker

        yield start
        for worker in started:
            worker.kill()


def count(sandbox: Sandbox, event: str) -> Counter[int]:
    return Counter(body["traits"]["number"] for body in sandbox.events if body["event"] == event)


def senders(sandbox: Sandbox, event: str) -> set[int]:
    return {body["traits"]["pid"] for body in sandbox.events if body["event"] == event}


def test_parent_and_children_deliver_each_event_once(sandbox: Sandbox, work: Callable[..., CeleryWorker]) -> None:
    """One of the children is killed: the others go on, and so does the one that takes its place."""
    sandbox.faults = "latency=50ms"  # so that children are forked while the parent sends
    worker = work(import_events=60, flush_interval=0.05)

    worker.queue("place", range(10))
    sandbox.wait_for(70, timeout=30)
    worker.queue("crash", [0])
    worker.wait_for("WorkerLostError", times=1)
    worker.queue("place", range(10, 20))
    sandbox.wait_for(80, timeout=30)
    worker.wait_for("] succeeded in ", times=20)
    worker.stop()

    assert count(sandbox, "Shop Imported") == dict.fromkeys(range(60), 1), worker.written
    assert count(sandbox, "Order Placed") == dict.fromkeys(range(20), 1), worker.written
    assert count(sandbox, "Order Lost").total() <= 1
    assert senders(sandbox, "Shop Imported") == {worker.process.pid}
    assert worker.process.pid not in senders(sandbox, "Order Placed")


def test_children_that_did_their_share_of_tasks_deliver_what_waits(
    sandbox: Sandbox, work: Callable[..., CeleryWorker]
) -> None:
    """The tasks are so many that none waits in a child at the end."""
    worker = work("--max-tasks-per-child", "4", import_events=0, flush_interval=60)

    worker.queue("place", range(16))
    sandbox.wait_for(16, timeout=30)
    worker.stop()

    assert count(sandbox, "Order Placed") == dict.fromkeys(range(16), 1), worker.written
    assert len(senders(sandbox, "Order Placed")) == 4


def test_a_warm_shutdown_delivers_what_waits(sandbox: Sandbox, work: Callable[..., CeleryWorker]) -> None:
    worker = work(import_events=5, flush_interval=60)

    worker.queue("place", range(20))
    worker.wait_for("] succeeded in ", times=20)
    assert sandbox.events == []
    worker.stop()

    assert count(sandbox, "Shop Imported") == dict.fromkeys(range(5), 1), worker.written
    assert count(sandbox, "Order Placed") == dict.fromkeys(range(20), 1), worker.written
