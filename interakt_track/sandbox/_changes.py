"""What has changed, in which order: so that whoever listens can be told all that he has not seen."""

from __future__ import annotations

import secrets


class Changes:
    """Knows for each kept record its newest change, so it is as large as there are records.

    A revision counts up from 1 with each change. An epoch is the name of one count: after `forget`, or in another
    process, the same number means something else.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin a new epoch, with nothing in it."""
        self.epoch = secrets.token_hex(4)
        self.revision = 0
        self._revisions: dict[int, int] = {}  # by the record's number; the least recently changed first
        self._lost = 0  # revision of the newest change whose record has left

    def note(self, number: int) -> None:
        """Note that the record of this number has changed."""
        self.revision += 1
        self._revisions.pop(number, None)
        self._revisions[number] = self.revision

    def lose(self, number: int) -> None:
        """Forget a record that has left."""
        self._lost = max(self._lost, self._revisions.pop(number, 0))

    def since(self, revision: int, limit: int) -> tuple[list[int], int] | None:
        """Return which records changed after a revision, and the revision that one then knows.

        Args:
            revision: Of this epoch; 0 knows nothing.
            limit: At most so many numbers, the earliest changes first; the rest are asked for next.

        Returns:
            None if a record that changed since has left: then what was missed cannot be told any more.
        """
        if not self._lost <= revision <= self.revision:
            return None
        found: list[tuple[int, int]] = []
        for number, changed in reversed(self._revisions.items()):
            if changed <= revision:
                break
            found.append((number, changed))
        earliest = found[::-1][:limit]
        return [number for number, _ in earliest], earliest[-1][1] if earliest else self.revision
