"""A call's traits as a snapshot: bytes that nothing can change, and what they hold again when it is sent.

The bytes are `marshal`'s, which copies a tree several times faster than JSON text is made of it. It is built into
Python and knows exact built-in types only, and the bytes never leave the process, so none of what it is warned of
applies: another version's bytes, or a stranger's.
"""

from __future__ import annotations

from marshal import dumps, loads
from math import isfinite

from ._conversion import MAX_DEPTH, plain_traits
from ._errors import InvalidMessageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._values import Plain

_MARSHAL_VERSION = 2  # from 3 on what occurs twice is written once, so the length says nothing about the JSON text
_FAST_VERSION = 4  # the first that writes ASCII text without a codec, in two thirds of the time
_MAX_FAST_BYTES = 500  # the fewest bytes a reference has are 5, so no JSON text of these is over a third of a message
_PLAIN_INT = 2**63  # beyond it an int is rare, and may have more digits than can be sent
_MAX_PLAIN_MEMBERS = 1000  # of a container inside the traits
_SURROGATE = 0xED  # its UTF-8, as `marshal` writes it, begins with this, and goes on with 0xA0 to 0xBF
_MAX_PLAIN_BYTES = 100_000  # JSON text has at most six times as many; what is longer is counted byte by byte


def snapshot(traits: object, problems: list[InvalidMessageError] | None = None) -> bytes:
    """Return a call's traits as they are now; nothing that happens to them later changes it.

    Args:
        traits: A mapping with text keys, or None for no traits.
        problems: None: the first trait that cannot be sent raises. A list: such traits are left out, and it gets the
            error of each.

    Raises:
        InvalidMessageError: As above; also when `traits` is no mapping, cannot be read or is over 1 MiB. The text
            names the path, never a value.
    """
    if traits is None:
        return _NO_TRAITS
    try:
        if type(traits) is dict:
            plain = _plain_copy(traits, [])
            if plain is not None:
                data = dumps(plain, _FAST_VERSION)
                if len(data) > _MAX_FAST_BYTES:
                    data = dumps(plain, _MARSHAL_VERSION)
                if len(data) <= _MAX_PLAIN_BYTES and not (_SURROGATE in data and _may_hold_surrogates(data)):
                    return data
        return pack(plain_traits(traits, problems))
    except RecursionError:
        raise InvalidMessageError("traits are nested too deeply for the stack that is left") from None


def pack(traits: dict[str, Plain]) -> bytes:
    """Return the snapshot of traits that are plain already."""
    return dumps(traits, _MARSHAL_VERSION)


def unpack(data: bytes) -> dict[str, Any]:
    """Return the traits of a snapshot, each time new ones."""
    traits: dict[str, Any] = loads(data)  # noqa: S302 - made by this process
    return traits


_NO_TRAITS = pack({})


def _may_hold_surrogates(data: bytes) -> bool:
    """Tell whether half a pair of surrogates is in a text of a snapshot, or a number that looks like one."""
    return any(b"\xa0" <= rest[:1] <= b"\xbf" for rest in data.split(bytes([_SURROGATE]))[1:])


def _plain_copy(container: Any, inner: list[object]) -> dict[object, object] | list[object] | None:
    """Return a copy that no other thread knows, at every depth; None when something has to be converted or told.

    What is checked and what is kept have to be the same, whatever the application's threads do meanwhile. Text is
    not looked at here: `_may_hold_surrogates` sees all of it at once.

    Args:
        container: An exact dict or list.
        inner: The containers found inside the traits so far; this adds its own.
    """
    copied = container.copy()
    for key, value in copied.items() if type(copied) is dict else enumerate(copied):
        if type(key) is not str and type(copied) is dict:
            return None
        kind = type(value)
        if kind is str:
            continue
        if kind is float:
            is_plain = isfinite(value)
        elif kind is int:
            is_plain = -_PLAIN_INT < value < _PLAIN_INT
        elif kind is dict or kind is list:
            inner.append(value)  # so few are nested no deeper than that, and none of them is inside itself
            is_few = len(inner) <= MAX_DEPTH and len(value) <= _MAX_PLAIN_MEMBERS
            copied[key] = _plain_copy(value, inner) if is_few else None
            is_plain = copied[key] is not None
        else:
            is_plain = kind is bool or value is None
        if not is_plain:
            return None
    return copied  # type: ignore[no-any-return]  # a copy of a container is one
