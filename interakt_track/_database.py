"""A spool's file: how it is opened, made and checked; the one place that knows sqlite3, its errors and forks."""

from __future__ import annotations

import os
import sqlite3
import threading
from _weakrefset import WeakSet  # what `weakref` has it from, and `threading`; `weakref` is a millisecond
from contextlib import suppress

from ._errors import SpoolError
from ._locks import IMPORT_LOCK, ForkLock
from ._place import identity_of, in_place, make_file
from ._schema import APPLICATION_ID, SCHEMA, VERSION
from ._sqlite_errors import is_busy, patiently, spool_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any


PAGE_SIZE = 1024  # bytes; each commit writes whole pages, so that 4096 cost a call a third more
RESERVE = 4 * 2**20  # bytes: the starts of a minute, and a message that moves to the failed ones
CHECKPOINT_AT = 500  # pages in the write-ahead log from which on whoever drains moves them into the file
CHECKPOINT_BY_ANYBODY_AT = 40_000  # where nobody drains; a call that does it waits for the disk


class Database:
    """The connections to a spool's file, for all threads of this process and for no other process.

    One is for what calls and workers write, and one for what takes long, which none of them waits for.

    What tracks writes one statement at a time: neither a signal handler's call nor an error finds one half done.

    Args:
        path: Of the file; it is made, and its folder, where `may_create` says so.
        sync: `"full"`: a write returns when the disk has it; `"normal"`: when the system has.
        max_bytes: How large the file may grow; None as large as it will.
        may_create: Whether a missing file is made; else it is an error.
        is_damaged: Whether the file is damaged, and to be read as far as it can be.

    Attributes:
        sync: As of the argument.
        lock: Held for each statement, and for those that belong together; a fork waits for it.
        trouble: What a statement met that whoever looks after the file can do something about: it is full, or damaged.
        is_doubted: Whether something was found that damage explains, and other things do, too: see `examine`.

    Raises:
        SpoolError: By the constructor and each method: as its `reason` says.
    """

    def __init__(
        self,
        path: str,
        *,
        sync: str = "normal",
        max_bytes: int | None = None,
        may_create: bool = True,
        is_damaged: bool = False,
    ) -> None:
        self.path = path
        self.trouble: SpoolError | None = None
        self.is_doubted = False
        self._is_damaged = is_damaged
        self.lock = threading.RLock()
        self.sync = sync
        self._max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None
        self._side_connection: sqlite3.Connection | None = None
        self._side_lock = threading.RLock()  # who takes both takes this one first
        self._is_closed = self._is_shut = False
        if may_create:
            make_file(path)
        elif not os.path.exists(path):  # noqa: PTH110 - pathlib takes 10 ms to import
            raise SpoolError(f"there is no spool at {path}", reason="missing")
        self.identity = identity_of(path)
        if self.identity in _inherited_files:
            raise SpoolError(
                f"the spool {path} was open when this process was forked in a way that Python is not told of; open it "
                "after the fork only (uWSGI: lazy-apps, or py-call-uwsgi-fork-hooks)",
                reason="forked",
            )
        with _opening:  # a fork waits for it, and then for the connection
            _open.add(self)
        try:
            with self.lock:
                self._connection = self._connect()
        except BaseException as error:
            _open.discard(self)
            if isinstance(error, (sqlite3.Error, UnicodeDecodeError)):
                raise self.explained(error) from error
            raise

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement; what it writes is in the file when this returns."""
        with self.lock:
            return self.run(statement, values)

    def run(self, statement: str, values: Sequence[Any]) -> sqlite3.Cursor:
        """Run one statement, as `execute` does; called with the lock held."""
        try:
            try:
                return (self._connection or self._connect_again()).execute(statement, values)
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
            return patiently(lambda: (self._connection or self._connect_again()).execute(statement, values))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self.explained(error) from error

    def settle(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement of who sends; it may use `RESERVE` more than calls, or nothing would leave a full file."""
        with self.lock:
            before = self.trouble
            try:
                return self.run(statement, values)
            except SpoolError as error:
                if error.reason != "full" or self._max_bytes is None or self._connection is None:
                    raise
                self.trouble = before
            try:
                self._limit(self._connection, self._max_bytes, RESERVE)
                return self.run(statement, values)
            finally:
                self._limit(self._connection, self._max_bytes)

    def fetch(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run one statement, and return all rows of its answer."""
        try:
            with self.lock:
                return self.execute(statement, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self.explained(error) from error

    def rows(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Run a query, and give the rows of its answer one by one, up to what cannot be read."""
        try:
            yield from self.execute(statement, values)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self.explained(error) from error

    def look(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run a query that may take long over a connection of its own, which no call waits for; else as `fetch`."""
        try:
            with self._side_lock:
                if self._is_closed:
                    raise self._closed()
                if self._side_connection is None:
                    self._side_connection = self._open()
                connection = self._side_connection
                return patiently(lambda: connection.execute(statement, values).fetchall())
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self.explained(error) from error

    def value(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Run one statement, and return the one value of its answer; None where it has no row."""
        rows = self.fetch(statement, values)
        return rows[0][0] if rows else None

    def run_together(self, statements: Iterable[tuple[str, Sequence[Any]]]) -> int:
        """Run statements of which all hold or none, for who looks after a spool; return how many rows they changed."""
        try:
            with self.lock:
                connection = self._connection or self._connect_again()
                before = connection.total_changes
                patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
                try:
                    for statement, values in statements:
                        connection.execute(statement, values)
                except BaseException:
                    connection.rollback()  # nothing, where the disk is full: SQLite has done it then
                    raise
                connection.execute("COMMIT")
                return connection.total_changes - before
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self.explained(error) from error

    def follow(self, sync: str, max_bytes: int | None) -> None:
        """Write as other settings say from now on."""
        try:
            with self.lock:
                self.sync, self._max_bytes = sync, max_bytes
                if self._connection is not None:
                    self._apply(self._connection)
        except sqlite3.Error as error:
            raise self.explained(error) from error

    def needs_checkpoint(self) -> bool:
        """Tell whether enough has been written for one."""
        try:
            return os.stat(f"{self.path}-wal").st_size > CHECKPOINT_AT * PAGE_SIZE  # noqa: PTH116 - as above
        except OSError:
            return False

    def checkpoint(self, *, is_thorough: bool = False) -> bool:
        """Move what was written from the log beside the file into it.

        Args:
            is_thorough: Whether the log is emptied, so that nothing of what was deleted is left in it.

        Returns:
            Whether all of it was moved; another process may be reading.
        """
        mode = "TRUNCATE" if is_thorough else "PASSIVE"
        is_busy, in_log, moved = self.look(f"PRAGMA wal_checkpoint({mode})")[0]
        return not is_busy and in_log == moved

    def examine(self) -> None:
        """Read the whole file; what is wrong with it is `trouble` then: by itself SQLite sees only what it meets."""
        self.is_doubted = False
        found = self.look("PRAGMA quick_check(1)")[0][0]
        if found != "ok":
            self.trouble = SpoolError(f"the spool {self.path} is damaged: {' '.join(found.split())}", reason="corrupt")

    def is_replaced(self) -> bool:
        """Tell whether the path leads to another file by now: somebody moved this one aside, or deleted it."""
        return identity_of(self.path) != self.identity

    def shut(self) -> None:
        """Take no more statements but those of `look`: for what is still to be read of a file that was replaced."""
        with self._side_lock, self.lock:
            connection, self._connection = self._connection, None
            self._is_shut = True
            if self._side_connection is None:
                self._side_connection = connection
            elif connection is not None:
                connection.close()

    def close(self) -> None:
        """Close the connection; what is tried afterwards is a `SpoolError`."""
        with self._side_lock, self.lock:
            self._is_closed = True
            self._disconnect()
        _open.discard(self)

    def leave_to_parent(self) -> None:
        """Never touch an open connection again; called in a child that was forked without hooks.

        Closing it would end the locks that the child may have on the file. And SQLite believes of what it has open
        that this process holds its locks, so the child cannot open the file anew, either.
        """
        self._is_closed = True
        for connection in (self._side_connection, self._connection):
            if connection is not None:
                _inherited.append(connection)
                _inherited_files.add(self.identity)

    def explained(self, error: sqlite3.Error | UnicodeDecodeError) -> SpoolError:
        """Return an error of sqlite3 as ours."""
        explained = spool_error(self.path, error)
        if explained.reason in ("full", "corrupt"):
            self.trouble = explained
        return explained

    # Around a fork: a child must not have an open connection, see `leave_to_parent`.

    def hold(self) -> None:
        """Close the connection, and let no thread open it before `let_go`."""
        self._side_lock.acquire()
        self.lock.acquire()
        self._disconnect()

    def let_go(self) -> None:
        """Let threads open the connection again."""
        self.lock.release()
        self._side_lock.release()

    def _open(self) -> sqlite3.Connection:
        """Open the file, and its log, while nobody moves them; never another file that has taken its place."""
        with in_place(self.path):
            if self.is_replaced():
                raise self._closed()
            connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
            with suppress(sqlite3.Error):  # the next statement says it better
                connection.execute("PRAGMA schema_version").fetchall()
            return connection

    def _connect(self) -> sqlite3.Connection:
        connection = self._open()
        try:
            if self._is_damaged:
                connection.execute("PRAGMA writable_schema = ON")  # else a file that was cut off is not read at all
                return connection
            patiently(lambda: self._check(connection))
            connection.execute("PRAGMA secure_delete = ON")  # what was delivered or erased is overwritten
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_BY_ANYBODY_AT}")
            self._apply(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _apply(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA synchronous = {'FULL' if self.sync == 'full' else 'NORMAL'}")
        if self._max_bytes is not None:
            self._limit(connection, self._max_bytes)

    def _limit(self, connection: sqlite3.Connection, max_bytes: int, reserve: int = 0) -> None:
        size, pages = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count"))
        connection.execute(f"PRAGMA max_page_count = {max(max_bytes // size, pages) + reserve // size}")

    def _connect_again(self) -> sqlite3.Connection:
        """Open the connection that a fork has closed; called with the lock held."""
        if self._is_closed or self._is_shut:
            raise self._closed()
        self._connection = self._connect()
        return self._connection

    def _closed(self) -> SpoolError:
        return SpoolError(f"the spool {self.path} was closed", reason="closed")

    def _disconnect(self) -> None:
        """Close the connections; called with both locks held."""
        for connection in (self._side_connection, self._connection):
            if connection is not None:
                connection.close()
        self._side_connection = self._connection = None

    def _check(self, connection: sqlite3.Connection) -> None:
        """See to it that the file is a spool that this version knows; make one of an empty file."""
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            with in_place(self.path, may_move=True):  # two that do it at the same time would hold up each other
                # The first three work on an empty file only, and hold for good.
                connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(SCHEMA)
        owner, version = (connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("application_id", "user_version"))
        if owner != APPLICATION_ID:
            words = "is another program's database and is left alone; give the spool a file of its own"
            raise SpoolError(f"{self.path} {words}", reason="foreign")
        if version > VERSION:
            words = "was made by a newer version of interakt-track-python; update this one"
            raise SpoolError(f"the spool {self.path} {words}", reason="newer")


_open: WeakSet[Database] = WeakSet()
_opening = ForkLock()  # guards `_open`
_held: list[Database] = []
_inherited: list[sqlite3.Connection] = []
_inherited_files: set[tuple[int, int] | None] = set()


def _before_fork() -> None:
    IMPORT_LOCK.hold()  # a thread that goes on while a connection is closed might import what has hooks of its own
    _opening.hold()
    for database in list(_open):
        database.hold()
        _held.append(database)


def _after_fork() -> None:
    while _held:
        _held.pop().let_go()
    _opening.let_go()
    IMPORT_LOCK.let_go()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
