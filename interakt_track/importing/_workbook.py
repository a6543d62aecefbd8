"""A sheet of an Excel workbook as a table."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any, Literal
from zipfile import BadZipFile

import openpyxl
from openpyxl.cell.cell import ERROR_CODES
from openpyxl.utils.exceptions import InvalidFileException

from ._table import ImportFileError, Record, check_columns, is_empty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openpyxl.workbook import Workbook


class WorkbookTable:
    """Reads a sheet of a workbook; its headings are in the first row that holds anything.

    Args:
        path: Of the file.
        sheet: Its name; None: the first one.

    Raises:
        ImportFileError: It cannot be read, or has no headings.
    """

    is_typed = True
    counted_in: Literal["rows", "lines"] = "rows"

    def __init__(self, path: Path, sheet: str | None) -> None:
        self._path = path
        with _opened(path) as workbook:
            names = [one.title for one in workbook.worksheets]
        if not names or (sheet is not None and sheet not in names):
            raise ImportFileError(f"{path.name} has no sheet {sheet or ''!r}; it has {', '.join(map(repr, names))}")
        self._sheet = sheet or names[0]
        others = ", ".join(repr(name) for name in names if name != self._sheet)
        is_choice = bool(others) and sheet is None
        self.note = f"the sheet {self._sheet!r} is read; --sheet takes another one: {others}" if is_choice else None
        self._first, headings = next(self._rows(), (1, ()))
        self.columns = ["" if name is None else str(name).strip() for name in headings]
        check_columns(self.columns, f"the sheet {self._sheet!r} of {path.name}")

    def records(self) -> Iterator[Record]:
        """Give the rows; those without any value are left out."""
        width = len(self.columns)
        for number, row in self._rows():
            if number == self._first:
                continue
            cells = [_plain(cell) for cell in row[:width]]
            cells += [None] * (width - len(cells))
            wrong = next((cell for cell in cells if isinstance(cell, str) and cell in ERROR_CODES), None)
            yield Record(number, cells, f"a cell shows the error {wrong}" if wrong else None)

    def _rows(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        with _opened(self._path) as workbook:
            for number, cells in enumerate(workbook[self._sheet].iter_rows(values_only=True), 1):
                if any(not is_empty(cell) for cell in cells):
                    yield number, cells


@contextmanager
def _opened(path: Path) -> Iterator[Workbook]:
    """Open a workbook by its content, whatever its name; what its parsers raise, while it is read too, is ours."""
    try:
        with path.open("rb") as file:
            workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
            try:
                yield workbook
            finally:
                workbook.close()
    except ImportFileError:
        raise
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read: {error.strerror}") from error
    except (BadZipFile, InvalidFileException, KeyError, ValueError, SyntaxError, zlib.error) as error:
        raise ImportFileError(f"{path.name} is no Excel workbook, or is damaged") from error


def _plain(cell: Any) -> Any:
    """Return a value as other formats have it: whole floats are whole numbers, times of day are text."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    if isinstance(cell, (time, timedelta)):
        return str(cell)
    return cell
