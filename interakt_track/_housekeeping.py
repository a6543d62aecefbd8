"""What whoever drains a spool does for its file from time to time."""

from __future__ import annotations

from time import monotonic, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._journal import Journal
    from ._logs import Quiet

INTERVAL = 30.0  # seconds
MIN_EXAMINATION_INTERVAL = 60.0  # seconds; it reads the whole file
SOON = 1.0  # seconds after the lease was taken
KEEP_STARTS = 62.0  # seconds, longer than any window of the ration


class Housekeeping:
    """Keeps the file whole and small: its log, the starts of requests, failed messages that are too old, empty pages.

    Args:
        path: Of the file, for what is told.
        quiet: What the log is told through.
    """

    def __init__(self, path: str, quiet: Quiet) -> None:
        self._path = path
        self._quiet = quiet
        self._next = 0.0
        self._next_examination = 0.0
        self._last_start: tuple[float, int] | None = None

    def begin(self) -> None:
        """Note that the lease was taken: what is known of another time holds no more."""
        self._next = monotonic() + SOON
        self._last_start = None

    def keep(self, journal: Journal, known: Sequence[int], *, retention: float) -> None:
        """Do what is due.

        Args:
            journal: The file's.
            known: The accounts that this process sends for, as the file numbers them.
            retention: Seconds for which failed messages are kept.
        """
        if journal.database.needs_checkpoint():
            journal.database.checkpoint()
        now = monotonic()
        if journal.database.is_doubted and now >= self._next_examination:
            self._next_examination = now + MIN_EXAMINATION_INTERVAL
            journal.database.examine()
        if now < self._next:
            return
        self._next = now + INTERVAL
        self._forget_starts(journal, now)
        if journal.expire_failed(time() - retention):
            self._quiet.warn("spool-expired", f"failed messages in the spool {self._path} were removed, as too old")
        has_strangers, has_nobodys = journal.find_strangers(known)
        journal.database.is_doubted |= has_nobodys
        if has_strangers:
            self._quiet.warn(
                "spool-account",
                f"messages in the spool {self._path} wait for a host or a key that this process does not use; "
                "after a change of the key, `interakt-track spool adopt` gives them the new one",
            )
        journal.database.checkpoint()
        journal.shrink()

    def _forget_starts(self, journal: Journal, now: float) -> None:
        if self._last_start is None:
            self._last_start = now, journal.newest_start()
        elif now - self._last_start[0] > KEEP_STARTS:
            journal.forget_starts(self._last_start[1])
            self._last_start = now, journal.newest_start()
