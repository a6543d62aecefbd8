"""The file of rejected rows: the original columns, the row's number and the reason, to be mended and imported again.

Cells are written as they are, those too that begin with `=`, `+`, `-` or `@`: a phone number begins so, and a changed
cell would be imported changed. They are the importing person's own, from a file that a spreadsheet has opened before.
"""

from __future__ import annotations

import csv
import json
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import attrs

from ._calls import RowError
from ._kinds import as_text
from ._mapping import OUR_COLUMNS
from ._places import opened_privately
from ._state import digest_of_file
from ._table import is_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ._calls import Calls
    from ._table import Record, Table


@attrs.frozen
class Rejected:
    """A file of rejected rows that was written.

    Attributes:
        path: Where it is.
        count: How many rows it has.
        digest: Of its content.
        kinds: What `--type` has to say of columns whose cells were no text, to read them again as they were.
    """

    path: Path
    count: int
    digest: str
    kinds: Mapping[str, str]


def rejected_rows(
    table: Table, calls: Calls, refused: Iterable[tuple[int, str]], *, has_wrong: bool
) -> Iterator[tuple[Record, str]]:
    """Give the rows that were wrong or refused, and why.

    Args:
        table: What was imported.
        calls: What makes the calls.
        refused: By the API: places among the fine rows, from 1 and rising, each with what the API said.
        has_wrong: Whether the wrong ones are given.
    """
    left = iter(refused)
    place, said = next(left, (0, ""))
    fine = 0
    for record in table.records():
        try:
            calls.make(record)
        except RowError as error:
            if has_wrong:
                yield record, str(error)
            continue
        fine += 1
        if fine == place:
            yield record, said
            place, said = next(left, (0, ""))


def rejected_place(path: Path, known: str) -> tuple[Path, bool]:
    """Return where rejected rows go, and whether an import's own file is there, as it was written.

    Args:
        path: Where to; where a file is there that an import did not write, or somebody has edited, the next free name.
        known: Digest of the file that the same import has written before; `""` for none.
    """
    number = 1
    target = path
    while target.exists():
        if digest_of_file(target) == known:
            return target, True
        number += 1
        target = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return target, False


def write_rejected(
    target: Path, draft: Path, table: Table, rows: Callable[[], Iterable[tuple[Record, str]]]
) -> Rejected | None:
    """Write rejected rows; None where there are none.

    Args:
        target: Where to, in one step.
        draft: Where the file is until it is whole.
        table: Whose rows they are.
        rows: Gives them with their reasons, each time anew.

    Raises:
        OSError: It cannot be written.
    """
    kept = [index for index, name in enumerate(table.columns) if name not in OUR_COLUMNS]
    kinds = _kinds(kept, rows()) if table.is_typed else {}
    count = 0
    with opened_privately(draft) as file:
        writer = csv.writer(file)
        writer.writerow([*(table.columns[index] for index in kept), *OUR_COLUMNS])
        for record, reason in rows():
            cells = (_written(record.cells[index], kinds.get(index)) for index in kept)
            writer.writerow([*cells, record.number, reason])
            count += 1
    if not count:
        draft.unlink()
        return None
    draft.replace(target)
    named = {table.columns[index]: kind for index, kind in kinds.items()}
    return Rejected(target, count, digest_of_file(target), named)


def _kinds(kept: Sequence[int], rows: Iterable[tuple[Record, str]]) -> dict[int, str]:
    """Return what has to be said of the columns that hold more than text: a kind that all their cells have."""
    kinds: dict[int, str] = {}
    for record, _ in rows:
        for index in kept:
            cell = record.cells[index]
            if not is_empty(cell) and not isinstance(cell, str):
                kind = _kind(cell)
                kinds[index] = kind if kinds.get(index, kind) == kind else "json"
    return kinds


def _kind(cell: Any) -> str:
    if not isinstance(cell, date):
        return "json"
    return "datetime" if isinstance(cell, datetime) and cell.time() != time() else "date"


def _written(cell: Any, kind: str | None) -> str:
    if is_empty(cell):
        return cell or ""
    if kind == "json":
        return json.dumps(cell, ensure_ascii=False, default=as_text)
    return as_text(cell.date() if kind == "date" and isinstance(cell, datetime) else cell)
