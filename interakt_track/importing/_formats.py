"""Which format a file has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._delimited import DelimitedTable
from ._json_lines import JsonLinesTable
from ._table import ImportFileError

if TYPE_CHECKING:
    from pathlib import Path

    from ._table import Table

OTHERS_SHEETS = ("xls", "xlsb", "ods", "numbers")


def open_table(path: Path, *, encoding: str | None = None, sheet: str | None = None) -> Table:
    """Return the table in a file, by the ending of its name: .xlsx, .jsonl or .ndjson; all else is CSV.

    A file without an ending, as what came from stdin, is JSON Lines if it begins with a `{`.

    Args:
        path: Of the file.
        encoding: Of the text; None: UTF-8, or what a byte order mark says.
        sheet: Of a workbook; None: the first one.

    Raises:
        ImportFileError: It cannot be read.
    """
    ending = path.suffix.lower().removeprefix(".")
    start = _start_of(path)
    if ending in OTHERS_SHEETS:
        raise ImportFileError(f"{path.name} is a .{ending} file; save it as .xlsx or CSV first")
    if ending in ("xlsx", "xlsm") or start.startswith(b"PK\x03\x04"):
        from ._workbook import WorkbookTable  # noqa: PLC0415 - brings openpyxl, wanted for workbooks only

        return WorkbookTable(path, sheet)
    if sheet is not None:
        raise ImportFileError(f"{path.name} has no sheets; --sheet is for .xlsx files")
    is_json = ending in ("jsonl", "ndjson") or (not ending and start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"))
    return JsonLinesTable(path, encoding) if is_json else DelimitedTable(path, encoding)


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read: {error.strerror}") from error
