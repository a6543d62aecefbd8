"""Django's application: settings, and calls that wait for the commit; real transactions, and the sandbox."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import unittest
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import django_project
import pytest
from django.db import DatabaseError, connections, transaction
from django.test import TestCase, override_settings
from running import run_python

import interakt_track as track
from interakt_track import InvalidMessageError, SettingsError
from interakt_track._default import DefaultClient
from interakt_track.django import event, identify
from interakt_track.sandbox import Sandbox
from interakt_track.testing import SentEvent, SentUser, capture

assert django_project

Configure = Callable[..., None]


class GoneWrongError(Exception):
    """What rolls a transaction back here."""


class Shop:
    """Functions a project's settings name by their paths."""

    errors: list[Exception]


def note_error(error: Exception, queue_msg: object) -> None:
    Shop.errors.append(error)


def without_email(body: dict[str, Any]) -> dict[str, Any]:
    body["traits"].pop("email", None)
    return body


@pytest.fixture(autouse=True)
def project(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A project whose settings lead to the sandbox; the module's functions have a client of their own."""
    Shop.errors = []
    own = DefaultClient(track._module_client._read, track._module_client._is_strict)
    monkeypatch.setattr(track, "_module_client", own)
    with override_settings(INTERAKT_TRACK={"WRITE_KEY": "test-key", "HOST": sandbox.url, "FLUSH_INTERVAL": 0.01}):
        yield
    if own._client is not None:
        own._client.shutdown(5)
    connections.close_all()


@pytest.fixture
def configure(sandbox: Sandbox) -> Iterator[Configure]:
    """Add to the project's settings for the rest of a test."""
    overrides: list[override_settings] = []

    def add(**settings: Any) -> None:
        override = override_settings(INTERAKT_TRACK={"WRITE_KEY": "test-key", "HOST": sandbox.url, **settings})
        override.enable()
        overrides.append(override)

    yield add
    for override in reversed(overrides):
        override.disable()


def path_of(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def names(sandbox: Sandbox) -> list[str]:
    """Return the events that arrived by now."""
    assert track.flush(20)
    return [body["event"] for body in sandbox.events]


# Settings


def test_settings_are_the_sdks_in_capitals(sandbox: Sandbox, configure: Configure, tmp_path: Any) -> None:
    configure(TIMEOUT=5, SPOOL=tmp_path / "track.db", RATE_LIMIT="growth", STRICT=False)

    assert (5, tmp_path / "track.db", "growth", False) == (track.timeout, track.spool, track.rate_limit, track.strict)
    assert ("test-key", sandbox.url) == (track.write_key, track.host)


def test_an_override_ends_with_what_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "max_retries", 7)

    with override_settings(INTERAKT_TRACK={"MAX_RETRIES": 1, "TIMEOUT": 3}):
        assert (1, 3) == (track.max_retries, track.timeout)
        with override_settings(INTERAKT_TRACK={"TIMEOUT": 4}):
            assert (7, 4) == (track.max_retries, track.timeout)
        assert (1, 3) == (track.max_retries, track.timeout)

    assert (7, 10) == (track.max_retries, track.timeout)


def test_what_is_no_setting_changes_nothing() -> None:
    with override_settings(INTERAKT_TRACK={"timeout": 3, "EVENT": None, "__name__": "x", "": 1, 5: 6}):
        assert (10, "interakt_track") == (track.timeout, track.__name__)
        assert callable(track.event)

    with override_settings(INTERAKT_TRACK=["TIMEOUT", 3]):
        assert track.timeout == 10


@pytest.mark.parametrize("as_path", [True, False])
def test_functions_are_given_themselves_or_by_their_paths(
    sandbox: Sandbox, configure: Configure, as_path: bool
) -> None:
    functions: dict[str, Any] = {"BEFORE_SEND": without_email, "ON_ERROR": note_error}
    configure(**{name: path_of(function) if as_path else function for name, function in functions.items()})
    sandbox.script([202, 400])

    identify(user_id="u1", traits={"name": "Asha", "email": "asha@example.com"})
    track.flush(20)
    event(user_id="u1", event="Refused")
    track.flush(20)

    assert [{"userId": "u1", "traits": {"name": "Asha"}}] == sandbox.users
    assert [track.RejectedError] == [type(error) for error in Shop.errors]


def test_nothing_is_sent_past_a_before_send_that_cannot_be_imported(sandbox: Sandbox, configure: Configure) -> None:
    configure(BEFORE_SEND="shop.privacy.without_email")

    with pytest.raises(SettingsError, match="before_send must be a function"):
        event(user_id="u1", event="Order Placed")

    assert sandbox.requests == []


# Calls


def test_a_call_waits_for_the_commit(sandbox: Sandbox) -> None:
    with transaction.atomic():
        identify(user_id="u1", phone_number="9876543210", traits={"name": "Asha"}, tags=["new"])
        event(user_id="u1", event="Order Placed", traits={"total": 5})
        assert track.stats().queued == 0

    assert names(sandbox) == ["Order Placed"]
    assert sandbox.users == [
        {"userId": "u1", "countryCode": "+91", "phoneNumber": "9876543210", "traits": {"name": "Asha"}, "tags": ["new"]}
    ]
    assert track.stats().delivered == 2


def test_all_arguments_are_those_of_the_sdk(sandbox: Sandbox) -> None:
    when = datetime(2025, 3, 27, 13, 26, 52, tzinfo=UTC)
    customer: dict[str, Any] = {"tags": ["new"], "created_at": when, "add_to_sales_cycle": True, "priority": "high"}
    order: dict[str, Any] = {"created_at": when, "priority": "low"}

    with capture() as expected:
        track.identify("u1", 44, "7700 900123", {"name": "Asha"}, **customer)
        track.event("u1", "Order Placed", {"total": 5}, 44, "7700 900123", **order)
    with capture() as sent, transaction.atomic():
        identify("u1", 44, "7700 900123", {"name": "Asha"}, **customer)
        event("u1", "Order Placed", {"total": 5}, 44, "7700 900123", **order)
        for call in (identify, event):
            with pytest.raises(InvalidMessageError, match="priority"):
                call("u1", **{"event": "x"} if call is event else {}, priority="highest")

    assert list(sent) == list(expected)


@pytest.mark.parametrize(
    ("ours", "sdks"), [(identify, track.identify), (event, track.event)], ids=["identify", "event"]
)
def test_the_calls_have_the_sdks_signatures(ours: Callable[..., None], sdks: Callable[..., track.Receipt]) -> None:
    parameters = dict(inspect.signature(ours).parameters)
    del parameters["using"]

    assert parameters == dict(inspect.signature(sdks).parameters)


def test_what_is_rolled_back_is_not_sent(sandbox: Sandbox) -> None:
    with suppress(GoneWrongError), transaction.atomic():
        identify(user_id="u1", traits={"name": "Asha"})
        event(user_id="u1", event="Order Placed")
        raise GoneWrongError

    assert names(sandbox) == []
    assert track.stats().queued == 0


def test_what_is_rolled_back_to_a_savepoint_is_not_sent(sandbox: Sandbox) -> None:
    with transaction.atomic():
        event(user_id="u1", event="Kept")
        with suppress(GoneWrongError), transaction.atomic():
            event(user_id="u1", event="Rolled Back")
            raise GoneWrongError
        with transaction.atomic():
            event(user_id="u1", event="Kept, Too")
        assert track.stats().queued == 0

    assert names(sandbox) == ["Kept", "Kept, Too"]


def test_outside_of_a_transaction_a_call_is_made_at_once(sandbox: Sandbox) -> None:
    event(user_id="u1", event="Order Placed")

    assert track.stats().queued == 1
    assert names(sandbox) == ["Order Placed"]


def test_arguments_are_those_of_the_call() -> None:
    order: dict[str, Any] = {"total": 5, "lines": [{"sku": "A"}]}
    with capture() as sent, transaction.atomic():
        event(user_id="u1", event="Order Placed", traits=order)
        called_by = datetime.now(UTC)
        order["lines"][0]["sku"] = "B"
        order.clear()

    assert sent.events() == [SentEvent("Order Placed", user_id="u1", traits={"total": 5, "lines": [{"sku": "A"}]})]
    assert sent.events()[0].called_at <= called_by


def test_host_and_key_are_those_of_the_call(sandbox: Sandbox, configure: Configure) -> None:
    with Sandbox() as other:
        with transaction.atomic():
            event(user_id="u1", event="Order Placed")
            configure(HOST=other.url)
            track.event(user_id="u1", event="Cart Viewed")

        assert names(sandbox) == ["Order Placed"]
        assert names(other) == ["Cart Viewed"]


def test_bad_input_is_told_by_the_call_and_the_transaction_goes_on(sandbox: Sandbox) -> None:
    with transaction.atomic():
        with pytest.raises(InvalidMessageError, match="user_id and phone_number are both missing"):
            event(event="Order Placed")
        with pytest.raises(InvalidMessageError, match="traits"):
            identify(user_id="u1", traits={"cart": object()})
        event(user_id="u1", event="Order Placed")

    assert names(sandbox) == ["Order Placed"]


def test_with_strict_false_bad_input_is_reported_and_what_is_good_is_sent(
    sandbox: Sandbox, configure: Configure
) -> None:
    configure(STRICT=False, ON_ERROR=note_error)

    with transaction.atomic():
        event(event="Nobody")
        event(user_id="u1", event="Order Placed", traits={"total": 5, "cart": object()})

    assert names(sandbox) == ["Order Placed"]
    assert [body["traits"] for body in sandbox.events] == [{"total": 5}]
    assert [InvalidMessageError, InvalidMessageError] == [type(error) for error in Shop.errors]


def test_a_missing_key_is_told_by_the_call() -> None:
    missing = pytest.raises(SettingsError, match="write_key is missing")

    with override_settings(INTERAKT_TRACK={}), transaction.atomic(), missing:
        event(user_id="u1", event="Order Placed")


def test_a_wrong_setting_is_told_by_the_call_or_logged(configure: Configure, caplog: pytest.LogCaptureFixture) -> None:
    configure(TIMEOUT=-1)
    with transaction.atomic(), pytest.raises(SettingsError, match="timeout must be a number of seconds above 0"):
        event(user_id="u1", event="Order Placed")

    configure(TIMEOUT=-1, STRICT=False)
    with transaction.atomic():
        identify(user_id="u1")
        event(user_id="u1", event="Order Placed")

    assert [record.getMessage() for record in caplog.records] == ["timeout must be a number of seconds above 0; got -1"]


def test_using_names_the_database_whose_commit_is_waited_for(sandbox: Sandbox) -> None:
    with transaction.atomic(using="other"):
        event(user_id="u1", event="Of Default")
        event(user_id="u2", event="Of Other", using="other")
        with transaction.atomic():
            pass
        assert track.stats().queued == 1

    assert sorted(names(sandbox)) == ["Of Default", "Of Other"]


def test_order_is_that_of_the_calls(sandbox: Sandbox) -> None:
    with transaction.atomic():
        for number in range(20):
            event(user_id="u1", event=f"Event {number:02}")

    assert names(sandbox) == [f"Event {number:02}" for number in range(20)]


def test_what_fails_after_the_commit_raises_nowhere_and_is_logged(
    sandbox: Sandbox, configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    configure(SYNC_MODE=True, MAX_RETRIES=0)
    sandbox.script([400])
    others: list[str] = []

    with transaction.atomic():
        event(user_id="u1", event="Refused")
        event(user_id="u1", event="Order Placed")
        transaction.on_commit(lambda: others.append("called"))

    assert others == ["called"]
    assert [body["event"] for body in sandbox.events] == ["Order Placed"]
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "the API answered 400" in record.getMessage()


def test_in_manual_transaction_management_the_call_raises() -> None:
    connection = connections["default"]
    connection.ensure_connection()
    connection.set_autocommit(False)
    try:
        with pytest.raises(transaction.TransactionManagementError):
            event(user_id="u1", event="Order Placed")
    finally:
        connection.rollback()
        connection.set_autocommit(True)


def test_a_call_outside_of_a_transaction_needs_no_database(sandbox: Sandbox) -> None:
    event(user_id="u1", event="Order Placed", using="away")

    assert names(sandbox) == ["Order Placed"]
    with pytest.raises(DatabaseError):
        connections["away"].ensure_connection()


def test_in_asynchronous_code_a_call_is_made_at_once(sandbox: Sandbox) -> None:
    async def view() -> None:
        event(user_id="u1", event="Order Placed")

    asyncio.run(view())

    assert names(sandbox) == ["Order Placed"]


def test_a_child_forked_within_a_transaction_leaves_it_to_the_parent(sandbox: Sandbox) -> None:
    with transaction.atomic():
        event(user_id="u1", event="Order Placed")
        child = os.fork()
        if child == 0:
            os._exit(0 if track.stats().queued == 0 else 1)
        _, status = os.waitpid(child, 0)

    assert status == 0
    assert names(sandbox) == ["Order Placed"]


# The extra


def test_without_django_it_says_what_to_install() -> None:
    code = 'import sys; sys.modules["django"] = None; import interakt_track.django'

    ran = run_python("-c", code)

    assert ran.stderr.splitlines()[-1] == (
        'ModuleNotFoundError: interakt_track.django needs Django: pip install "interakt-track-python[django]"'
    )


def test_the_sdk_alone_imports_no_django() -> None:
    code = 'import sys, track, interakt_track.cli; track.Client(enabled=False).event("u1", "x"); print(*sys.modules)'

    imported = run_python("-c", code).stdout.split()

    assert "track" in imported
    assert "django" not in imported


# Tests of applications


def test_a_capture_has_what_is_committed_and_needs_no_key() -> None:
    with override_settings(INTERAKT_TRACK={}), capture() as sent:
        with transaction.atomic():
            identify(user_id="u1", phone_number="98765 43210")
            assert len(sent) == 0
        with suppress(GoneWrongError), transaction.atomic():
            event(user_id="u1", event="Order Placed")
            raise GoneWrongError

    assert list(sent) == [SentUser(user_id="u1", country_code="+91", phone_number="9876543210")]


def test_a_test_case_of_djangos_sees_them_with_its_own_means() -> None:
    class ShopTest(TestCase):
        def test_order(self) -> None:
            with capture() as sent:
                with self.captureOnCommitCallbacks(execute=True):
                    event(user_id="u1", event="Order Placed")
                    assert len(sent) == 0
                assert sent.events() == [SentEvent("Order Placed", user_id="u1")]

    result = unittest.TestResult()
    unittest.TestSuite([ShopTest("test_order")]).run(result)

    assert (1, []) == (result.testsRun, result.failures + result.errors)
