"""A call's arguments as a frozen `Message`, and two of them as one."""

from __future__ import annotations

from time import time

from ._arguments import (
    parse_created_at,
    parse_event,
    parse_flag,
    parse_phone_arguments,
    parse_priority,
    parse_tags,
    parse_user_id,
)
from ._conversion import MAX_BODY_BYTES
from ._errors import InvalidMessageError
from ._traits import pack, snapshot, unpack
from ._values import encode, show_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, Literal, TypeAlias

    from ._account import Account
    from ._receipt import Outcome
    from ._rows import Record

    Kind: TypeAlias = Literal["user", "event"]
    Phone: TypeAlias = tuple[str | None, str | None]
    Problems: TypeAlias = list[InvalidMessageError] | None

USER: Final = "user"
EVENT: Final = "event"

REPORT: Final = 0  # through on_error
LOG: Final = 1  # in the log only: what on_error itself queued
RAISE: Final = 2  # by the call that waits for it

_NO_PHONE: Final = (None, None)
_FRAME = 200  # bytes; all field names, their punctuation, a phone, a time and a flag come to fewer
_SURELY_SMALL = 50_000  # characters, or bytes of a snapshot; three times this, escaped, are less than MAX_BODY_BYTES


class Message:
    """What one call asked to send; frozen but for the last four.

    Attributes:
        country_code: `"+91"` form; `phone_number` is the national significant number.
        snapshot: The traits as they were at the call, in the form that `_traits.py` gives them.
        created_at: ISO 8601 in UTC, as it is sent.
        called_at: `time.time()` of the call.
        priority: 0 high, 1 normal, 2 low.
        account: Host and key of the call; None only as long as the client is still looking for a key.
        told_by: How a failure is told: `REPORT`, `LOG` or `RAISE`; the client sets it before queueing.
        outcome: None until the message is settled; the queue sets it, once.
        record: Where it is in a spool's file; None as long as it is in memory only.
    """

    __slots__ = (
        "__weakref__",
        "account",
        "add_to_sales_cycle",
        "called_at",
        "country_code",
        "created_at",
        "event",
        "kind",
        "outcome",
        "phone_number",
        "priority",
        "record",
        "snapshot",
        "tags",
        "told_by",
        "user_id",
    )

    # Type checkers see to it that it stays frozen: a guard in __setattr__ would cost each call half a microsecond.
    kind: Final[Kind]
    user_id: Final[str | None]
    country_code: Final[str | None]
    phone_number: Final[str | None]
    event: Final[str | None]
    snapshot: Final[bytes]
    tags: Final[tuple[str, ...] | None]
    created_at: Final[str | None]
    add_to_sales_cycle: Final[bool | None]
    called_at: Final[float]
    priority: Final[int]
    account: Account
    told_by: int
    outcome: Outcome | None
    record: Record | None

    def __init__(
        self,
        kind: Kind,
        user_id: str | None,
        phone: Phone,
        event: str | None,
        snapshot: bytes,
        tags: tuple[str, ...] | None,
        created_at: str | None,
        add_to_sales_cycle: bool | None,
        called_at: float,
        account: Account | None,
        priority: int,
    ) -> None:
        self.kind = kind
        self.user_id = user_id
        self.country_code, self.phone_number = phone
        self.event = event
        self.snapshot = snapshot
        self.tags = tags
        self.created_at = created_at
        self.add_to_sales_cycle = add_to_sales_cycle
        self.called_at = called_at
        self.priority = priority
        self.account = account  # type: ignore[assignment]  # None only until the client has set it, before queueing
        self.told_by = REPORT
        self.outcome = None
        self.record = None

        if user_id is None and self.phone_number is None:
            raise InvalidMessageError("user_id and phone_number are both missing; one of them has to say who it is")
        if (
            len(snapshot) > _SURELY_SMALL
            or tags
            or len(event or "") > _SURELY_SMALL
            or len(user_id or "") > _SURELY_SMALL
        ):
            _check_size(self)

    @property
    def has_account(self) -> bool:
        """Whether host and key are known, as they are from before the message is accepted on."""
        return self.account is not None

    @property
    def traits(self) -> dict[str, Any]:
        """The traits, each time new ones."""
        return unpack(self.snapshot)

    @property
    def traits_text(self) -> str:
        """JSON text of the traits."""
        return encode(unpack(self.snapshot))

    @property
    def size(self) -> int:
        """Bytes of the JSON body: never fewer than they are, and at most 200 more."""
        texts = [text for text in (self.user_id, self.event, *(self.tags or ())) if text is not None]
        return _FRAME + _byte_length(self.traits_text) + sum(_byte_length(encode(text)) + 1 for text in texts)


