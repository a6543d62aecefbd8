"""What of a client's calls into a spool is settled, as those ask who wait for it."""

from __future__ import annotations

from ._errors import SpoolError
from ._ledger import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._access import Access
    from ._aside import Aside
    from ._messages import Message
    from ._queue import Queue
    from ._spool import Spool


class Marks:
    """Finds out from the file, since other processes have a part in it.

    Args:
        spool: Whose messages they are.
        access: To the file.
        aside: Messages that wait for the file in memory.
        queue: The client's.
    """

    def __init__(self, spool: Spool, access: Access, aside: Aside, queue: Queue) -> None:
        self._spool = spool
        self._access = access
        self._aside = aside
        self._queue = queue

    def set(self) -> Place:
        """Return a mark of what was called so far, for `is_settled`."""
        journal = self._access.journal
        return Place(None if self._aside else 0 if journal is None else journal.last_id)

    def is_settled(self, mark: Place | None) -> bool:
        """Tell whether all that was called here before a mark is delivered, or told as lost; None: in memory only."""
        if not self._aside.is_settled():
            return False
        journal = self._access.journal
        if mark is None or journal is None:
            return mark is None or not self._spool.tally.handed
        if mark.until is None:  # what could not be written when the mark was set has its ids now
            mark.until = journal.last_id
        try:
            if journal.has_own(mark.until):
                return False
        except SpoolError:
            return False
        # What has left the file is settled a moment later.
        return not any(self._has_called(message, mark.until) for message in self._queue.messages_in_flight())

    def is_waited_for(self) -> bool:
        """Tell whether something that was called here is not settled."""
        return self._spool.tally.handed > 0 or not self.is_settled(self.set())

    def _has_called(self, message: Message, mark: int) -> bool:
        record = message.record
        return record is not None and record.spool is self._spool and record.is_own and record.id <= mark
