"""What `--type` may say of a column, and how its cells become that."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Convert = Callable[[Any], Any]

TRUE = frozenset({"true", "yes", "y", "1", "on", "t"})
FALSE = frozenset({"false", "no", "n", "0", "off", "f"})
WHOLE = re.compile(r"[+-]?\d+(?:\.0+)?", re.ASCII)
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
KINDS = "int, float, bool, date, date:FORMAT, datetime, datetime:FORMAT, json or text"


def find_kind(text: str) -> Convert:
    """Return what makes a value of a cell; it raises a ValueError that says what the cell is not, and shows nothing.

    Args:
        text: `int`, `float`, `bool`, `date`, `datetime`, `json` or `text`; with `date:` and `datetime:`, a format of
            `strptime` may follow.

    Raises:
        ValueError: There is no such kind, or the format is none.
    """
    name, colon, form = text.partition(":")
    if name in ("date", "datetime"):
        _check_format(form)
    if name == "date":
        return lambda cell: _date(cell, form)
    if name == "datetime":
        return lambda cell: _datetime(cell, form)
    simple: dict[str, Convert] = {"int": _int, "float": _float, "bool": _bool, "json": _json, "text": as_text}
    if colon or name not in simple:
        raise ValueError(f"{text!r} is no type; there are {KINDS}")
    return simple[name]


def _check_format(form: str) -> None:
    """Raise where no time could be written and read in this format."""
    moment = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
    try:
        datetime.strptime(moment.strftime(form), form)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        raise ValueError(f"{form!r} is no format of strptime, such as %d/%m/%Y") from None


def as_text(cell: Any) -> str:
    """Return a cell as text."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, (date, datetime)):
        return cell.isoformat()
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, (dict, list)) else str(cell)


def as_flag(cell: Any) -> bool:
    """Return the truth value that a cell says."""
    return _bool(cell)


def _int(cell: Any) -> int:
    text = as_text(cell).strip()
    if isinstance(cell, bool) or not WHOLE.fullmatch(text):
        raise ValueError("is no whole number")
    return int(text.partition(".")[0])


def _float(cell: Any) -> float:
    text = as_text(cell).strip()
    if isinstance(cell, bool) or not NUMBER.fullmatch(text):
        raise ValueError("is no number such as 1499.50")
    return float(text)


def _bool(cell: Any) -> bool:
    text = as_text(cell).strip().casefold()
    if text not in TRUE | FALSE:
        raise ValueError("is neither yes nor no")
    return text in TRUE


def _date(cell: Any, form: str) -> date:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    try:
        return _read(as_text(cell).strip(), form).date()
    except ValueError:
        usual = "such as 1996-08-15; date:FORMAT says how it is written, as in date:%d/%m/%Y"
        raise ValueError(f"is no date {f'written as {form}' if form else usual}") from None


def _datetime(cell: Any, form: str) -> datetime:
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime.combine(cell, time())
    try:
        return _read(as_text(cell).strip(), form)
    except ValueError:
        usual = "such as 2026-11-25 10:30:00; datetime:FORMAT says how it is written"
        raise ValueError(f"is no time {f'written as {form}' if form else usual}") from None


def _read(text: str, form: str) -> datetime:
    if not form:
        return datetime.fromisoformat(text)
    return datetime.strptime(text, form)  # noqa: DTZ007 - local time, as everywhere, unless the format has a zone


def _json(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
