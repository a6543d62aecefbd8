"""A file of JSON Lines as a table: an object on each line, whose names are the columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from ._table import ImportFileError, Record, check_columns, is_empty
from ._text import opened_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_COLUMNS = 1000  # more are no table, but ids used as names


class JsonLinesTable:
    """Reads a file of JSON Lines; its columns are all names that any line has, in the order of their first use.

    Args:
        path: Of the file.
        encoding: As in `open_table`.

    Raises:
        ImportFileError: It cannot be read, or holds no object.
    """

    is_typed = True
    counted_in: Literal["rows", "lines"] = "lines"
    note = None

    def __init__(self, path: Path, encoding: str | None) -> None:
        self._path = path
        self._encoding = encoding
        names: dict[str, None] = {}
        for _, value in self._values():
            if isinstance(value, dict):
                names.update(dict.fromkeys(value))
            if len(names) > MAX_COLUMNS:
                raise ImportFileError(f"the objects of {path.name} have more than {MAX_COLUMNS:,} different names")
        if not any(names):
            raise ImportFileError(f"{path.name} holds no JSON object whose names could be columns")
        self.columns = list(names)
        check_columns(self.columns, path.name)

    def records(self) -> Iterator[Record]:
        """Give the lines; blank ones are none."""
        for number, value in self._values():
            if isinstance(value, dict):
                if all(map(is_empty, value.values())):
                    continue
                yield Record(number, [value.get(name) for name in self.columns])
            else:
                problem = f"it is no JSON: {value}" if isinstance(value, ValueError) else "it is no JSON object"
                yield Record(number, [None] * len(self.columns), problem)

    def _values(self) -> Iterator[tuple[int, Any]]:
        with opened_text(self._path, self._encoding) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _parsed(line)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        return ValueError(error.msg)
    except (ValueError, RecursionError):  # a number without end, or endless depth
        return ValueError("it is too large")
