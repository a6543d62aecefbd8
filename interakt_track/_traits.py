"""Traits as JSON text: what each value becomes, and where the one is that cannot be sent."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import isfinite

try:
    import _json  # what `json` encodes with; `json` itself brings `re`
except ImportError:  # no accelerator, as on PyPy
    _json = None  # type: ignore[assignment]  # the usual sign of a missing one

from ._errors import InvalidMessageError
from ._locks import IMPORT_LOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from decimal import Decimal
    from enum import Enum
    from types import ModuleType
    from typing import Any, TypeAlias, TypeGuard, TypeVar

    T = TypeVar("T")
    Plain: TypeAlias = str | int | float | bool | list["Plain"] | dict[str, "Plain"] | None
    Path: TypeAlias = tuple[str | int, ...]

MAX_BODY_BYTES = 1_048_576  # the API publishes no limit; a bigger record is a mistake, and would hold up the others
MAX_DEPTH = 100  # the API knows flat traits; readers of JSON, ours in the worker included, give up soon after
MAX_DIGITS = 4300  # what Python turns into text and back by default, whatever this process has it set to

_AS_THEY_ARE = frozenset({str, int, float, bool, type(None)})
_MAX_PLAIN_VALUES = 1000  # in one trait; more, perhaps of lists that hold each other, are counted byte by byte
_INT_BOUND = 10**MAX_DIGITS
_ANY_MEMBER = -1  # the step of a path into a set, whose members have no index


def _is_enum(value: object) -> TypeGuard[Enum]:
    """Tell whether a value is an Enum; where nobody imported `enum`, a millisecond, there is none."""
    enum = sys.modules.get("enum")
    return enum is not None and isinstance(value, enum.Enum)


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is not plain")


def _chunk_encoder() -> Callable[[object, int], Iterable[str]]:
    """Return what `JSONEncoder.encode` makes anew for each call, made once: it is a third of a small dict's time."""
    accelerator: ModuleType | None = _json  # mypy knows it is there
    if accelerator is None:
        with IMPORT_LOCK:
            import json  # noqa: PLC0415 - only where there is no accelerator

        encode_whole = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
        return lambda value, _: (encode_whole(value),)
    # Arguments: markers for cycles, default, string encoder, indent, separators, sort_keys, skipkeys, allow_nan.
    chunks: Callable[[object, int], Iterable[str]] = accelerator.make_encoder(
        None, _refuse, accelerator.encode_basestring, None, ":", ",", False, False, False
    )
    return chunks


_chunks = _chunk_encoder()


def encode(value: Plain) -> str:
    """Return the JSON text of what is plain already, compact and not limited to ASCII."""
    return "".join(_chunks(value, 0))


def decode(text: str) -> dict[str, Any]:
    """Return what `encode` made text of, a JSON object."""
    with IMPORT_LOCK:
        import json  # noqa: PLC0415 - it brings `re`, and a call only encodes

    value: dict[str, Any] = json.loads(text)
    return value


def snapshot(traits: object, problems: list[InvalidMessageError] | None = None) -> str:
    """Return the JSON text of a call's traits, which nothing that happens to them later changes.

    Args:
        traits: A mapping with text keys, or None for no traits.
        problems: None: the first trait that cannot be sent raises. A list: such traits are left out, and it gets the
            error of each.

    Raises:
        InvalidMessageError: As above; also when `traits` is no mapping, cannot be read or is over 1 MiB. The text
            names the path, never a value.
    """
    if type(traits) is dict:
        try:
            for name, value in traits.items():
                if type(name) is not str or (type(value) not in _AS_THEY_ARE and not _is_plain_tree(value)):
                    break
            else:
                text = "".join(_chunks(traits, 0))
                # An int of more than MAX_DIGITS makes a longer text; a lone surrogate fails to encode.
                if len(text) <= MAX_DIGITS and (text.isascii() or text.encode()):
                    return text
        except (ValueError, TypeError, RuntimeError):
            pass  # NaN, a lone surrogate, or changed meanwhile by another thread: what follows explains or copes
    elif traits is None:
        return "{}"
    try:
        return _explained_snapshot(traits, problems)
    except RecursionError:
        raise InvalidMessageError("traits are nested too deeply for the stack that is left") from None


def check_text(text: str, name: str) -> str:
    """Return text as an exact `str` that can be encoded, or raise naming what it was given for."""
    exact = str.__str__(text)
    if not _is_encodable(exact):
        raise InvalidMessageError(
            f"{name} holds a lone surrogate (U+D800 to U+DFFF), which no encoding can carry; "
            "it comes from text that was cut in two or decoded wrongly"
        )
    return exact


def integer(value: object) -> int | None:
    """Return the exact int that an int, or an object like one, stands for; None for all else, bool included."""
    index = getattr(type(value), "__index__", None)
    if index is None or isinstance(value, bool):
        return None
    try:
        return int.__int__(index(value))
    except Exception:  # noqa: BLE001 - the caller's own class may raise anything; what follows says its type won't do
        return None  # an array, say: it has the method, and no int to give


def timestamp(moment: datetime) -> str | None:
    """Return a time as it is sent: UTC with milliseconds and a `Z`; a naive one is local time.

    None when there is no such time: its UTC is before the year 1 or after 9999, it is pandas' NaT, or its own tzinfo
    raises.
    """
    with IMPORT_LOCK:
        from datetime import UTC  # noqa: PLC0415 - only where a call has a time

    try:
        text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    except Exception:  # noqa: BLE001 - a tzinfo may be the caller's own; its error is told as ours, with the path
        return None
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else None


def is_too_long(number: int) -> bool:
    """Tell whether an int has more than `MAX_DIGITS`."""
    return not -_INT_BOUND < number < _INT_BOUND


def show_path(path: Path) -> str:
    """Return where in the traits something is, `traits["items"][2]`, short enough to read."""
    return "traits" + "".join(_show_step(step) for step in path[:8]) + ("…" if len(path) > 8 else "")


def type_name(value: object) -> str:
    """Return a type's name as its user would import it."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _is_plain_tree(value: object) -> bool:
    return _spare_values(value, _MAX_PLAIN_VALUES, MAX_DEPTH) >= 0


def _spare_values(value: object, spare: int, depth: int) -> int:
    """Return what is left of `spare` after counting all values in a container; below 0 when not all are plain."""
    if type(value) is dict:
        for name in value:
            if type(name) is not str:
                return -1
        members: Iterable[object] = value.values()
    elif type(value) is list:
        members = value
    else:
        return -1
    spare -= len(value)
    if depth == 0:
        return -1
    for member in members:
        if type(member) not in _AS_THEY_ARE:
            spare = _spare_values(member, spare, depth - 1)
            if spare < 0:
                return -1
    return spare


def _is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _show_step(step: str | int) -> str:
    if isinstance(step, int):
        return "[*]" if step == _ANY_MEMBER else f"[{step}]"
    return f"[{encode(step if len(step) <= 40 else step[:39] + '…')}]"


def _explained_snapshot(traits: object, problems: list[InvalidMessageError] | None) -> str:
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
        return encode(plain)
    except ValueError:  # the one thing left to fail: sys.set_int_max_str_digits below MAX_DIGITS
        raise InvalidMessageError("traits hold an int of more digits than this process is set to write") from None


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
            if not _is_encodable(text):
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
            return text if _is_encodable(text) else check_text(text, show_path(path))
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
                return _in_order([self.plain(member, (*path, _ANY_MEMBER)) for member in members])
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
