"""Traits that are out of the ordinary: what each value becomes, and where the one is that cannot be sent."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import isfinite

from ._errors import InvalidMessageError
from ._locks import IMPORT_LOCK
from ._values import (
    ANY_MEMBER,
    MAX_DIGITS,
    check_text,
    encode,
    integer,
    is_encodable,
    is_too_long,
    show_path,
    timestamp,
    type_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal
    from enum import Enum
    from typing import TypeGuard, TypeVar

    from ._values import Path, Plain

    T = TypeVar("T")

MAX_BODY_BYTES = 1_048_576  # the API publishes no limit; a bigger record is a mistake, and would hold up the others
MAX_DEPTH = 100  # the API knows flat traits; readers of JSON give up soon after


class _OversizeError(Exception):
    """There is no room left; whoever knows all traits names the biggest."""


class _Conversion:
    """One pass over a call's traits; counts bytes, so that a few lists holding each other often do not fill memory."""

    __slots__ = ("_open", "room")

    def __init__(self) -> None:
        self.room = MAX_BODY_BYTES
        self._open: set[int] = set()  # ids of the containers being converted; meeting one again is a cycle

    def key(self, key: object, siblings: Mapping[str, object], path: Path) -> str:
        """Return a key as text; `siblings` are those its mapping has given already."""
        if _is_enum(key):
            key = key.value
        if isinstance(key, str):
            text = str.__str__(key)
            if not is_encodable(text):
                check_text(text, f"a key of {show_path(path)}")
        else:
            number = integer(key)
            if number is None:
                raise InvalidMessageError(f"{show_path(path)} has a key of type {type_name(key)}; keys must be text")
            if is_too_long(number):
                raise InvalidMessageError(f"{show_path(path)} has an int of more than {MAX_DIGITS:,} digits as a key")
            text = str(number)
        if text in siblings:
            raise InvalidMessageError(f"{show_path(path)} has two keys that are the same text when sent")
        return text

    def plain(self, value: object, path: Path) -> Plain:
        """Return a value as JSON can hold it, or raise naming its path."""
        self._take(2)  # a digit and a comma: no value is shorter, so nothing that fits is ever refused
        if value is None or type(value) is bool or (type(value) is int and not is_too_long(value)):
            return value
        if _is_enum(value):
            return self.plain(_read(lambda: value.value, path), path)
        if isinstance(value, str):
            text = str.__str__(value)
            self._take(len(text))
            return text if is_encodable(text) else check_text(text, show_path(path))
        if isinstance(value, (dict, list, tuple, set, frozenset, Mapping)):
            return self._container(value, path)
        number = integer(value)
        if number is not None:
            if is_too_long(number):
                raise InvalidMessageError(f"{show_path(path)} is an int of more than {MAX_DIGITS:,} digits")
            return number
        if isinstance(value, float):
            double = _read(lambda: float(value), path)
            if not isfinite(double):
                raise InvalidMessageError(f"{show_path(path)} is NaN or infinite, which JSON cannot express")
            return double
        return self._odd(value, path)

    def _take(self, size: int) -> None:
        self.room -= size
        if self.room < 0:
            raise _OversizeError

    def _container(self, value: Mapping[object, object] | Iterable[object], path: Path) -> Plain:
        if id(value) in self._open:
            raise InvalidMessageError(f"{show_path(path)} holds itself; a cycle cannot be sent")
        if len(path) > MAX_DEPTH:
            raise InvalidMessageError(f"{show_path(path)} is nested more than {MAX_DEPTH} deep")
        self._open.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._dict(value, path)
            members = _read(lambda: list(value), path)
            if isinstance(value, (set, frozenset)):
                return _in_order([self.plain(member, (*path, ANY_MEMBER)) for member in members])
            return [self.plain(member, (*path, index)) for index, member in enumerate(members)]
        finally:
            self._open.discard(id(value))

    def _dict(self, value: Mapping[object, object], path: Path) -> dict[str, Plain]:
        plain: dict[str, Plain] = {}
        for key, member in _items(value, path):
            name = self.key(key, plain, path)
            self._take(len(name) + 3)
            plain[name] = self.plain(member, (*path, name))
        return plain

    def _odd(self, value: object, path: Path) -> Plain:
        with IMPORT_LOCK:
            from datetime import date, datetime, time, timedelta  # noqa: PLC0415 - only where a trait is out of the ordinary

        if isinstance(value, datetime):
            text = timestamp(value)
            if text is None:
                raise InvalidMessageError(f"{show_path(path)} is a time that UTC cannot express")
            return text
        if isinstance(value, date):
            return date.isoformat(value)

        with IMPORT_LOCK:
            from decimal import Decimal  # noqa: PLC0415 - as above; each import takes a microsecond, even of what is loaded
            from uuid import UUID  # noqa: PLC0415 - as above

        if isinstance(value, Decimal):
            return _decimal(value, path)
        if isinstance(value, UUID):
            return UUID.__str__(value)
        hint = "convert it to text, a number, a list or a mapping"
        if isinstance(value, (bytes, bytearray, memoryview)):
            hint = "decode it to text"
        elif isinstance(value, (time, timedelta)):
            hint = "convert it to text or to a number of seconds"
        raise InvalidMessageError(f"{show_path(path)} is of type {type_name(value)}, which cannot be sent; {hint}")


