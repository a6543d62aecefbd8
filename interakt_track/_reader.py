"""Rows of the spool's file as messages of the queue: read in pages, in order, while there is room for them."""

from __future__ import annotations

from time import monotonic

from ._account import ACCOUNTS
from ._backlog import Backlog
from ._errors import DeliveryError
from ._messages import EVENT
from ._rows import Record, Row, message_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._account import Account
    from ._journal import Journal
    from ._logs import Quiet
    from ._messages import Message
    from ._queue import Queue
    from ._spool import Spool

PAGE = 500  # rows read at a time: a millisecond or two, in which a call may have to wait
SHARE_OF_ONE = 32  # one person's messages may take this part of the room in memory
LEAST_OF_ONE = 8  # but so many they may be, or a quarter of a small room
MIN_REWIND_INTERVAL = 0.05  # seconds between two looks for what was left
REWIND_SHARE = 20  # and so many times what one look takes: each passes by all that is in memory


class Reader:
    """Hands the file's messages to the queue, for the process that holds the lease; the spool guards it with its lock.

    Args:
        spool: Whose messages they are.
        queue: The client's.
        quiet: What the log is told through.
    """

    def __init__(self, spool: Spool, queue: Queue, quiet: Quiet) -> None:
        self._spool = spool
        self._queue = queue
        self._quiet = quiet
        self._backlogs: dict[int, tuple[Account, Backlog]] = {}
        self._adopted: str | None = None
        self._has_moved = False
        self._next_rewind = 0.0
        self._rewind_interval = MIN_REWIND_INTERVAL
        self.begin()

    def begin(self) -> None:
        """Read from the start; whatever was read before is not in memory any more."""
        self._backlogs.clear()
        self._seen_id = self._newest = 0
        self._has_unread = True
        self._has_left = False

    def look_again(self) -> None:
        """Read from the start, but for what is in memory."""
        for _, backlog in self._backlogs.values():
            backlog.cursor = 0
        self._has_unread = True

    def numbers(self) -> Sequence[int]:
        """Return the accounts that are read, as the file numbers them."""
        return tuple(self._backlogs)

    def is_taken(self, row_id: int) -> bool:
        """Tell whether a row's message is in memory."""
        return any(row_id in backlog.taken for _, backlog in tuple(self._backlogs.values()))

    def taken(self) -> list[Message]:
        """Return the messages that are in memory."""
        return [m for _, backlog in self._backlogs.values() for m in backlog.taken.values() if m is not None]

    def let_go(self, messages: Sequence[Message]) -> None:
        """Note that messages have ended."""
        for _, backlog in self._backlogs.values():
            for message in messages:
                if message.record is not None:
                    backlog.let_go(message.record.id, message)

    def has_read(self, last_id: int) -> bool:
        """Tell whether every row up to an id is in memory, or was; read without the lock."""
        return last_id <= self._seen_id and not self._has_unread and not self._has_left

    def has_sent_all(self, journal: Journal) -> bool:
        """Tell whether nothing waits that this process can send."""
        return not self.taken() and self.has_read(journal.newest_id())

    def has_news(self, last_id: int) -> bool:
        """Tell whether there is room, and a row that was not there at the last look; read without the lock."""
        return last_id > self._seen_id and self._queue.count_room() > 0

    def wants_more(self) -> bool:
        """Tell whether there is much room, and more to read; read without the lock."""
        backlogs = [backlog for _, backlog in tuple(self._backlogs.values()) if backlog.cursor < self._newest]
        return any(self._room_of(backlog) > self._share_of(backlog) // 2 for backlog in backlogs)

    def rest(self) -> float:
        """Return the seconds until what was left may be looked at again; infinity when nothing was."""
        return max(0.0, self._next_rewind - monotonic(), self._rewind_interval) if self._has_left else float("inf")

    def load(self, journal: Journal) -> None:
        """Take over what the queue has room for."""
        started = monotonic()
        called, newest = journal.last_id, journal.newest_id()
        self._follow_adoption(journal)
        for number, account in journal.find(ACCOUNTS.known()).items():
            if number not in self._backlogs:
                self._backlogs[number] = account, Backlog()
                account.restore(monotonic(), journal.starts(number))
        room = self._queue.max_size
        at_most = max(1, room // SHARE_OF_ONE, min(LEAST_OF_ONE, room // 4))
        self._rewind(at_most)
        for number, (account, backlog) in self._backlogs.items():
            if not backlog.taken and self._queue.count_room() <= 0 and journal.read(number, backlog.cursor, newest, 1):
                self._make_room()
            room = self._room_of(backlog)
            while room > 0 and backlog.cursor < newest:
                limit = min(PAGE, room)
                rows = journal.read(number, backlog.cursor, newest, limit)
                taken = [row for row in rows if self._take(row, backlog, at_most)]
                self._hand_over(journal, backlog, taken, account)
                room -= len(taken)
                if len(rows) < limit:
                    backlog.cursor = newest
        self._seen_id = max(called, newest)  # a row that has left again was seen, too
        self._rewind_interval = max(MIN_REWIND_INTERVAL, REWIND_SHARE * (monotonic() - started))
        self._newest = newest
        self._has_unread = any(backlog.cursor < newest for _, backlog in self._backlogs.values())
        self._has_left = any(backlog.has_left() for _, backlog in self._backlogs.values())

    def _room_of(self, backlog: Backlog) -> int:
        """Return how many more messages of an account may be in memory: no more than its share of it, with others."""
        return min(self._queue.count_room(), self._share_of(backlog) - len(backlog.taken))

    def _share_of(self, backlog: Backlog) -> int:
        others = sum(one is not backlog and bool(one.taken) for _, one in tuple(self._backlogs.values()))
        return max(1, self._queue.max_size // (1 + others))

    def _make_room(self) -> None:
        """Leave to the file what is over an account's share, now that another one has messages and no room for them.

        An account that is paused, or whose key is refused, would else keep the memory for itself.
        """
        share = self._queue.max_size // (1 + sum(bool(backlog.taken) for _, backlog in self._backlogs.values()))
        for account, backlog in self._backlogs.values():
            if len(backlog.taken) > share:
                self.let_go(self._queue.leave_to_file(account))
                backlog.cursor = 0

    def _take(self, row: Row, backlog: Backlog, at_most: int) -> bool:
        is_elsewhere = row.id not in backlog.taken and self.is_taken(row.id)
        return backlog.take(row, at_most=at_most, is_elsewhere=is_elsewhere)

    def _follow_adoption(self, journal: Journal) -> None:
        """Look at all rows again when some were given another account: they were passed by, or are in memory as of it.

        What is in memory is left to the file first; what is in flight, at the next look.
        """
        adopted = journal.last_adoption()
        if adopted == self._adopted and not self._has_moved:
            return
        self._adopted = adopted
        self._has_moved = False
        self._has_unread = True  # before anything is there again: nobody is to take it for delivered
        for number, (account, backlog) in self._backlogs.items():
            if journal.has_moved(number, list(backlog.taken)):
                self._has_moved = True
                self.let_go(self._queue.leave_to_file(account))
        self.look_again()

    def _rewind(self, at_most: int) -> None:
        now = monotonic()
        if now < self._next_rewind:
            return
        for _, backlog in self._backlogs.values():
            if backlog.may_rewind(at_most=at_most):
                backlog.rewind()
                self._next_rewind = now + self._rewind_interval

    def _hand_over(self, journal: Journal, backlog: Backlog, rows: list[Row], account: Account) -> None:
        messages, unreadable = [], []
        for row in rows:
            try:
                message = self._message(journal, row, account)
            except (ValueError, TypeError) as error:
                message = None
                unreadable.append((row, DeliveryError(f"the row cannot be read: {type(error).__name__}")))
            if message is None:
                backlog.let_go(row.id, row)
            else:
                backlog.taken[row.id] = message
                messages.append(message)
        own = sum(message.record is not None and message.record.is_own for message in messages)

        def note() -> None:
            with journal.lock:
                self._spool.tally.handed -= own

        self._queue.take_over(messages, note)
        for row, why in unreadable:
            self._quiet.warn("spool-row", "a message in the spool cannot be read; it is among the failed ones now")
            journal.database.is_doubted = True
            journal.reject(row.id, why, attempts=0)
            if row.origin == journal.origin:
                with journal.lock:
                    self._spool.tally.end("rejected")

    def _message(self, journal: Journal, row: Row, account: Account) -> Message | None:
        """Return the message of a row: that of the call, if somebody has it still; None when it has ended."""
        is_own = row.origin == journal.origin
        message = journal.called.get(row.id) if is_own else None
        if message is not None and message.outcome is not None:
            return None
        if message is None or message.account is not account:  # else whoever has its receipt sees what becomes of it
            message = message_of(row, account)
        message.record = Record(
            self._spool,
            journal.salt,
            row.id,
            is_own=is_own,
            strikes=row.strikes,
            is_in_doubt=bool(row.is_started) and row.kind == EVENT,
        )
        return message
