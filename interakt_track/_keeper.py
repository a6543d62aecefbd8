"""The file's side of messages that are in the queue: a request starts, is delivered, refused, or fails for now."""

from __future__ import annotations

from typing import NamedTuple

from ._errors import SpoolError
from ._messages import RAISE
from ._tally import fate

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from ._access import Access
    from ._aside import Aside
    from ._errors import DeliveryError
    from ._journal import Journal
    from ._messages import Message
    from ._queue import Queue
    from ._reader import Reader
    from ._receipt import Outcome
    from ._rows import Record
    from ._tally import Tally


class Absent(NamedTuple):
    """What somebody did to messages of which a request was about to start.

    Attributes:
        missing: Those that were taken out of the file.
        has_moved: Whether others were given another account; then all go back to the file.
    """

    missing: list[Message]
    has_moved: bool


class Keeper:
    """Writes to the file what becomes of its messages, for the workers of the process that sends them.

    Args:
        access: To the file.
        reader: What has taken them into memory.
        aside: Those that wait for the file in memory.
        tally: Of the client's messages that are in the file only.
        queue: The client's.
        lock: The spool's.
    """

    def __init__(
        self, access: Access, reader: Reader, aside: Aside, tally: Tally, queue: Queue, lock: threading.RLock
    ) -> None:
        self._access = access
        self._reader = reader
        self._aside = aside
        self._tally = tally
        self._queue = queue
        self._lock = lock

    def withdraw(self, message: Message, *, unsent: Outcome, doubtful: Outcome) -> bool:
        """End a message that its caller waits for no longer, and that is not in the queue.

        Args:
            message: Called here.
            unsent: How it ends where no request was started for it.
            doubtful: How it ends where another process may have sent it.

        Returns:
            False when it is in the queue. Where the file cannot be changed, it goes on there without an outcome.
        """
        with self._lock:
            if self._aside.remove(message):
                self._tally.add(unsent.status)
                self._queue.end_elsewhere(message, unsent)
                self._queue.tell_room()
                return True
            record = message.record
            if record is None or record.spool.keeper is not self or record.is_here:
                return False
            self._withdraw(message, record, unsent=unsent, doubtful=doubtful)
            return True

    def forget(self, message: Message) -> None:
        """Remove a message that was not delivered in time, and the file does not know it."""
        try:
            journal = self._journal_of([message])
            if journal is not None and message.record is not None:
                with journal.lock:
                    if not journal.take_out(message.record.id):
                        journal.count_removed([message])
                    _mark_gone([message])
                self._let_go(journal, [message])
        except SpoolError as error:
            self._access.note(error)

    # About messages of one account that are in flight.

    def start(self, messages: Sequence[Message]) -> Absent | None:
        """Note in the file that a request starts; it must not be made where something is absent by now.

        Raises:
            SpoolError: It cannot be noted, so the request must not be made.
        """
        journal = self._journal_of(messages)
        if journal is None or journal.start(messages):
            return None
        missing, has_moved = journal.absent(messages)
        if missing:
            journal.database.is_doubted = True
            journal.count_removed(missing)
        self._let_go(journal, missing)
        return Absent(missing, has_moved)

    def let_go(self, messages: Sequence[Message]) -> None:
        """Note that messages are in the file only."""
        with self._lock:
            self._reader.let_go(messages)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Remove delivered messages from the file; only then may what follows them start."""
        try:
            self._acknowledge(self._open_journal(), messages)
        except SpoolError as error:
            if error.reason != "closed":
                raise
            with self._access.opened_for_a_moment() as journal:  # it was left while the request was under way
                self._acknowledge(journal, messages)

    def reject(self, message: Message, error: DeliveryError, *, attempts: int) -> None:
        """Move a message to the failed ones, or remove it when its call tells of it."""
        journal = self._journal_of([message])
        if journal is None or message.record is None:
            return
        with journal.lock:
            if message.told_by == RAISE:
                if not journal.take_out(message.record.id):
                    journal.count_removed([message])
            else:
                journal.reject(message.record.id, error, attempts=attempts)
            _mark_gone([message])
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

    def _acknowledge(self, journal: Journal, messages: Sequence[Message]) -> None:
        if _is_in(journal, messages):
            with journal.lock:
                journal.acknowledge(messages)
                _mark_gone(messages)
            self._let_go(journal, messages)

    def _withdraw(self, message: Message, record: Record, *, unsent: Outcome, doubtful: Outcome) -> None:
        """End a message that is in the file only."""
        journal = self._access.journal
        if journal is None or record.file != journal.salt or self._reader.is_taken(record.id):
            return
        try:
            with journal.lock:
                ended = unsent if journal.withdraw(record.id) else doubtful if journal.take_out(record.id) else None
                if ended is not None:
                    self._tally.end(ended.status)
                else:  # counted with all that others have ended
                    ended = fate(journal.fates([record.id])[record.id])
        except SpoolError as error:
            self._access.note(error)
        else:
            self._queue.end_elsewhere(message, ended)

    def _journal_of(self, messages: Sequence[Message]) -> Journal | None:
        """Return the journal of the file that messages are in; None when that file is not there any more.

        Raises:
            SpoolError: The file is closed, or cannot be used for now.
        """
        journal = self._open_journal()
        return journal if _is_in(journal, messages) else None

    def _open_journal(self) -> Journal:
        journal = self._access.journal
        if journal is None:
            raise SpoolError(f"the spool {self._access.path} is not open", reason="closed")
        return journal

    def _let_go(self, journal: Journal, messages: Sequence[Message]) -> None:
        with self._lock:
            current = self._access.journal
            if current is not None and current.salt == journal.salt:
                self._reader.let_go(messages)


def _is_in(journal: Journal, messages: Sequence[Message]) -> bool:
    """Tell whether messages are in this file, and not in one that was there before."""
    record = messages[0].record
    return record is not None and record.file == journal.salt


def _mark_gone(messages: Sequence[Message]) -> None:
    """Note at once what is not in the file any more: should that be found damaged now, it must not get there again."""
    for message in messages:
        if message.record is not None:
            message.record.is_gone = True
