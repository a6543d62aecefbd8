"""The first pass: every row is checked, and what is wrong is grouped by its reason."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import attrs

from ._calls import RowError
from ._kinds import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from interakt_track import Receipt

    from ._calls import Calls
    from ._table import Table

MAX_GROUPS = 100  # of reasons; a file that has more is no table of customers
MAX_ROWS = 5  # row numbers kept of each reason
MAX_EXAMPLES = 3
MAX_SAMPLES = 2  # messages kept as they would be sent
OTHERS = "other reasons"
NOTE_EVERY = 5000  # rows


@attrs.define
class Group:
    """Rows that are wrong for one reason.

    Attributes:
        reason: Of the first of them; where numbers in it differ, the others' are alike.
        rows: The first row numbers.
        examples: Cells that are the reason.
    """

    reason: str
    count: int = 0
    rows: list[int] = attrs.field(factory=list)
    examples: list[Any] = attrs.field(factory=list)

    def add(self, number: int, value: Any) -> None:
        """Count a row."""
        self.count += 1
        if len(self.rows) < MAX_ROWS:
            self.rows.append(number)
        if value is not None and len(self.examples) < MAX_EXAMPLES and value not in self.examples:
            self.examples.append(value)


@attrs.define
class Findings:
    """What a check has found.

    Attributes:
        fine: How many rows can be sent.
        wrong: How many cannot.
        groups: By reason, the most frequent first.
        samples: The first calls that can be sent.
        digest: Of which rows are fine: the same for the same answer.
        sought: Row numbers of the fine rows that were asked for, by their place among the fine ones, from 1.
    """

    fine: int = 0
    wrong: int = 0
    groups: list[Group] = attrs.field(factory=list)
    samples: list[Receipt] = attrs.field(factory=list)
    digest: str = ""
    sought: dict[int, int] = attrs.field(factory=dict)


def check(
    table: Table,
    calls: Calls,
    *,
    sought: Collection[int] = (),
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Findings:
    """Check every row of a table.

    Args:
        table: To read once, from the first row to the last.
        calls: What makes the calls.
        sought: Places among the fine rows whose row numbers are wanted.
        on_rows: Called from time to time with the number of rows that were checked.

    Raises:
        ImportFileError: The table cannot be read to its end.
    """
    found = Findings()
    groups: dict[str, Group] = {}
    fine_rows = hashlib.sha256()
    for count, record in enumerate(table.records(), 1):
        try:
            receipt = calls.make(record)
        except RowError as error:
            found.wrong += 1
            for problem in error.problems:
                _group_of(problem.reason, groups).add(record.number, problem.value)
        else:
            found.fine += 1
            fine_rows.update(b"%d," % record.number)
            if found.fine <= MAX_SAMPLES:
                found.samples.append(receipt)
            if found.fine in sought:
                found.sought[found.fine] = record.number
        if count % NOTE_EVERY == 0:
            on_rows(count)
    found.groups = sorted(groups.values(), key=lambda group: -group.count)
    found.digest = fine_rows.hexdigest()
    return found


def _group_of(reason: str, groups: dict[str, Group]) -> Group:
    alike = re.sub(r"\d+", "#", reason)
    if alike not in groups and len(groups) >= MAX_GROUPS:
        alike = reason = OTHERS
    return groups.setdefault(alike, Group(reason))


def masked_shape(value: Any) -> str:
    """Return what a cell looks like without what it says: `9.88E+09` is `#.##X+##`, `Asha` is `Xxxx`."""
    text = as_text(value)
    shown = re.sub(r"\d", "#", text)
    return "".join(character if not character.isalpha() else "X" if character.isupper() else "x" for character in shown)
