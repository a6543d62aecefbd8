"""A client's way to a spool's file: opening it, its two locks, and following it when another takes its place."""

from __future__ import annotations

import os
from time import monotonic

from ._database import Database
from ._errors import SpoolError
from ._journal import Journal
from ._lease import FileLock
from ._salvage import carry_over, is_ours, replace_damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._logs import Quiet
    from ._settings import Settings

TRY_AGAIN = 5.0  # seconds until a file that could not be used is tried again


class Access:
    """Opens the file and closes it; the spool guards it with its lock.

    Args:
        path: Of the file.
        introduce: Called with each file that is opened, before any call writes to it.
        quiet: What the log is told through.

    Attributes:
        journal: The file's, while it is open; read without the lock.
        problem: Why the file cannot be used, or could not be used last; None when all is well.
        settings: The client's of this moment.
    """

    def __init__(self, path: str, settings: Settings, introduce: Callable[[Journal], None], quiet: Quiet) -> None:
        self.path = path
        self.settings = settings
        self.journal: Journal | None = None
        self.problem: SpoolError | None = None
        self._introduce = introduce
        self._quiet = quiet
        self._origin = int.from_bytes(os.urandom(7))
        self._last_journal: Journal | None = None
        self._lease = FileLock(f"{path}-lease")
        self._presence = FileLock(f"{path}-open")
        self._next_try = 0.0

    def open(self) -> None:
        """Open the file if it is not open, and replace a damaged one; tell of one that cannot be used."""
        if self.journal is not None or monotonic() < self._next_try:
            return
        self._next_try = monotonic() + TRY_AGAIN
        try:
            self._use(self._opened())
            self.show_presence()
        except (SpoolError, OSError) as error:
            self.note(error)

    def note(self, error: SpoolError | OSError) -> None:
        """Note why the file cannot be used, and tell of it."""
        if isinstance(error, OSError):
            error = SpoolError(f"the spool {self.path} cannot be used: {error.strerror}")
        self.problem = error
        self._quiet.warn("spool", f"{error}; until it can be used, messages wait in memory")

    def repair(self, error: SpoolError, restore: Callable[[Journal], None]) -> None:
        """Replace a file that turns out to be damaged; only who holds the lease may, others follow it.

        Args:
            error: What says so.
            restore: Called with the new one before anybody else uses it.
        """
        journal = self.journal
        if journal is not None and self._lease.is_held():
            journal.database.close()
            new = Journal(self._replaced(error), self._origin, self._last_journal)
            restore(new)
            self.journal = self._last_journal = new

    def follow(self) -> bool:
        """Open the file that is at the path, if it is another one by now; tell whether it is."""
        old = self.journal
        if old is None or not old.database.is_replaced():
            return False
        self._lease.let_go()
        self._next_try = 0.0
        with old.lock:  # a call that is about to write to the old one finds it closed
            self.journal = None
            self.open()
            new = self._last_journal
            if new is not None and new is not old and new.salt == old.salt:
                carry_over(old, new)
            old.database.close()
        return True

    def lease(self) -> bool:
        """Take the lease, if nobody has it; tell whether it is held here."""
        return self._lease.take()

    def has_lease(self) -> bool:
        """Tell whether the lease is held here; read without the lock."""
        return self._lease.is_held()

    def show_presence(self) -> None:
        """Let others know that this process has the file open."""
        self._presence.take(is_shared=True)

    def is_alone(self) -> bool:
        """Tell whether nobody else has the file open; whoever asks is about to leave, and not present from now on."""
        self._presence.let_go()  # of two that leave at the same time, the second is alone
        is_alone = self._presence.take()
        self._presence.let_go()
        return is_alone

    def close(self) -> None:
        """Let another process have the lease, and close the file."""
        journal, self.journal = self.journal, None
        self._lease.let_go()
        self._presence.let_go()
        self._next_try = 0.0
        if journal is not None:
            journal.database.close()

    def leave_to_parent(self) -> None:
        """Leave it all to the parent; called in a forked child."""
        self._lease.forget()
        self._presence.forget()
        if self.journal is not None:
            self.journal.database.leave_to_parent()

    def peek(self) -> int | None:
        """Return how many messages wait in the file while it is not open here; None when that cannot be told."""
        try:
            database = Database(self.path, may_create=False)
        except SpoolError:
            return None
        try:
            return Journal(database, self._origin).count_waiting()
        finally:
            database.close()

    def _opened(self) -> Database:
        settings = self.settings
        try:
            return Database(self.path, sync=settings.spool_sync, max_bytes=settings.spool_max_bytes)
        except SpoolError as error:
            if error.reason != "corrupt" or not is_ours(self.path) or not self._lease.take():
                raise
            return self._replaced(error)

    def _replaced(self, error: SpoolError) -> Database:
        """Move a damaged file aside, and return a new one with what could be read of it."""
        settings = self.settings
        aside, database, copied = replace_damaged(
            self.path,
            None if self._last_journal is None else self._last_journal.salt,
            sync=settings.spool_sync,
            max_bytes=settings.spool_max_bytes,
        )
        messages = "1 waiting message" if copied == 1 else f"{copied} waiting messages"
        self._quiet.warn(
            "spool-damaged",
            f"{error}; it was moved to {aside}, and a new one was begun with the {messages} that could be read",
            is_error=True,
        )
        return database

    def _use(self, database: Database) -> None:
        self._last_journal = Journal(database, self._origin, self._last_journal)
        self._introduce(self._last_journal)
        self.journal = self._last_journal
