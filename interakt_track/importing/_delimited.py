"""A CSV file of any dialect as a table."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from ._table import ImportFileError, Record, check_columns, is_empty
from ._text import opened_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

DELIMITERS = ",;\t|"
SAMPLE = 1 << 16  # characters that tell the dialect
SAMPLE_ROWS = 200
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # Excel's, which shows it as no row
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
    counted_in: Literal["rows", "lines"] = "rows"
    note = None

    def __init__(self, path: Path, encoding: str | None) -> None:
        self._path = path
        self._encoding = encoding
        with opened_text(path, encoding) as file:
            sample = file.read(SAMPLE)
        said = SEPARATOR_LINE.match(sample)
        self._skipped = 1 if said else 0  # lines before the headings
        self._format = detect_format(sample[said.end() :] if said else sample)
        if said:
            self._format["delimiter"] = said[1]
        headings: list[str] = next(self._rows(), (1, [], None))[1]
        self.columns = [name.strip() for name in headings]
        check_columns(self.columns, path.name)

    def records(self) -> Iterator[Record]:
        """Give the rows; one that is blank is a row of the spreadsheet, and none here."""
        rows = self._rows()
        next(rows, None)
        width = len(self.columns)
        for number, cells, problem in rows:
            if not any(cells) or all(map(is_empty, cells)):
                continue
            if len(cells) == width:
                yield Record(number, cells, problem)
            else:
                is_wide = not all(map(is_empty, cells[width:]))
                too_wide = f"it has {len(cells)} cells, and there are {width} headings" if is_wide else None
                yield Record(number, [*cells[:width], *[""] * (width - len(cells))], problem or too_wide)

    def _rows(self) -> Iterator[tuple[int, list[str], str | None]]:
        """Give the rows from the headings on: number, cells, and what is wrong with its quotation marks."""
        before = csv.field_size_limit(MAX_CELL)
        number = 0
        try:
            with opened_text(self._path, self._encoding) as file:
                for _ in range(self._skipped):
                    next(file)
                lines = Lines(file, self._skipped)
                for number, cells in enumerate(csv.reader(lines, **self._format), 1):
                    yield number, cells, lines.problem_of_row(self._format)
        except csv.Error as error:
            words = str(error)
            if "field larger" in words:
                words = f"a cell is larger than {MAX_CELL:,} characters; is a quotation mark not closed?"
            raise ImportFileError(f"{self._path.name} cannot be read after row {number:,}: {words}") from None
        finally:
            csv.field_size_limit(before)


class Lines:
    """The lines of a file, and those of them that the row read last is made of.

    `csv` forgives a quotation mark that is not closed, and takes the rows behind it for a part of the cell.

    Args:
        file: To read from.
        count: How many lines were read before.
    """

    def __init__(self, file: TextIO, count: int) -> None:
        self._file = file
        self._count = count
        self._of_row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self._count += 1
        self._of_row.append(line)
        return line

    def problem_of_row(self, style: dict[str, Any]) -> str | None:
        """Return what is wrong with the quotation marks of the row that was read, and begin the next one.

        A row of one line is forgiven as long as its marks are in pairs: no other row can be lost in it.
        """
        lines, self._of_row = self._of_row, []
        is_in_doubt = len(lines) > 1 or lines[0].count(style.get("quotechar", '"')) % 2
        if not is_in_doubt or _keeps_to_the_rules(lines, style):
            return None
        where = f"line {self._count}" if len(lines) == 1 else f"lines {self._count - len(lines) + 1} to {self._count}"
        return f"a quotation mark is not closed, or not doubled inside of a text; see {where} of the file"


def _keeps_to_the_rules(lines: list[str], style: dict[str, Any]) -> bool:
    try:
        return len(list(csv.reader(lines, strict=True, **style))) == 1
    except csv.Error:
        return False


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
