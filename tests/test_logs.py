"""What the log says: a line a minute per kind of trouble, and debug records without key or payload."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable

import pytest

import interakt_track._logs
from interakt_track import Client
from interakt_track._logs import DebugOutput, Quiet
from interakt_track._settings import Settings
from interakt_track.sandbox import Sandbox

NewClient = Callable[..., Client]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(interakt_track._logs, "monotonic", clock)
    return clock


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_kind_of_trouble_is_told_once_a_minute_with_the_count(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    quiet = Quiet()

    for _ in range(100):
        quiet.warn("full", "no room")
    quiet.warn("other", "something else")
    clock.now += 61
    quiet.warn("full", "no room")

    assert lines(caplog) == ["no room", "something else", "no room (99 more since the last such line)"]


def test_what_was_counted_is_told_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    quiet = Quiet()
    for number in range(4):
        quiet.warn("full", f"no room for {number}")

    quiet.tell_rest(is_last=True)
    quiet.tell_rest(is_last=True)

    assert lines(caplog) == ["no room for 0", "3 more such lines were not shown; the last: no room for 3"]


def test_shutting_down_again_and_again_is_no_reason_for_more_lines(
    new_client: NewClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.faults = "400=100%"
    client = new_client()

    for number in range(5):
        client.event(f"u{number}", "e")
        client.shutdown()

    assert len(lines(caplog)) == 1


def test_at_exit_every_kind_is_counted(sandbox: Sandbox) -> None:
    program = f"""
import track
track.write_key, track.host, track.max_queue_size, track.flush_interval = "test-key", {sandbox.url!r}, 3, 60
for number in range(500):
    track.event(user_id="u", event="e")
"""

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True)

    told = [line for line in ran.stderr.splitlines() if "queue is full" in line]
    assert len(told) == 2
    assert told[1].startswith("496 more")


def test_debug_tells_each_attempt_without_key_or_payload(
    new_client: NewClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fail_next(status=503)
    client = new_client(debug=True)

    client.event("customer-4711", "Order Placed", {"secret": "trait"}, phone_number="9876543210")

    assert client.flush(20)
    refused, delivered = (line for line in lines(caplog) if line.startswith("POST"))
    assert refused.startswith("POST /v1/public/track/events/ user_id=***")
    assert "the API answered 503" in refused
    assert "attempt 1)" in refused
    assert ": 201 Event created successfully (" in delivered
    assert "attempt 2)" in delivered
    for private in ("test-key", "customer-47", "98765", "secret", "trait", "Order"):
        assert private not in caplog.text


def test_debug_is_visible_with_no_further_set_up(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own would show the records

    output, owner = DebugOutput(), Clock()
    output.show(owner, is_wanted=True)
    logging.getLogger("interakt_track").debug("seen")
    output.show(owner, is_wanted=False)
    logging.getLogger("interakt_track").debug("unseen")

    err = capfd.readouterr().err
    assert "DEBUG interakt_track: seen" in err
    assert "unseen" not in err


def test_debug_records_are_not_shown_twice(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    handler = logging.StreamHandler()
    logging.getLogger().addHandler(handler)
    output, owner = DebugOutput(), Clock()

    output.show(owner, is_wanted=True)
    logging.getLogger("interakt_track").debug("seen")
    output.show(owner, is_wanted=False)

    assert capfd.readouterr().err.count("seen") == 1


def test_a_client_without_debug_leaves_anothers_alone() -> None:
    output, owner = DebugOutput(), Clock()
    level = logging.getLogger("interakt_track").level

    output.show(owner, is_wanted=True)
    output.show(Clock(), is_wanted=False)

    assert logging.getLogger("interakt_track").level == logging.DEBUG
    output.show(owner, is_wanted=False)
    assert logging.getLogger("interakt_track").level == level


def test_a_key_in_clear_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(write_key="k", host="http://api.example")
    client.configure(Settings(write_key="k2", host="http://api.example"))

    assert lines(caplog) == ["host is http://, so the write key travels in clear; use https://"]


def test_a_local_host_in_clear_is_no_matter(caplog: pytest.LogCaptureFixture) -> None:
    Client(write_key="k", host="http://localhost:8080")

    assert lines(caplog) == []
