"""Messages as they were called, and when they are released."""

from __future__ import annotations

import time

import pytest

import interakt_track._inbox
from interakt_track._account import Account
from interakt_track._inbox import NEVER, Inbox
from interakt_track._ledger import Mark
from interakt_track._messages import Message, event_message

ACCOUNT = Account("http://localhost", "key")


def a_message() -> Message:
    return event_message(
        "u1", "e", {}, None, None, None, "normal", default_country_code="+91", account=ACCOUNT, problems=None
    )


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(batch_size=3, flush_interval=0.5)


def test_nothing_is_never_released(inbox: Inbox) -> None:
    assert inbox.delay() == NEVER
    assert inbox.pop() is None


def test_the_oldest_waits_for_the_flush_interval(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    message = a_message()
    inbox.items.append(message)
    monkeypatch.setattr(interakt_track._inbox, "time", lambda: message.called_at + 0.2)

    assert inbox.delay() == pytest.approx(0.3)
    assert inbox.pop() is None
    monkeypatch.setattr(interakt_track._inbox, "time", lambda: message.called_at + 0.5)
    assert inbox.pop() is message


def test_a_full_batch_is_released_at_once_and_what_comes_meanwhile_waits(inbox: Inbox) -> None:
    messages = [a_message() for _ in range(3)]
    inbox.items.extend(messages)

    first = inbox.pop()
    inbox.items.append(a_message())

    assert [first, inbox.pop(), inbox.pop()] == messages
    assert inbox.pop() is None


def test_a_mark_releases_all_before_it(inbox: Inbox) -> None:
    message = a_message()
    inbox.items.append(message)

    mark = inbox.add_mark()

    assert inbox.count() == 1
    assert inbox.pop() is message
    assert inbox.pop() is mark
    assert isinstance(mark, Mark)
    assert inbox.count() == 0


def test_a_clock_set_back_keeps_nothing(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox.items.append(a_message())
    monkeypatch.setattr(interakt_track._inbox, "time", lambda: time.time() - 3600)

    assert inbox.delay() == 0