def plain_traits(traits: object, problems: list[InvalidMessageError] | None) -> dict[str, Plain]:
    """Return traits as JSON can hold them; the arguments and errors are those of `snapshot`."""
    if not isinstance(traits, Mapping):
        raise InvalidMessageError(f"traits is of type {type_name(traits)}; it must be a mapping such as a dict")
    conversion = _Conversion()
    plain: dict[str, Plain] = {}
    sizes: dict[str, int] = {}
    for key, value in _items(traits, ()):
        room = conversion.room
        name = ""
        try:
            name = conversion.key(key, plain, ())
            plain[name] = conversion.plain(value, (name,))
        except _OversizeError:
            sizes[name] = room - conversion.room
            biggest = show_path((max(sizes, key=sizes.__getitem__),))
            raise InvalidMessageError(
                f"the traits are over {MAX_BODY_BYTES:,} bytes, the limit of a message; the biggest is {biggest}"
            ) from None
        except InvalidMessageError as error:
            if problems is None:
                raise
            problems.append(error)
        else:
            sizes[name] = room - conversion.room
    try:
        encode(plain)
    except ValueError:  # the one thing left to fail: sys.set_int_max_str_digits below MAX_DIGITS
        raise InvalidMessageError("traits hold an int of more digits than this process is set to write") from None
    return plain


def _items(mapping: Mapping[object, object], path: Path) -> list[tuple[object, object]]:
    # The list first: it is made in one go, so another thread can change the mapping afterwards.
    return _read(lambda: [(key, value) for key, value in list(mapping.items())], path)


def _read(read: Callable[[], T], path: Path) -> T:
    """Return what the caller's own class gives; whatever it raises, the call's error is ours."""
    try:
        return read()
    except RecursionError:
        raise
    except Exception as exc:  # the caller's code may raise anything
        raise InvalidMessageError(f"{show_path(path)} cannot be read: it raised {type(exc).__name__}") from exc


def _decimal(number: Decimal, path: Path) -> int | float:
    """Return a whole number exactly, any other as the nearest double, which is what readers of JSON make of it."""
    if not number.is_finite():
        raise InvalidMessageError(f"{show_path(path)} is NaN or infinite, which JSON cannot express")
    if number.adjusted() >= MAX_DIGITS:  # before int() makes a million digits of Decimal("1E1000000")
        raise InvalidMessageError(f"{show_path(path)} is a number of more than {MAX_DIGITS:,} digits")
    if number == number.to_integral_value():
        return int(number)
    double = float(number)
    if not isfinite(double):
        raise InvalidMessageError(f"{show_path(path)} is too large for a number with decimals")
    return double


def _in_order(members: list[Plain]) -> list[Plain]:
    try:
        return sorted(members)  # type: ignore[type-var]  # whether they compare is what is tried
    except TypeError:
        return sorted(members, key=encode)


def _is_enum(value: object) -> TypeGuard[Enum]:
    """Tell whether a value is an Enum; where nobody imported `enum`, a millisecond, there is none."""
    enum = sys.modules.get("enum")
    return enum is not None and isinstance(value, enum.Enum)
