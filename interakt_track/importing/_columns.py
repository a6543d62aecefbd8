"""The plan of an import: what becomes of each column."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import attrs

from ._kinds import find_kind
from ._mapping import FIELDS, OUR_COLUMNS, Mapping, Subject, plain_name
from ._presets import PRESETS
from ._table import ImportFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_SHOWN = 40  # columns in an error's text
A_CUSTOMERS = re.compile(r"'?\+?\d[\d ().-]{6,}|[^@\s]+@[^@\s]+\.\w+")  # a phone number, or an email: no heading


@attrs.frozen(kw_only=True)
class Column:
    """A column that says something.

    Attributes:
        index: Of its cell in a row.
        name: Its heading.
        field: What it is of a call; None where it is a trait.
        trait: The trait's name; None where it is a field.
        kind: What `--type` says; None: the cell as it is.
        is_unquoted: Whether a `'` before the cell is a spreadsheet's, and no part of it.
    """

    index: int
    name: str
    field: str | None = None
    trait: str | None = None
    kind: str | None = None
    is_unquoted: bool = False

    @property
    def convert(self) -> Callable[[Any], Any] | None:
        """What makes a value of a cell."""
        return None if self.kind is None else find_kind(self.kind)


@attrs.frozen(kw_only=True)
class Plan:
    """What becomes of each column.

    Attributes:
        subject: Whether rows are customers or events.
        columns: Those that say something, in the order of the file.
        ignored: Headings of those that do not.
        event: The event of every row; None where a column has it.
        country_code: Of phone numbers that bring none, where no column has it.
    """

    subject: Subject
    columns: tuple[Column, ...]
    ignored: tuple[str, ...]
    event: str | None
    country_code: str

    def has(self, field: str) -> bool:
        """Tell whether a column is this field."""
        return any(column.field == field for column in self.columns)


def make_plan(
    headings: Sequence[str], subject: Subject, *, options: Mapping, preset: Mapping | None, country_code: str
) -> Plan:
    """Return the plan for a file with these headings.

    What an option says of a column is stronger than what a preset says, and that than the column's own name.

    Raises:
        ImportFileError: An option names a column that is not there, a type or field that there is none of; the preset
            is another export's; two columns are the same; or none says whom a row is about, or which event it is.
    """
    said = _Said(headings, subject)
    for mapping in (preset, options):
        if mapping is not None:
            said.hear(mapping)
    columns = tuple(column for column in map(said.column, range(len(headings))) if column is not None)
    plan = Plan(
        subject=subject,
        columns=columns,
        ignored=tuple(name for index, name in enumerate(headings) if name and said.column(index) is None),
        event=said.event,
        country_code=country_code,
    )
    if preset is not None and not preset.found_in(headings) & preset.fields.keys():
        raise ImportFileError(
            f"the preset is for another export: none of {', '.join(preset.fields)} is there. "
            f"The file has {_listed(headings)}"
        )
    _check(plan, headings)
    return plan


class _Said:
    """What was said of each column so far; what is said later counts."""

    def __init__(self, headings: Sequence[str], subject: Subject) -> None:
        self._headings = headings
        self._fields = FIELDS[subject]
        self._targets: dict[int, tuple[str, str]] = {}
        self._kinds: dict[int, str] = {}
        self._unquoted: set[int] = set()
        self._by_preset: set[int] = set()
        self.event: str | None = None

    def hear(self, mapping: Mapping) -> None:
        for name, field in mapping.fields.items():
            self._set(mapping, name, "field", self._checked_field(field))
        for name, trait in mapping.traits.items():
            self._set(mapping, name, "trait", trait)
        for name in mapping.ignored:
            self._set(mapping, name, "nothing", "")
        for name, kind in mapping.kinds.items():
            index = self._index(name, mapping)
            if index is not None:
                self._kinds[index] = _checked_kind(kind)
        found = (self._index(name, mapping) for name in mapping.unquoted)
        self._unquoted.update(index for index in found if index is not None)
        self.event = mapping.event or self.event

    def column(self, index: int) -> Column | None:
        name = self._headings[index]
        what, target = self._targets.get(index) or self._by_name(name)
        if what == "nothing":
            return None
        kind = self._kinds.get(index)
        return Column(
            index=index,
            name=name,
            field=target if what == "field" else None,
            trait=target if what == "trait" else None,
            kind=kind,
            is_unquoted=index in self._unquoted,
        )

    def _by_name(self, name: str) -> tuple[str, str]:
        if not name or name in OUR_COLUMNS:
            return "nothing", ""
        plain = plain_name(name)
        is_taken = any(target == ("field", plain) for target in self._targets.values())
        if plain in self._fields and not is_taken and not (plain == "event" and self.event):
            return "field", plain
        return "trait", name

    def _set(self, mapping: Mapping, name: str, what: str, target: str) -> None:
        index = self._index(name, mapping)
        if index is None:
            return
        if mapping.is_preset:
            self._by_preset.add(index)
        else:
            self._by_preset.discard(index)
            self._give_up(what, target)
        self._targets[index] = what, target

    def _give_up(self, what: str, target: str) -> None:
        """Leave a field or trait to the column that an option gives it to; the preset's has its own name then."""
        for index in self._by_preset:
            if self._targets[index] == (what, target):
                self._targets[index] = "trait", self._headings[index]

    def _index(self, name: str, mapping: Mapping) -> int | None:
        if name in self._headings:
            return list(self._headings).index(name)
        alike = [index for index, one in enumerate(self._headings) if plain_name(one) == plain_name(name)]
        if len(alike) == 1:
            return alike[0]
        if mapping.is_preset:
            return None
        near = get_close_matches(name, [one for one in self._headings if one], 3)
        hint = f". Did you mean {' or '.join(map(repr, near))}?" if near else "."
        raise ImportFileError(f"there is no column {name!r}{hint} The file has {_listed(self._headings)}")

    def _checked_field(self, text: str) -> str:
        field = plain_name(text)
        if field not in self._fields:
            known = ", ".join(self._fields)
            raise ImportFileError(f"--map takes one of {known}, not {text!r}; --trait COLUMN=NAME names a trait")
        return field


