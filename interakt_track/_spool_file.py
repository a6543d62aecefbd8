"""A spool's file, looked after without sending: what is in it, and what people do about that."""

from __future__ import annotations

import glob
import time
from contextlib import contextmanager

from ._database import Database
from ._errors import InvalidMessageError, SpoolError
from ._inventory import Inventory
from ._journal import APPEND
from ._lease import FileLock
from ._receipt import checked_message
from ._retried import retry_failed
from ._rows import payload
from ._selection import failed_where, person_where, waiting_where
from ._settings import DEFAULT_HOST, Settings
from ._spooled import Adopted, Erased, FailedMessage, Retried, SpoolAccount, SpooledMessage, SpoolStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Any, Self

    from ._account import Account
    from ._inventory import Table
    from ._receipt import Receipt
    from ._selection import Condition
    from ._settings import SpoolSync

__all__ = [
    "Adopted",
    "Erased",
    "FailedMessage",
    "Retried",
    "SpoolAccount",
    "SpoolFile",
    "SpoolStatus",
    "SpooledMessage",
]

STEP = 2000  # rows changed at a time; calls of other processes wait for that, some hundredths of a second
PATIENCE = 5.0  # seconds to overwrite in; others read and write for a millisecond at a time
PAUSE = 0.005  # seconds between two steps, or attempts: what others write comes in between


