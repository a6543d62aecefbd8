"""Where the files of an import are: beside the one that is imported."""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import TYPE_CHECKING, TextIO

import attrs

from ._table import ImportFileError

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

    from ._mapping import Subject

ELSEWHERE = "an import keeps files beside the one that it reads, so it has to be in a folder that can be written"
SPOOL_ENDINGS = ("", "-wal", "-shm", "-journal", "-lease", "-open", "-opening")


@attrs.frozen
class Places:
    """The paths.

    Attributes:
        file: What is imported.
        subject: Customers and events of one file are two imports.
    """

    file: Path
    subject: Subject = "users"

    @property
    def spool(self) -> Path:
        """The messages that are handed over and not delivered."""
        return self._own("db")

    @property
    def state(self) -> Path:
        """How far it is."""
        return self._own("json")

    @property
    def lock(self) -> Path:
        """Held by the process that imports."""
        return self._own("lock")

    @property
    def rejected(self) -> Path:
        """The rows that were wrong, or refused."""
        return self._beside("rejected.csv")

    @property
    def draft(self) -> Path:
        """The file of rejected rows as long as it is written."""
        return self._own("rejected")

    def mark(self) -> tuple[int, int, int]:
        """Return what is another value when the file was written to, or replaced."""
        try:
            found = self.file.stat()
        except OSError:
            return 0, 0, 0
        return found.st_mtime_ns, found.st_size, found.st_ino

    def remove_spool(self) -> None:
        """Remove the spool, and what SQLite and its locks have beside it."""
        for ending in SPOOL_ENDINGS:
            self.spool.with_name(self.spool.name + ending).unlink(missing_ok=True)

    def _own(self, ending: str) -> Path:
        return self._beside(f"import.{ending}" if self.subject == "users" else f"import-{self.subject}.{ending}")

    def _beside(self, ending: str) -> Path:
        return self.file.with_name(f"{self.file.name}.{ending}")


def keep_input(stream: BufferedReader, folder: Path) -> Path:
    """Copy a stream that can be read once to a file that is named by its content, and return where it is.

    Raises:
        ImportFileError: It cannot be written, or holds nothing.
    """
    part = folder / f".stdin-{secrets.token_hex(8)}"
    try:
        try:
            digest = _copy(stream, part)
            path = folder / f"stdin-{digest[:12]}"
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)  # a copy that was cut off would stay with all that it says of customers
    except OSError as error:
        raise ImportFileError(f"what is on stdin cannot be kept in {folder}: {error.strerror}; {ELSEWHERE}") from error
    return path


def _copy(stream: BufferedReader, path: Path) -> str:
    """Write all of a stream to a new file that is its owner's alone, and return the digest of it."""
    digest = hashlib.sha256()
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        # One read of the system's each: within a read of many, Ctrl-C may have to wait for the end of the input.
        while block := stream.read1(1 << 16):
            digest.update(block)
            file.write(block)
        if not file.tell():
            raise ImportFileError("nothing came from stdin")
    return digest.hexdigest()


def opened_privately(path: Path) -> TextIO:
    """Open a file to write anew that nobody but its owner can read; line ends are written as they are."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="")
