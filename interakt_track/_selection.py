"""Which of a spool's messages are meant, as a condition on its rows."""

from __future__ import annotations

import time

from ._arguments import parse_phone_arguments, parse_user_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    Condition: TypeAlias = tuple[str, tuple[Any, ...]]
    """Text of SQL, and the values it binds."""

DEFAULT_COUNTRY_CODE = "+91"


def waiting_where(*, ids: Iterable[int] | None, older_than: float | None, person: Condition | None = None) -> Condition:
    """Return the condition for waiting messages that all of the arguments hold for; None asks nothing.

    Args:
        ids: Their numbers in the file.
        older_than: Seconds since their calls.
        person: As `person_where` has it.
    """
    return _all_of(_id_is(ids), _is_before("called_at", older_than), person)


def failed_where(
    *,
    ids: Iterable[int] | None,
    error: str | None,
    status_code: int | None,
    older_than: float | None,
    person: Condition | None = None,
) -> Condition:
    """Return the condition for failed messages, as `waiting_where` does; they are older since they failed."""
    return _all_of(
        _id_is(ids),
        None if error is None else ("error = ? COLLATE NOCASE", (error,)),
        None if status_code is None else ("status_code = ?", (status_code,)),
        _is_before("failed_at", older_than),
        person,
    )


def person_where(user_id: object, country_code: object, phone_number: object) -> Condition | None:
    """Return the condition for messages that have either the id or the phone number; None when there is neither.

    Raises:
        InvalidMessageError: One of them cannot be one.
    """
    conditions: list[Condition] = []
    parsed = parse_user_id(user_id)
    if parsed is not None:
        conditions.append(("user_id = ?", (parsed,)))
    code, number = parse_phone_arguments(phone_number, country_code, DEFAULT_COUNTRY_CODE)
    if number is not None:
        conditions.append(("country_code = ? AND phone_number = ?", (code, number)))
    return _joined(" OR ", conditions) if conditions else None


def _all_of(*conditions: Condition | None) -> Condition:
    asked = [condition for condition in conditions if condition is not None]
    return _joined(" AND ", asked) if asked else ("1", ())


def _joined(word: str, conditions: list[Condition]) -> Condition:
    text = word.join(f"({text})" for text, _ in conditions)
    return f"({text})", tuple(value for _, values in conditions for value in values)


def _id_is(ids: Iterable[int] | None) -> Condition | None:
    # Written out, as there may be more of them than SQLite binds; the format lets nothing but whole numbers through.
    return None if ids is None else (f"id IN ({', '.join(f'{row_id:d}' for row_id in ids)})", ())


def _is_before(column: str, age: float | None) -> Condition | None:
    return None if age is None else (f"{column} < ?", (time.time() - age,))
