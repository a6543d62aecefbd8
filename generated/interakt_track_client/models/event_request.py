from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.event_traits import EventTraits


T = TypeVar("T", bound="EventRequest")


@_attrs_define
class EventRequest:
    """Something a customer did: at least one identifier, the name of the event and its details. Whether fields that are
    not listed here are ignored or refused is unknown.

    """

    event: str
    """ The name of the event (official). No limit of its length is published. """
    user_id: str | Unset = UNSET
    """ The customer's permanent id in your own system; it may not belong to another customer (official). Numbers
    are sent as text (official). """
    phone_number: str | Unset = UNSET
    """ The telephone number without its country code, digits only (official). """
    country_code: str | Unset = UNSET
    """ The calling code that belongs to phoneNumber, with its plus (official). Whether the server assumes one when
    it is missing is unknown. """
    full_phone_number: str | Unset = UNSET
    """ Calling code and telephone number together, digits only and no plus, in place of the two (agreed). """
    traits: EventTraits | Unset = UNSET
    """ The details of this event, by name; they stay with the event in the customer's timeline (official). Names
    may hold spaces and capitals. Values are text, numbers, booleans, dates as ISO 8601 text and lists (official);
    what the server makes of null and of nested objects is unknown. """
    created_at: str | Unset = UNSET
    """ When it happened, as an ISO 8601 date and time with its zone; the server takes its own time if this is
    missing (official). Text with a pattern instead of a date-time, so that what is sent is exactly what was given.
    """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        event = self.event

        user_id = self.user_id

        phone_number = self.phone_number

        country_code = self.country_code

        full_phone_number = self.full_phone_number

        traits: dict[str, Any] | Unset = UNSET
        if not isinstance(self.traits, Unset):
            traits = self.traits.to_dict()

        created_at = self.created_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "event": event,
            }
        )
        if user_id is not UNSET:
            field_dict["userId"] = user_id
        if phone_number is not UNSET:
            field_dict["phoneNumber"] = phone_number
        if country_code is not UNSET:
            field_dict["countryCode"] = country_code
        if full_phone_number is not UNSET:
            field_dict["fullPhoneNumber"] = full_phone_number
        if traits is not UNSET:
            field_dict["traits"] = traits
        if created_at is not UNSET:
            field_dict["createdAt"] = created_at

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.event_traits import EventTraits  # noqa: PLC0415

        d = dict(src_dict)
        event = d.pop("event")

        user_id = d.pop("userId", UNSET)

        phone_number = d.pop("phoneNumber", UNSET)

        country_code = d.pop("countryCode", UNSET)

        full_phone_number = d.pop("fullPhoneNumber", UNSET)

        _traits = d.pop("traits", UNSET)
        traits: EventTraits | Unset
        if isinstance(_traits, Unset):
            traits = UNSET
        else:
            traits = EventTraits.from_dict(_traits)

        created_at = d.pop("createdAt", UNSET)

        event_request = cls(
            event=event,
            user_id=user_id,
            phone_number=phone_number,
            country_code=country_code,
            full_phone_number=full_phone_number,
            traits=traits,
            created_at=created_at,
        )

        event_request.additional_properties = d
        return event_request

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
