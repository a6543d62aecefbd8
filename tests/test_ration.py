"""The account's ration over real HTTP: never exceeded, shared by its clients, and the urgent first."""

from __future__ import annotations

import gc
import heapq
import threading
import time
from collections.abc import Callable

import pytest

from interakt_track import Client
from interakt_track._account import Account, Accounts, Share
from interakt_track.sandbox import Sandbox

NewClient = Callable[..., Client]


def start_all(account: Account, now: float) -> int:
    """Return how many requests may start at once."""
    starts = 0
    while starts < 1000 and account.admit(now) <= 0:
        starts += 1
    return starts


def test_an_urgent_event_overtakes_thousands_that_wait(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(rate_limit=300)
    for number in range(5000):
        client.identify(f"u{number}", traits={"n": number}, priority="low")
    sandbox.wait_for_requests(32)  # the burst is over, and the rest goes out evenly

    receipt = client.event("buyer", "Order Confirmed", priority="high")
    before = len(sandbox.requests)
    receipt.wait(20)
    arrived = [request.user_id for request in sandbox.requests].index("buyer")
    client.shutdown(0)

    assert receipt.status == "delivered"
    assert arrived - before <= 5  # as many as start in one second


def test_a_normal_event_overtakes_thousands_of_low_ones(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(rate_limit=300)
    for number in range(1000):
        client.identify(f"u{number}", priority="low")
    sandbox.wait_for_requests(32)

    receipt = client.event("buyer", "Order Confirmed")
    before = len(sandbox.requests)
    receipt.wait(20)
    arrived = [request.user_id for request in sandbox.requests].index("buyer")
    client.shutdown(0)

    assert receipt.status == "delivered"
    assert arrived - before <= 5


def test_another_key_does_not_wait_for_a_rationed_one(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(rate_limit=10)
    for number in range(400):
        client.event(f"u{number}", "e")
    sandbox.wait_for_requests(1)

    client.configure(new_client(write_key="other").settings)
    status = client.event("u1", "e").wait(20).status
    client.shutdown(0)

    assert status == "rejected"  # by the sandbox, which takes another key


def test_what_an_urgent_message_waits_for_goes_first_with_it(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(rate_limit=300)
    for number in range(500):
        client.identify(f"u{number}", priority="low")
    client.event("u400", "Cart Viewed", priority="low")
    sandbox.wait_for_requests(32)

    before = len(sandbox.requests)
    client.event("u400", "Order Confirmed", priority="high").wait(20)
    mine = [number for number, request in enumerate(sandbox.requests) if request.user_id == "u400"]
    client.shutdown(0)

    assert [sandbox.requests[number].body.get("event") for number in mine] == [None, "Cart Viewed", "Order Confirmed"]
    assert mine[-1] - before <= 8  # three of its own, and what starts in a second


def test_clients_of_one_account_share_the_ration(new_client: NewClient, sandbox: Sandbox) -> None:
    started = time.monotonic()
    clients = [new_client(rate_limit=120) for _ in range(3)]
    firsts = [client.event(f"u{number}", "e") for number, client in enumerate(clients)]
    for number in range(3, 300):
        clients[number % 3].event(f"u{number}", "e")

    sandbox.wait_for_requests(16, timeout=30)
    statuses = {first.wait(30).status for first in firsts}
    requests, elapsed = sandbox.requests, time.monotonic() - started
    for client in clients:
        client.shutdown(0)

    assert len(requests) <= 12 + 2 * elapsed + 1  # a burst of a tenth, and two a second
    assert statuses == {"delivered"}


@pytest.mark.parametrize("leaves_at", [float("inf"), 10.0], ids=["all stay", "one leaves"])
def test_clients_take_turns_however_exact_their_timers_are(leaves_at: float) -> None:
    """An event loop's timers are a millisecond late; that made others' threads take each place."""
    account, share = Account("http://localhost", "key"), Share()
    account.ask(share, 600)
    lateness = {"thread": 0.0, "loop": 0.0012, "other thread": 0.0001}
    got = dict.fromkeys(lateness, 0)
    asks = [(0.0, name) for name in lateness]

    while (ask := heapq.heappop(asks))[0] < 60.0:
        now, name = ask
        if name == "loop" and now > leaves_at:
            continue  # it is not told of the place that it was to come for
        delay = account.admit(now, name)
        got[name] += delay == 0.0
        heapq.heappush(asks, (now + delay + (lateness[name] if delay else 0.0), name))

    assert 580 <= sum(got.values()) <= 600  # those who don't come cost nothing
    if leaves_at > 60.0:
        assert max(got.values()) - min(got.values()) <= 60  # the burst at the start is whoever's


def test_retries_count(new_client: NewClient, sandbox: Sandbox) -> None:
    started = time.monotonic()
    sandbox.faults = "5xx=100%"
    client = new_client(rate_limit=60, max_retries=30)
    for number in range(100):
        client.event(f"u{number}", "e")

    requests = sandbox.wait_for_requests(9, timeout=30)
    elapsed = time.monotonic() - started
    client.shutdown(0)

    assert len(requests) <= 6 + elapsed + 1
    assert client.stats().retried > 0


def test_a_lone_message_is_not_delayed(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client(rate_limit=1)

    receipt = client.event("u1", "e").wait(30)

    assert receipt.status == "delivered"


@pytest.mark.parametrize("limit", [600, None])
def test_the_ration_can_be_changed(new_client: NewClient, sandbox: Sandbox, limit: int | None) -> None:
    client = new_client(rate_limit=1)
    for number in range(50):
        client.event(f"u{number}", "e")
    sandbox.wait_for_requests(1)

    settings = new_client(rate_limit=limit).settings
    client.configure(settings)

    assert client.flush(30)


def test_the_lowest_limit_of_an_accounts_clients_holds() -> None:
    account = Account("http://localhost", "key")
    low, high, silent = Share(), Share(), Share()
    account.ask(low, 10)
    account.ask(high, 1000)
    account.ask(silent, None)

    assert start_all(account, 0.0) == 1

    account.ask(low, 200)

    assert 15 <= start_all(account, 100.0) <= 20


def test_a_call_that_follows_a_limit_waits_for_no_worker() -> None:
    """A signal handler that interrupts it may wait for the worker that has the lock."""
    account = Account("http://localhost", "key")
    share = Share()
    asking = threading.Thread(target=account.ask, args=(share, 10), daemon=True)

    with account._lock:
        asking.start()
        asking.join(30)
        assert not asking.is_alive()

    assert start_all(account, 0.0) == 1


def test_a_client_that_is_gone_limits_nothing(new_client: NewClient) -> None:
    strict = Client(write_key="test-key", host=new_client().settings.host, rate_limit=1)
    account = new_client()._account
    assert account is not None
    assert start_all(account, 0.0) == 1

    strict.shutdown()
    del strict
    gc.collect()

    assert start_all(account, 0.0) == 1000


def test_a_limit_stays_with_the_key_it_was_set_for(new_client: NewClient) -> None:
    first, second = new_client(rate_limit=300), new_client(write_key="other", rate_limit=10)
    account = first._account
    assert account is not None

    first.configure(second.settings)

    assert 20 <= start_all(account, 0.0) <= 30


def test_a_signal_handler_that_tracks_while_an_account_is_made_shares_it(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts()
    of_handler: list[Account] = []

    class Interrupted(Account):
        def __init__(self, host: str, write_key: str) -> None:
            super().__init__(host, write_key)
            if not of_handler:
                of_handler.append(self)  # the handler's own call is not interrupted
                of_handler[0] = accounts.get(host, write_key)

    monkeypatch.setattr("interakt_track._account.Account", Interrupted)

    account = accounts.get("http://localhost", "key")

    assert of_handler == [account]
