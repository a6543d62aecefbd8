"""Several accounts in one spool: each gets its share of the memory, and its turn to be sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from spool_clients import NewClient, change_settings, clients_of_spool

from interakt_track.sandbox import Sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "track.db"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(write_key="test-key") as sandbox:
        yield sandbox


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
