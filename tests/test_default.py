"""The module's functions: one client that follows the module's settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import interakt_track as track
from interakt_track import SettingsError
from interakt_track._default import DefaultClient
from interakt_track.sandbox import Sandbox


@pytest.fixture
def setting(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Any], None]]:
    """Assign settings of the module; a client of its own stands behind the functions."""
    own = DefaultClient(track._module_client._read, track._module_client._is_strict)
    monkeypatch.setattr(track, "_module_client", own)
    monkeypatch.setattr(track, "host", sandbox.url)
    monkeypatch.setattr(track, "write_key", "test-key")
    monkeypatch.setattr(track, "flush_interval", 0.01)
    yield lambda name, value: monkeypatch.setattr(track, name, value)
    monkeypatch.undo()
    if own._client is not None:
        own._client.shutdown(1)


Assign = Callable[[str, Any], None]


def test_the_functions_send(setting: Assign, sandbox: Sandbox) -> None:
    track.identify("u1", traits={"a": 1})
    track.event("u1", "e")

    assert track.flush(10)
    track.join()
    track.shutdown()
    assert len(sandbox.users) == len(sandbox.events) == 1
    assert track.stats().delivered == 2


def test_a_changed_setting_takes_effect_on_the_next_call(setting: Assign, sandbox: Sandbox) -> None:
    track.event("u1", "first")
    setting("default_country_code", "+1")
    track.event(phone_number="2125550123", event="second")
    setting("enabled", False)

    assert track.event("u1", "third").status == "disabled"
    assert track.flush(10)
    assert {event["event"]: event.get("countryCode") for event in sandbox.events} == {"first": None, "second": "+1"}
    assert track.stats().queued == 2, "the engine outlives every change"


def test_a_wrong_setting_is_told_at_the_call(setting: Assign) -> None:
    setting("timeout", -1)

    with pytest.raises(SettingsError, match="timeout must be"):
        track.event("u1", "e")
    with pytest.raises(SettingsError, match="timeout must be"):
        track.flush()


def test_a_deleted_setting_is_told(setting: Assign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(track, "timeout")

    with pytest.raises(SettingsError, match="timeout was deleted"):
        track.event("u1", "e")


def test_without_strict_a_wrong_setting_is_a_falsy_receipt(
    setting: Assign, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    setting("strict", False)
    track.event("u1", "before")
    setting("timeout", -1)

    receipts = [track.event("u1", "e"), track.identify("u1")]

    assert [(bool(receipt), receipt.status) for receipt in receipts] == [(False, "invalid")] * 2
    assert isinstance(receipts[0].error, SettingsError)
    assert track.flush(10)
    assert track.stats().delivered == 1
    track.shutdown()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
