"""Noticing answers as they begin: what nothing else tells of before they are over."""

from __future__ import annotations

import pytest

from interakt_track._attempt import Attempt


def note_answers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the status of each answer, when its first lines are there."""
    begun: list[int] = []
    note_status = Attempt.note_status

    def note(attempt: Attempt, status_code: int) -> None:
        note_status(attempt, status_code)
        begun.append(status_code)

    monkeypatch.setattr(Attempt, "note_status", note)
    return begun
