"""What other processes, and people, do to messages of a spool that were called here."""

from __future__ import annotations

from time import monotonic

from ._journal import PAGE
from ._tally import fate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._access import Access
    from ._journal import Journal
    from ._queue import Queue
    from ._reader import Reader
    from ._tally import Tally

LOOK_AFTER_OTHERS = 5.0  # seconds between two looks, while this process sends, at what others have done


class Others:
    """Finds out what became of messages that this process does not send; the spool guards it with its lock.

    Args:
        access: To the file.
        reader: What has taken messages into memory.
        tally: Of the client's messages that are in the file only.
        queue: The client's.
    """

    def __init__(self, access: Access, reader: Reader, tally: Tally, queue: Queue) -> None:
        self._access = access
        self._reader = reader
        self._tally = tally
        self._queue = queue
        self._next_look = 0.0

    def begin(self) -> None:
        """Look at once: this process sends from now on."""
        self._next_look = 0.0

    def compare(self, journal: Journal, *, is_left: bool) -> None:
        """Count what they have ended, and let those look who wait for that; without the lock, too.

        Args:
            journal: The file's.
            is_left: Whether what was read is in the file only, again.
        """
        is_reading = self._access.has_lease() and not is_left
        has_gone = self._tally.compare(journal, self._reader, is_reading=is_reading)
        if has_gone:
            self._queue.tell_waiters()

    def collect(self, journal: Journal) -> None:
        """Count what they have rejected or taken out: a person may remove it before anybody asks for the numbers."""
        if self._tally.collect(journal, self._reader):
            self._queue.tell_waiters()

    def look(self, journal: Journal) -> None:
        """Find out what became of messages of which somebody here has a receipt, and that are not in the queue."""
        unsettled = journal.called.unsettled()
        in_flight = self._queue.messages_in_flight()  # one of these has left the file already, perhaps
        ids = [i for i, message in unsettled if not self._reader.is_taken(i) and message not in in_flight]
        for first in range(0, len(ids), PAGE):
            for row_id, failure in journal.fates(ids[first : first + PAGE]).items():
                message = journal.called.get(row_id)
                if message is not None:
                    self._queue.end_elsewhere(message, fate(failure))

    def look_now_and_then(self, journal: Journal) -> None:
        """Do so, while this process sends, for what another one did to messages before, or a person."""
        now = monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_AFTER_OTHERS
            self.look(journal)
