"""A damaged spool: moved aside, and what can still be read of it copied into a new one."""

from __future__ import annotations

import os
import time

from ._database import Database
from ._errors import SpoolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PAGE = 100  # rows read at a time; a damaged page ends the reading from either side


def is_ours(path: str) -> bool:
    """Tell whether a file that is no database any more was a spool: a lease lies beside it, or its head still says so.

    Anything else may be a file that somebody needs, named by mistake.
    """
    if os.path.exists(f"{path}-lease"):  # noqa: PTH110 - pathlib takes 10 ms to import
        return True
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return file.read(16) == b"SQLite format 3\0"


def replace_damaged(path: str, *, sync: str, max_bytes: int) -> tuple[str, Database, int]:
    """Move a damaged spool aside, and begin a new one with what can be read of it; the caller holds the lease.

    Ids, accounts and salt are kept, so that whoever knows a message of the old file finds it in the new one.

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
    try:
        old = Database(aside, may_create=False)
    except SpoolError:  # so damaged that nothing can be read
        return aside, new, 0
    try:
        for table in ("setting", "account", "waiting", "failed"):
            _copy(old, new, table)
    finally:
        old.close()
    return aside, new, new.value("SELECT count(*) FROM waiting")


def _free_name(name: str) -> str:
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next((name for name in names if not os.path.exists(name)), name)  # noqa: PTH110 - as above


def _copy(old: Database, new: Database, table: str) -> None:
    columns = [name for _, name, *_ in new.fetch(f"PRAGMA table_info({table})")]
    # The oldest and the newest first; what lies behind a damaged place is read from its other side.
    for order in ("ASC", "DESC"):
        try:
            for row in _read(old, table, columns, order):
                new.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        except SpoolError:
            continue
        return


def _read(old: Database, table: str, columns: list[str], order: str) -> Iterator[tuple[Any, ...]]:
    """Give a table's rows from one end; raise where a damaged page is met."""
    compare = ">" if order == "ASC" else "<"
    last: int | None = None
    while True:
        where = "" if last is None else f"WHERE rowid {compare} {last}"
        rows = old.fetch(f"SELECT rowid, {', '.join(columns)} FROM {table} {where} ORDER BY rowid {order} LIMIT {PAGE}")
        if not rows:
            return
        for row_id, *row in rows:
            yield tuple(row)
            last = row_id