def _checked_kind(text: str) -> str:
    try:
        find_kind(text)
    except ValueError as error:
        raise ImportFileError(f"--type: {error}") from None
    return text


def _check(plan: Plan, headings: Sequence[str]) -> None:
    owners: dict[tuple[str | None, str | None], str] = {}
    for column in plan.columns:
        what = (column.field, column.trait)
        if what in owners:
            shown = column.field or f"the trait {column.trait!r}"
            raise ImportFileError(
                f"both {owners[what]!r} and {column.name!r} are {shown}; --ignore one of them, or name it with --trait"
            )
        owners[what] = column.name
    if not plan.has("user_id") and not plan.has("phone_number"):
        if any(map(A_CUSTOMERS.fullmatch, headings)):
            raise ImportFileError(
                "the file seems to have no headings, for its first row holds a phone number or an email; "
                "put a row before it that says what each column is"
            )
        raise ImportFileError(
            "no column says whom a row is about; say which one does, as in "
            f"{_guess(headings, plan.subject)}. The file has {_listed(headings)}"
        )
    if plan.subject == "events" and plan.event is None and not plan.has("event"):
        raise ImportFileError(
            "no column says which event it is; --event-column COLUMN says which one does, or --event NAME names "
            f"that of all rows. The file has {_listed(headings)}"
        )


def _guess(headings: Sequence[str], subject: Subject) -> str:
    """Return the options that are likely meant: a preset, or the shortest heading that speaks of phones."""
    preset = next((name for name, one in PRESETS.items() if subject == "users" and one.is_made_for(headings)), None)
    if preset is not None:
        return f"--preset {preset}"
    likely = [name for name in headings if any(word in name.casefold() for word in ("phone", "mobile", "whatsapp"))]
    column = min(likely, key=len, default="Mobile No")
    return f"--map {f'{column}=phone_number'!r} or --map 'Customer No=user_id'"


def _listed(headings: Sequence[str]) -> str:
    names = [name for name in headings if name]
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more