def user_message(
    user_id: object,
    country_code: object,
    phone_number: object,
    traits: object,
    tags: object,
    created_at: object,
    add_to_sales_cycle: object,
    priority: object,
    default_country_code: str,
    account: Account | None,
    problems: Problems,
) -> Message:
    """Return the message of an `identify` call, which passes all by position: names would cost it time.

    Args:
        default_country_code: `"+91"` form, for a phone number that does not bring its own.
        account: Host and key of the call.
        problems: None: whatever cannot be sent raises. A list: a trait that cannot be sent is left out, and the list
            gets its error; all else raises still.

    Raises:
        InvalidMessageError: The call cannot be sent; the text names the argument, and shows no personal value.
    """
    called_at = time()
    return Message(
        USER,
        user_id if type(user_id) is str and user_id >= "!" and user_id.isascii() else parse_user_id(user_id),
        _NO_PHONE if phone_number is None else parse_phone_arguments(phone_number, country_code, default_country_code),
        None,
        snapshot(traits, problems),
        None if tags is None else parse_tags(tags),
        None if created_at is None else parse_created_at(created_at),
        None if add_to_sales_cycle is None else parse_flag("add_to_sales_cycle", add_to_sales_cycle),
        called_at,
        account,
        1 if priority == "normal" else parse_priority(priority),
    )


def event_message(
    user_id: object,
    event: object,
    traits: object,
    country_code: object,
    phone_number: object,
    created_at: object,
    priority: object,
    default_country_code: str,
    account: Account | None,
    problems: Problems,
) -> Message:
    """Return the message of an `event` call; arguments and errors are those of `user_message`."""
    called_at = time()
    # Text from "!" on, the first visible character, is neither empty nor blank: the usual case, without a call.
    return Message(
        EVENT,
        user_id if type(user_id) is str and user_id >= "!" and user_id.isascii() else parse_user_id(user_id),
        _NO_PHONE if phone_number is None else parse_phone_arguments(phone_number, country_code, default_country_code),
        event if type(event) is str and event >= "!" and event.isascii() else parse_event(event),
        snapshot(traits, problems),
        None,
        None if created_at is None else parse_created_at(created_at),
        None,
        called_at,
        account,
        1 if priority == "normal" else parse_priority(priority),
    )


def merge(first: Message, second: Message) -> Message | None:
    """Return one `identify` that says what two consecutive ones say, or None when they must stay two.

    They merge when they are of one account and about the same identifiers, agree on `created_at` and
    `add_to_sales_cycle`, and the result is not over 1 MiB. Later traits replace earlier ones; tags unite.
    """
    if first.kind != USER or second.kind != USER or first.account is not second.account:
        return None
    if (
        first.user_id != second.user_id
        or first.phone_number != second.phone_number
        or first.country_code != second.country_code
        or first.created_at != second.created_at
        or first.add_to_sales_cycle is not second.add_to_sales_cycle
    ):
        return None
    try:
        return Message(
            USER,
            first.user_id,
            (first.country_code, first.phone_number),
            None,
            pack({**first.traits, **second.traits}),
            tuple(dict.fromkeys((*(first.tags or ()), *(second.tags or ())))) or None,
            first.created_at,
            first.add_to_sales_cycle,
            first.called_at,
            first.account,
            min(first.priority, second.priority),
        )
    except InvalidMessageError:  # too big
        return None


def masked_identity(message: Message) -> str:
    """Return who a message is about, for a log: enough to tell two people apart, too little to know them again."""
    shown = []
    if message.user_id is not None:
        shown.append(f"user_id={masked(message.user_id)}")
    if message.phone_number is not None:
        shown.append(f"phone={message.country_code}{masked(message.phone_number)}")
    return " ".join(shown)


def masked(text: str) -> str:
    """Return an identifier for a log: its last two characters at most, and none of a short one."""
    tail = text[-2:]
    # A short id is not masked by hiding all but two; a line break in a log would start a line of its own.
    return f"***{tail}" if len(text) >= 8 and tail.isalnum() else "***"


def _check_size(message: Message) -> None:
    size = message.size
    if size <= MAX_BODY_BYTES:
        return
    parts = {show_path((name,)): len(encode(value)) for name, value in message.traits.items()}
    parts["user_id"] = len(message.user_id or "")
    parts["event"] = len(message.event or "")
    parts["tags"] = sum(map(len, message.tags or ()))
    raise InvalidMessageError(
        f"the message has {size:,} bytes, over the limit of {MAX_BODY_BYTES:,}; most of it is "
        f"{max(parts, key=parts.__getitem__)}"
    )


def _byte_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
