"""A client's way to a spool's file: opening it, its two locks, and following it when another takes its place."""

from __future__ import annotations

import os
from contextlib import contextmanager
from time import monotonic

from ._database import Database
from ._errors import SpoolError
from ._journal import FIRST_OWN, Journal
from ._lease import FileLock
from ._salvage import carry_over, is_ours, remove_leftovers, replace_damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        is_damaged: Whether the file is to be replaced, which takes long: no call waits for that; read without the lock.
        settings: The client's of this moment.
    """

    def __init__(self, path: str, settings: Settings, introduce: Callable[[Journal], None], quiet: Quiet) -> None:
        self.path = path
        self.settings = settings
        self.journal: Journal | None = None
        self.problem: SpoolError | None = None
        self.is_damaged = False
        self._introduce = introduce
        self._quiet = quiet
        self._origin = int.from_bytes(os.urandom(7))
        self._last_journal: Journal | None = None
        self._replaced_journal: Journal | None = None
        self._known_id = 0
        self._lease = FileLock(f"{path}-lease")
        self._presence = FileLock(f"{path}-open")
        self._is_leaving = False
        self._next_try = 0.0

    def open(self, restore: Callable[[Journal], None] | None = None) -> None:
        """Open the file if it is not open, and tell of one that cannot be used.

        Args:
            restore: Called with the file that takes a damaged one's place, before anybody else can have it; None where
                a damaged one is left to another thread, since replacing it takes long.
        """
        if self.journal is not None or (self.is_damaged and restore is None) or monotonic() < self._next_try:
            return
        self._next_try = monotonic() + TRY_AGAIN
        try:
            self._use(self._opened(restore))
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
        if journal is None or not self._lease.is_held():
            return
        journal.database.close()
        self.is_damaged = True
        try:
            self.journal = self._last_journal = self._replaced(error, restore)
        except BaseException:
            self.journal = None
            self._next_try = monotonic() + TRY_AGAIN
            raise

    def follow(self) -> bool:
        """Open the file that is at the path, if it is another one by now; tell whether it is."""
        old = self.journal
        if old is None or not old.database.is_replaced():
            return False
        self._lease.let_go()
        self._next_try = 0.0
        self._let_go_replaced()
        self.journal, self._replaced_journal = None, old
        old.database.shut()  # a call that is about to write to it finds that; what was written before is carried over
        self.open()
        return True

    def lease(self) -> bool:
        """Take the lease, if nobody has it; tell whether it is held here."""
        if self._lease.is_held():
            return True
        if self._lease.take():
            remove_leftovers(self.path)
        return self._lease.is_held()

    def give_up_lease(self) -> None:
        """Let another process have the lease, and go on writing to the file."""
        self._lease.let_go()

    def has_lease(self) -> bool:
        """Tell whether the lease is held here; read without the lock."""
        return self._lease.is_held()

    def show_presence(self) -> None:
        """Let others know that this process has the file open, unless it is about to leave."""
        if not self._is_leaving:
            self._presence.take(is_shared=True)

    def is_alone(self) -> bool:
        """Tell whether nobody else has the file open; whoever asks is about to leave, and not present from now on."""
        self._is_leaving = True  # of two that leave at the same time, the second is alone
        return not self._finds_others()

    def has_company(self) -> bool:
        """Tell whether somebody else has the file open."""
        has_company = self._finds_others()
        self.show_presence()
        return has_company

    def close(self) -> None:
        """Let another process have the lease, and close the file."""
        journal, self.journal = self.journal, None
        self._lease.let_go()
        self._presence.let_go()
        self._is_leaving = False
        self._next_try = 0.0
        self.is_damaged = False
        self._let_go_replaced()
        if journal is not None:
            journal.database.close()

    def leave_to_parent(self) -> None:
        """Leave it all to the parent; called in a forked child."""
        self._lease.forget()
        self._presence.forget()
        for journal in (self.journal, self._replaced_journal):
            if journal is not None:
                journal.database.leave_to_parent()

    def _finds_others(self) -> bool:
        self._presence.let_go()
        is_alone = self._presence.take()
        self._presence.let_go()
        return not is_alone

    def peek(self) -> int | None:
        """Return how many messages wait in the file while it is not open here; None when that cannot be told."""
        try:
            with self.opened_for_a_moment() as journal:
                return journal.count_waiting()
        except SpoolError:
            return None

    @contextmanager
    def opened_for_a_moment(self) -> Iterator[Journal]:
        """Open the file while it is not open here, and close it again.

        Raises:
            SpoolError: It is not there, or cannot be used.
        """
        database = Database(self.path, sync=self.settings.spool_sync, may_create=False)
        try:
            yield Journal(database, self._origin, self._last_journal)
        finally:
            database.close()

    def _opened(self, restore: Callable[[Journal], None] | None) -> Journal:
        try:
            journal = self._new_journal()
        except SpoolError as error:
            if error.reason != "corrupt" or not is_ours(self.path):
                raise
            self.is_damaged = True
            if restore is None:
                self._next_try = 0.0
                raise
            if not self._lease.take():
                raise
            return self._replaced(error, restore)
        self.is_damaged = False  # another process has replaced it
        return journal

    def _replaced(self, error: SpoolError, restore: Callable[[Journal], None]) -> Journal:
        """Put a new file into a damaged one's place, and open it."""
        last = self._last_journal
        aside, copied = replace_damaged(
            self.path,
            None if last is None else last.salt,
            known_id=self._known_id if last is None else max(self._known_id, last.last_id),
            sync=self.settings.spool_sync,
            complete=lambda database: restore(Journal(database, self._origin, last)),
        )
        self.is_damaged = False
        messages = "1 waiting message" if copied == 1 else f"{copied} waiting messages"
        self._quiet.warn(
            "spool-damaged",
            f"{error}; it was moved to {aside}, and a new one was begun with the {messages} that could be read",
            is_error=True,
        )
        return self._new_journal()

    def _new_journal(self) -> Journal:
        settings = self.settings
        database = Database(self.path, sync=settings.spool_sync, max_bytes=settings.spool_max_bytes)
        try:
            journal = Journal(database, self._origin, self._last_journal)
            known_id: int = database.value(FIRST_OWN)
            replaced = self._replaced_journal
            if replaced is not None and replaced.salt == journal.salt:
                carry_over(replaced, journal)
        except BaseException:
            database.close()
            raise
        self._known_id = known_id
        self._let_go_replaced()
        return journal

    def _let_go_replaced(self) -> None:
        """Close a file that another took the place of: what was to be carried over is."""
        replaced, self._replaced_journal = self._replaced_journal, None
        if replaced is not None:
            replaced.database.close()

    def _use(self, journal: Journal) -> None:
        self._last_journal = journal
        self._introduce(journal)
        self.journal = journal
