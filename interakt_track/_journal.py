"""The journal beneath the queue: append, read on, acknowledge, reject; each is one statement on the spool's file.

Any process may append. Only the one that holds the lease reads on, acknowledges and rejects.
"""

from __future__ import annotations

import time
from _weakref import ref  # what `weakref` has it from; `weakref` is a millisecond
from hashlib import sha256
from itertools import pairwise

from ._called import Called
from ._errors import APIError, SpoolError, mask_personal_data
from ._rows import PAYLOAD, PLACES, Record, Row, payload
from ._schema import NEXT_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ._account import Account
    from ._database import Database
    from ._errors import DeliveryError
    from ._messages import Message
    from ._spool import Spool

    Failure = tuple[str, int | None, str]
    """What a message ended with that was not delivered: the error's name, its status code and its text."""

PAGE = 500  # ids asked about at a time
LOCK_TIMEOUT = 0.25  # seconds that a call may wait for other threads' statements; then its message waits for the file
FULL_LOCK_TIMEOUT = 2.0  # with `spool_sync="full"`, where each of them waits for the disk

APPEND = f"INSERT INTO waiting (id, origin, account, {PAYLOAD}) VALUES ({NEXT_ID}, ?, ?, {PLACES})"
REMOVED: Failure = ("DeliveryError", None, "the message was taken out of the spool before it was sent")
FIRST_OWN = f"SELECT {NEXT_ID}"
RESTORE = f"INSERT OR IGNORE INTO waiting (id, origin, account, {PAYLOAD}) VALUES (?, ?, ?, {PLACES})"
READ = (
    f"SELECT id, origin, strikes, is_started, {PAYLOAD} FROM waiting WHERE id > ? AND id <= ? AND account = ? "
    "ORDER BY id LIMIT ?"
)
TAKE_OUT = "INSERT INTO removed (id, origin, removed_at) SELECT id, -origin, ? FROM waiting WHERE"
"""Remove rows, and note that nobody is to count that any more: of those that are, `origin` is over 0."""

REJECT = (
    f"INSERT INTO failed (id, origin, account, attempts, {PAYLOAD}, sender, error, status_code, message, failed_at) "
    f"SELECT id, origin, account, attempts + ?, {PAYLOAD}, ?, ?, ?, ?, ? FROM waiting WHERE id = ?"
)


