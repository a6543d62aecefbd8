"""Locks that a fork waits for: it would leave the child what another thread has half done, and nobody finishes."""

from __future__ import annotations

import os
import threading


class ForkLock:
    """Held around what is done in one piece, and by whoever forks."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holds = 0
        self._register()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()

    def hold(self) -> None:
        """Let nobody else have it; called by whoever forks, and by hooks that need that earlier."""
        self._lock.acquire()
        self._holds += 1

    def let_go(self) -> None:
        """Let others have it again, in both processes."""
        if self._holds:  # registered between the two, a hook runs only after the fork
            self._holds -= 1
            self._lock.release()

    def _register(self) -> None:
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(before=self.hold, after_in_parent=self.let_go, after_in_child=self.let_go)


class ImportLock(ForkLock):
    """Held around each import inside a function: the child would have one that never ends.

    `logging` takes its lock before a fork as well, and what is imported here makes loggers. Whoever forks must take
    ours first, or the two would wait for each other; the hooks that are registered last run first. So ours are
    registered once more after `logging` is there.
    """

    def __init__(self) -> None:
        super().__init__()
        self._knows_logging = False

    def __enter__(self) -> None:
        super().__enter__()
        if not self._knows_logging:
            import logging  # noqa: F401, PLC0415 - see above

            self._register()
            self._knows_logging = True


IMPORT_LOCK = ImportLock()
