"""A table of any format: its columns, and its rows with their numbers as a person sees them in a spreadsheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ImportFileError(ValueError):
    """The file, or what an option says of it, cannot be used; the text says why, and what to do."""


class Record(NamedTuple):
    """A row of a table.

    Attributes:
        number: Of the row in the spreadsheet, where the headings are row 1; of the line in JSON Lines.
        cells: One for each column; None, or blank text, where the row says nothing.
        problem: Why the row as such cannot be read; None when it can.
    """

    number: int
    cells: Sequence[Any]
    problem: str | None = None


class Table(Protocol):
    """What is read row by row, as often as wanted; no more than a few rows are in memory."""

    @property
    def columns(self) -> Sequence[str]:
        """The headings, `""` where there is none."""
        ...

    @property
    def is_typed(self) -> bool:
        """Whether cells are numbers, truth values or times where the file says so; else all of them are text."""
        ...

    @property
    def counted_in(self) -> Literal["rows", "lines"]:
        """What the numbers of rows count: those of a spreadsheet, its headings too, or the lines of a text."""
        ...

    @property
    def note(self) -> str | None:
        """What a person should know of how the file was read."""
        ...

    def records(self) -> Iterator[Record]:
        """Give the rows from the first one on.

        Raises:
            ImportFileError: The file cannot be read any further.
        """
        ...


def is_empty(cell: Any) -> bool:
    """Tell whether a cell says nothing."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def check_columns(columns: Sequence[str], where: str) -> None:
    """Raise where no column has a name, or two have the same one."""
    names = [name for name in columns if name]
    if not names:
        raise ImportFileError(f"{where} has no headings in its first row; they say what each column is")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ImportFileError(f"{where} has more than one column {min(twice)!r}; rename one of them")
