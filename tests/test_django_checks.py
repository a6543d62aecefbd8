"""Django's system checks: what `manage.py check` says of `INTERAKT_TRACK`, and that it never shows the key."""

from __future__ import annotations

from typing import Any

import django_project
import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

import interakt_track as track
from interakt_track._settings import SETTING_NAMES

assert django_project

KEY = "K3y-that-nobody-may-see"


def check(**settings: Any) -> list[CheckMessage]:
    with override_settings(INTERAKT_TRACK=settings):
        return run_checks()


def told(problems: list[CheckMessage]) -> list[tuple[str | None, str]]:
    return [((problem.id or "").removeprefix("interakt_track."), str(problem.msg)) for problem in problems]


def test_good_settings_pass() -> None:
    good = {"TIMEOUT": 5, "RATE_LIMIT": "growth", "SPOOL": "track.db", "ON_ERROR": "builtins.print", "HOST": None}

    assert check(WRITE_KEY=KEY, **good) == []


def test_the_defaults_pass() -> None:
    defaults = {name.upper(): getattr(track, name) for name in SETTING_NAMES}

    assert check(**{**defaults, "WRITE_KEY": KEY}) == []


def test_a_missing_key_is_an_error_that_stops_other_commands() -> None:
    [(code, text)] = told(check())

    assert code == "E001"
    assert text.startswith("the write key is missing")
    with override_settings(INTERAKT_TRACK={"WRITE_KEY": None}), pytest.raises(SystemCheckError, match="E001"):
        call_command("check")


def test_the_key_may_be_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERAKT_WRITE_KEY", KEY)

    assert check() == check(WRITE_KEY=None) == []


@pytest.mark.parametrize("name", ["write_key", "api_key"])
def test_the_key_may_be_assigned_by_the_application(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, name, KEY)

    assert check() == []


def test_a_malformed_key_of_the_applications_own_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "write_key", f"{KEY} {KEY}")

    [problem] = check()

    assert problem.msg.startswith("track.write_key: write_key holds characters")


def test_where_no_key_is_needed_is_told_with_the_one_that_is_missing() -> None:
    [problem] = check()

    assert '"ENABLED": False needs none; tests that capture take any text.' in str(problem.hint)


def test_where_nothing_is_sent_no_key_is_needed() -> None:
    assert check(ENABLED=False) == []
    assert check(ENABLED=False, WRITE_KEY="") == []


@pytest.mark.parametrize("key", [f"{KEY} {KEY}", f'"{KEY}"', f"{KEY}\n{KEY}", "", 5, f"Basic {KEY} {KEY}", ":"])
def test_a_malformed_key_is_told_and_not_shown(key: object) -> None:
    [problem] = check(WRITE_KEY=key)

    assert problem.id == "interakt_track.E002"
    assert problem.msg.startswith("INTERAKT_TRACK['WRITE_KEY']: write_key ")
    assert KEY not in str(problem)


def test_a_malformed_key_of_the_environment_is_told_once_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERAKT_WRITE_KEY", f"{KEY} {KEY}")

    [problem] = check(TIMEOUT=5, MAX_RETRIES=1)

    assert problem.id == "interakt_track.E002"
    assert problem.msg.startswith("the environment's INTERAKT_WRITE_KEY: write_key holds characters")
    assert KEY not in str(problem)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("RATELIMIT", "Did you mean 'RATE_LIMIT'?"),
        ("write_key", "Did you mean 'WRITE_KEY'?"),
        ("COLOUR", None),
        (5, None),
    ],
)
def test_an_unknown_setting_is_told_with_the_one_that_is_near(name: Any, hint: str | None) -> None:
    with override_settings(INTERAKT_TRACK={"WRITE_KEY": KEY, name: KEY}):
        [problem] = run_checks()

    assert problem.id == "interakt_track.E003"
    assert problem.msg == f"INTERAKT_TRACK has an unknown setting {str(name)!r}"
    assert problem.hint == hint


@pytest.mark.parametrize("found", [None, [("WRITE_KEY", KEY)], KEY])
def test_what_is_no_dictionary_is_told(found: object) -> None:
    with override_settings(INTERAKT_TRACK=found):
        [problem] = run_checks()

    assert problem.id == "interakt_track.E003"
    assert problem.msg == f"INTERAKT_TRACK must be a dictionary; got {type(found).__name__}"


def test_each_wrong_value_is_told() -> None:
    problems = check(
        WRITE_KEY=KEY, TIMEOUT="10", MAX_RETRIES=-1, HOST="api.interakt.ai", RATE_LIMIT="gold", BEFORE_SEND="shop.typo"
    )

    texts = [text.removeprefix("INTERAKT_TRACK") for code, text in told(problems) if code == "E004"]
    assert [text.partition(", ")[0] for text in sorted(texts)] == [
        "['BEFORE_SEND']: No module named 'shop'",
        "['HOST']: host must be an address such as https://api.interakt.ai",
        "['MAX_RETRIES']: max_retries must be a whole number",
        "['RATE_LIMIT']: rate_limit must be requests a minute (a whole number",
        "['TIMEOUT']: timeout must be a number of seconds above 0; got '10'",
    ]


def test_a_wrong_host_of_the_environment_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERAKT_HOST", "api.interakt.ai")

    [(code, text)] = told(check(WRITE_KEY=KEY, TIMEOUT=5))

    assert code == "E004"
    assert text.startswith("the environment's INTERAKT_HOST: host must be an address")


def test_a_check_touches_no_spool(tmp_path: Any) -> None:
    assert check(WRITE_KEY=KEY, SPOOL=tmp_path / "track.db") == []
    assert list(tmp_path.iterdir()) == []
