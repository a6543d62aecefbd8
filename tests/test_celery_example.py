"""The Celery recipe: what its tasks tracked is delivered once, however the processes of its pool end. A real Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from redis_broker import needs_redis, serving_redis
from running import PROGRAMS
from service import Service

from interakt_track.sandbox import Sandbox

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="a pool of forked children needs fork"),
    needs_redis,
]

EXAMPLE = Path(__file__).parent.parent / "examples" / "celery"

PREFORK = ("--pool", "prefork", "--concurrency", "2")


@pytest.fixture
def broker() -> Iterator[str]:
    with serving_redis() as url:
        yield url


class Worker(Service):
    """A worker of the example, and a program that calls its tasks."""

    def __init__(self, sandbox: Sandbox, broker: str, *options: str, flush_interval: float) -> None:
        environment = {
            "INTERAKT_HOST": sandbox.url,
            "INTERAKT_WRITE_KEY": "test-key",
            "SHOP_BROKER": broker,
            "SHOP_FLUSH_INTERVAL": str(flush_interval),
        }
        super().__init__(
            *("celery", "--app", "shop", "worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle"),
            *options,
            environment=environment,
            folder=EXAMPLE,
        )
        self._orders = subprocess.Popen(
            [sys.executable, "-m", "shop_orders"],
            cwd=PROGRAMS,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.wait_for(" ready.", times=1)

    def place_orders(self, numbers: Iterable[int]) -> None:
        """Return when they were worked off."""
        before = self.written.count("] succeeded in ")
        calls = [["place_order", f"u{number}", f"A-{number}", 2998] for number in numbers]
        for call in calls:
            self.call(*call)
        self.wait_for("] succeeded in ", times=before + len(calls))

    def call(self, *call: object) -> None:
        assert self._orders.stdin is not None
        assert self._orders.stdout is not None
        print(json.dumps(call), file=self._orders.stdin, flush=True)
        assert self._orders.stdout.readline() == "done\n"

    def kill(self) -> None:
        super().kill()
        self._orders.communicate()  # it ends with its input


Work = Callable[..., Worker]


@pytest.fixture
def work(sandbox: Sandbox, broker: str) -> Iterator[Work]:
    started: list[Worker] = []

    def start(*options: str, flush_interval: float = 60) -> Worker:
        started.append(Worker(sandbox, broker, *options, flush_interval=flush_interval))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()


def orders(sandbox: Sandbox) -> Counter[int]:
    return Counter(int(body["traits"]["order_id"].removeprefix("A-")) for body in sandbox.events)


@pytest.mark.parametrize(
    "options", [PREFORK, ("--pool", "threads", "--concurrency", "2"), ("--pool", "solo")], ids=" ".join
)
def test_a_warm_shutdown_delivers_what_waits(sandbox: Sandbox, work: Work, options: tuple[str, ...]) -> None:
    worker = work(*options)

    worker.place_orders(range(20))
    assert sandbox.requests == []
    worker.stop()

    assert orders(sandbox) == dict.fromkeys(range(20), 1), worker.written


@pytest.mark.parametrize("tasks", [1, 3])
def test_children_that_did_their_share_of_tasks_deliver_what_waits(sandbox: Sandbox, work: Work, tasks: int) -> None:
    """The last ones of them wait in children that have not done all of it when the worker is stopped."""
    worker = work(*PREFORK, "--max-tasks-per-child", str(tasks))

    worker.place_orders(range(10))
    worker.stop()

    assert orders(sandbox) == dict.fromkeys(range(10), 1), worker.written


def test_a_pool_that_is_restarted_delivers_what_waits(sandbox: Sandbox, work: Work) -> None:
    """A child that waits for a task ends with its next one."""
    worker = work(*PREFORK, "--", "worker.pool_restarts=1")

    worker.place_orders(range(10))
    assert sandbox.requests == []
    worker.call("restart")
    sandbox.wait_for(1, timeout=30)
    worker.place_orders(range(10, 20))
    worker.stop()

    assert orders(sandbox) == dict.fromkeys(range(20), 1), worker.written
