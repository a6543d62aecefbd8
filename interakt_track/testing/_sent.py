"""Messages that would have been sent, as records to look at and to compare."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, overload

import attrs

from interakt_track import Receipt
from interakt_track._recording import from_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from interakt_track._messages import Message


def _as_id(value: object) -> str | None:
    return None if value is None else str(value)


@attrs.frozen(kw_only=True, repr=False)
class _Sent:
    user_id: str | None = attrs.field(default=None, converter=_as_id)
    country_code: str | None = None
    phone_number: str | None = None
    traits: dict[str, Any] = attrs.field(factory=dict)
    created_at: str | None = None
    called_at: datetime | None = attrs.field(default=None, eq=False)
    _source: Message | None = attrs.field(default=None, init=False, eq=False)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of the request, with the API's own names; `{}` for a record that the test made itself."""
        return Receipt(self._source).message["body"]

    def __repr__(self) -> str:
        # What has no value is left out. Nothing is masked: the customers of a test are the test's own.
        shown = [f"{name}={value!r}" for name, value in self.fields().items() if value not in (None, {}, ())]
        return f"{type(self).__name__}({', '.join(shown)})"

    def fields(self) -> dict[str, Any]:
        """Return what two messages are compared by, by name."""
        compared = attrs.fields_dict(type(self))
        return {name: getattr(self, name) for name, field in compared.items() if field.eq}


def _as_tuple(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(tags)


@attrs.frozen(kw_only=True, repr=False)
class SentUser(_Sent):
    """A customer, as `identify` would have sent it.

    Two are equal when all but `called_at` and `body` is, as Python compares: 1 is 1.0, and True. What a test leaves out
    must be missing in what was sent, too.

    Attributes:
        user_id: As it is sent, always text; a number that a test gives becomes it, too.
        country_code: `"+91"` form, where there is a phone number; the default one has been filled in.
        phone_number: The national number, digits only.
        traits: As JSON has them: a date is text, a tuple a list.
        tags: Those to add.
        add_to_sales_cycle: As it is sent; None where the call did not say.
        created_at: ISO 8601 in UTC, as it is sent.
        called_at: When the call was made, in UTC.
    """

    kind: ClassVar[Literal["user"]] = "user"
    tags: tuple[str, ...] = attrs.field(default=(), converter=_as_tuple)
    add_to_sales_cycle: bool | None = None


@attrs.frozen(repr=False)
class SentEvent(_Sent):
    """An event, as `event` would have sent it; all but its name is as in `SentUser`.

    Example:
        >>> assert sent.events() == [SentEvent("Order Placed", user_id="u1", traits={"total": 1499})]
    """

    kind: ClassVar[Literal["event"]] = "event"
    event: str

    def __repr__(self) -> str:
        return _Sent.__repr__(self).replace("event=", "", 1)

    def fields(self) -> dict[str, Any]:
        """Return what two messages are compared by, by name; the event's first."""
        return {"event": self.event, **_Sent.fields(self)}


SentMessage: TypeAlias = SentUser | SentEvent
M_co = TypeVar("M_co", bound=SentMessage, covariant=True)


class Messages(Sequence[M_co], Generic[M_co]):
    """Messages in the order of their calls; equal to any sequence of equal ones.

    Args:
        messages: What is in it.
    """

    __hash__ = None  # type: ignore[assignment]  # its messages hold dicts

    def __init__(self, messages: Iterable[M_co] = ()) -> None:
        self._messages = tuple(messages)

    @overload
    def __getitem__(self, index: int) -> M_co: ...
    @overload
    def __getitem__(self, index: slice) -> Messages[M_co]: ...
    def __getitem__(self, index: int | slice) -> M_co | Messages[M_co]:
        try:
            found = self._all()[index]
        except IndexError:
            raise IndexError(f"there is no message {index} in {self!r}") from None
        return Messages(found) if isinstance(found, tuple) else found

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[M_co]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str) or not isinstance(other, Sequence):
            return NotImplemented
        return list(self) == list(other)

    def __repr__(self) -> str:
        messages = self._all()
        return f"[{', '.join(map(repr, messages))}]" if messages else "<no messages>"

    def events(self, name: str | None = None) -> Messages[SentEvent]:
        """Return the events; those of one name, if one is given."""
        events = (message for message in self._all() if isinstance(message, SentEvent))
        return Messages(event for event in events if name in (None, event.event))

    @property
    def users(self) -> Messages[SentUser]:
        """What `identify` would have sent, one for each call: here, none is merged into another."""
        return Messages(message for message in self._all() if isinstance(message, SentUser))

    def for_user(self, user_id: object = None, *, phone_number: str | None = None) -> Messages[M_co]:
        """Return the messages that name a customer by an id, or by a phone number.

        Args:
            user_id: What was called with; a number is the text it is sent as.
            phone_number: The national number, or with country code and a leading `+`; digits only.

        Raises:
            TypeError: Both are given, or none.
        """
        if (user_id is None) is (phone_number is None):
            raise TypeError("for_user() takes a user_id or a phone_number")
        if user_id is not None:
            return Messages(message for message in self._all() if message.user_id == str(user_id))
        return Messages(
            message
            for message in self._all()
            if message.phone_number
            and phone_number in (message.phone_number, f"{message.country_code}{message.phone_number}")
        )

    def _all(self) -> tuple[M_co, ...]:
        return self._messages


def sent_message(line: bytes) -> SentMessage:
    """Return the record of a line that `_recording.to_line` made."""
    source = from_line(line)
    about: dict[str, Any] = {
        "user_id": source.user_id,
        "country_code": source.country_code,
        "phone_number": source.phone_number,
        "traits": source.traits,
        "created_at": source.created_at,
        "called_at": datetime.fromtimestamp(source.called_at, UTC),
    }
    sent = (
        SentUser(tags=source.tags or (), add_to_sales_cycle=source.add_to_sales_cycle, **about)
        if source.event is None
        else SentEvent(source.event, **about)
    )
    object.__setattr__(sent, "_source", source)  # not for a test to give, nor for `attrs.evolve` to take along
    return sent
