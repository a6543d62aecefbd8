"""A spool that is set, changed and taken away while messages wait: order holds, and what is not used is left."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from spool_clients import NewClient, change_settings, clients_of_spool
from spool_shell import Shell
from waiting import wait_until

from interakt_track import Client
from interakt_track.sandbox import Sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "track.db"


@pytest.fixture
def new_client(sandbox: Sandbox, path: Path) -> Iterator[NewClient]:
    with clients_of_spool(sandbox, path) as make:
        yield make


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system has no list of open files")


def sent(sandbox: Sandbox) -> list[str]:
    return [event["event"] for event in sandbox.events]


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "spool" in thread.name]


@pytest.mark.parametrize("other", [None, "other.db", "/dev/null/track.db"], ids=["none", "a file", "no file"])
def test_a_call_after_a_change_of_the_spool_overtakes_none_before(
    new_client: NewClient, path: Path, sandbox: Sandbox, other: str | None
) -> None:
    client = new_client()
    for number in range(20):
        change_settings(client, spool=path if number % 2 else other and path.parent / other)
        client.event("u1", f"{number}")

    assert client.flush(20)
    assert sent(sandbox) == [str(number) for number in range(20)]
    assert client.stats().delivered == 20


def test_a_call_after_a_change_waits_for_what_another_process_sends(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    holder = Shell(sandbox.url, path)
    holder.ask("track.event(user_id='u0', event='first').wait(10).status")
    client = new_client()
    client.event("u0", "ready").wait(10)
    sandbox.faults = "latency=200ms"

    client.event("u1", "before")
    change_settings(client, spool=None)
    client.event("u1", "after")

    assert client.flush(20)
    assert sent(sandbox) == ["first", "ready", "before", "after"]
    holder.leave()


def test_a_refused_key_rejects_as_ever_once_there_is_no_spool_any_more(new_client: NewClient, sandbox: Sandbox) -> None:
    client = new_client()
    client.event("u1", "e").wait(10)
    change_settings(client, spool=None)
    wait_until(lambda: not threads())
    change_settings(client, write_key="bad-key")

    receipts = [client.event(f"u{number}", "e") for number in range(5)]

    assert client.flush(20)
    assert [receipt.status for receipt in receipts] == ["rejected"] * 5


@needs_proc
def test_a_spool_that_is_used_no_more_is_left_and_may_be_used_again(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    client = new_client()
    for number in range(5):
        change_settings(client, spool=path.with_name(f"{number}.db"))
        client.event("u1", "e", {"n": number})
    change_settings(client, spool=None)
    assert client.flush(20)
    wait_until(lambda: not threads())
    assert not files_open(path.parent)

    change_settings(client, spool=path.with_name("0.db"))
    assert client.event("u1", "again").wait(10).status == "delivered"

    assert (client.stats().queued, client.stats().delivered) == (6, 6)
    assert sent(sandbox) == ["e"] * 5 + ["again"]


@needs_proc
def test_a_client_that_is_dropped_leaves_its_spool_once_it_is_empty(
    new_client: NewClient, path: Path, sandbox: Sandbox
) -> None:
    sandbox.faults = "503=100%"
    client = Client(write_key="test-key", host=sandbox.url, spool=path, flush_interval=0.01)
    client.event("u1", "e")
    del client
    gc.collect()
    sandbox.wait_for_requests(2)
    sandbox.faults = None

    sandbox.wait_for(1)
    wait_until(lambda: not threads())
    assert not files_open(path.parent)


def test_a_relative_path_stays_where_it_was_whatever_is_set_next(path: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    shell = Shell(sandbox.url, path)
    shell.ask(f"import os; os.chdir({str(tmp_path / 'a')!r}); track.spool = 'track.db'")
    shell.ask("event('u1').wait(10).status")
    shell.ask(f"import os; os.chdir({str(tmp_path / 'b')!r}); track.timeout = 5")
    shell.ask("event('u1').wait(10).status")
    shell.leave()

    assert (tmp_path / "a" / "track.db").exists()
    assert not (tmp_path / "b" / "track.db").exists()


def files_open(folder: Path) -> set[Path]:
    """Return which files of a folder this process has open."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            found.add(link.readlink())
    return {path for path in found if path.is_relative_to(folder)}
