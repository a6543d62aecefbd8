"""What differs between messages that were sent and those that a test expects, in lines for a person. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from ._sent import Messages, SentEvent, SentUser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._sent import SentMessage

MISSING = object()


def explain_comparison(operator: str, left: object, right: object) -> list[str] | None:
    """Return what pytest shows of a comparison that failed, as its hook `pytest_assertrepr_compare` does.

    Args:
        operator: As in the source, `"=="` or `"in"`; of others nothing is said.
        left: Of the operator, as is `right`: a message, or a sequence of messages.

    Returns:
        Lines, the first a summary; None where it is no comparison of messages.
    """
    ours, theirs = _messages_of(left), _messages_of(right)
    if ours is None or theirs is None or not (ours or theirs):
        return None
    names = ("expected", "sent") if isinstance(right, Messages) else ("sent", "expected")
    if operator == "==":
        compare = _compare_places if _are_the_same(ours, theirs) else _compare
        return [f"{_count(ours)} {names[0]} == {_count(theirs)} {names[1]}", *compare(ours, theirs, names)]
    if operator == "in" and not isinstance(left, Sequence):
        return [f"{left!r} in {_count(theirs)} sent", *_find_nearest(ours[0], theirs)]
    return None


def _messages_of(value: object) -> list[SentMessage] | None:
    """Return a message, or a sequence of nothing but messages, as a list; None for all else."""
    if isinstance(value, SentUser | SentEvent):
        return [value]
    if isinstance(value, Messages | list | tuple):
        return list(value) if all(isinstance(one, SentUser | SentEvent) for one in value) else None
    return None


def _are_the_same(left: list[SentMessage], right: list[SentMessage]) -> bool:
    """Tell whether two lists differ in their order only."""
    rest = list(right)
    for message in left:
        if message not in rest:
            return False
        rest.remove(message)
    return not rest


def _compare_places(left: list[SentMessage], right: list[SentMessage], names: tuple[str, str]) -> Iterator[str]:
    """Yield what stands in each place where two orders of the same messages differ."""
    yield "the same messages, in another order:"
    for index, (one, other) in enumerate(zip(left, right, strict=True)):
        if one != other:
            yield from _indented([f"at index {index}: {one!r} {names[0]},", f"  {other!r} {names[1]}"])


def _compare(
    left: list[SentMessage], right: list[SentMessage], names: tuple[str, str], *, likeness: int = 3, start: int = 0
) -> Iterator[str]:
    """Yield what differs, message by message; those about the same thing are compared, wherever they stand.

    Args:
        likeness: How much of two subjects has to be the same; where too much is asked for, less is.
        start: Where `left` begins in what the test compared.
    """
    ours_about, theirs_about = ([_subject(one)[:likeness] for one in some] for some in (left, right))
    pairing = SequenceMatcher(None, ours_about, theirs_about, autojunk=False)
    for tag, begin, end, other_begin, other_end in pairing.get_opcodes():
        ours, theirs = left[begin:end], right[other_begin:other_end]
        if tag == "equal":
            for index, (one, other) in enumerate(zip(ours, theirs, strict=True), start + begin):
                if one != other:
                    yield f"{_name(one)}, at index {index}:"
                    yield from _indented(_differences(one, other, names))
        elif tag == "replace" and likeness > 2:
            yield from _compare(ours, theirs, names, likeness=2, start=start + begin)
        else:
            yield from (
                f"only {name}: {one!r}" for name, some in zip(names, (ours, theirs), strict=True) for one in some
            )


def _find_nearest(wanted: SentMessage, messages: list[SentMessage]) -> Iterator[str]:
    """Yield how the one that differs least does; among those of another kind or name, nothing is near."""
    near = [message for message in messages if _subject(message)[:2] == _subject(wanted)[:2]]
    if not near:
        yield f"there is no {_name(wanted)}; there are:"
        yield from _indented(map(repr, messages))
        return
    names = ("expected", "sent")
    nearest = min((list(_differences(wanted, message, names)) for message in near), key=len)
    yield f"the nearest {_name(wanted)} differs:"
    yield from _indented(nearest)


def _differences(one: SentMessage, other: SentMessage, names: tuple[str, str]) -> Iterator[str]:
    if type(one) is not type(other):
        yield from (f"{names[0]}: {one!r}", f"{names[1]}: {other!r}")
        return
    others = other.fields()
    for name, value in one.fields().items():
        yield from _differences_within(name, value, others[name], names)


def _differences_within(path: str, one: Any, other: Any, names: tuple[str, str]) -> Iterator[str]:
    """Yield a line for each place in which two JSON values differ."""
    if one == other and type(one) is type(other):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys((*one, *other)):
            inner = f"{path}[{key!r}]"
            yield from _differences_within(inner, one.get(key, MISSING), other.get(key, MISSING), names)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (inner_one, inner_other) in enumerate(zip(one, other, strict=True)):
            yield from _differences_within(f"{path}[{index}]", inner_one, inner_other, names)
    elif one != other:
        yield f"{path}: {_shown(one)} {names[0]}, {_shown(other)} {names[1]}"


def _subject(message: SentMessage) -> tuple[str, str | None, str | None]:
    """Return what a message is about; two that differ in the rest only are meant to be the same."""
    event = message.event if isinstance(message, SentEvent) else None
    return message.kind, event, message.user_id or message.phone_number


def _name(message: SentMessage) -> str:
    return f'event "{message.event}"' if isinstance(message, SentEvent) else "user"


def _count(messages: list[SentMessage]) -> str:
    return "1 message" if len(messages) == 1 else f"{len(messages)} messages"


def _shown(value: object) -> str:
    return "not" if value is MISSING else repr(value)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