class Journal:
    """One client's view of a spool's file.

    Args:
        database: The file, open.
        origin: A random number that says of a row that this client has called it.
        previous: The client's view of the same file, or of another one, before.

    Attributes:
        salt: Of the file: no two have the same, but that one is made of what could be read of a damaged other.
        lock: The database's, for what belongs together.
        last_id: Of the row that was appended last here.
        called: The messages called here that somebody still has.
    """

    def __init__(self, database: Database, origin: int, previous: Journal | None = None) -> None:
        self.database = database
        self.lock = database.lock
        self.origin = origin
        self.salt: str = database.value("SELECT value FROM setting WHERE name = 'salt'")
        is_same = previous is not None and previous.salt == self.salt
        self.last_id: int = previous.last_id if previous is not None and is_same else 0
        self.called: Called = previous.called if previous is not None and is_same else Called()
        self._numbers: dict[Account, int] = {}
        self._fingerprints: dict[Account, str] = {}
        self._first_own: int = previous._first_own if previous is not None and is_same else database.value(FIRST_OWN)
        self._last_failure: int = previous._last_failure if previous is not None and is_same else 0

    # Called by those who queue.

    def append(self, message: Message, spool: Spool) -> None:
        """Write a message to the file; it is there when this returns.

        Raises:
            SpoolError: It is not.
        """
        number = self._numbers.get(message.account) or self._number(message.account)
        values = (self.origin, number, *payload(message))
        if not self.lock.acquire(timeout=FULL_LOCK_TIMEOUT if self.database.sync == "full" else LOCK_TIMEOUT):
            words = "is locked by another program, or its disk holds up every write"
            raise SpoolError(f"the spool {self.database.path} {words}", reason="locked")
        try:
            row_id = self.database.run(APPEND, values).lastrowid or 0
            self.last_id = max(self.last_id, row_id)  # a signal handler's call may have come between
            message.record = Record(spool, self.salt, row_id, is_own=True)
            self.called.refs[row_id] = ref(message)
            spool.tally.handed += 1
        finally:
            self.lock.release()

    def withdraw(self, row_id: int) -> bool:
        """Take a message out that no request was started for; False when there was one, or it has ended."""
        return self.database.settle(f"{TAKE_OUT} id = ? AND NOT is_started", (time.time(), row_id)).rowcount > 0

    def try_writing(self) -> None:
        """Write what changes nothing; raise where the file takes nothing."""
        self.database.execute("UPDATE floor SET id = id")

    def restore(self, messages: Iterable[Message]) -> None:
        """Write messages to a file that took another's place, under their old ids, unless they are there."""
        taken_out = {row_id for (row_id,) in self.database.fetch("SELECT id FROM removed")}
        for message in messages:
            record = message.record
            if record is None or record.file != self.salt or record.is_gone or record.id in taken_out:
                continue
            origin = self.origin if record.is_own else 0
            self.database.execute(RESTORE, (record.id, origin, self._number(message.account), *payload(message)))

    # Called by the one that holds the lease.

    def find(self, accounts: Iterable[Account]) -> dict[int, Account]:
        """Return those of some accounts that the file has rows of, or had, by the number it knows them by."""
        numbers: dict[str, int] = dict(self.database.fetch("SELECT fingerprint, number FROM account"))
        found = {number: account for account in accounts if (number := numbers.get(self._fingerprint(account)))}
        self._numbers.update({account: number for number, account in found.items()})
        return found

    def read(self, number: int, after: int, until: int, limit: int) -> list[Row]:
        """Return the next waiting rows of an account, at most `limit`, with ids over `after` and up to `until`."""
        rows = list(map(Row._make, self.database.look(READ, (after, until, number, limit))))
        self.database.is_doubted |= any(row.id <= previous.id for previous, row in pairwise(rows))
        return rows

    def last_adoption(self) -> str | None:
        """Return what is another text each time that rows were given another account."""
        adopted: str | None = self.database.value("SELECT value FROM setting WHERE name = 'adopted'")
        return adopted

    def newest_id(self) -> int:
        """Return the id of the newest waiting row; no older one can come after it."""
        return self.database.value("SELECT max(id) FROM waiting") or 0

    def start(self, messages: Sequence[Message]) -> bool:
        """Note that a request starts which carries these messages of one account.

        The time is in the file before the request is made, so that whoever drains next keeps the ration.

        Returns:
            False when not all of them wait in the file any more, under the same account: somebody took one out.
        """
        number = self._number(messages[0].account)
        ids = _ids(messages)
        statement = (
            "INSERT INTO start (origin, account, wall, monotonic, message) SELECT ?, ?, ?, ?, ? "
            f"WHERE (SELECT count(*) FROM waiting WHERE id IN ({_marks(ids)}) AND account = ?) = ?"
        )
        now = (time.time(), time.monotonic())
        return self.database.settle(statement, (self.origin, number, *now, ids[0], *ids, number, len(ids))).rowcount > 0

    def absent(self, messages: Sequence[Message]) -> tuple[list[Message], bool]:
        """Return those of some messages that do not wait any more, and whether others have another account by now."""
        ids = _ids(messages)
        number = self._number(messages[0].account)
        accounts = dict(self.database.fetch(f"SELECT id, account FROM waiting WHERE id IN ({_marks(ids)})", ids))
        missing = [message for message in messages if message.record is not None and message.record.id not in accounts]
        return missing, any(account != number for account in accounts.values())

    def has_moved(self, number: int, ids: Sequence[int]) -> bool:
        """Tell whether some of an account's rows have another one by now."""
        pages = [ids[first : first + PAGE] for first in range(0, len(ids), PAGE)]
        statement = "SELECT EXISTS (SELECT 1 FROM waiting WHERE id IN ({}) AND account != ?)"
        return any(self.database.value(statement.format(_marks(page)), (*page, number)) for page in pages)

    def note_failure(self, messages: Sequence[Message], strikes: int) -> None:
        """Count an attempt that failed and is made again."""
        ids = _ids(messages)
        self.database.settle(
            f"UPDATE waiting SET attempts = attempts + 1, strikes = ?, is_started = 0 WHERE id IN ({_marks(ids)})",
            (strikes, *ids),
        )

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Remove messages that were delivered."""
        ids = _ids(messages)
        removed = self.database.settle(f"DELETE FROM waiting WHERE id IN ({_marks(ids)})", ids).rowcount
        if removed < len(ids):  # damage, or somebody took out what was in flight; it is counted as delivered
            self.database.is_doubted = True
            self.count_removed(messages)

    def take_out(self, row_id: int) -> bool:
        """Remove a message called here whose call tells of it; False when it was not there any more."""
        return self.database.settle(f"{TAKE_OUT} id = ?", (time.time(), row_id)).rowcount > 0

    def reject(self, row_id: int, error: DeliveryError, *, attempts: int) -> None:
        """Move a message to the failed ones.

        Args:
            row_id: Of the message.
            error: Why; its text goes along, in which personal data is masked.
            attempts: Those that the file has not counted.
        """
        status_code = error.status_code if isinstance(error, APIError) else None
        text = mask_personal_data(error.message) if isinstance(error, APIError) else str(error)
        said = (self.origin, type(error).__name__, status_code, text, time.time())
        moved = self.database.settle(REJECT, (attempts, *said, row_id)).rowcount
        if moved == 0:
            self.database.is_doubted = True
            self._count_removed((row_id,))

    def starts(self, number: int) -> list[float]:
        """Return how many seconds ago others started an account's last requests, the oldest first.

        Wall clocks are set, and a monotonic one begins anew with the machine: of the two the more recent time counts,
        and what lies in the future by both was just now.
        """
        wall_now, now = time.time(), time.monotonic()
        ages = []
        statement = "SELECT wall, monotonic FROM start WHERE account = ? AND origin != ? ORDER BY id DESC LIMIT 20000"
        for wall, monotonic in self.database.fetch(statement, (number, self.origin)):
            ages.append(min((age for age in (wall_now - wall, now - monotonic) if age >= 0), default=0.0))
        return sorted(ages, reverse=True)

    def newest_start(self) -> int:
        """Return the number of the newest start."""
        return self.database.value("SELECT max(id) FROM start") or 0

    def forget_starts(self, until: int) -> None:
        """Remove the starts up to a number."""
        self.database.execute("DELETE FROM start WHERE id <= ?", (until,))

    def expire_failed(self, before: float) -> int:
        """Remove what failed before a `time.time()`; return how many messages that were."""
        self.database.execute("DELETE FROM removed WHERE removed_at < ?", (before,))
        return self.database.execute("DELETE FROM failed WHERE failed_at < ?", (before,)).rowcount

    def shrink(self) -> None:
        """Give pages that nothing is in back to the disk, a few at a time."""
        self.database.fetch("PRAGMA incremental_vacuum(500)")  # all of it at once: a call must not be within its write

    # Called by those who wait, and look.

    def count_waiting(self) -> int:
        """Return how many messages wait, whoever called them."""
        count: int = self.database.look("SELECT count(*) FROM waiting")[0][0]
        return count

    def has_own(self, until: int) -> bool:
        """Tell whether a message called here still waits that has an id up to `until`."""
        found = self.database.look(
            "SELECT id FROM waiting WHERE id >= ? AND id <= ? AND origin = ? ORDER BY id LIMIT 1",
            (self._first_own, until, self.origin),
        )
        # What is gone never comes back, so each look begins where the last one ended.
        self._first_own = max(self._first_own, found[0][0] if found else until + 1)
        return bool(found)

    def count_own(self, *, but: Sequence[int] = ()) -> int:
        """Return how many messages called here wait in the file, but for those of some accounts."""
        statement = f"SELECT count(*) FROM waiting WHERE id >= ? AND origin = ? AND account NOT IN ({_marks(but)})"
        count: int = self.database.look(statement, (self._first_own, self.origin, *but))[0][0]
        return count

    def ended_elsewhere(self, is_here: Callable[[int], bool]) -> list[Failure]:
        """Return what messages called here ended with that others have rejected or taken out, each of them once.

        Args:
            is_here: Tells whether a row's message is in memory: whoever sends it will find out, and count it.
        """
        with self.lock:
            failed = self.database.fetch(
                "SELECT error, status_code, message FROM failed WHERE number > ? AND origin = ? AND sender != ?",
                (self._last_failure, self.origin, self.origin),
            )
            self._last_failure = self.database.value("SELECT max(number) FROM failed") or self._last_failure
            taken_out = self.database.fetch("SELECT id FROM removed WHERE origin = ?", (self.origin,))
            ids = [row_id for (row_id,) in taken_out if not is_here(row_id)]
            removed = sum(self._count_removed(ids[first : first + PAGE]) for first in range(0, len(ids), PAGE))
        return [*failed, *[REMOVED] * removed]

    def count_removed(self, messages: Sequence[Message]) -> None:
        """Note that those of some messages are counted here which were called here, and that others took out."""
        self._count_removed(_ids(messages))

    def _count_removed(self, ids: Sequence[int]) -> int:
        statement = f"UPDATE removed SET origin = -origin WHERE id IN ({_marks(ids)}) AND origin = ?"
        return self.database.execute(statement, (*ids, self.origin)).rowcount

    def fates(self, ids: Sequence[int]) -> dict[int, Failure | None]:
        """Return what became of rows that wait no more: what those that were not delivered ended with, else None."""
        marks = _marks(ids)
        with self.lock:
            there = {i for (i,) in self.database.fetch(f"SELECT id FROM waiting WHERE id IN ({marks})", ids)}
            statement = f"SELECT id, error, status_code, message FROM failed WHERE id IN ({marks})"
            failed: dict[int, Failure] = {i: (*rest,) for i, *rest in self.database.fetch(statement, ids)}
            removed = {i for (i,) in self.database.fetch(f"SELECT id FROM removed WHERE id IN ({marks})", ids)}
        ended = {row_id: REMOVED if row_id in removed else None for row_id in ids if row_id not in there}
        return {row_id: failed.get(row_id, fate) for row_id, fate in ended.items()}

    def waits_for(self, accounts: Iterable[Account]) -> bool:
        """Tell whether messages of one of these accounts wait, or none of any."""
        fingerprints = [self._fingerprint(account) for account in accounts]
        known = f"SELECT number FROM account WHERE fingerprint IN ({_marks(fingerprints)})"
        # One statement: a call may be the first one of its account, and come between two.
        statement = (
            f"SELECT NOT EXISTS (SELECT 1 FROM waiting) OR EXISTS (SELECT 1 FROM waiting WHERE account IN ({known}))"
        )
        return bool(self.database.look(statement, fingerprints)[0][0])

    def find_strangers(self, known: Sequence[int]) -> tuple[bool, bool]:
        """Tell whether rows wait of accounts other than these, and of no account at all, as none is ever written."""
        # SQLite would not look for a NULL: there can be none, says the schema.
        is_none = "typeof(account) != 'integer'"
        statement = f"SELECT max(account NOT IN ({_marks(known)})), max({is_none}) FROM waiting"
        has_strangers, has_nobodys = self.database.look(statement, known)[0]
        return bool(has_strangers), bool(has_nobodys)

    def _fingerprint(self, account: Account) -> str:
        known = self._fingerprints.get(account)
        if known is None:
            known = self._fingerprints[account] = fingerprint(self.salt, account.host, account.write_key)
        return known

    def _number(self, account: Account) -> int:
        number = self._numbers.get(account)
        if number is None:
            hashed = self._fingerprint(account)
            self.database.execute(
                "INSERT OR IGNORE INTO account (fingerprint, host) VALUES (?, ?)", (hashed, account.host)
            )
            number = self.database.value("SELECT number FROM account WHERE fingerprint = ?", (hashed,)) or 0
            self._numbers[account] = number
        return number


def fingerprint(salt: str, host: str, write_key: str) -> str:
    """Return what stands for host and key in a file: the key cannot be had from it."""
    return sha256(f"{salt}\0{host}\0{write_key}".encode()).hexdigest()


def _ids(messages: Sequence[Message]) -> tuple[int, ...]:
    return tuple(message.record.id for message in messages if message.record is not None)


def _marks(ids: Sequence[object]) -> str:
    return ", ".join("?" * len(ids))
