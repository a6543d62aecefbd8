"""The pytest plugin: a fixture that captures, readable differences, and a guard against tests that send.

It stands beside the SDK and not in it, so that pytest loads it at every start without importing the SDK; that comes
with the first test that asks for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interakt_track.testing import Capture, NetworkGuard

BLOCK = "interakt_track_block_network"
ALLOW = "interakt_track_allow_network"

HINT = (
    "Nothing was sent. Capture what the test calls, with the fixture interakt_track or "
    "`with interakt_track.testing.capture():`, or mark it interakt_track_allow_network."
)

_GUARD: pytest.StashKey[NetworkGuard] = pytest.StashKey()


@pytest.fixture
def interakt_track() -> Iterator[Capture]:
    """What the test would have sent to Interakt; none of it is sent. See `interakt_track.testing.capture`."""
    from interakt_track.testing import capture  # noqa: PLC0415 - see the module's docstring

    with capture() as sent:
        yield sent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the ini file."""
    parser.addini(BLOCK, "fail each test that would send to Interakt without a capture", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Explain the markers."""
    config.addinivalue_line("markers", f"{BLOCK}: fail the test if it would send to Interakt without a capture")
    config.addinivalue_line("markers", f"{ALLOW}: let the test send to Interakt, whatever {BLOCK} says")


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say what differs between messages."""
    testing = sys.modules.get("interakt_track.testing")
    explained: list[str] | None = None if testing is None else testing.explain_comparison(op, left, right)
    return explained


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Guard a test, its fixtures included."""
    if not _is_guarded(item):
        yield
        return
    from interakt_track.testing import NetworkGuard  # noqa: PLC0415 - see the module's docstring

    with NetworkGuard() as guard:
        item.stash[_GUARD] = guard
        yield


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose fixtures would have sent."""
    _fail_if_blocked(item)


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Fail a test that would have sent; one that failed of itself does not get here."""
    _fail_if_blocked(item)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail a test whose fixtures would have sent when they ended."""
    _fail_if_blocked(item)


def _is_guarded(item: pytest.Item) -> bool:
    nearest = next((mark.name for mark in item.iter_markers() if mark.name in (BLOCK, ALLOW)), None)
    return bool(item.config.getini(BLOCK)) if nearest is None else nearest == BLOCK


def _fail_if_blocked(item: pytest.Item) -> None:
    guard = item.stash.get(_GUARD, None)
    calls = [] if guard is None else guard.take_calls()
    if calls:
        places = "\n".join(f"  {call}" for call in calls)
        pytest.fail(f"this would have been sent to Interakt:\n{places}\n{HINT}", pytrace=False)
