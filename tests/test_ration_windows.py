"""No minute the API may count in holds more than the ration, whoever sends and whatever happens; and it is used."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from interakt_track import Client
from interakt_track._account import Account, Share
from interakt_track.sandbox import Sandbox, busiest_window


@dataclass(frozen=True)
class Traffic:
    """Several clients' threads, all with more to send than they may, but for their pauses.

    Attributes:
        slowest_trip: Seconds a request may take until it arrives; less than the second that the ration allows for.
        failing: Share of attempts that get no answer about the account; each is made again after a while.
        refused: Share that is answered 429, with this `retry_after`.
        idle: Longest time in seconds for which a thread has nothing to send.
    """

    threads: int
    seed: int
    slowest_trip: float = 0.9
    slowest_answer: float = 1.0
    failing: float = 0.0
    refused: float = 0.0
    retry_after: float | None = None
    idle: float = 0.0

    def arrivals(self, account: Account, seconds: float) -> list[float]:
        """Let all of them send for so long, by a clock of their own, and return when the requests arrived."""
        chance, order, arrivals = random.Random(self.seed), count(), list[float]()
        agenda: list[tuple[float, int, Callable[[float], None]]] = []

        def plan(due: float, action: Callable[[float], None]) -> None:
            heapq.heappush(agenda, (due, next(order), action))

        def ask(now: float) -> None:
            delay = account.admit(now)
            if delay > 0:
                plan(now + delay, ask)
                return
            arrivals.append(now + chance.uniform(0, self.slowest_trip))
            plan(arrivals[-1] + chance.uniform(0, self.slowest_answer), lambda end: finish(end, now))

        def finish(now: float, started: float) -> None:
            met = chance.random()
            pause = chance.uniform(0, self.idle)
            if met < self.refused:
                account.refuse(now, started, self.retry_after, chance.random())
            elif met < self.refused + self.failing:
                account.settle(now, is_accepted=chance.random() < 0.5)  # a 5xx counts in the API's window, a reset may
                pause += chance.uniform(0, 2)
            else:
                account.settle(now, is_accepted=True, is_key_good=True)
            plan(now + pause, ask)

        for _ in range(self.threads):
            plan(chance.uniform(0, self.idle), ask)
        while agenda and agenda[0][0] < seconds:
            due, _, action = heapq.heappop(agenda)
            action(due)
        return arrivals


@given(
    limits=st.lists(st.none() | st.integers(1, 80), min_size=1, max_size=4).filter(any),
    traffic=st.builds(
        Traffic,
        threads=st.integers(1, 24),
        seed=st.integers(0, 2**32),
        slowest_answer=st.sampled_from([0.05, 1.0, 10.0]),
        failing=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
        refused=st.sampled_from([0.0, 0.02, 0.2]),
        retry_after=st.sampled_from([None, 0.0, 7.0]),
        idle=st.sampled_from([0.0, 3.0, 100.0]),
    ),
)
def test_clients_of_one_account_never_exceed_the_lowest_of_their_rations(
    limits: list[int | None], traffic: Traffic
) -> None:
    account, shares = Account("http://localhost", "key"), [Share() for _ in limits]
    for share, limit in zip(shares, limits, strict=True):
        account.ask(share, limit)

    arrivals = traffic.arrivals(account, 300)

    assert busiest_window(arrivals) <= min(limit for limit in limits if limit is not None)


@given(limit=st.integers(20, 120), seed=st.integers(0, 2**32), failing=st.sampled_from([0.0, 0.3]))
def test_a_backlog_uses_the_ration_retries_included(limit: int, seed: int, failing: float) -> None:
    account, share = Account("http://localhost", "key"), Share()
    account.ask(share, limit)

    arrivals = Traffic(threads=24, seed=seed, failing=failing).arrivals(account, 600)

    assert busiest_window(arrivals) <= limit
    assert len(arrivals) >= 0.95 * limit * 10


def test_two_clients_use_their_ration_and_exceed_it_in_no_minute(
    new_client: Callable[..., Client], sandbox: Sandbox, is_soak: bool
) -> None:
    seconds, limit = (200.0, 300) if is_soak else (5.0, 600)
    sandbox.faults = "latency=5ms,jitter=40ms,500=5%,reset=3%,close-received=2%,slow=1%"
    clients = [new_client(rate_limit=limit, shutdown_timeout=0) for _ in range(2)]
    began = time.monotonic()
    for number in range(4000):
        clients[number % 2].event(f"u{number % 500}", "e")

    sandbox.wait_for_requests(1)
    first = time.monotonic()
    while (looked := time.monotonic()) < first + seconds:
        time.sleep(0.05)
    arrived = sandbox.counts.requests
    most = limit / 10 + limit / 60 * (time.monotonic() - began) + 1
    for client in clients:
        client.shutdown(0)

    assert sandbox.busiest_window() <= limit
    assert 0.9 * (limit / 10 + limit / 61 * (looked - first)) <= arrived <= most
    assert sum(client.stats().retried for client in clients) > 0
