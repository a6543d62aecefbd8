"""A row as the call that it asks for, checked as any call is."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, NamedTuple

from interakt_track import Client, InvalidMessageError, Receipt

from ._kinds import as_flag, as_text
from ._table import is_empty

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._columns import Column, Plan
    from ._table import Record


CURES = {
    "phone_number is in exponent notation": "export the file anew, and let no spreadsheet read the column as numbers",
    "phone_number ends in .0": "in the spreadsheet, give the column the format Text, or Number without decimals",
    "created_at is not": "--type COLUMN=datetime takes 2026-11-25 10:30 and dates, too, and "
    "--type COLUMN=datetime:FORMAT what is written otherwise, as in datetime:%d/%m/%Y %H:%M",
}
"""What to do in a file about what the client says of a value in a program."""


class Problem(NamedTuple):
    """One thing that is wrong with a row.

    Attributes:
        reason: In words that show nothing of the row.
        value: The cell that is the reason; None where it is none, or several.
    """

    reason: str
    value: Any = None


class RowError(ValueError):
    """A row that cannot be sent.

    Attributes:
        problems: All that is wrong with it.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.reason for problem in problems))
        self.problems = problems


class Calls:
    """Makes the calls of rows with a client that checks them and queues nothing.

    Args:
        plan: What each column is.
        write_key: Of the account they are for; None where they are only looked at.
        host: The API's; None: the environment's, else Interakt's.
    """

    def __init__(self, plan: Plan, *, write_key: str | None = None, host: str | None = None) -> None:
        self._plan = plan
        self._client = Client(
            write_key=write_key, host=host, enabled=False, strict=True, default_country_code=plan.country_code
        )
        self._cells = [(column.index, column, _converter(column)) for column in plan.columns]
        self._sources = {column.field: column.index for column in plan.columns if column.field}

    def make(self, record: Record) -> Receipt:
        """Return the receipt of a row's call.

        Raises:
            RowError: It cannot be sent; the text says why, and shows nothing of it.
        """
        if record.problem is not None:
            raise RowError(Problem(record.problem))
        fields: dict[str, Any] = {}
        traits: dict[str, Any] = {}
        problems: list[Problem] = []
        unread: set[str] = set()  # fields whose cells are a problem; the call must not add that they are missing
        for index, column, convert in self._cells:
            cell = record.cells[index]
            if is_empty(cell):
                continue
            try:
                value = convert(cell)
            except ValueError as error:
                problems.append(Problem(f"{column.name!r} {error}", cell))
                unread.add(column.field or "")
                continue
            if column.field is None:
                traits[column.trait or ""] = value
            else:
                fields[column.field] = value
        receipt: Receipt | None = None
        try:
            receipt = self._call(fields, traits)
        except InvalidMessageError as error:
            if not _is_about(str(error), unread):
                problems.append(self._problem(str(error), record))
        if receipt is None or problems:
            raise RowError(*problems)
        return receipt

    def _call(self, fields: dict[str, Any], traits: dict[str, Any]) -> Receipt:
        if self._plan.subject == "users":
            return self._client.identify(traits=traits, priority="low", **fields)
        event = self._plan.event or fields.pop("event", None)
        return self._client.event(event=event, traits=traits, priority="low", **fields)

    def _problem(self, reason: str, record: Record) -> Problem:
        """Return what the client says of a row, with the cell that it is about."""
        index = self._sources.get(reason.partition(" ")[0])
        cure = next((cure for start, cure in CURES.items() if reason.startswith(start)), None)
        return Problem(reason if cure is None else f"{reason}; {cure}", None if index is None else record.cells[index])


def _is_about(reason: str, fields: set[str]) -> bool:
    """Tell whether the client says of one of these fields that it is missing, or of all that say who it is."""
    if " missing" not in reason:
        return False
    return any(field in reason.partition(";")[0] for field in fields if field)


def _converter(column: Column) -> Callable[[Any], Any]:
    """Return what makes of a cell what the call takes."""
    convert = column.convert or _standard(column)
    if column.field == "created_at" and column.kind is not None:
        said = convert
        convert = lambda cell: _moment(said(cell))  # noqa: E731 - as what it replaces
    if not column.is_unquoted:
        return convert

    def unquoted(cell: Any) -> Any:
        return convert(cell[1:] if isinstance(cell, str) and cell.startswith("'") else cell)

    return unquoted


def _standard(column: Column) -> Callable[[Any], Any]:
    standard: dict[str, Callable[[Any], Any]] = {
        "user_id": lambda cell: cell.strip() if isinstance(cell, str) else cell,
        "country_code": lambda cell: cell.strip() if isinstance(cell, str) else cell,
        "tags": _tags,
        "add_to_sales_cycle": as_flag,
        "created_at": _moment,
        "event": lambda cell: as_text(cell).strip(),
    }
    return standard.get(column.field or "", _date_where_it_is_one)


def _tags(cell: Any) -> Any:
    if isinstance(cell, list):
        return cell
    return [tag for part in as_text(cell).split(",") if (tag := part.strip())]


def _moment(cell: Any) -> Any:
    """Return a time; a date alone, as a sheet has it, begins at midnight."""
    return datetime.combine(cell, time()) if isinstance(cell, date) and not isinstance(cell, datetime) else cell


def _date_where_it_is_one(cell: Any) -> Any:
    """Return a sheet's date as one: workbooks know times only, and midnight here is another day in UTC."""
    return cell.date() if isinstance(cell, datetime) and cell.tzinfo is None and cell.time() == time() else cell
