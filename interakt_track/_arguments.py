"""What each argument of a call may be, and what is sent for it; traits and phone numbers have rooms of their own."""

from __future__ import annotations

from ._errors import InvalidMessageError
from ._locks import IMPORT_LOCK
from ._patterns import Pattern
from ._values import MAX_DIGITS, check_text, integer, is_too_long, timestamp, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    Priority: TypeAlias = Literal["high", "normal", "low"]
    PhoneRules = Callable[[object, object, str], tuple[str, str]]

_phone_rules: PhoneRules | None = None
_PRIORITIES = {"high": 0, "normal": 1, "low": 2}
_ISO_8601 = Pattern(r"(?a)\d{4}-\d{2}-\d{2}T\d{2}")  # fromisoformat alone takes week dates and bare days, too


def parse_user_id(user_id: object) -> str | None:
    """Return a customer's id as it is sent; None for None and `""`.

    White space around it is kept: it is the key of a customer who may exist under exactly that text.

    Raises:
        InvalidMessageError: It is neither text, nor integer-like, nor a UUID; or it is blank or no valid text.
    """
    if user_id is None:
        return None
    if isinstance(user_id, str):
        text = check_text(user_id, "user_id")
        if text.isspace():
            raise InvalidMessageError("user_id is blank; leave it out where there is none")
        return text or None
    number = integer(user_id)
    if number is not None:
        if is_too_long(number):
            raise InvalidMessageError(f"user_id is an int of more than {MAX_DIGITS:,} digits")
        return str(number)

    with IMPORT_LOCK:
        from uuid import UUID  # noqa: PLC0415 - only where an id is neither text nor a number

    if isinstance(user_id, UUID):
        return UUID.__str__(user_id)
    raise InvalidMessageError(f"user_id is of type {type_name(user_id)}; it must be text, an int or a UUID")


def parse_priority(priority: object) -> int:
    """Return 0 for `"high"`, 1 for `"normal"`, 2 for `"low"`.

    Raises:
        InvalidMessageError: It is none of these.
    """
    number = _PRIORITIES.get(priority) if isinstance(priority, str) else None
    if number is None:
        shown = repr(priority)[:40] if isinstance(priority, str) else type_name(priority)
        raise InvalidMessageError(f'priority must be "high", "normal" or "low"; got {shown}')
    return number


def parse_phone_arguments(
    phone_number: object, country_code: object, default_country_code: str
) -> tuple[str, str] | tuple[None, None]:
    """Return country code and national number as `parse_phone` does; a pair of None when no number is given.

    Without a number, the country code means nothing and is not looked at.
    """
    if phone_number is None or (isinstance(phone_number, str) and not phone_number):
        return None, None
    parse = _phone_rules or _load_phone_rules()
    return parse(phone_number, country_code, default_country_code)


def _load_phone_rules() -> PhoneRules:
    """Import the phone rules, with the first phone number of the process."""
    global _phone_rules  # noqa: PLW0603 - this module owns it
    with IMPORT_LOCK:
        from ._phone import parse_phone  # noqa: PLC0415 - see above

        _phone_rules = parse_phone
    return parse_phone


def parse_event(event: object) -> str:
    """Return an event's name as it is sent.

    Raises:
        InvalidMessageError: It is missing, empty, blank or no text.
    """
    if not isinstance(event, str):
        what = "missing" if event is None else f"of type {type_name(event)}"
        raise InvalidMessageError(f"event is {what}; it must be text, the name of what happened")
    text = check_text(event, "event")
    if not text or text.isspace():
        raise InvalidMessageError("event is empty; it must be text, the name of what happened")
    return text


def parse_tags(tags: object) -> tuple[str, ...] | None:
    """Return tags as they are sent, a set's in alphabetical order; None for None and for no tags at all.

    Raises:
        InvalidMessageError: They are no list, tuple or set, or one of them is empty or no text.
    """
    if tags is None:
        return None
    if isinstance(tags, str):
        raise InvalidMessageError("tags is a single text; it must be a list, as in tags=['vip']")
    if not isinstance(tags, (list, tuple, set, frozenset)):
        raise InvalidMessageError(f"tags is of type {type_name(tags)}; it must be a list of texts")
    is_set = isinstance(tags, (set, frozenset))
    texts = []
    for index, tag in enumerate(tuple(tags)):
        where = "a tag" if is_set else f"tags[{index}]"
        if not isinstance(tag, str):
            raise InvalidMessageError(f"{where} is of type {type_name(tag)}; tags must be texts")
        text = check_text(tag, where)
        if not text or text.isspace():
            raise InvalidMessageError(f"{where} is empty")
        texts.append(text)
    return tuple(sorted(texts) if is_set else texts) or None


def parse_created_at(created_at: object) -> str | None:
    """Return a time as it is sent, UTC with milliseconds; a naive one is local time.

    Raises:
        InvalidMessageError: It is neither a datetime nor ISO 8601 text with a date, a `T` and a time.
    """
    if created_at is None:
        return None

    with IMPORT_LOCK:
        from datetime import datetime  # noqa: PLC0415 - only where a call has a time

    moment: datetime | None = None
    if isinstance(created_at, datetime):
        moment = created_at
    elif not isinstance(created_at, str):
        raise InvalidMessageError(
            f"created_at is of type {type_name(created_at)}; it must be a datetime, or ISO 8601 text"
        )
    elif _ISO_8601.compiled().match(text := str.__str__(created_at).strip()):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
    if moment is None:
        raise InvalidMessageError(
            "created_at is not an ISO 8601 date and time, such as '2025-03-27T13:26:52.926Z' or with '+05:30' for Z"
        )
    wire_time = timestamp(moment)
    if wire_time is None:
        raise InvalidMessageError("created_at is a time that UTC cannot express")
    return wire_time


def parse_flag(name: str, flag: object) -> bool | None:
    """Return a flag as it is sent, or raise `InvalidMessageError` when it is neither True, False nor None."""
    if flag is None or isinstance(flag, bool):
        return flag
    raise InvalidMessageError(f"{name} is of type {type_name(flag)}; it must be True or False")
