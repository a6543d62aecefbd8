"""Lines in the order they were written, by this process and by those it has forked."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
import weakref
from mmap import ACCESS_READ, mmap


class Tape:
    """A file without a name, in the system's temporary folder; it is gone with the last process that has it open.

    A forked child shares it, so what the child writes is read here: there is one order, and nothing to collect. A line
    is written in one step, at the end, so no lock is needed that a fork could leave held.
    """

    def __init__(self) -> None:
        with tempfile.TemporaryFile(buffering=0) as file:
            self._file = os.dup(file.fileno())
        if sys.platform != "win32":  # where nothing forks, and a file's place is enough
            import fcntl  # noqa: PLC0415 - not there on Windows

            fcntl.fcntl(self._file, fcntl.F_SETFL, fcntl.fcntl(self._file, fcntl.F_GETFL) | os.O_APPEND)
        self._identity = _identify(self._file)
        self._process = os.getpid()
        self._place = 0
        weakref.finalize(self, _close, self._file, self._identity).atexit = False  # the system closes it then

    def append(self, line: bytes) -> None:
        """Write a line, which ends with the only line break in it.

        In a forked child that has closed its parent's files, as daemons do, it is lost, with a `RuntimeWarning`.
        """
        if os.getpid() != self._process and _identify(self._file) != self._identity:
            warnings.warn(
                "this process has closed the file that its parent's capture is in: what it calls is not sent, and the "
                "capture misses it",
                RuntimeWarning,
                stacklevel=2,
            )
            return
        os.write(self._file, line)

    def read(self) -> list[bytes]:
        """Return the lines that were not read yet."""
        size = os.fstat(self._file).st_size
        if size <= self._place:
            return []
        with mmap(self._file, size, access=ACCESS_READ) as view:  # leaves alone the place where others write
            data = view[self._place : size]
        whole = data[: data.rfind(b"\n") + 1]  # another thread may be in the middle of one
        self._place += len(whole)
        return whole.splitlines()


def _identify(file: int) -> tuple[int, int] | None:
    """Return which file has this number: once a daemon has closed all it inherited, it may be another one."""
    try:
        state = os.fstat(file)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _close(file: int, identity: tuple[int, int] | None) -> None:
    if _identify(file) == identity:
        os.close(file)
