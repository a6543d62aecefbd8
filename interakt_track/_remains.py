"""What can still be read of a damaged spool, and how it gets into a new one."""

from __future__ import annotations

import time
from contextlib import suppress

from ._errors import SpoolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._database import Database

SKIP = 10_000_000  # ids
MAX_ID = 2**53  # no spool gets there: what is beyond is damage
PAGE = 500  # rows written at a time
MAX_SEARCH = 5.0  # seconds in which the end of what cannot be read is looked for id by id; then in strides
MAX_GAP = 2_000  # ids that are looked at so, one after the other
STRIDE = 64  # a stride is this part of the ids passed by

TABLES = ("setting", "account", "start", "waiting", "failed", "removed")
"""In an order in which no trigger changes what was copied before, but removes what waits and has ended, too."""


def fill(new: Database, old: Database | None, salt: str | None, known_id: int) -> int:
    """Copy what can be read; return how many waiting messages that are.

    Args:
        new: An empty spool.
        old: The damaged one; None where nothing of it can be read.
        salt: As of `replace_damaged`.
        known_id: As of `replace_damaged`.
    """
    floor = 0
    if old is not None:
        for table in TABLES:
            _copy(old, new, table)
        _unite_accounts(old, new)
        with suppress(SpoolError):
            found = old.value("SELECT id FROM floor")
            floor = found if isinstance(found, int) and 0 < found < MAX_ID else 0
        with suppress(SpoolError):
            for name, number in old.fetch("SELECT name, seq FROM sqlite_sequence"):
                if isinstance(number, int) and number < MAX_ID:
                    new.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
                    new.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, number))
    newest: int = new.value("SELECT max(id) FROM waiting") or 0
    new.execute("INSERT OR REPLACE INTO setting VALUES ('copied_until', ?)", (str(newest),))
    # What could not be read may have had higher ids, and some of it may be on its way: none is used again.
    new.execute("UPDATE floor SET id = ?", (SKIP + max(newest, floor, known_id),))
    if salt is not None:
        new.execute("INSERT OR REPLACE INTO setting VALUES ('salt', ?)", (salt,))
    new.trouble = None  # the damaged rows' own, which are not in it
    count: int = new.value("SELECT count(*) FROM waiting")
    return count


def _unite_accounts(old: Database, new: Database) -> None:
    """Give what belongs to an account with two numbers, as a damaged index brings it about, the one that was copied."""
    accounts = dict(new.fetch("SELECT fingerprint, number FROM account"))
    for number, hashed in _Damaged(old, "account", ["number", "fingerprint"]).rows():
        if accounts.get(hashed, number) != number:
            for table in ("start", "waiting", "failed"):
                new.execute(f"UPDATE {table} SET account = ? WHERE account = ?", (accounts[hashed], number))


def _copy(old: Database, new: Database, table: str) -> None:
    columns = [name for _, name, *_ in new.fetch(f"PRAGMA table_info({table})")]
    places = ", ".join("?" * len(columns))
    statement = f"INSERT OR {'REPLACE' if table == 'setting' else 'IGNORE'} INTO {table} VALUES ({places})"
    page = []
    for row in _Damaged(old, table, columns).rows():
        page.append((statement, row))
        if len(page) == PAGE:
            _write(new, page)
            page = []
    _write(new, page)


def _write(new: Database, page: list[tuple[str, tuple[Any, ...]]]) -> None:
    try:
        new.run_together(page)
    except SpoolError as error:
        if error.reason != "corrupt":
            raise
        for statement, row in page:
            try:
                new.execute(statement, row)
            except SpoolError as row_error:  # a row that is damaged itself
                if row_error.reason != "corrupt":
                    raise


class _Damaged:
    """A table of which some pages cannot be read.

    Args:
        old: Its file.
        table: Its name.
        columns: What is read of it.
    """

    def __init__(self, old: Database, table: str, columns: list[str]) -> None:
        self._old = old
        self._table = table
        self._select = f"SELECT rowid, {', '.join(columns)} FROM {table} WHERE rowid >= ? ORDER BY rowid"
        self._seconds = MAX_SEARCH

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Give the rows that can be read, in the order in which they are found; some perhaps twice."""
        oldest, newest = self._end("ASC"), self._end("DESC")
        if oldest is None and newest is None and not any(map(self._can_read, _strides())):
            return  # not worth the search
        start: int | None = max(1, oldest or 0)
        newest = min(newest or MAX_ID, MAX_ID)
        while start is not None and start <= newest:
            last = greatest = 0
            try:
                for row_id, *row in self._old.rows(self._select, (start,)):
                    if 0 < row_id < MAX_ID:
                        last, greatest = row_id, max(greatest, row_id if row_id <= newest else 0)
                        yield tuple(row)
            except SpoolError:
                # An id that is damaged itself leads neither back, nor past what can be read.
                read = next((row_id for row_id in (last, greatest) if start <= row_id <= newest), None)
                if read is None and (single := self._single(start)):
                    read, *row = single
                    yield tuple(row)
                start = read + 1 if read is not None else self._after_gap(start, newest)
            else:
                return

    def _single(self, row_id: int) -> tuple[Any, ...] | None:
        """Return the row of an id: with others, sqlite3 gives none before it has the next one, too."""
        with suppress(SpoolError):
            for row in self._old.rows(f"{self._select} LIMIT 1", (row_id,)):
                return tuple(row) if row[0] == row_id else None
        return None

    def _after_gap(self, start: int, newest: int) -> int | None:
        """Return the first id after one that cannot be read where something can; None where there is no such."""
        with suppress(SpoolError):
            found = self._id_from(start)
            if found is None:
                return None
            if found >= start:  # only the rest of its row cannot be read
                return found + 1
        began = time.monotonic()
        failed, next_one = start, start + 1
        while not self._can_read(next_one):
            if next_one > newest:
                return None
            is_long = next_one - start > MAX_GAP or time.monotonic() - began > self._seconds
            failed, next_one = next_one, next_one + (1 + (next_one - start) // STRIDE if is_long else 1)
        while next_one - failed > 1:
            middle = (failed + next_one) // 2
            if self._can_read(middle):
                next_one = middle
            else:
                failed = middle
        self._seconds -= time.monotonic() - began
        return next_one

    def _can_read(self, row_id: int) -> bool:
        try:
            found = self._id_from(row_id)
        except SpoolError:
            return False
        return found is None or found >= row_id

    def _id_from(self, row_id: int) -> int | None:
        """Return the next id from one on; None where there is none."""
        statement = f"SELECT rowid FROM {self._table} WHERE rowid >= ? ORDER BY rowid LIMIT 1"
        found: int | None = self._old.value(statement, (row_id,))
        return found

    def _end(self, order: str) -> int | None:
        """Return the first id from one end; None where that cannot be read, or there is none."""
        row_id: int | None = None
        with suppress(SpoolError):
            row_id = self._old.value(f"SELECT rowid FROM {self._table} ORDER BY rowid {order} LIMIT 1")
        return row_id


def _strides() -> Iterator[int]:
    row_id = 1
    while row_id < MAX_ID:
        yield row_id
        row_id += 1 + row_id // STRIDE
