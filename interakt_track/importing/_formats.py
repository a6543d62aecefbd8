"""Which format a file has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ._delimited import DelimitedTable
from ._json_lines import JsonLinesTable
from ._table import ImportFileError

if TYPE_CHECKING:
    from pathlib import Path

    from ._table import Table

OTHERS_SHEETS = ("xls", "xlsb", "ods", "numbers")
ZIP, GZIP = b"PK\x03\x04", b"\x1f\x8b"
OLE = b"\xd0\xcf\x11\xe0"  # how workbooks begin that are old, or have a password
JSON_ARRAY = re.compile(rb"\[\s*[{\]]")


def open_table(path: Path, *, encoding: str | None = None, sheet: str | None = None) -> Table:
    """Return the table in a file, by the ending of its name: .xlsx, .jsonl or .ndjson; all else is CSV.

    What begins as a workbook does is one, whatever its name. A .json file, and one without an ending, as what came from
    stdin, is JSON Lines if it begins with a `{`.

    Args:
        path: Of the file.
        encoding: Of the text; None: UTF-8, or what a byte order mark says.
        sheet: Of a workbook; None: the first one.

    Raises:
        ImportFileError: It cannot be read.
    """
    ending = path.suffix.lower().removeprefix(".")
    start = _start_of(path)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if ending in OTHERS_SHEETS:
        raise ImportFileError(f"{path.name} is a .{ending} file; save it as .xlsx or CSV first")
    if start.startswith(OLE):
        raise ImportFileError(f"{path.name} has a password, or is an old .xls; save it as .xlsx without one, or as CSV")
    if start.startswith(GZIP):
        raise ImportFileError(
            f"{path.name} is compressed; unpack it, or give it on stdin: zcat FILE | interakt-track import ... -"
        )
    if ending in ("xlsx", "xlsm") or start.startswith(ZIP):
        from ._workbook import WorkbookTable  # noqa: PLC0415 - brings openpyxl, wanted for workbooks only

        return WorkbookTable(path, sheet)
    if sheet is not None:
        raise ImportFileError(f"{path.name} has no sheets; --sheet is for .xlsx files")
    may_be_json = ending in ("json", "jsonl", "ndjson", "")
    if may_be_json and JSON_ARRAY.match(text):
        raise ImportFileError(
            f"{path.name} is a JSON array; write each object on a line of its own, as jq -c '.[]' does"
        )
    is_json = ending in ("jsonl", "ndjson") or (may_be_json and text.startswith(b"{"))
    return JsonLinesTable(path, encoding) if is_json else DelimitedTable(path, encoding)


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read: {error.strerror}") from error
