"""A damaged spool: moved aside, and what can still be read of it copied into a new one."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from ._database import Database
from ._errors import SpoolError
from ._journal import APPEND
from ._rows import PAYLOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._journal import Journal

SKIP = 10_000_000  # ids
PAGE = 100  # rows read at a time
MAX_SEARCH = 5.0  # seconds for which what is left is looked for; meanwhile calls wait in memory
MAX_GAP = 20_000  # ids; where the last one is unknown, so many that cannot be read end the search


def is_ours(path: str) -> bool:
    """Tell whether a file that is no database any more was a spool: a lease lies beside it, or its head still says so.

    Anything else may be a file that somebody needs, named by mistake.
    """
    if os.path.exists(f"{path}-lease"):  # noqa: PTH110 - pathlib takes 10 ms to import
        return True
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return file.read(16) == b"SQLite format 3\0"


def replace_damaged(path: str, salt: str | None, *, sync: str, max_bytes: int) -> tuple[str, Database, int]:
    """Move a damaged spool aside, and begin a new one with what can be read of it; the caller holds the lease.

    Ids, accounts and salt are kept, so that whoever knows a message of the old file finds it in the new one.

    Args:
        path: Of the file.
        salt: The file's, where that is known; else it is read.
        sync: As of `Database`.
        max_bytes: As of `Database`.

    Returns:
        Where the damaged one is now, the new one, and how many waiting messages are in it.

    Raises:
        SpoolError: There cannot be a new one.
        OSError: The old one cannot be moved.
    """
    aside = _free_name(f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    for ending in ("-shm", "-wal", ""):
        if os.path.exists(path + ending):  # noqa: PTH110 - as above
            os.replace(path + ending, aside + ending)  # noqa: PTH105 - as above
    new = Database(path, sync=sync, max_bytes=max_bytes)
    copied = _copy_tables(aside, new)
    if salt is not None:
        new.execute("INSERT OR REPLACE INTO setting VALUES ('salt', ?)", (salt,))
    new.trouble = None  # the damaged rows' own, which are not in it
    return aside, new, copied


def _copy_tables(aside: str, new: Database) -> int:
    """Copy what can be read; return how many waiting messages that are."""
    try:
        old = Database(aside, may_create=False, is_damaged=True)
    except SpoolError:  # so damaged that nothing can be read
        return 0
    try:
        deadline = time.monotonic() + MAX_SEARCH
        for table in ("setting", "account", "waiting", "failed", "floor"):
            _copy(old, new, table, deadline)
        newest = new.value("SELECT max(id) FROM waiting") or 0
        new.execute("INSERT OR REPLACE INTO setting VALUES ('copied_until', ?)", (str(newest),))
        # What could not be read may have had higher ids, and some of it may be on its way: none is used again.
        new.execute("UPDATE floor SET id = ? + max(id, ?)", (SKIP, newest))
    finally:
        old.close()
    count: int = new.value("SELECT count(*) FROM waiting")
    return count


def carry_over(old: Journal, new: Journal) -> None:
    """Append to a new file what its own process wrote to the damaged one after that was copied, and could be read."""
    copied_until = new.database.value("SELECT value FROM setting WHERE name = 'copied_until'")
    try:
        rows = old.database.fetch(
            f"SELECT account, {PAYLOAD} FROM waiting WHERE origin = ? AND id > ? ORDER BY id",
            (old.origin, int(copied_until or 0)),
        )
    except SpoolError:
        return
    for row in rows:
        new.database.execute(APPEND, (new.origin, *row))


def _free_name(name: str) -> str:
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next((name for name in names if not os.path.exists(name)), name)  # noqa: PTH110 - as above


def _copy(old: Database, new: Database, table: str, deadline: float) -> None:
    columns = [name for _, name, *_ in new.fetch(f"PRAGMA table_info({table})")]
    for row in _read(old, table, columns, deadline):
        with suppress(SpoolError):  # a row that is damaged itself, such as one without an id
            new.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _read(old: Database, table: str, columns: list[str], deadline: float) -> Iterator[tuple[Any, ...]]:
    """Give a table's rows; around a damaged page one by one, for as long as that may take."""
    select = f"SELECT rowid, {', '.join(columns)} FROM {table}"
    oldest, newest = _end(old, table, "ASC"), _end(old, table, "DESC")
    if oldest is None and newest is None:
        return
    last = found = 0 if oldest is None else oldest - 1
    is_in_gap = False
    while last < (found + MAX_GAP if newest is None else newest) and time.monotonic() < deadline:
        where, values = ("rowid = ?", (last + 1,)) if is_in_gap else ("rowid > ?", (last,))
        try:
            rows = old.fetch(f"{select} WHERE {where} ORDER BY rowid LIMIT {1 if is_in_gap else PAGE}", values)
        except SpoolError:
            rows = []
            last += is_in_gap
            is_in_gap = True  # one by one, until there is one that can be read
        else:
            if not rows and not is_in_gap:
                return
            last += is_in_gap
            is_in_gap = is_in_gap and not rows
        for row_id, *row in rows:
            yield tuple(row)
            last = found = row_id


def _end(old: Database, table: str, order: str) -> int | None:
    """Return the first id of a table from one end; None where that cannot be read, or there is none."""
    row_id: int | None = None
    with suppress(SpoolError):
        row_id = old.value(f"SELECT rowid FROM {table} ORDER BY rowid {order} LIMIT 1")
    return row_id
