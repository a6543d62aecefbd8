"""Weak sets that are read while somebody is added to them: who reads gets those of one moment, and no error."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakSet

import pytest

import interakt_track._lifecycle as lifecycle
from interakt_track._account import Account, Share
from interakt_track._members import members
from interakt_track._recording import Recording


class Busy(WeakSet[object]):
    """One that gets a new member while it is read for the first time, as by the call of a signal handler."""

    def __init__(self, *first: object, late: object) -> None:
        super().__init__(first)
        self.late = late

    def __iter__(self) -> Iterator[object]:
        for member in super().__iter__():
            self.add(self.late)
            yield member


class Member:
    """What is in them; remembers that it was told."""

    def __init__(self) -> None:
        self.is_told = False

    def follow_recording(self) -> None:
        self.is_told = True

    def start_anew(self) -> None:
        self.is_told = True


def test_who_came_meanwhile_is_among_them() -> None:
    first, late = Member(), Member()

    assert set(members(Busy(first, late=late))) == {first, late}


def test_a_client_made_while_another_one_asks_counts() -> None:
    account, first, late = Account("https://api.example.invalid", "key"), Share(), Share()
    late.rate_limit = 300
    account._shares = Busy(first, late=late)  # type: ignore[assignment]  # of shares, as those are

    account.ask(first, 600)
    account.admit(0.0)

    assert account._share_count == 2
    assert account._pacer.limit == 300


def test_a_client_made_while_a_recorder_begins_is_told() -> None:
    recording, first, late = Recording(), Member(), Member()
    recording._followers = Busy(first, late=late)  # type: ignore[assignment]  # of followers, as those are

    recording._replace(())

    assert first.is_told
    assert late.is_told


def test_a_client_made_while_a_child_begins_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    first, late = Member(), Member()
    monkeypatch.setattr(lifecycle, "_forking", Busy(first, late=late))

    lifecycle.start_anew_after_fork()

    assert first.is_told
    assert late.is_told
