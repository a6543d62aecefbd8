"""The messages called here that somebody still has: found by their rows, and kept alive by nobody."""

from __future__ import annotations

from weakref import ref

from interakt_track._account import Account
from interakt_track._called import Called
from interakt_track._messages import Message, event_message
from interakt_track._receipt import Outcome

ACCOUNT = Account("http://localhost", "key")


def a_message() -> Message:
    return event_message("u", "e", {}, None, None, None, "normal", "+91", ACCOUNT, None)


def called(*messages: Message) -> Called:
    called = Called()
    for row_id, message in enumerate(messages):
        called.refs[row_id] = ref(message)
    return called


def test_a_message_is_found_as_long_as_somebody_has_it() -> None:
    kept, dropped = a_message(), a_message()
    found = called(kept, dropped)

    del dropped

    assert found.get(0) is kept
    assert found.get(1) is found.get(2) is None


def test_what_has_ended_or_is_gone_is_not_unsettled() -> None:
    first, second, third, gone = (a_message() for _ in range(4))
    found = called(first, second, third, gone)

    second.outcome = Outcome("delivered")
    del gone

    assert found.unsettled() == [(0, first), (2, third)]


def test_those_that_nobody_has_take_no_room_for_long() -> None:
    kept = [a_message() for _ in range(3000)]
    found = called(*kept)

    for _ in range(20):
        for _ in range(1000):
            found.refs[len(found.refs)] = ref(a_message())
        found.forget_dead()

    assert len(found.refs) <= 3000 + 3000 + 2000
    assert [message for _, message in found.unsettled()] == kept
