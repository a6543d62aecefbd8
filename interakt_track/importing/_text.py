"""Text of a file: which encoding it has, and where it is wrong."""

from __future__ import annotations

import codecs
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from ._table import ImportFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = 1 << 16  # bytes read at a time where a wrong one is looked for


@contextmanager
def opened_text(path: Path, encoding: str | None) -> Iterator[TextIO]:
    """Open a text file; line ends stay as they are.

    Raises:
        ImportFileError: It cannot be opened; or, while it is read, a byte is no text in this encoding.
    """
    chosen = encoding or _marked_encoding(path)
    try:
        with path.open(encoding=chosen, newline="") as file:
            yield file
    except LookupError:
        raise ImportFileError(
            f"there is no encoding {encoding!r}; there are utf-8, utf-16, cp1252 and others"
        ) from None
    except UnicodeError:
        raise _explained(path, chosen) from None
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read: {error.strerror}") from error


def _marked_encoding(path: Path) -> str:
    """Return UTF-8, with or without a byte order mark, unless a mark says UTF-16, as a spreadsheet's "Unicode text"."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read: {error.strerror}") from error
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _explained(path: Path, encoding: str) -> ImportFileError:
    """Return the error that tells where the first byte is that is no text."""
    offset, line = _first_wrong_byte(path, encoding)
    name = "UTF-8" if encoding == "utf-8-sig" else encoding
    return ImportFileError(
        f"{path.name} is no {name} text: a byte of line {line:,} is wrong (byte {offset:,}, counted from 0); "
        "if it was saved by a spreadsheet on Windows, try --encoding cp1252, or save it as CSV UTF-8"
    )


def _first_wrong_byte(path: Path, encoding: str) -> tuple[int, int]:
    """Return its offset, and the number of the line that it is in."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset, line = 0, 1
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK)
            pending = len(decoder.getstate()[0])  # bytes of a character that the last block began
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                place = error.start - pending
                return offset + place, line + block.count(b"\n", 0, max(place, 0))
            except UnicodeError:  # UTF-16 without its mark
                return offset, line
            if not block:
                return offset, line
            offset += len(block)
            line += block.count(b"\n")
