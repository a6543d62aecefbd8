"""Hands fine rows over to the spool, a few thousand ahead of what is sent."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from ._calls import RowError
from ._table import ImportFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interakt_track import Receipt, SpoolFile

    from ._calls import Calls
    from ._places import Places
    from ._state import State
    from ._table import Table

AHEAD = 2000  # messages that wait at most: some minutes of sending, and merging has enough to look at
STEP = 500  # rows in one append


class Feeder:
    """Goes on with an import where the spool is.

    Args:
        spool: Of this import; it has had `state.handed` messages.
        state: Of the import; saved around each append.
        places: Where the file and the state are.
        table: What is imported.
        calls: What makes the calls.
    """

    def __init__(self, spool: SpoolFile, state: State, places: Places, table: Table, calls: Calls) -> None:
        self._spool = spool
        self._state = state
        self._places = places
        self._mark = places.mark()
        self._table = table
        self._calls = calls
        self._fine: Iterator[Receipt] | None = None

    def has_more(self) -> bool:
        """Tell whether rows are left to hand over."""
        return self._state.handed < self._state.fine

    def feed(self, waiting: int) -> None:
        """Hand over what there is room for.

        Args:
            waiting: How many messages wait in the spool.

        Raises:
            SpoolError: The spool takes none; nothing of this step was handed over.
            ImportFileError: The table cannot be read any further, or was changed since this feeder was made.
            OSError: The state cannot be saved.
        """
        state = self._state
        while self.has_more() and waiting + STEP <= AHEAD:
            if self._places.mark() != self._mark:
                raise self._changed()
            if self._fine is None:
                self._fine = islice(fine_calls(self._table, self._calls), state.handed, state.fine)
            step = list(islice(self._fine, STEP))
            if not step:
                raise self._changed()
            state.handing = state.handed + len(step)
            state.save(self._places.state)
            try:
                self._spool.append(step)
            except BaseException:
                self._fine = None  # what was read is read again, should this be tried once more
                raise
            state.handed = state.handing
            state.save(self._places.state)
            waiting += len(step)

    def _changed(self) -> ImportFileError:
        return ImportFileError(f"{self._places.file} was changed while it was imported")


def fine_calls(table: Table, calls: Calls) -> Iterator[Receipt]:
    """Give the calls of the rows that can be sent, in the order of the file."""
    for record in table.records():
        try:
            receipt = calls.make(record)
        except RowError:
            continue
        yield receipt
