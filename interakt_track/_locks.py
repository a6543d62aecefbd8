"""The lock around every late import: a fork in the middle of one would leave the child an import that never ends."""

from __future__ import annotations

import os
import threading


class ImportLock:
    """Held around each import inside a function, and by whoever forks.

    `logging` takes its lock before a fork as well, and what is imported here makes loggers. Whoever forks must take
    ours first, or the two would wait for each other; the hooks that are registered last run first. So ours are
    registered once more after `logging` is there.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._knows_logging = False
        self._holds = 0
        self._register()

    def __enter__(self) -> None:
        self._lock.acquire()
        if not self._knows_logging:
            import logging  # noqa: F401, PLC0415 - see above

            self._register()
            self._knows_logging = True

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()

    def hold(self) -> None:
        """Let no import begin; called by whoever forks, and by hooks that would let one begin in between."""
        self._lock.acquire()
        self._holds += 1

    def let_go(self) -> None:
        """Let imports begin again, in both processes."""
        if self._holds:  # registered between the two, a hook runs only after the fork
            self._holds -= 1
            self._lock.release()

    def _register(self) -> None:
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(before=self.hold, after_in_parent=self.let_go, after_in_child=self.let_go)


IMPORT_LOCK = ImportLock()
