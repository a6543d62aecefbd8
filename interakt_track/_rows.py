"""A message as a row of the spool's file, and a row as a message."""

from __future__ import annotations

import json
from math import isfinite
from typing import NamedTuple

from ._messages import EVENT, LOG, RAISE, REPORT, USER, Message
from ._traits import pack
from ._values import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._account import Account
    from ._messages import Kind
    from ._spool import Spool

PAYLOAD = (
    "kind, priority, told_by, called_at, user_id, country_code, phone_number, event, traits, tags, created_at, "
    "add_to_sales_cycle"
)
"""The columns that `payload` fills, in its order; tables have more around them."""

NOTHING, NEITHER = 0, 2
"""What `payload` has in place of None, for a text and for a truth value: sqlite3 is slow with None."""

PLACES = f"?, ?, ?, ?, {f'nullif(?, {NOTHING}), ' * 4}?, {f'nullif(?, {NOTHING}), ' * 2}nullif(?, {NEITHER})"
"""What a statement has for the values of `payload`, in its order."""


class Row(NamedTuple):
    """A waiting message as the file has it."""

    id: int
    origin: int
    strikes: int
    is_started: int
    kind: Kind
    priority: int
    told_by: int
    called_at: float
    user_id: str | None
    country_code: str | None
    phone_number: str | None
    event: str | None
    traits: str
    tags: str | None
    created_at: str | None
    add_to_sales_cycle: int | None


KINDS = {
    "strikes": int,
    "priority": int,
    "told_by": int,
    "called_at": float | int,
    "user_id": str | None,
    "country_code": str | None,
    "phone_number": str | None,
    "event": str | None,
    "traits": str,
    "tags": str | None,
    "created_at": str | None,
    "add_to_sales_cycle": int | None,
}
"""What SQLite gives for each column, unless a bit of the file has flipped: it keeps any type in any column."""


class Record:
    """Where a message is in a spool's file.

    Attributes:
        spool: The client's part in it.
        file: The file's salt: a file that takes another's place may have the same ids.
        id: Of its row.
        is_own: Whether it was called here, not by another process or in an earlier life.
        strikes: How often it failed while other people's messages did not.
        is_in_doubt: Whether a request was started for it by a process that did not live to see the answer.
        is_gone: Whether its row was removed.
        is_here: Whether the message is in the queue, too; guarded by the queue's lock.
    """

    __slots__ = ("file", "id", "is_gone", "is_here", "is_in_doubt", "is_own", "spool", "strikes")

    def __init__(
        self, spool: Spool, file: str, row_id: int, *, is_own: bool, strikes: int = 0, is_in_doubt: bool = False
    ) -> None:
        self.spool = spool
        self.file = file
        self.id = row_id
        self.is_own = is_own
        self.strikes = strikes
        self.is_in_doubt = is_in_doubt
        self.is_gone = False
        self.is_here = False


def payload(message: Message) -> tuple[str | float, ...]:
    """Return what a row says of a message, in the order of `PAYLOAD`, for `PLACES`."""
    tags, is_for_sales = message.tags, message.add_to_sales_cycle
    return (
        message.kind,
        message.priority,
        REPORT if message.told_by == RAISE else message.told_by,  # whoever raises is gone when another life reads it
        message.called_at,
        message.user_id or NOTHING,
        message.country_code or NOTHING,
        message.phone_number or NOTHING,
        message.event or NOTHING,
        message.traits_text,
        NOTHING if tags is None else encode(list(tags)),
        message.created_at or NOTHING,
        NEITHER if is_for_sales is None else int(is_for_sales),
    )


def message_of(row: Row, account: Account) -> Message:
    """Return the message of a row.

    Raises:
        ValueError: The row holds what no message is made of: the file was damaged, or another program wrote it.
        TypeError: As above.
    """
    for name, kinds in KINDS.items():
        if not isinstance(getattr(row, name), kinds):
            raise TypeError(f"its {name} is of another type")
    if row.kind not in (USER, EVENT) or row.priority not in range(3) or row.told_by not in (REPORT, LOG):
        raise ValueError("its kind, its priority or how it is told of is none there is")
    if not isfinite(row.called_at) or (row.kind == EVENT) is (row.event is None):
        raise ValueError("its time is none, or it has no event")
    traits = json.loads(row.traits)
    tags = None if row.tags is None else json.loads(row.tags)
    if not isinstance(traits, dict) or not isinstance(tags, list | None):
        raise TypeError("its traits are no object, or its tags no list")
    message = Message(
        row.kind,
        row.user_id,
        (row.country_code, row.phone_number),
        row.event,
        pack(traits),
        None if tags is None else tuple(map(str, tags)),
        row.created_at,
        None if row.add_to_sales_cycle is None else bool(row.add_to_sales_cycle),
        row.called_at,
        account,
        row.priority,
    )
    message.told_by = row.told_by
    return message
