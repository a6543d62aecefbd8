"""A damaged spool: what can still be read of it copied into a new one beside it, which then takes its place.

At each instant, the path leads to a file that has all that can be read: to the old one, or to the new one. So whoever
is killed on the way leaves nothing behind that the next start does not find:

1. The new file is filled under another name, and closed: it is one file then, without a log. Meanwhile the old one is
   locked, so nobody writes to it; before it is let go, it is told to take no more. Whoever has it open keeps what is
   called in memory until it finds the new one. Only where the damage forbids both may another process write to the old
   file still: it carries that over when it finds the new one, see `carry_over`.
2. What is in the old file's log is moved into it, so that it lacks nothing without.
3. While nobody is opening either (`in_place`): the old file gets its second name; its log and its index of the log go
   to that name, for SQLite takes whatever log lies beside a file for that file's; and the new file takes the path.
   Whoever has the old file open goes on with its log, wherever that is; SQLite removes no log of a file that has moved.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from ._database import Database
from ._errors import SpoolError
from ._journal import RESTORE
from ._locks import IMPORT_LOCK
from ._place import in_place
from ._rows import PAYLOAD
from ._schema import APPLICATION_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._journal import Journal

SKIP = 10_000_000  # ids
MAX_ID = 2**53  # no spool gets there: what is beyond is damage
PAGE = 500  # rows written at a time
MAX_SEARCH = 5.0  # seconds in which the end of what cannot be read is looked for id by id; then in strides
MAX_GAP = 2_000  # ids that are looked at so, one after the other
STRIDE = 64  # a stride is this part of the ids passed by
MAX_CHECKPOINT = 1.0  # seconds that a reader of the old file may take

TABLES = ("setting", "account", "start", "waiting", "failed", "removed")
"""In an order in which no trigger changes what was copied before, but removes what waits and has ended, too."""

NEW = "-new"
HEADER, MAGIC, OWNER_AT = (
    100,
    b"SQLite format 3\0",
    68,
)  # bytes; https://sqlite.org/fileformat2.html#the_database_header


def is_ours(path: str) -> bool:
    """Tell whether a file that is no database any more was a spool: a lease lies beside it, or its head still says so.

    Anything else may be a file that somebody needs, named by mistake.
    """
    if os.path.exists(f"{path}-lease"):  # noqa: PTH110 - pathlib takes 10 ms to import
        return True
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        head = file.read(HEADER)
    return head.startswith(MAGIC) and head[OWNER_AT : OWNER_AT + 4] == APPLICATION_ID.to_bytes(4)


def replace_damaged(
    path: str, salt: str | None, *, known_id: int, sync: str, complete: Callable[[Database], None]
) -> tuple[str, int]:
    """Put a new spool into a damaged one's place, with what can be read of it; the caller holds the lease.

    Ids, accounts and salt are kept, so that whoever knows a message of the old file finds it in the new one.

    Args:
        path: Of the file.
        salt: The file's, where that is known; else it is read.
        known_id: An id; the file has had it, or a higher one.
        sync: As of `Database`.
        complete: Called with the new file before anybody else can have it.

    Returns:
        Where the damaged one is now, and how many waiting messages were copied.

    Raises:
        SpoolError: There cannot be a new one; the old one is where it was.
        OSError: As above.
    """
    remove_leftovers(path)
    old = _open_damaged(path)
    try:
        new = Database(path + NEW, sync=sync)
        try:
            copied = _fill(new, old, salt, known_id)
            complete(new)
            if not new.checkpoint(is_thorough=True):
                raise SpoolError(f"the spool {path + NEW} is locked by another program", reason="locked")
        finally:
            new.close()
        if old is not None:
            _stop_writes(old)
    except BaseException:
        remove_leftovers(path)
        raise
    finally:
        if old is not None:
            old.close()
    aside = _put_in_place(path)
    remove_leftovers(path)
    return aside, copied


def remove_leftovers(path: str) -> None:
    """Remove what somebody left behind who was killed in `replace_damaged`; the caller holds the lease."""
    for ending in ("-wal", "-shm", "", "-opening"):
        with suppress(FileNotFoundError):
            os.unlink(path + NEW + ending)  # noqa: PTH108 - as above


def carry_over(old: Journal, new: Journal) -> None:
    """Write to a new file what its own process wrote to the damaged one after that was copied, and could be read.

    It keeps its ids, which the new file has left free, and is not written twice: so this may be tried again.

    Raises:
        SpoolError: Nothing of it was written.
    """
    copied_until = new.database.value("SELECT value FROM setting WHERE name = 'copied_until'")
    statement = f"SELECT id, account, {PAYLOAD} FROM waiting WHERE origin = ? AND id > ? ORDER BY id"
    try:
        rows = old.database.look(statement, (old.origin, int(copied_until or 0)))
        found = old.database.look("SELECT number, fingerprint, host FROM account")
    except SpoolError:
        return
    if not rows:
        return
    accounts = {number: rest for number, *rest in found}
    numbers = {number: _number(new.database, *accounts.get(number, ("", ""))) for number in {row[1] for row in rows}}
    copies = [(RESTORE, (row_id, new.origin, numbers[number] or number, *row)) for row_id, number, *row in rows]
    # Whoever sends has passed by these ids: it reads from the start after an adoption.
    again = ("INSERT OR REPLACE INTO setting VALUES ('adopted', hex(randomblob(8)))", ())
    new.database.run_together([*copies, again])


def _number(new: Database, fingerprint: str, host: str) -> int | None:
    """Return what a file knows an account by; None where that is unknown."""
    if fingerprint:
        new.execute("INSERT OR IGNORE INTO account (fingerprint, host) VALUES (?, ?)", (fingerprint, host))
    number: int | None = new.value("SELECT number FROM account WHERE fingerprint = ?", (fingerprint,))
    return number


def _open_damaged(path: str) -> Database | None:
    """Open a damaged spool, and let nobody write to it, as far as that is possible; None where nothing can be read.

    Raises:
        SpoolError: Another program writes to it, or does not let it go.
    """
    try:
        old = Database(path, may_create=False, is_damaged=True)
    except SpoolError:
        return None
    try:
        old.execute("BEGIN IMMEDIATE")
    except SpoolError as error:
        if error.reason == "locked":
            old.close()
            raise
    try:
        old.fetch("SELECT name FROM sqlite_master LIMIT 1")
    except SpoolError:
        old.close()
        return None
    return old


def _stop_writes(old: Database) -> None:
    """Have a copied spool take no more, and do without its log.

    Raises:
        SpoolError: Somebody is reading it.
    """
    try:
        for table in ("waiting", "failed"):
            for verb in ("INSERT", "UPDATE", "DELETE"):
                old.execute(
                    f"CREATE TRIGGER IF NOT EXISTS no_{verb}_on_{table} BEFORE {verb} ON {table} "
                    "BEGIN SELECT RAISE(ABORT, 'another file takes its place'); END"
                )
        old.execute("COMMIT")
    except SpoolError:
        with suppress(SpoolError):
            old.execute("ROLLBACK")
    deadline = time.monotonic() + MAX_CHECKPOINT
    while not _is_log_moved(old):
        if time.monotonic() > deadline:
            raise SpoolError(f"the spool {old.path} is locked by another program", reason="locked")
        time.sleep(0.01)


def _is_log_moved(old: Database) -> bool:
    try:
        _, in_log, moved = old.fetch("PRAGMA wal_checkpoint(TRUNCATE)")[0]
    except SpoolError:  # so damaged that the log is of no use
        return True
    return bool(in_log == moved)


def _put_in_place(path: str) -> str:
    """Let a new file take a damaged one's place; return where that is then.

    Raises:
        OSError: It cannot; all is where it was.
    """
    aside = _free_name(f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    moved = []
    with in_place(path, may_move=True):
        try:
            _name_also(path, aside)
            for ending in ("-wal", "-shm"):
                if os.path.exists(path + ending):  # noqa: PTH110 - as above
                    os.replace(path + ending, aside + ending)  # noqa: PTH105 - as above
                    moved.append(ending)
            os.replace(path + NEW, path)  # noqa: PTH105 - as above
        except OSError:
            for ending in moved:
                os.replace(aside + ending, path + ending)  # noqa: PTH105 - as above
            with suppress(OSError):
                os.unlink(aside)  # noqa: PTH108 - as above
            remove_leftovers(path)
            raise
    return aside


def _name_also(path: str, aside: str) -> None:
    """Give a file a second name, or make a copy of it where a file system has no such thing."""
    try:
        os.link(path, aside)
    except OSError:
        with IMPORT_LOCK:
            import shutil  # noqa: PLC0415 - 5 ms, hardly ever needed

        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        shutil.copyfile(path, aside)


def _free_name(name: str) -> str:
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next((name for name in names if not os.path.exists(name)), name)  # noqa: PTH110 - as above


def _fill(new: Database, old: Database | None, salt: str | None, known_id: int) -> int:
    """Copy what can be read; return how many waiting messages that are."""
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
