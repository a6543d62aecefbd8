"""What each setting may be, and the three forms people paste a write key in."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track import SettingsError
from interakt_track._settings import SETTING_NAMES, Settings, travels_in_clear
from interakt_track._write_key import parse_write_key

KEY = "hT7-aB_9xQ2"
SECRET_KEY = base64.b64encode(f"{KEY}:".encode()).decode()


@pytest.mark.parametrize(
    "pasted",
    [KEY, f"{KEY}:", f"  {KEY}\n", SECRET_KEY, f" {SECRET_KEY} ", f"Basic {SECRET_KEY}", f"basic {SECRET_KEY}"],
)
def test_a_key_is_taken_in_every_form_people_paste(pasted: str) -> None:
    assert parse_write_key(pasted) == KEY


@given(key=st.text(st.sampled_from("abcXYZ019-_.~"), min_size=1, max_size=60))
def test_no_raw_key_is_mistaken_for_another_form(key: str) -> None:
    secret = base64.b64encode(f"{key}:".encode()).decode()

    assert parse_write_key(secret) == key
    assert parse_write_key(f"Basic {secret}") == key
    assert parse_write_key(f"{key}:") == key


@pytest.mark.parametrize("pasted", ["", "   ", ":", "Basic ", "two words", "käse", "a\nb", "user:password", "k" * 5000])
def test_what_is_no_key_is_told_without_showing_it(pasted: str) -> None:
    with pytest.raises(SettingsError, match="write_key") as caught:
        Settings(write_key=pasted)

    assert not pasted.strip() or len(pasted) < 3 or pasted not in str(caught.value)


def test_where_nothing_is_sent_the_key_may_be_empty() -> None:
    assert Settings(write_key="", enabled=False).write_key is None


def test_the_environment_stands_in_for_key_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERAKT_WRITE_KEY", SECRET_KEY)
    monkeypatch.setenv("INTERAKT_HOST", "https://proxy.example/")

    settings = Settings()

    assert settings.write_key == KEY
    assert settings.host == "https://proxy.example"
    assert Settings(write_key="other", host="https://x.example").write_key == "other"


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = Settings()

    assert {name: getattr(settings, name) for name in SETTING_NAMES} == {
        "write_key": None, "host": "https://api.interakt.ai", "sync_mode": False, "debug": False, "timeout": 10,
        "max_retries": 3, "max_queue_size": 10000, "on_error": None, "default_country_code": "+91",
        "flush_interval": 0.5, "batch_size": 100, "max_workers": 8, "shutdown_timeout": 10, "enabled": True,
        "strict": True, "before_send": None, "rate_limit": None, "when_full": "drop", "block_timeout": 10,
        "on_ambiguous": "retry", "spool": None, "spool_sync": "normal", "spool_max_age": 7 * 86_400,
        "spool_max_bytes": 2**30, "spool_retention": 30 * 86_400,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("write_key", 5, "API key as text"),
        ("host", "api.interakt.ai", "https://"),
        ("host", 7, "https://"),
        ("host", "https://", "https://"),
        ("host", "https://user:secret@host", "user"),
        ("host", "https://host:99999", "port"),
        ("host", "https://host/?q=1", "query"),
        ("sync_mode", 1, "True or False"),
        ("debug", "yes", "True or False"),
        ("timeout", 0, "above 0"),
        ("timeout", "10", "seconds"),
        ("timeout", float("nan"), "seconds"),
        ("timeout", float("inf"), "seconds"),
        ("timeout", True, "seconds"),
        ("max_retries", -1, "0 or more"),
        ("max_retries", 1.5, "whole number"),
        ("max_queue_size", 0, "1 or more"),
        ("on_error", "print", "function"),
        ("default_country_code", "+999", "calling code"),
        ("default_country_code", None, "calling code"),
        ("flush_interval", -0.1, "0 or more"),
        ("batch_size", 0, "1 or more"),
        ("max_workers", 0, "1 or more"),
        ("shutdown_timeout", -1, "0 or more"),
        ("enabled", None, "True or False"),
        ("strict", 0, "True or False"),
        ("before_send", [], "function"),
        ("rate_limit", 0, "1 or more"),
        ("rate_limit", 5.0, "whole number"),
        ("rate_limit", True, "whole number"),
        ("rate_limit", "starter", '"growth", "advanced"'),
        ("when_full", "wait", '"drop" or "block" or "raise"'),
        ("block_timeout", -1, "0 or more"),
        ("on_ambiguous", None, '"retry" or "give_up"'),
    ],
)
def test_a_wrong_value_is_told_with_the_setting_and_what_it_must_be(name: str, value: Any, words: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} .*{words}") as caught:
        Settings(**{name: value})

    assert "secret" not in str(caught.value)


def test_a_plan_is_a_rate_limit() -> None:
    assert Settings(rate_limit="growth").rate_limit == 300
    assert Settings(rate_limit="advanced").rate_limit == 600
    assert Settings(rate_limit=42).rate_limit == 42


def test_settings_are_frozen_and_hide_the_key() -> None:
    settings = Settings(write_key=KEY)

    with pytest.raises(AttributeError, match="frozen"):
        settings.timeout = 5
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("host", "is_readable"),
    [
        ("https://api.interakt.ai", False),
        ("http://localhost:8000", False),
        ("http://127.0.0.1", False),
        ("http://[::1]:80", False),
        ("http://api.interakt.ai", True),
        ("http://127.example.com", True),
        ("http://localhost.example.com", True),
    ],
)
def test_only_plain_http_to_another_machine_travels_in_clear(host: str, is_readable: bool) -> None:
    assert travels_in_clear(host) is is_readable


def test_a_relative_spool_in_a_folder_that_is_gone_is_a_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()

    with pytest.raises(SettingsError, match="spool must be an absolute path"):
        Settings(spool="track.db")
