from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.user_traits import UserTraits


T = TypeVar("T", bound="UserRequest")


@_attrs_define
class UserRequest:
    """A customer: at least one identifier, and what is to be known about them. Whether fields that are not listed here are
    ignored or refused is unknown.

    """

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
    traits: UserTraits | Unset = UNSET
    """ What is known about the customer, by name; a new value replaces the old one of that name (official). Names
    may hold spaces and capitals. Values are text, numbers, booleans, dates as ISO 8601 text and lists (official);
    what the server makes of null and of nested objects is unknown. """
    created_at: str | Unset = UNSET
    """ When it happened, as an ISO 8601 date and time with its zone; the server takes its own time if this is
    missing (official). Text with a pattern instead of a date-time, so that what is sent is exactly what was given.
    """
    tags: list[str] | Unset = UNSET
    """ Labels to add to the customer; the API cannot remove one (agreed). """
    add_to_sales_cycle: bool | Unset = UNSET
    """ Whether to put the customer into the sales cycle. In snake case on the wire (agreed). """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        user_id = self.user_id

        phone_number = self.phone_number

        country_code = self.country_code

        full_phone_number = self.full_phone_number

        traits: dict[str, Any] | Unset = UNSET
        if not isinstance(self.traits, Unset):
            traits = self.traits.to_dict()

        created_at = self.created_at

        tags: list[str] | Unset = UNSET
        if not isinstance(self.tags, Unset):
            tags = self.tags

        add_to_sales_cycle = self.add_to_sales_cycle

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
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
        if tags is not UNSET:
            field_dict["tags"] = tags
        if add_to_sales_cycle is not UNSET:
            field_dict["add_to_sales_cycle"] = add_to_sales_cycle

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.user_traits import UserTraits  # noqa: PLC0415

        d = dict(src_dict)
        user_id = d.pop("userId", UNSET)

        phone_number = d.pop("phoneNumber", UNSET)

        country_code = d.pop("countryCode", UNSET)

        full_phone_number = d.pop("fullPhoneNumber", UNSET)

        _traits = d.pop("traits", UNSET)
        traits: UserTraits | Unset
        if isinstance(_traits, Unset):
            traits = UNSET
        else:
            traits = UserTraits.from_dict(_traits)

        created_at = d.pop("createdAt", UNSET)

        tags = cast(list[str], d.pop("tags", UNSET))

        add_to_sales_cycle = d.pop("add_to_sales_cycle", UNSET)

        user_request = cls(
            user_id=user_id,
            phone_number=phone_number,
            country_code=country_code,
            full_phone_number=full_phone_number,
            traits=traits,
            created_at=created_at,
            tags=tags,
            add_to_sales_cycle=add_to_sales_cycle,
        )

        user_request.additional_properties = d
        return user_request

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
