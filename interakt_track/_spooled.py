"""What a spool's file holds, as records: its messages, its accounts, its state, and what was changed in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal

import attrs

from ._messages import Message, masked, masked_identity
from ._requests import wire
from ._values import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._errors import QueueMessage
    from ._messages import Kind

Priority = Literal["high", "normal", "low"]

MASK: Final = "***"


@attrs.frozen(kw_only=True)
class SpooledMessage:
    """A message that waits in a spool.

    Attributes:
        id: Its number in the file.
        kind: `"user"` for an identify, or `"event"`.
        event: The event's name; None for an identify.
        called_at: When it was called, in UTC.
        attempts: How many requests were made for it; one that is under way is not counted yet.
        is_started: Whether a request was started for it of which nobody has noted an answer: it is under way, or was
            when the process that sent it ended. Of several identifies in one request, only the first one says so.
        host: The API it was called for.
        account: The beginning of what stands for host and key in the file.
        user_id: Whom it is about, as are the next two; the `repr` does not show them.
    """

    id: int
    kind: Kind
    event: str | None
    priority: Priority
    called_at: datetime
    attempts: int
    is_started: bool
    host: str
    account: str
    user_id: str | None = attrs.field(repr=False)
    country_code: str | None = attrs.field(repr=False)
    phone_number: str | None = attrs.field(repr=False)
    _source: Message | None = attrs.field(repr=False, eq=False)

    @property
    def is_readable(self) -> bool:
        """Whether the row is whole."""
        return self._source is not None

    @property
    def traits(self) -> dict[str, Any]:
        """The traits, each time new ones."""
        return {} if self._source is None else self._source.traits

    @property
    def masked_identity(self) -> str:
        """Who it is about, masked: enough to tell two people apart, too little to know them again."""
        return "" if self._source is None else masked_identity(self._source)

    def queue_msg(self) -> QueueMessage | None:
        """Return the API's path and the JSON body, as they would be sent; None where the row cannot be read."""
        return None if self._source is None else wire(self._source, with_call_time=True)

    def as_dict(self, *, is_masked: bool = True) -> dict[str, Any]:
        """Return all of it as what JSON can hold.

        Args:
            is_masked: Whether ids, phone numbers, tags and the values of traits are replaced by `***`.
        """
        request = self.queue_msg()
        body = None if request is None else request["body"]
        return {
            "id": self.id,
            "kind": self.kind,
            "event": self.event,
            "priority": self.priority,
            "called_at": timestamp(self.called_at),
            "attempts": self.attempts,
            "host": self.host,
            "account": self.account,
            "path": None if request is None else request["path"],
            "body": _masked_body(body) if is_masked and body is not None else body,
        }


@attrs.frozen(kw_only=True)
class FailedMessage(SpooledMessage):
    """A message that was not delivered, kept among a spool's failed ones.

    Attributes:
        error: The name of the error's class, as in `track.RejectedError`.
        status_code: HTTP status of the API's answer; None where there was none.
        message: What the API said, or the error's text; personal data in it is masked.
        failed_at: When it was given up, in UTC.
        is_superseded: Whether a later identify of that person was delivered, or waits: sent again, this one would
            put old values over newer ones.
    """

    error: str
    status_code: int | None
    message: str
    failed_at: datetime
    is_superseded: bool

    def as_dict(self, *, is_masked: bool = True) -> dict[str, Any]:
        """Return all of it as what JSON can hold; see `SpooledMessage.as_dict`."""
        return {
            **SpooledMessage.as_dict(self, is_masked=is_masked),
            "error": self.error,
            "status_code": self.status_code,
            "message": self.message,
            "failed_at": timestamp(self.failed_at),
            "is_superseded": self.is_superseded,
        }


@attrs.frozen(kw_only=True)
class SpoolAccount:
    """What a spool holds of one host and key.

    Attributes:
        fingerprint: The beginning of what stands for host and key in the file; the key cannot be had from it.
        host: The API its messages were called for.
        waiting: How many messages wait.
        failed: How many failed, and are kept.
        is_own: Whether they were called under the host and key in question.
    """

    fingerprint: str
    host: str
    waiting: int
    failed: int
    is_own: bool


@attrs.frozen(kw_only=True)
class SpoolStatus:
    """A spool at one moment; ages are seconds, and None where there is no such message.

    Attributes:
        path: Of the file.
        size: Bytes of the file, and of the log beside it.
        waiting: How many messages wait.
        failed: How many failed, and are kept.
        oldest_waiting: Since the oldest waiting message was called.
        oldest_failed: Since the first of the failed ones failed.
        newest_failed: Since the last one did.
        is_held: Whether a process sends from the file right now, or would, if there were something to send.
        requests_last_minute: How many requests were started in the last 60 s.
        last_id: The number of the message that was written to the file last; the next one gets the next.
        given_up: How many messages ever failed.
        accounts: Those that have messages in the file, the one in question first.
    """

    path: str
    size: int
    waiting: int
    failed: int
    oldest_waiting: float | None
    oldest_failed: float | None
    newest_failed: float | None
    is_held: bool
    requests_last_minute: int
    last_id: int
    given_up: int
    accounts: tuple[SpoolAccount, ...]

    @property
    def own(self) -> SpoolAccount | None:
        """What the file holds of the host and key in question."""
        return next((account for account in self.accounts if account.is_own), None)

    @property
    def time_to_empty(self) -> float | None:
        """Seconds that sending what waits takes at the rate of the last minute; None while nothing is sent."""
        if not self.waiting:
            return 0.0
        return self.waiting * 60 / self.requests_last_minute if self.requests_last_minute else None

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold."""
        return {**attrs.asdict(self), "time_to_empty": self.time_to_empty}


@attrs.frozen(kw_only=True)
class Retried:
    """What `SpoolFile.retry` did.

    Attributes:
        count: Failed messages that wait again.
        superseded: Those of them after which a later identify of that person was delivered, or waits.
        skipped: Superseded ones that were left among the failed.
    """

    count: int
    superseded: int
    skipped: int


@attrs.frozen(kw_only=True)
class Erased:
    """What `SpoolFile.erase` did.

    Attributes:
        waiting: Removed messages that waited.
        failed: Removed messages that had failed.
        is_overwritten: Whether what they left in the file, and in the log beside it, could be overwritten. If not, as
            another process was reading or the disk is full, it may still be there; erasing again tries again.
        copies: Damaged spools that were moved aside from the same path; they were not looked at.
    """

    waiting: int
    failed: int
    is_overwritten: bool
    copies: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Adopted:
    """What `SpoolFile.adopt` did.

    Attributes:
        waiting: Waiting messages that have the new host and key.
        failed: Failed ones that have.
        is_held: Whether a process was sending from the file: at the latest when it ends, the next one sends them.
    """

    waiting: int
    failed: int
    is_held: bool


def moment(seconds: float) -> datetime:
    """Return a `time.time()` as a time in UTC; damaged ones, beyond any calendar, are its beginning."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return datetime.fromtimestamp(0, UTC)


def _masked_body(body: dict[str, Any]) -> dict[str, Any]:
    shown = dict(body)
    for name in ("userId", "phoneNumber"):
        if name in shown:
            shown[name] = masked(shown[name])
    shown["traits"] = dict.fromkeys(body.get("traits", ()), MASK)
    if "tags" in shown:
        shown["tags"] = [MASK for _ in body["tags"]]
    return shown
