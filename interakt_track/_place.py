"""Where a spool's file is: how it is made, known again, and kept in its place while somebody opens it."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

from ._errors import SpoolError
from ._lease import FileLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_WAIT = 1.0  # seconds; what is waited for takes milliseconds, and whoever is stopped in it holds nobody up


def make_file(path: str) -> None:
    """Make the file for its owner only, and its folder; SQLite gives its own files beside it the same permissions."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120 - pathlib is 10 ms
        # Only where it is missing: closing an open one would end the locks that this process has on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if not os.path.isfile(path):  # noqa: PTH113 - as above
            raise SpoolError(f"the spool {path} cannot be made: something else is there", reason="unusable") from None
    except OSError as error:
        raise SpoolError(f"the spool {path} cannot be made: {error.strerror}", reason="unusable") from error


def identity_of(path: str) -> tuple[int, int] | None:
    """Return what a file is known by, whatever its path; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def in_place(path: str, *, may_move: bool = False) -> Iterator[None]:
    """See to it that a spool and the files beside it stay where they are, while one of them is opened.

    Args:
        path: Of the spool.
        may_move: Whether the caller moves them, and others wait.
    """
    lock = FileLock(f"{path}-opening")
    deadline = time.monotonic() + MAX_WAIT
    try:
        while not lock.take(is_shared=not may_move) and time.monotonic() < deadline:
            time.sleep(0.001)
    except OSError:
        pass  # nobody can move anything in a folder in which that cannot be made
    try:
        yield
    finally:
        lock.let_go()
