"""What options and presets say of columns, in the words they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

Subject = Literal["users", "events"]

FIELDS: dict[Subject, tuple[str, ...]] = {
    "users": ("user_id", "phone_number", "country_code", "created_at", "tags", "add_to_sales_cycle"),
    "events": ("user_id", "phone_number", "country_code", "created_at", "event"),
}
"""What a column can be beside a trait."""

OUR_COLUMNS = ("rejected_row", "rejected_reason")
"""What a file of rejected rows has after the original columns; an import passes them by."""


def plain_name(name: str) -> str:
    """Return a heading without what people vary: case, blanks, dashes."""
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split())


@attrs.frozen(kw_only=True)
class Mapping:
    """Which column is what.

    Attributes:
        fields: Heading to field, as `--map` has them.
        traits: Heading to the trait's name.
        kinds: Heading to what `--type` says.
        ignored: Headings that say nothing.
        unquoted: Headings whose cells may begin with a spreadsheet's `'`, which is not part of them.
        event: The event of every row; None where a column has it.
        is_preset: Whether a heading that the file lacks is no mistake.
    """

    fields: dict[str, str] = attrs.field(factory=dict)
    traits: dict[str, str] = attrs.field(factory=dict)
    kinds: dict[str, str] = attrs.field(factory=dict)
    ignored: frozenset[str] = frozenset()
    unquoted: frozenset[str] = frozenset()
    event: str | None = None
    is_preset: bool = False

    def found_in(self, headings: Sequence[str]) -> set[str]:
        """Return the names that this has of columns that are there."""
        plain = {plain_name(heading) for heading in headings}
        return {name for name in (*self.fields, *self.traits) if plain_name(name) in plain}

    def is_made_for(self, headings: Sequence[str]) -> bool:
        """Tell whether most columns that this speaks of are there."""
        return 2 * len(self.found_in(headings)) > len(self.fields) + len(self.traits)
