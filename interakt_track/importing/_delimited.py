"""A CSV file of any dialect as a table."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from ._table import ImportFileError, Record, check_columns, is_empty
from ._text import opened_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DELIMITERS = ",;\t|"
SAMPLE = 1 << 16  # characters that tell the dialect
SAMPLE_ROWS = 200
MAX_CELL = 1 << 20  # characters; no message holds more, and an open quotation mark takes up the rest of the file


class DelimitedTable:
    """Reads a CSV file; which delimiter it has, and how it quotes, is seen from its first rows.

    Args:
        path: Of the file.
        encoding: As in `open_table`.

    Raises:
        ImportFileError: It cannot be read, or has no headings.
    """

    is_typed = False
    note = None

    def __init__(self, path: Path, encoding: str | None) -> None:
        self._path = path
        self._encoding = encoding
        with opened_text(path, encoding) as file:
            self._format = detect_format(file.read(SAMPLE))
        self.columns: list[str] = next(self._rows(), (1, []))[1]
        self.columns = [name.strip() for name in self.columns]
        check_columns(self.columns, path.name)

    def records(self) -> Iterator[Record]:
        """Give the rows; one that is blank is a row of the spreadsheet, and none here."""
        rows = self._rows()
        next(rows, None)
        width = len(self.columns)
        for number, cells in rows:
            if not any(cells) or all(map(is_empty, cells)):
                continue
            if len(cells) == width:
                yield Record(number, cells)
            else:
                is_wide = not all(map(is_empty, cells[width:]))
                problem = f"it has {len(cells)} cells, and the headings are {width}" if is_wide else None
                yield Record(number, [*cells[:width], *[""] * (width - len(cells))], problem)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        before = csv.field_size_limit(MAX_CELL)
        number = 0
        try:
            with opened_text(self._path, self._encoding) as file:
                for number, cells in enumerate(csv.reader(file, **self._format), 1):
                    yield number, cells
        except csv.Error as error:
            hint = "; is a quotation mark not closed?" if "field larger" in str(error) else ""
            raise ImportFileError(f"{self._path.name} cannot be read after row {number:,}: {error}{hint}") from None
        finally:
            csv.field_size_limit(before)


def detect_format(sample: str) -> dict[str, Any]:
    """Return how a CSV file is written, as arguments of `csv.reader`.

    The delimiter is the one by which most rows have as many cells as the first one, and more than one; of those that
    do equally well, the one that makes most cells.
    """
    style: dict[str, Any] = {}
    if '\\"' in sample and '""' not in sample.replace('\\""', ""):
        style = {"escapechar": "\\", "doublequote": False}
    if sample.startswith("'") and '"' not in sample:
        style["quotechar"] = "'"
    return {"delimiter": max(DELIMITERS, key=lambda one: _fit(sample, {"delimiter": one, **style})), **style}


def _fit(sample: str, style: dict[str, Any]) -> tuple[float, int]:
    lines = sample.splitlines(keepends=True)
    if len(lines) > 1 and len(sample) == SAMPLE:
        lines.pop()  # it was cut off
    try:
        widths = [len(cells) for cells in islice(csv.reader(lines, **style), SAMPLE_ROWS) if cells]
    except csv.Error:
        return 0.0, 0
    if not widths or widths[0] == 1:
        return 0.0, 0
    return Counter(widths)[widths[0]] / len(widths), widths[0]