class SpoolFile:
    """The file of a spool, to look at and to look after; nothing is sent, and processes that use it go on.

    The arguments of most methods say which messages are meant: those that all of them hold for, and without any, all.

    Args:
        path: Of the file, which has to be there.
        sync: What a message that is appended survives, as in the setting `spool_sync`.

    Raises:
        SpoolError: By the constructor and each method: the file cannot be used; its `reason` says why.
        SettingsError: By the constructor: this is no path.

    Example:
        >>> with track.SpoolFile("track.db") as spool:
        ...     for message in spool.failed(error="RejectedError"):
        ...         print(message.id, message.event, message.message)
        ...     spool.retry(error="RejectedError", skip_superseded=True)
    """

    def __init__(self, path: str | os.PathLike[str], *, sync: SpoolSync = "normal") -> None:
        # The path's rules are the setting's; key and host are not looked at here, and the environment's may be wrong.
        self._path = Settings(write_key="none", host=DEFAULT_HOST, spool=path).spool or ""
        self._database = Database(self._path, sync=sync, may_create=False)
        self._inventory = Inventory(self._database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SpoolFile {self._path}>"

    @property
    def path(self) -> str:
        """The file's absolute path."""
        return self._path

    def close(self) -> None:
        """Close the file; what is tried afterwards is a `SpoolError`."""
        self._database.close()

    def status(self, *, write_key: str | None = None, host: str | None = None) -> SpoolStatus:
        """Return how much is in the file, how old it is, and how fast it is sent.

        Args:
            write_key: Whose messages are to be told apart, in any form a client takes; None: the environment's.
            host: The API's; None: the environment's, else Interakt's.

        Raises:
            SettingsError: Key or host cannot be one.
        """
        settings = Settings(write_key=write_key, host=host)
        own = settings.write_key and self._inventory.fingerprint(settings.host, settings.write_key)
        with self._lease_if_free() as is_free:
            is_held = not is_free
        return self._inventory.status(own, is_held=is_held)

    def waiting(
        self,
        *,
        ids: Iterable[int] | None = None,
        older_than: float | None = None,
        user_id: object = None,
        country_code: object = None,
        phone_number: object = None,
        limit: int | None = None,
    ) -> Iterator[SpooledMessage]:
        """Give the waiting messages, the oldest first; they are read in pages, however many there are.

        Args:
            ids: Their numbers in the file.
            older_than: Seconds since their calls.
            user_id: The person they are about; with a phone number as well, those that have either.
            country_code: As in `Client.identify`; None: `+91`.
            phone_number: As in `Client.identify`.
            limit: How many at most.

        Raises:
            InvalidMessageError: The user id or the phone number cannot be one.
        """
        person = person_where(user_id, country_code, phone_number)
        return self._inventory.waiting(waiting_where(ids=ids, older_than=older_than, person=person), limit)

    def failed(
        self,
        *,
        ids: Iterable[int] | None = None,
        error: str | None = None,
        status_code: int | None = None,
        older_than: float | None = None,
        user_id: object = None,
        country_code: object = None,
        phone_number: object = None,
        limit: int | None = None,
    ) -> Iterator[FailedMessage]:
        """Give the failed messages, the oldest first, as `waiting` does.

        Args:
            ids: Their numbers in the file.
            error: The name of their error's class, such as `"RejectedError"`, in any case.
            status_code: The HTTP status of the API's answer.
            older_than: Seconds since they failed.
            user_id: As in `waiting`, and so is the rest.

        Raises:
            InvalidMessageError: The user id or the phone number cannot be one.
        """
        person = person_where(user_id, country_code, phone_number)
        where = failed_where(ids=ids, error=error, status_code=status_code, older_than=older_than, person=person)
        return self._inventory.failed(where, limit)

    def append(self, receipts: Iterable[Receipt]) -> int:
        """Write messages of calls that a client with `enabled=False` has checked; all of them or none.

        They get the next numbers, in this order, and are sent by who sends from the file. `before_send` is not asked.
        Calls of other processes wait meanwhile, so no more than some thousand at a time should be given.

        Returns:
            The number of the newest message that was ever in the file.

        Raises:
            SettingsError: A call made no message, or its client had no write key.
            SpoolError: They are not in the file, or it was moved or deleted, in which case `reason` is `"missing"`.
        """
        messages = [checked_message(receipt) for receipt in receipts]
        numbers = {account: self._number(account) for account in {message.account for message in messages}}
        rows = [(APPEND, (0, numbers[message.account], *payload(message))) for message in messages]
        self._database.run_together(rows)
        if self._database.is_replaced():
            raise SpoolError(f"the spool {self._path} was moved or deleted; open it anew", reason="missing")
        return self._inventory.last_id()

    def retry(
        self,
        *,
        ids: Iterable[int] | None = None,
        error: str | None = None,
        status_code: int | None = None,
        older_than: float | None = None,
        skip_superseded: bool = False,
    ) -> Retried:
        """Have failed messages sent again, behind what waits, with all their attempts.

        They move in steps, in the order of their calls. What an interruption leaves is among the failed ones still.

        Args:
            ids: As in `failed`, and so is what follows.
            skip_superseded: Whether an identify stays among the failed when a later one of that person was delivered,
                or waits: sent again, it would put old values over newer ones.
        """
        condition = failed_where(ids=ids, error=error, status_code=status_code, older_than=older_than)
        return retry_failed(self._database, condition, skip_superseded=skip_superseded, step=STEP, pause=PAUSE)

    def drop_waiting(self, *, ids: Iterable[int] | None = None, older_than: float | None = None) -> int:
        """Remove waiting messages, and return how many; what is in a request under way may still arrive.

        Args:
            ids: As in `waiting`, and so is the other one.
        """
        count = self._remove_waiting(waiting_where(ids=ids, older_than=older_than))
        self._shrink()
        return count

    def drop_failed(
        self,
        *,
        ids: Iterable[int] | None = None,
        error: str | None = None,
        status_code: int | None = None,
        older_than: float | None = None,
    ) -> int:
        """Remove failed messages, and return how many.

        Args:
            ids: As in `failed`, and so is the rest.
        """
        count = self._remove_failed(failed_where(ids=ids, error=error, status_code=status_code, older_than=older_than))
        self._shrink()
        return count

    def erase(self, *, user_id: object = None, country_code: object = None, phone_number: object = None) -> Erased:
        """Remove a person's waiting and failed messages, and overwrite what they leave in the file.

        A process that has one of them in memory does not send it; what is in a request under way may still arrive. The
        whole file is written anew, some seconds for each 100 MiB; what other processes call meanwhile may have to wait
        in their memory.

        Args:
            user_id: As in `waiting`, and so is the rest: what has either the id or the number is erased.

        Raises:
            InvalidMessageError: Both are missing, or one of them cannot be one.
        """
        person = person_where(user_id, country_code, phone_number)
        if person is None:
            raise InvalidMessageError("user_id and phone_number are both missing; one of them has to say who it is")
        waiting = self._remove_waiting(person)
        failed = self._remove_failed(person)  # after it: what fails meanwhile is there
        copies = glob.glob(f"{glob.escape(self._path)}.damaged-*")  # noqa: PTH207 - a path is text here
        return Erased(waiting=waiting, failed=failed, is_overwritten=self._overwrite(), copies=tuple(sorted(copies)))

    def adopt(
        self,
        write_key: str | None = None,
        host: str | None = None,
        *,
        from_fingerprint: str | None = None,
        may_change_host: bool = False,
    ) -> Adopted:
        """Give messages that were called under another key to this one, after a key was replaced.

        Args:
            write_key: The new one, in any form a client takes; None: the environment's.
            host: The API's; None: the environment's, else Interakt's.
            from_fingerprint: Which account to adopt from, where there are several: the beginning of its fingerprint,
                as `status` shows it.
            may_change_host: Whether they may have been called for another host. What a sandbox was to get would then
                reach real customers.

        Raises:
            SettingsError: Key or host cannot be one; or it is not clear which messages are meant, or they are another
                host's.
        """
        settings = Settings(write_key=write_key, host=host)
        own, source = self._inventory.find_other(settings, from_fingerprint, may_change_host=may_change_host)
        if source is None:
            return Adopted(waiting=0, failed=0, is_held=False)
        database = self._database
        number = self._number_of(own, settings.host)

        def move(table: Table) -> int:
            return self._in_steps(table, f"UPDATE {table} SET account = ? WHERE account = ?", (number, source))

        with self._lease_if_free() as is_free:
            waiting, failed = move("waiting"), move("failed")
            # Their numbers stay, and so does their order; who sends has read past them and has to look again.
            database.execute("INSERT OR REPLACE INTO setting VALUES ('adopted', hex(randomblob(8)))")
        return Adopted(waiting=waiting, failed=failed, is_held=not is_free)

    def adoptable(
        self,
        write_key: str | None = None,
        host: str | None = None,
        *,
        from_fingerprint: str | None = None,
        may_change_host: bool = False,
    ) -> SpoolAccount | None:
        """Return what `adopt` would take over with these arguments, and raise what it would; None for nothing."""
        settings = Settings(write_key=write_key, host=host)
        _, number = self._inventory.find_other(settings, from_fingerprint, may_change_host=may_change_host)
        return None if number is None else self._inventory.filled_accounts(None)[number]

    @contextmanager
    def _lease_if_free(self) -> Iterator[bool]:
        """Hold the lease where nobody else does, so that nobody begins to send meanwhile."""
        lease = FileLock(f"{self._path}-lease")
        try:
            is_free = lease.take()
        except OSError as error:
            raise SpoolError(f"the spool {self._path} cannot be locked: {error.strerror}") from error
        try:
            yield is_free
        finally:
            lease.let_go()

    def _number(self, account: Account) -> int:
        return self._number_of(self._inventory.fingerprint(account.host, account.write_key), account.host)

    def _number_of(self, fingerprint: str, host: str) -> int:
        """Return the number that the file knows an account by, and have it know the account."""
        database = self._database
        database.execute("INSERT OR IGNORE INTO account (fingerprint, host) VALUES (?, ?)", (fingerprint, host))
        number: int = database.value("SELECT number FROM account WHERE fingerprint = ?", (fingerprint,))
        return number

    def _remove_waiting(self, condition: Condition) -> int:
        """Remove through the table that tells those who called them, or have them in memory."""
        text, values = condition
        statement = f"INSERT INTO removed SELECT id, origin, ? FROM waiting WHERE {text}"
        return self._in_steps("waiting", statement, (time.time(), *values))

    def _remove_failed(self, condition: Condition) -> int:
        text, values = condition
        return self._in_steps("failed", f"DELETE FROM failed WHERE {text}", values)

    def _in_steps(self, table: Table, statement: str, values: tuple[Any, ...]) -> int:
        """Run a statement that ends in a condition, for some rows after the others; return how many it changed."""
        count, last = 0, 0
        next_step = f"SELECT max(id) FROM (SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT {STEP})"
        while (until := self._database.value(next_step, (last,))) is not None:
            count += self._database.execute(f"{statement} AND id > ? AND id <= ?", (*values, last, until)).rowcount
            last = until
            time.sleep(PAUSE)
        return count

    def _shrink(self) -> None:
        """Give pages that nothing is in any more back to the disk."""
        free = self._database.value("PRAGMA freelist_count")
        while free:
            self._database.fetch(f"PRAGMA incremental_vacuum({STEP})")
            before, free = free, self._database.value("PRAGMA freelist_count")
            if free >= before:  # others fill what is given back
                return

    def _overwrite(self) -> bool:
        """Write the file anew, and empty the log beside it; False where other processes, or the disk, stand in the way.

        What is deleted is overwritten anyway, but copies of rows stay where SQLite has moved them from one page to
        another.
        """
        return self._insist(self._write_anew) and self._insist(lambda: self._database.checkpoint(is_thorough=True))

    def _write_anew(self) -> bool:
        self._database.execute("VACUUM")
        return True

    def _insist(self, run: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if run():
                    return True
            except SpoolError as error:
                if error.reason not in ("full", "locked"):
                    raise
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE)
