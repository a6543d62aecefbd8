"""Locks of the operating system on files beside the spool: who drains it, who has it open, who moves it.

Such a lock ends with the process that holds it, however that ends; a time stamp would fail where a process is stopped,
a machine suspended or a clock set. The lock belongs to the open file and not to its path, so a forked child has it too:
it must `forget` it.
"""

from __future__ import annotations

import os

from ._locks import ForkLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

MODE = 0o600  # nobody else has a use for it

_taking = ForkLock()  # a child could not `forget` what it does not know of


class FileLock:
    """A lock that one process holds, or several share.

    Args:
        path: Of a file that holds nothing else; it is made, and stays.

    Raises:
        OSError: By each method: the file cannot be made or opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None

    def is_held(self) -> bool:
        """Tell whether this lock was taken and not let go."""
        return self._file is not None

    def take(self, *, is_shared: bool = False) -> bool:
        """Take the lock, without waiting; False when another holds it."""
        if self._file is not None:
            return True
        with _taking:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), MODE)
            if not _lock(file, is_shared=is_shared):
                os.close(file)
                return False
            self._file = file
            return True

    def let_go(self) -> None:
        """Let others have it, at once."""
        file, self._file = self._file, None
        if file is not None:
            _unlock(file)
            os.close(file)

    def forget(self) -> None:
        """Leave it to the parent; called in a forked child, where closing the file unlocks nothing."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _lock(file: int, *, is_shared: bool) -> bool:
    if fcntl is None:
        return is_shared or _lock_on_windows(file)
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(file: int) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_UN)  # what a child has inherited ends with it


def _lock_on_windows(file: int) -> bool:
    """Lock the first byte; there it ends when the file is closed, and cannot be shared."""
    msvcrt: ModuleType = __import__("msvcrt")
    try:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
