"""A client's part in a spool: calls write to its file, and whoever holds the lease reads on, for the one queue.

The order of locks is: the spool's, the queue's, the database's. A call takes the last one only.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from time import monotonic, time

from . import _errors, _lifecycle
from ._account import ACCOUNTS
from ._backlog import Backlog
from ._database import Database
from ._errors import DeliveryError, SpoolError, api_error
from ._journal import Journal
from ._lease import FileLock
from ._messages import EVENT, RAISE
from ._receipt import Outcome
from ._rows import Record, Row, message_of
from ._salvage import is_ours, replace_damaged
from ._threads import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._account import Account
    from ._ledger import Spooled
    from ._logs import Quiet
    from ._messages import Message
    from ._queue import Queue
    from ._receipt import Status
    from ._settings import Settings

LOOK = 1.0  # seconds between two looks whether the lease is free, and what others did: well within ten
LOOK_SOON = 0.1  # seconds, while somebody waits for what others do
TRY_AGAIN = 5.0  # seconds until a file that could not be used is tried again
PAGE = 500  # rows read at a time: a millisecond or two, in which a call may have to wait
HOUSEKEEPING = 30.0  # seconds
SHARE_OF_ONE = 32  # one person's messages may take this part of the room in memory
LEAST_OF_ONE = 8  # but so many they may be, or a quarter of a small room
MAX_GATHERING = 0.1  # seconds, at most, in which calls gather before their messages are read


class Spool:
    """Writes a client's messages to a file, and hands the file's messages to its queue while it holds the lease.

    Args:
        settings: Of the client, with a path in `spool`.
        queue: The client's.
        quiet: What the log is told through.

    Attributes:
        path: Of the file.
        handed: Messages called here that are in the file only; guarded by the database's lock.
    """

    def __init__(self, settings: Settings, queue: Queue, quiet: Quiet) -> None:
        self.path: str = settings.spool or ""
        self.settings = settings
        self.handed = 0
        self._queue = queue
        self._quiet = quiet
        self._lock = threading.RLock()  # guards all below but what a call appends to
        self._origin = int.from_bytes(os.urandom(7))
        self._journal: Journal | None = None
        self._lease = FileLock(f"{self.path}-lease")
        self._presence = FileLock(f"{self.path}-open")
        self._aside: deque[Message] = deque()
        self._unwritten: set[Message] = set()
        self._backlogs: dict[int, tuple[Account, Backlog]] = {}
        self._ended: dict[Status, int] = {"delivered": 0, "rejected": 0, "dropped": 0}
        self._problem: SpoolError | None = None
        self._next_try = 0.0
        self._next_house = 0.0
        self._last_start: tuple[float, int] | None = None
        self._next_rewind = 0.0
        self._seen_id = 0
        self._has_unread = False
        self._has_left = False
        self._previous: Journal | None = None
        self._is_hurried = False
        self._is_called = False
        self._is_asleep = False
        self._is_left = False
        self._has_thread = False

    # Called by those who queue.

    def put(self, message: Message) -> bool:
        """Write a message to the file, or keep it in memory where that fails; False when there is no room for it."""
        journal = self._journal
        if journal is None or self._aside:
            return self._put_with_care(message)
        try:
            journal.append(message, self)
        except SpoolError as error:
            self._note_problem(error)
            return self._put_aside(message)
        if self._is_asleep:
            self._is_asleep = False
            self._is_called = True
            self._queue.tell_room()
        return True

    def withdraw(self, message: Message, outcome: Outcome) -> bool:
        """End a message that is in the file only, and that no request was started for; False when it is not."""
        with self._lock:
            record, journal = message.record, self._journal
            if record is None or journal is None or message.outcome is not None or self._is_taken(record.id):
                return False
            try:
                if not journal.withdraw(record.id):
                    return False
            except SpoolError as error:
                self._note_problem(error)
                return False
            with journal.lock:
                self.handed -= 1
            self._ended[outcome.status] += 1
        self._queue.end_elsewhere(message, outcome)
        return True

    # Called by the workers, about messages of one account that are in flight.

    def start(self, messages: Sequence[Message]) -> list[Message]:
        """Note in the file that a request starts, and return those messages that somebody took out of it meanwhile.

        Raises:
            SpoolError: It cannot be noted, so the request must not be made.
        """
        journal = self._journal_of(messages)
        if journal is None or journal.start(messages):
            return []
        missing = journal.missing(messages)
        self._let_go(journal, missing)
        return missing

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Remove delivered messages from the file; only then may what follows them start."""
        journal = self._journal_of(messages)
        if journal is not None:
            journal.acknowledge(messages)
            self._let_go(journal, messages)

    def reject(self, message: Message, error: DeliveryError, *, attempts: int) -> None:
        """Move a message to the failed ones, or remove it when its call tells of it."""
        journal = self._journal_of([message])
        if journal is None or message.record is None:
            return
        if message.told_by == RAISE:
            journal.acknowledge([message])
        else:
            journal.reject(message.record.id, error, attempts=attempts)
        self._let_go(journal, [message])

    def note_failure(self, messages: Sequence[Message], strikes: int) -> None:
        """Count an attempt that failed and is made again."""
        journal = self._journal_of(messages)
        if journal is None:
            return
        journal.note_failure(messages, strikes)
        for message in messages:
            if message.record is not None:
                message.record.strikes = strikes

    # Called by those who wait, and look.

    def mark(self) -> int:
        """Have what was called so far sent without waiting for more, and return a mark of it for `is_settled`."""
        with self._lock:
            journal = self._journal
            self._hurry()
            return 0 if journal is None else journal.last_id

    def is_settled(self, mark: int) -> bool:
        """Tell whether all that was called here before a mark is delivered, or told as lost."""
        if self._aside or any(m.outcome is None or not m.outcome.is_final for m in tuple(self._unwritten)):
            return False
        journal = self._journal
        try:
            return journal is None or not journal.has_own(mark)
        except SpoolError:
            return False

    def has_unread(self) -> bool:
        """Tell whether this process is to send, and has messages of its own that are not in the queue yet."""
        return bool(self._aside) or (self._lease.is_held() and self.handed > 0)

    def is_waited_for(self) -> bool:
        """Tell whether something that was called here is not settled."""
        journal = self._journal
        return not self.is_settled(0 if journal is None else journal.last_id)

    def look(self, spooled: Spooled) -> None:
        """Add this spool's numbers to others."""
        journal = self._journal
        try:
            if journal is not None:
                self._count_ended(journal)
            waiting = journal.count_waiting() if journal is not None else self._peek()
            spooled.waiting = waiting if spooled.waiting is None else spooled.waiting + (waiting or 0)
        except SpoolError as error:
            self._problem = error
        spooled.handed += self.handed + len(self._aside)
        for status, count in self._ended.items():
            spooled.ended[status] += count
        if self._problem is not None:
            spooled.problem = str(self._problem)

    def is_alone(self) -> bool:
        """Tell whether this process sends what is in the file, or may, and no other one has the file open."""
        with self._lock:
            if self._journal is None:
                return True
            try:
                if not self._lease.is_held() and not self._take_lease():
                    return False
                self._presence.let_go()
                is_alone = self._presence.take()
                self._presence.let_go()
                self._presence.take(is_shared=True)
            except OSError:
                return True
            return is_alone

    # Called by whoever leaves.

    def release(self) -> None:
        """Leave to the file what is in it, and read no more of it."""
        with self._lock:
            self._is_left = True
            self._queue.release(self._note_release)

    def leave(self) -> None:
        """Let another process have the lease, and close the file; a call opens it again."""
        with self._lock:
            self._is_left = True
            self._hurry()
            journal, self._journal = self._journal, None
            self._backlogs.clear()
            for lock in (self._lease, self._presence):
                lock.let_go()
            self._next_try = 0.0
            if journal is not None:
                journal.database.close()

    def leave_to_parent(self) -> None:
        """Leave it all to the parent; called in a forked child, which opens the file anew."""
        self._is_left = True
        self._lease.forget()
        self._presence.forget()
        if self._journal is not None:
            self._journal.database.leave_to_parent()

    # The thread; where none can be started, `step` is called by who waits.

    def begin(self) -> None:
        """Open the file, and have a thread look after it."""
        with self._lock:
            if self._journal is None and monotonic() >= self._next_try:
                self._open()
            self._is_left = False
            self._have_thread()

    def has_thread(self) -> bool:
        """Tell whether a thread looks after the file."""
        return self._has_thread

    def step(self) -> float:
        """Do what there is to do; return the seconds until there may be more."""
        with self._lock:
            if self._is_left:
                return LOOK
            try:
                return self._step()
            except SpoolError as error:
                self._note_problem(error)
                if error.reason == "corrupt":
                    self._repair(error)
            except OSError as error:
                self._note_problem(SpoolError(f"the spool {self.path} cannot be locked: {error.strerror}"))
            self._send_aside()
            return LOOK

    def _run(self) -> None:
        try:
            while not self._is_left and not self._queue.is_inherited:
                try:
                    seconds = self.step()
                except Exception:  # noqa: BLE001 - a defect of ours may cost a second, told, and not the thread
                    self._quiet.warn("defect", "reading the spool failed unexpectedly", is_error=True, exc_info=True)
                    seconds = LOOK
                self._sleep(seconds)
        finally:
            self._has_thread = False
        if not self._is_left:
            self._have_thread()

    def _have_thread(self) -> None:
        if not self._has_thread:
            self._has_thread = True
            _lifecycle.watch_exit()
            self._has_thread = start_thread("spool", self._run)

    def _sleep(self, seconds: float) -> None:
        self._is_called = False
        # Where another process sends, no call has to wake this thread.
        self._is_asleep = self._lease.is_held()
        self._queue.room.wait_until(self._is_wanted, deadline=monotonic() + seconds)
        self._is_asleep = False
        if self._is_called:
            # The first of many calls wakes it, and it reads them together.
            gathering = min(self.settings.flush_interval / 4, MAX_GATHERING)
            self._queue.room.wait_until(lambda: self._is_hurried or self._is_left, deadline=monotonic() + gathering)

    def _is_wanted(self) -> bool:
        """Tell whether there is something to do; called with the queue's lock held."""
        if self._is_left or self._is_hurried or self._is_called:
            return True
        journal = self._journal
        if journal is None or not self._lease.is_held():
            return False
        room = self._queue.count_room()
        # A call that came between the last look and the setting of the mark above has woken nobody.
        return room > 0 and (journal.last_id > self._seen_id or (self._has_unread and room > self._queue.max_size // 2))

    def _hurry(self) -> None:
        self._is_hurried = True
        self._queue.tell_room()

    # All below is called with the lock held.

    def _put_with_care(self, message: Message) -> bool:
        with self._lock:
            self.begin()
            if self._journal is not None and not self._aside:
                try:
                    self._journal.append(message, self)
                except SpoolError as error:
                    self._note_problem(error)
                else:
                    self._hurry()
                    return True
            return self._put_aside(message)

    def _put_aside(self, message: Message) -> bool:
        with self._lock:
            if len(self._aside) + self._queue.max_size - self._queue.count_room() >= self._queue.max_size:
                return False
            self._aside.append(message)
            self._have_thread()
            self._hurry()
            return True

    def _journal_of(self, messages: Sequence[Message]) -> Journal | None:
        """Return the journal of the file that messages are in; None when that file is not there any more.

        Raises:
            SpoolError: The file is closed, or cannot be used for now.
        """
        journal, record = self._journal, messages[0].record
        if journal is None:
            raise SpoolError(f"the spool {self.path} is not open", reason="closed")
        return journal if record is not None and record.file == journal.salt else None

    def _open(self) -> None:
        """Open the file, and replace a damaged one; a file that cannot be used is a problem, and told."""
        self._next_try = monotonic() + TRY_AGAIN
        settings = self.settings
        try:
            try:
                database = Database(self.path, sync=settings.spool_sync, max_bytes=settings.spool_max_bytes)
            except SpoolError as error:
                if error.reason != "corrupt" or not is_ours(self.path) or not self._lease.take():
                    raise
                database = self._replaced(error)
            self._use(database)
            self._presence.take(is_shared=True)
        except SpoolError as error:
            self._note_problem(error)
        except OSError as error:
            self._note_problem(SpoolError(f"the spool {self.path} cannot be locked: {error.strerror}"))
        else:
            self._problem = None

    def _use(self, database: Database) -> None:
        previous = self._previous
        journal = self._journal = self._previous = Journal(database, self._origin, previous)
        if previous is not None and previous.salt != journal.salt:
            self._backlogs.clear()
            if self.handed:
                self._quiet.warn("spool-lost", f"the spool {self.path} was taken away, with messages that waited in it")
                self._ended["dropped"] += self.handed
                self.handed = 0

    def _replaced(self, error: SpoolError) -> Database:
        """Move a damaged file aside, and return a new one with what could be read of it."""
        settings = self.settings
        aside, database, copied = replace_damaged(
            self.path, sync=settings.spool_sync, max_bytes=settings.spool_max_bytes
        )
        self._quiet.warn(
            "spool-damaged",
            f"{error}; it was moved to {aside}, and a new one was begun with the {copied} waiting messages that could "
            "be read",
            is_error=True,
        )
        return database

    def _repair(self, error: SpoolError) -> None:
        """Replace a file that turns out to be damaged; only who holds the lease may, others follow it."""
        journal = self._journal
        if journal is None or not self._lease.is_held():
            return
        journal.database.close()
        self._use(self._replaced(error))

    def _note_problem(self, error: SpoolError) -> None:
        self._problem = error
        self._quiet.warn("spool", f"{error}; until it can be used, messages wait in memory")

    def _step(self) -> float:
        if self._journal is None:
            if monotonic() >= self._next_try:
                self._open()
            if self._journal is None:
                self._send_aside()
                return LOOK
        journal = self._journal
        if journal.database.is_replaced():
            self._follow_replacement()
            return 0.0
        self._write_aside(journal)
        is_hurried, self._is_hurried = self._is_hurried, False
        if not self._lease.is_held() and not self._take_lease():
            self._look_at_others(journal)
            self._problem = None if not self._aside else self._problem
            return LOOK_SOON if self._queue.waiters.has_any() else LOOK
        has_more = self._load(journal)
        if is_hurried:
            self._queue.mark()
        if monotonic() >= self._next_house:
            self._next_house = monotonic() + HOUSEKEEPING
            self._keep_house(journal)
        elif journal.database.needs_checkpoint():
            journal.database.checkpoint()
        if not has_more:
            self._send_aside()
        if not self._aside:
            self._problem = None
        return LOOK

    def _take_lease(self) -> bool:
        if not self._lease.take():
            return False
        self._backlogs.clear()
        self._seen_id = 0
        self._has_unread = True
        self._next_house = monotonic() + LOOK
        return True

    def _load(self, journal: Journal) -> bool:
        """Take over what the queue has room for; return whether there is more."""
        newest = journal.newest_id()
        for number, account in journal.find(ACCOUNTS.known()).items():
            if number not in self._backlogs:
                self._backlogs[number] = account, Backlog()
                account.restore(monotonic(), journal.starts(number))
        room = self._queue.max_size
        at_most = max(1, room // SHARE_OF_ONE, min(LEAST_OF_ONE, room // 4))
        self._rewind(at_most)
        share = max(1, self._queue.count_room() // max(1, len(self._backlogs)))
        for number, (account, backlog) in self._backlogs.items():
            room = min(share, self._queue.count_room())
            while room > 0 and backlog.cursor < newest:
                limit = min(PAGE, room)
                rows = journal.read(number, after=backlog.cursor, until=newest, limit=limit)
                taken = [row for row in rows if backlog.take(row, at_most=at_most)]
                self._hand_over(journal, backlog, taken, account)
                room -= len(taken)
                if len(rows) < limit:
                    backlog.cursor = newest
        self._seen_id = newest
        self._has_unread = any(backlog.cursor < newest for _, backlog in self._backlogs.values())
        self._has_left = any(backlog.has_left() for _, backlog in self._backlogs.values())
        return self._has_unread or self._has_left

    def _rewind(self, at_most: int) -> None:
        """Look again for rows of people who had too many, at times: it passes by everything that is in memory."""
        now = monotonic()
        if now < self._next_rewind:
            return
        for _, backlog in self._backlogs.values():
            if backlog.may_rewind(at_most=at_most):
                backlog.rewind()
                self._next_rewind = now + LOOK

    def _hand_over(self, journal: Journal, backlog: Backlog, rows: list[Row], account: Account) -> None:
        messages = []
        for row in rows:
            message = self._message(journal, row, account)
            if message is None:
                backlog.let_go(row.id, row)
            else:
                messages.append(message)
        own = sum(row.origin == self._origin for row in rows)

        def note() -> None:
            with journal.lock:
                self.handed -= own

        self._queue.take_over(messages, note)

    def _message(self, journal: Journal, row: Row, account: Account) -> Message | None:
        """Return the message of a row: that of the call, if somebody has it still; None when there is none to send."""
        is_own = row.origin == self._origin
        message = journal.called.get(row.id) if is_own else None
        if message is not None:
            return message if message.outcome is None else None
        try:
            message = message_of(row, account)
        except (ValueError, TypeError) as error:
            journal.reject(row.id, DeliveryError(f"the row cannot be read: {type(error).__name__}"), attempts=0)
            self._quiet.warn("spool-row", f"a message in the spool {self.path} cannot be read; it is among the failed")
            return None
        message.record = Record(
            self,
            journal.salt,
            row.id,
            is_own=is_own,
            strikes=row.strikes,
            is_in_doubt=bool(row.is_started) and row.kind == EVENT,
        )
        return message

    def _peek(self) -> int | None:
        """Return how many messages wait in the file while it is not open here."""
        try:
            database = Database(self.path, may_create=False)
        except SpoolError:
            return None
        try:
            return Journal(database, self._origin).count_waiting()
        finally:
            database.close()

    def _look_at_others(self, journal: Journal) -> None:
        """Find out what became of messages that somebody here asks about, while another process sends."""
        ids = [row_id for row_id, message in list(journal.called.items()) if message.outcome is None]
        for first in range(0, len(ids), PAGE):
            for row_id, failure in journal.fates(ids[first : first + PAGE]).items():
                message = journal.called.get(row_id)
                if message is not None:
                    self._queue.end_elsewhere(message, _outcome(failure))
        if self._queue.waiters.has_any() and self._count_ended(journal):
            self._queue.tell_waiters()

    def _count_ended(self, journal: Journal) -> bool:
        """Count as ended what was called here, is not in memory, and is not in the file any more; tell of any."""
        with journal.lock:
            if self._lease.is_held():
                is_all_read = journal.last_id <= self._seen_id and not self._has_unread and not self._has_left
                gone = self.handed if is_all_read else 0
            else:
                gone = self.handed - journal.count_own()
            if gone <= 0:
                return False
            failed, removed = journal.ended_elsewhere()
            self.handed -= gone
        rejected = min(failed, gone)
        dropped = min(removed, gone - rejected)
        self._ended["rejected"] += rejected
        self._ended["dropped"] += dropped
        self._ended["delivered"] += gone - rejected - dropped
        return True

    def _write_aside(self, journal: Journal) -> None:
        """Write to the file what could not be written when it was called."""
        try:
            while self._aside:
                journal.append(self._aside[0], self)
                self._aside.popleft()
        except SpoolError as error:
            self._note_problem(error)

    def _send_aside(self) -> None:
        """Queue what the file cannot take, where nothing in the file comes before it."""
        if not self._aside or (self._journal is not None and not self._lease.is_held()):
            return
        messages = list(self._aside)
        self._unwritten = {m for m in self._unwritten if m.outcome is None or not m.outcome.is_final}
        self._unwritten.update(messages)
        self._queue.take_over(messages, self._aside.clear)

    def _keep_house(self, journal: Journal) -> None:
        now = monotonic()
        if self._last_start is None:
            self._last_start = now, journal.newest_start()
        elif now - self._last_start[0] > 2 * HOUSEKEEPING + LOOK:  # longer than any window of the ration
            journal.forget_starts(self._last_start[1])
            self._last_start = now, journal.newest_start()
        if journal.expire_failed(time() - self.settings.spool_retention):
            self._quiet.warn("spool-expired", f"failed messages in the spool {self.path} were removed, as too old")
        known = tuple(self._backlogs)
        if journal.has_strangers(known):
            self._quiet.warn(
                "spool-account",
                f"messages in the spool {self.path} wait for a host or a key that this process does not use; "
                "after a change of the key, `interakt-track spool adopt` gives them the new one",
            )
        journal.database.checkpoint()
        journal.shrink()

    def _follow_replacement(self) -> None:
        """Open the file that is at the path now; what is in the queue of the other one is sent all the same."""
        journal, self._journal = self._journal, None
        self._lease.let_go()
        if journal is not None:
            journal.database.close()
        self._open()

    def _is_taken(self, row_id: int) -> bool:
        return any(row_id in backlog.taken for _, backlog in self._backlogs.values())

    def _let_go(self, journal: Journal, messages: Sequence[Message]) -> None:
        with self._lock:
            for _, backlog in self._backlogs.values() if journal is self._journal else ():
                for message in messages:
                    if message.record is not None:
                        backlog.let_go(message.record.id, message)

    def _note_release(self, message: Message) -> None:
        if message.record is not None and message.record.is_own:
            journal = self._journal
            with journal.lock if journal is not None else self._lock:
                self.handed += 1


def _outcome(failure: tuple[str, int | None, str] | None) -> Outcome:
    """Return what became of a message that another process ended."""
    if failure is None:
        return Outcome("delivered")
    name, status_code, text = failure
    if status_code is not None:
        error: DeliveryError = api_error(status_code, text)
    else:
        kind = getattr(_errors, name, DeliveryError)
        error = kind(text) if isinstance(kind, type) and issubclass(kind, DeliveryError) else DeliveryError(text)
    return Outcome(
        "rejected" if isinstance(error, (_errors.RejectedError, _errors.AuthenticationError)) else "dropped", error
    )
