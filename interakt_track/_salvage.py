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
from ._remains import fill
from ._rows import PAYLOAD
from ._schema import APPLICATION_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._journal import Journal

MAX_CHECKPOINT = 1.0  # seconds that a reader of the old file may take

NEW = "-new"
# https://sqlite.org/fileformat2.html#the_database_header
HEADER = 100  # bytes
MAGIC = b"SQLite format 3\0"
OWNER_AT = 68


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
            copied = fill(new, old, salt, known_id)
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
