"""Single values: whole numbers, times, text that can be sent, JSON text, and how an error names a type and a place."""

from __future__ import annotations

import os

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
    from types import ModuleType
    from typing import TypeAlias

    Plain: TypeAlias = str | int | float | bool | list["Plain"] | dict[str, "Plain"] | None
    Path: TypeAlias = tuple[str | int, ...]

MAX_DIGITS = 4300  # what Python turns into text and back by default, whatever this process has it set to
ANY_MEMBER = -1  # the step of a path into a set, whose members have no index

_INT_BOUND = 10**MAX_DIGITS


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


def check_text(text: str, name: str) -> str:
    """Return text as an exact `str` that can be encoded, or raise naming what it was given for."""
    exact = str.__str__(text)
    if not is_encodable(exact):
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


def is_encodable(text: str) -> bool:
    """Tell whether text can be sent: UTF-8 has no form for half a pair of surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _show_step(step: str | int) -> str:
    if isinstance(step, int):
        return "[*]" if step == ANY_MEMBER else f"[{step}]"
    return f"[{encode(step if len(step) <= 40 else step[:39] + '…')}]"


def random() -> float:
    """Return a number from 0 up to 1; `random` takes a millisecond to import, and repeats itself in forked children."""
    return int.from_bytes(os.urandom(6)) / 2**48
