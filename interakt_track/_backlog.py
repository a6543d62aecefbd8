"""Which of an account's rows are in memory, and which to take there next: in order, some of each person's.

Pure: no file, lock or clock; the spool owns one `Backlog` per account and guards it.

Invariants:
1. A row is taken only when no earlier row of the same person was left in the file.
2. Of one person no more rows are in memory than are allowed, so that one who has thousands leaves room for others.
3. Every row up to `cursor` was taken, left, or has ended. What was left is looked at again after `rewind`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from ._messages import Message
    from ._rows import Row

    Person: TypeAlias = str | tuple[str | None, str]


class Backlog:
    """The rows of one account, as far as they were looked at.

    Attributes:
        cursor: The id up to which rows were looked at.
        taken: Those in memory, by their ids; None until the message is made.
    """

    def __init__(self) -> None:
        self.cursor = 0
        self.taken: dict[int, Message | None] = {}
        self._counts: dict[Person, int] = {}
        self._left: set[Person] = set()
        self._left_since = 0

    def take(self, row: Row, *, at_most: int, is_elsewhere: bool = False) -> bool:
        """Move on to a row, and tell whether it is to be taken into memory.

        Args:
            row: The next one; ids rise until a `rewind`.
            at_most: How many of one person may be there.
            is_elsewhere: Whether it is in memory as another account's, which it was before it was adopted.
        """
        self.cursor = max(self.cursor, row.id)
        if row.id in self.taken:
            return False
        people = tuple(_people(row))
        is_full = any(person in self._left or self._counts.get(person, 0) >= at_most for person in people)
        if is_full or is_elsewhere:
            # Both of a row's identifiers: what comes later under either one has to wait for it.
            self._left_since = self._left_since if self._left else row.id
            self._left.update(people)
            return False
        self.taken[row.id] = None
        for person in people:
            self._counts[person] = self._counts.get(person, 0) + 1
        return True

    def let_go(self, row_id: int, message: Row | Message) -> None:
        """Note that a taken message has ended, or is in the file only."""
        if row_id not in self.taken:
            return
        del self.taken[row_id]
        for person in _people(message):
            count = self._counts.get(person, 0) - 1
            if count > 0:
                self._counts[person] = count
            else:
                self._counts.pop(person, None)

    def has_left(self) -> bool:
        """Tell whether rows that were looked at were left in the file."""
        return bool(self._left)

    def may_rewind(self, *, at_most: int) -> bool:
        """Tell whether of somebody whose rows were left there are few enough in memory to look for more."""
        return any(self._counts.get(person, 0) <= at_most // 2 for person in self._left)

    def rewind(self) -> None:
        """Look again at all rows from the first that was left."""
        self.cursor = self._left_since - 1
        self._left.clear()


def _people(message: Row | Message) -> Iterator[Person]:
    if message.user_id is not None:
        yield message.user_id
    if message.phone_number is not None:
        yield (message.country_code, message.phone_number)
