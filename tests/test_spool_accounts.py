"""Several accounts in one spool: each gets its share of the memory, and its turn to be sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from spool_clients import NewClient, change_settings, clients_of_spool
from spool_left_behind import leave_behind
from spool_shell import Shell
from waiting import wait_until

from interakt_track._account import ACCOUNTS
from interakt_track.sandbox import Sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "track.db"


@pytest.fixture
def new_client(sandbox: Sandbox, path: Path) -> Iterator[NewClient]:
    with clients_of_spool(sandbox, path) as make:
        yield make


def test_an_account_that_is_refused_leaves_room_for_others(new_client: NewClient, sandbox: Sandbox) -> None:
    refused = new_client(write_key="bad-key", max_queue_size=200)
    for number in range(1000):
        refused.event(f"b{number}", "Bad")
    sandbox.wait_for_requests(1)

    good = refused
    change_settings(good, write_key="test-key")
    for number in range(500):
        good.event(f"g{number}", "Good")

    sandbox.wait_for(500, timeout=30)
    assert good.event("later", "Good").wait(10).status == "delivered"
    assert good.stats().waiting == 1000


@pytest.fixture
def shells(path: Path) -> Iterator[tuple[Sandbox, Shell, Shell]]:
    """Two processes with one file, each with a key of its own; the first one sends."""
    with Sandbox() as sandbox:
        first = Shell(sandbox.url, path, write_key="first-key", flush_interval=0.01, max_workers=1)
        first.ask("track.event(user_id='u0', event='First').wait(10).status")
        second = Shell(sandbox.url, path, write_key="second-key", flush_interval=0.01)
        try:
            yield sandbox, first, second
        finally:
            first.kill()
            second.kill()


def test_who_has_nothing_to_send_lets_those_who_have(shells: tuple[Sandbox, Shell, Shell]) -> None:
    sandbox, first, second = shells

    second.ask("track.event(user_id='u1', event='Second') and None")
    sandbox.wait_for(2)
    first.ask("track.event(user_id='u2', event='First again') and None")
    sandbox.wait_for(3)

    assert [event["event"] for event in sandbox.events] == ["First", "Second", "First again"]


def test_who_has_much_to_send_lets_others_have_their_turn(shells: tuple[Sandbox, Shell, Shell]) -> None:
    sandbox, first, second = shells
    sandbox.faults = "latency=50ms"
    first.ask("import interakt_track._relay; interakt_track._relay.TURN = 0.5")
    second.ask("import interakt_track._relay; interakt_track._relay.TURN = 0.5")
    first.ask("[track.event(user_id=f'u{n % 3}', event='First', traits={'n': n}) for n in range(200)] and None")
    sandbox.wait_for(3)

    second.ask("[track.event(user_id=f'u{n % 3}', event='Second', traits={'n': n}) for n in range(20)] and None")

    wait_until(lambda: sum(event["event"] == "Second" for event in sandbox.events) == 20, seconds=30)
    assert sum(event["event"] == "First" for event in sandbox.events) < 200
    sandbox.faults = None
    sandbox.wait_for(221, timeout=30)
    for name, count in (("First", 200), ("Second", 20)):
        for person in range(3):
            sent = [
                event["traits"]["n"]
                for event in sandbox.events
                if event["event"] == name and event["userId"] == f"u{person}" and "n" in event["traits"]
            ]
            assert sent == list(range(person, count, 3))


def test_who_is_alone_sends_at_once_though_messages_wait_for_another_key(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    lost = Shell(sandbox.url, path, write_key="lost-key", flush_interval=3600)
    lost.ask("track.event(user_id='u1', event='Lost') and None")
    lost.kill()
    client = new_client()
    for number in range(5):
        assert client.event("u2", "e", {"n": number}).wait(10).status == "delivered"
        wait_until(lambda: client.stats().spool_waiting == 1)

    spool = client._engine.spool
    assert spool is not None
    spool.step()
    assert spool._access.has_lease()
    assert len(sandbox.events) == 5


def test_who_can_send_nothing_leaves_at_once(new_client: NewClient, path: Path, sandbox: Sandbox) -> None:
    leave_behind(path, sandbox.url, "client.event('u1', 'Lost')", key="lost-key")
    ACCOUNTS.forget()
    client = new_client()
    assert client.stats().spool_waiting == 1

    started = time.monotonic()
    client.shutdown(60)

    assert time.monotonic() - started < 30
