"""A call of the demo: how it is made, and, written down a second time, the body it must become on the wire."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interakt_track import Client, Receipt


@attrs.frozen(kw_only=True, eq=False)
class Person:
    """A customer of the demo, none of them real.

    Attributes:
        user_id: The shop's id; None for somebody it knows by phone only.
        phone_number: As the shop's form was filled in.
        country_code: As it must arrive.
        national_number: The same.
    """

    user_id: str | int | None = None
    phone_number: str | int
    country_code: str
    national_number: str
    traits: Mapping[str, Any] = attrs.field(factory=dict)

    def identifiers(self, *, with_phone: bool) -> dict[str, str]:
        """Return the fields that say who it is, as they must arrive."""
        fields = {} if self.user_id is None else {"userId": str(self.user_id)}
        if with_phone or self.user_id is None:
            fields |= {"countryCode": self.country_code, "phoneNumber": self.national_number}
        return fields


@attrs.frozen(kw_only=True)
class Call:
    """One `identify` or `event`.

    Attributes:
        person: Whom it is about.
        event: The event's name; None makes it an `identify`.
        traits: As the shop holds them: decimals, dates, nested.
        tags: Of an `identify`.
        created_at: None leaves the time to the API.
        with_phone: Whether the phone number goes along where the person has an id.
    """

    person: Person
    event: str | None = None
    traits: Mapping[str, Any] = attrs.field(factory=dict)
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    with_phone: bool = False

    @property
    def kind(self) -> Literal["user", "event"]:
        """As the sandbox calls it."""
        return "user" if self.event is None else "event"

    def make(self, client: Client) -> Receipt:
        """Make the call."""
        user_id = self.person.user_id
        phone_number = self.person.phone_number if self.with_phone or user_id is None else None
        if self.event is not None:
            return client.event(user_id, self.event, self.traits, phone_number=phone_number, created_at=self.created_at)
        return client.identify(
            user_id,
            phone_number=phone_number,
            traits=self.traits,
            tags=list(self.tags) or None,
            created_at=self.created_at,
        )

    def body(self) -> dict[str, Any]:
        """Return what must arrive, worked out here and not by the library that is on trial."""
        body: dict[str, Any] = {**self.person.identifiers(with_phone=self.with_phone), "traits": _plain(self.traits)}
        if self.event is not None:
            body["event"] = self.event
        if self.tags:
            body["tags"] = list(self.tags)
        if self.created_at is not None:
            body["createdAt"] = utc(self.created_at)
        return body


def utc(moment: datetime) -> str:
    """Return a moment as the API writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return json.loads(str(value))
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value
