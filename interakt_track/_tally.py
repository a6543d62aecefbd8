"""How many of a client's messages are in a spool's file only, and what became of them there."""

from __future__ import annotations

from . import _errors
from ._errors import DeliveryError, api_error
from ._receipt import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._journal import Failure, Journal
    from ._ledger import Spooled
    from ._messages import Message
    from ._reader import Reader


class Tally:
    """Guarded by the lock of the file's database.

    Attributes:
        handed: Messages called here that are in the file only: not read yet, or another process sends them.
    """

    def __init__(self) -> None:
        self.handed = 0
        self._ended = {"delivered": 0, "rejected": 0, "dropped": 0}

    def end(self, status: str, count: int = 1) -> None:
        """Count messages as ended that were in the file only."""
        self.handed -= count
        self._ended[status] += count

    def add(self, status: str) -> None:
        """Count a message as ended that was in memory, and in no file."""
        self._ended[status] += 1

    def compare(self, journal: Journal, reader: Reader, *, is_reading: bool) -> bool:
        """Count as ended what is neither in memory here nor in the file any more; tell whether there was any.

        Args:
            journal: The file's.
            reader: What has taken messages into memory.
            is_reading: Whether it is this process that sends.
        """
        has_failed = self.collect(journal, reader)
        known = reader.numbers() if is_reading else ()
        with journal.lock:
            handed, ended = self.handed, sum(self._ended.values())
        in_file = journal.count_own(but=known)  # no call waits for that
        with journal.lock:
            is_same = ended == sum(self._ended.values()) and handed <= self.handed  # none was read meanwhile
            has_failed |= self.collect(journal, reader)  # some of these were in the file then: the next look knows
            gone = self.handed - in_file if is_same and (not is_reading or reader.has_read(journal.last_id)) else 0
            if gone > 0:
                self.end("delivered", gone)
            return has_failed or gone > 0

    def collect(self, journal: Journal, reader: Reader) -> bool:
        """Count what others have rejected or taken out since the last time; tell whether there was any."""
        with journal.lock:
            failures = journal.ended_elsewhere(reader.is_taken)
            for failure in failures:
                self.end(fate(failure).status)
            return bool(failures)

    def recount(self, journal: Journal, taken: Sequence[Message]) -> int:
        """Count as dropped what was handed to a file and is not in the one that took its place; return how many.

        Args:
            journal: The new file's.
            taken: The messages that are in memory, too.
        """
        own = sum(message.record is not None and message.record.is_own for message in taken)
        lost = max(0, self.handed - (journal.count_own() - own))
        self.end("dropped", lost)
        return lost

    def add_to(self, spooled: Spooled) -> None:
        """Add these numbers to others."""
        spooled.handed += self.handed
        for status, count in self._ended.items():
            spooled.ended[status] += count


def fate(failure: Failure | None) -> Outcome:
    """Return what became of a message that another process ended; None: it was delivered."""
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
