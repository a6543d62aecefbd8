"""The command `manage.py interakt_spool`: `interakt-track spool`, with what Django's settings say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import django_project
import pytest
from django.core.management import call_command
from django.test import override_settings
from running import run_python
from spool_left_behind import leave_behind

from interakt_track import Client, SpoolFile
from interakt_track.sandbox import Sandbox

assert django_project

TWO_CALLS = 'client.event("u1", "Order Placed")\nclient.event("u2", "Order Placed")'

WITHOUT_CLICK = """
import sys, django_project
from django.core.management import call_command
from django.core.management.base import CommandError
sys.modules["click"] = None
try:
    call_command("interakt_spool", "status")
except CommandError as error:
    print(error.returncode, error)
"""


@pytest.fixture
def path(sandbox: Sandbox, tmp_path: Path) -> Iterator[Path]:
    """The project's spool, in which two messages of its key wait."""
    path = tmp_path / "track.db"
    leave_behind(path, sandbox.url, TWO_CALLS)
    with override_settings(INTERAKT_TRACK={"WRITE_KEY": "test-key", "HOST": sandbox.url, "SPOOL": path}):
        yield path


def run(*words: str) -> int:
    """Run the command; return its status."""
    try:
        call_command("interakt_spool", *words)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def test_the_file_is_the_projects(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("interakt_spool", "status", "--json")

    found = json.loads(capsys.readouterr().out)
    assert (str(path), 2) == (found["path"], found["waiting"])
    assert [True] == [account["is_own"] for account in found["accounts"]]


def test_what_it_writes_goes_where_the_caller_says(path: Path) -> None:
    out, errors = StringIO(), StringIO()

    call_command("interakt_spool", "status", "--json", stdout=out)
    with pytest.raises(SystemExit):
        call_command("interakt_spool", "bogus", stderr=errors)

    assert json.loads(out.getvalue())["waiting"] == 2
    assert "No such command 'bogus'" in errors.getvalue()


def test_key_and_host_are_the_projects(sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERAKT_WRITE_KEY", "another")
    monkeypatch.setenv("INTERAKT_HOST", "http://127.0.0.1:9")
    before = dict(os.environ)

    status = run("drain", "--timeout", "30")

    assert status == 0
    assert {"u1", "u2"} == {body["userId"] for body in sandbox.events}
    assert dict(os.environ) == before


def test_nothing_stays_in_the_environment(path: Path) -> None:
    before = dict(os.environ)

    run("status")

    assert dict(os.environ) == before


def test_what_drain_is_not_told_is_the_projects(sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from interakt_track.cli import _spool_drain

    made: list[dict[str, Any]] = []

    def make(**settings: Any) -> Client:
        made.append(settings)
        return Client(**settings)

    monkeypatch.setattr(_spool_drain, "Client", make)
    settings = {"WRITE_KEY": "test-key", "HOST": sandbox.url, "SPOOL": path}

    with override_settings(
        INTERAKT_TRACK={**settings, "RATE_LIMIT": "growth", "MAX_WORKERS": 3, "SPOOL_RETENTION": 7 * 86_400}
    ):
        run("drain")
        leave_behind(path, sandbox.url, TWO_CALLS)
        run("drain", "--rate-limit", "600", "--max-workers", "2", "--retention", "1")

    chosen = [(one["rate_limit"], one["max_workers"], one["spool_retention"]) for one in made]
    assert chosen == [(300, 3, 7 * 86_400), (600, 2, 86_400)]


def test_an_option_goes_before_the_settings(
    path: Path, sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_behind(tmp_path / "other.db", sandbox.url, 'client.event("u1", "Seen")')

    run("status", "--json", "--spool", str(tmp_path / "other.db"))

    assert json.loads(capsys.readouterr().out)["waiting"] == 1


def test_its_status_is_that_of_the_command(sandbox: Sandbox, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox.script([400, 202])

    assert run("drain", "--max-workers", "1") == 1
    assert run("failed", "--json") == 0
    assert run("nonsense") == 2
    assert "Usage: manage.py interakt_spool" in capsys.readouterr().err
    with SpoolFile(path) as spool:
        assert (spool.status().waiting, spool.status().failed) == (0, 1)


def test_without_a_spool_in_the_settings_it_asks_which(capsys: pytest.CaptureFixture[str]) -> None:
    with override_settings(INTERAKT_TRACK={"WRITE_KEY": "test-key"}):
        assert run("status") == 2
        told = capsys.readouterr().err
        assert run("status", "--spool", "missing.db") == 2

    assert "which file?" in told
    assert told.endswith('INTERAKT_TRACK has no "SPOOL"\n')
    assert "INTERAKT_TRACK" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("drain", "--help")], ids=" ".join)
def test_help_is_that_of_the_command(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 0

    shown = capsys.readouterr().out
    assert "Usage: manage.py interakt_spool" in shown
    assert "drain" in shown


def test_where_the_extra_is_missing_it_says_so() -> None:
    ran = run_python("-c", WITHOUT_CLICK)

    assert ran.stdout.strip() == (
        '2 interakt_spool needs click, which is not installed here: pip install "interakt-track-python[cli]"'
    )
