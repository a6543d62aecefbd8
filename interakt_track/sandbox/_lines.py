"""A body as the page shows it: lines of JSON, each with its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import attrs

from ._contract import body_pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LineKind = Literal["open", "close", "string", "number", "word", "missing", "more"]

MAX_LINES = 1_000
MAX_DEPTH = 32
MAX_TEXT = 2_000  # characters of a value or a name


@attrs.frozen
class Line:
    """One line.

    Attributes:
        kind: What `text` is: a bracket, a value, the mark of a field that should be here, or of what was left out.
        depth: 0 for the outermost brackets.
        pointer: A JSON Pointer; see `Problem`.
        name: The field's, as JSON; empty in a list.
        text: As JSON, written by Python: a browser would round numbers with more than 15 digits.
    """

    kind: LineKind
    depth: int
    pointer: str
    name: str
    text: str


def lines_of(body: dict[str, Any], missing: Iterable[str] = ()) -> list[Line]:
    """Return the lines of a body.

    Args:
        body: As it was decoded.
        missing: Pointers at fields that are not there and should be; those of an object that is there get a line.
    """
    lines: list[Line] = []
    for line in _walk(body, [], "", frozenset(missing)):
        if len(lines) == MAX_LINES:
            lines.append(Line("more", 0, "", "", "… and more; these are the first lines"))
            break
        lines.append(line)
    return lines


def _walk(value: Any, path: list[str | int], name: str, missing: frozenset[str]) -> Iterator[Line]:
    depth, pointer = len(path), body_pointer(path)
    if not isinstance(value, dict | list):
        yield Line(_kind(value), depth, pointer, name, shown(value))
        return
    brackets = "{}" if isinstance(value, dict) else "[]"
    lacking = _lacking(value, pointer, missing) if isinstance(value, dict) else []
    if (not value and not lacking) or depth == MAX_DEPTH:
        yield Line("word", depth, pointer, name, brackets if not value else f"{brackets[0]} … {brackets[1]}")
        return
    yield Line("open", depth, pointer, name, brackets[0])
    items: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield from _walk(inner, [*path, key], shown(key) if isinstance(key, str) else "", missing)
    for field in lacking:
        yield Line("missing", depth + 1, f"{pointer}/{field}", shown(field), "is not there")
    yield Line("close", depth, pointer, "", brackets[1])


def _lacking(value: dict[str, Any], pointer: str, missing: frozenset[str]) -> list[str]:
    """Return the fields an object should have; none of the contract's names needs an escape."""
    parts = (place.rpartition("/") for place in sorted(missing))
    return [field for parent, _, field in parts if parent == pointer and field not in value]


def shown(value: Any) -> str:
    """Return a value as JSON, cut where it is too long to look at."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}… ({len(text) - MAX_TEXT} more characters)"


def _kind(value: Any) -> LineKind:
    if isinstance(value, str):
        return "string"
    return "word" if value is None or isinstance(value, bool) else "number"
