"""What an import asks of a spool: checked calls are appended together, and a started request can be seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from interakt_track import Client, Receipt, SettingsError, SpoolError, SpoolFile
from interakt_track.sandbox import Sandbox


@pytest.fixture
def path(tmp_path: Path, sandbox: Sandbox) -> Path:
    """A spool that nobody has used."""
    path = tmp_path / "track.db"
    Client(write_key="test-key", host=sandbox.url, spool=path).shutdown(0)
    return path


def checked(sandbox: Sandbox, *ids: str, key: str = "test-key") -> list[Receipt]:
    client = Client(write_key=key, host=sandbox.url, enabled=False)
    return [client.event(user_id, "Seen", {"n": number}) for number, user_id in enumerate(ids)]


def test_checked_calls_get_the_next_numbers_and_are_sent_by_who_sends(sandbox: Sandbox, path: Path) -> None:
    with SpoolFile(path, sync="full") as spool:
        first = spool.append(checked(sandbox, "u1", "u2"))
        second = spool.append(checked(sandbox, "u1"))
        ids = [message.id for message in spool.waiting()]
        own = spool.status(write_key="test-key", host=sandbox.url).own

    with Client(write_key="test-key", host=sandbox.url, spool=path) as client:
        sandbox.wait_for(3)
        client.flush(10)

    assert (first, second, ids) == (2, 3, [1, 2, 3])
    assert own is not None
    assert own.waiting == 3
    assert [body["traits"]["n"] for body in sandbox.events if body["userId"] == "u1"] == [0, 0]
    with SpoolFile(path) as spool:
        assert (spool.append(()), spool.status().waiting) == (3, 0)  # a number is never used twice


def test_an_append_is_all_or_nothing(sandbox: Sandbox, path: Path) -> None:
    good = checked(sandbox, "u1")
    without_key = Client(host=sandbox.url, enabled=False).event("u2", "Seen")
    with Client(write_key="test-key", host=sandbox.url) as client, SpoolFile(path) as spool:
        queued = client.event("u3", "Seen")

        for bad in (without_key, queued):
            with pytest.raises(SettingsError, match="enabled=False and a write_key"):
                spool.append([*good, bad])

        assert spool.status().last_id == 0


def test_an_append_to_a_full_file_is_told_and_leaves_nothing(sandbox: Sandbox, path: Path) -> None:
    with SpoolFile(path) as spool:
        spool._database.follow("normal", 100_000)
        many = [receipt for _ in range(100) for receipt in checked(sandbox, *(f"u{n}" for n in range(50)))]

        with pytest.raises(SpoolError) as caught:
            spool.append(many)

        assert caught.value.reason == "full"
        assert (spool.status().last_id, spool.status().waiting) == (0, 0)


def test_an_append_to_a_file_that_was_taken_away_is_told(sandbox: Sandbox, path: Path) -> None:
    with SpoolFile(path) as spool:
        path.rename(path.with_name("elsewhere.db"))

        with pytest.raises(SpoolError, match="was moved or deleted; open it anew") as caught:
            spool.append(checked(sandbox, "u1"))

        assert caught.value.reason == "missing"


def test_a_request_under_way_is_seen_after_a_kill(sandbox: Sandbox, path: Path) -> None:
    with SpoolFile(path) as spool:
        spool.append(checked(sandbox, "u1", "u2", "u3"))
    sandbox.faults = "latency=20s"  # type: ignore[assignment]  # a plan's spelling is taken, too
    program = f"""
import time, interakt_track
interakt_track.Client(write_key="test-key", host={sandbox.url!r}, spool={str(path)!r}, max_workers=1)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], env=os.environ) as process:
        sandbox.wait_for_requests(1)
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.wait()

    with SpoolFile(path) as spool:
        assert [message.is_started for message in spool.waiting()] == [True, False, False]
