"""A message as the request that sends it, and a request's body as a message; the one room that knows both."""

from __future__ import annotations

from collections.abc import Mapping
from time import time

from ._arguments import (
    parse_created_at,
    parse_event,
    parse_flag,
    parse_phone_arguments,
    parse_tags,
    parse_user_id,
)
from ._errors import InvalidMessageError
from ._locks import IMPORT_LOCK
from ._messages import USER, Message
from ._traits import snapshot
from ._values import timestamp, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interakt_track_client.models import EventRequest, UserRequest

    from ._errors import QueueMessage
    from ._messages import Phone, Problems

LATE = 5.0  # seconds between an event's call and its sending from which on it carries the time of the call


def is_late(message: Message) -> bool:
    """Tell whether an event that leaves now has to carry the time of its call."""
    return abs(time() - message.called_at) > LATE


def request_model(message: Message, *, with_call_time: bool = False) -> UserRequest | EventRequest:
    """Return a message as the generated client takes it.

    Args:
        with_call_time: Whether an event that has no time of its own carries the time of its call.
    """
    with IMPORT_LOCK:
        from interakt_track_client import models  # noqa: PLC0415 - brings attrs and httpx, wanted when sending begins
        from interakt_track_client.types import UNSET  # noqa: PLC0415 - as above

    user_id = UNSET if message.user_id is None else message.user_id
    country_code = UNSET if message.country_code is None else message.country_code
    phone_number = UNSET if message.phone_number is None else message.phone_number
    created_at = message.created_at
    traits = message.traits
    if message.kind == USER:
        return models.UserRequest(
            user_id=user_id,
            country_code=country_code,
            phone_number=phone_number,
            traits=models.UserTraits.from_dict(traits),
            tags=UNSET if message.tags is None else list(message.tags),
            created_at=UNSET if created_at is None else created_at,
            add_to_sales_cycle=UNSET if message.add_to_sales_cycle is None else message.add_to_sales_cycle,
        )
    if created_at is None and with_call_time:
        created_at = _call_time(message)
    return models.EventRequest(
        user_id=user_id,
        event=message.event or "",
        traits=models.EventTraits.from_dict(traits),
        country_code=country_code,
        phone_number=phone_number,
        created_at=UNSET if created_at is None else created_at,
    )


def wire(message: Message, *, with_call_time: bool = False) -> QueueMessage:
    """Return the API's path and a new JSON body of a message; the argument is that of `request_model`."""
    with IMPORT_LOCK:
        from interakt_track_client import models  # noqa: PLC0415 - brings attrs and httpx, wanted where one looks
        from interakt_track_client.api.track import create_event, create_user  # noqa: PLC0415 - as above

    model = request_model(message, with_call_time=with_call_time)
    if isinstance(model, models.UserRequest):
        request = create_user._get_kwargs(body=model)
    else:
        request = create_event._get_kwargs(body=model)
    return {"path": request["url"], "body": request["json"]}


def message_from_body(
    message: Message, body: object, *, default_country_code: str = "+91", problems: Problems = None
) -> Message:
    """Return the message of the same call with another body, checked as a call's arguments are.

    Args:
        body: What `before_send` made of the body; its fields as on the wire. The rest is as in `user_message`.

    Raises:
        InvalidMessageError: The body is no mapping, has a field the API does not know, or cannot be sent.
    """
    with IMPORT_LOCK:
        from interakt_track_client import models  # noqa: PLC0415 - brings attrs and httpx, wanted with before_send only
        from interakt_track_client.types import UNSET, Unset  # noqa: PLC0415 - as above

    if not isinstance(body, Mapping):
        raise InvalidMessageError(f"the body is of type {type_name(body)}; it must be a mapping such as a dict")
    model = models.UserRequest if message.kind == USER else models.EventRequest
    try:
        request = model.from_dict(body)
    except KeyError:
        raise InvalidMessageError("the body has no event") from None
    except Exception as exc:  # a generated parser lets through whatever its input raises
        raise InvalidMessageError("the body cannot be read; its traits must be a mapping such as a dict") from exc
    if request.additional_properties:
        unknown = ", ".join(sorted(str(name)[:40] for name in request.additional_properties))
        raise InvalidMessageError(f"the body has fields that the API does not know: {unknown}")

    def given(field: str) -> object:
        value = getattr(request, field, UNSET)
        return None if value is UNSET else value

    country_code, phone_number, full = given("country_code"), given("phone_number"), given("full_phone_number")
    if full is not None:
        if phone_number is not None:
            raise InvalidMessageError("the body has a phone number both in one piece and in two")
        country_code, phone_number = None, f"+{full}"
    phone: Phone = (message.country_code, message.phone_number)
    if phone != (country_code, phone_number):  # what was checked is not checked again: it might lose a second prefix
        phone = parse_phone_arguments(phone_number, country_code, default_country_code)

    return Message(
        message.kind,
        parse_user_id(given("user_id")),
        phone,
        None if message.kind == USER else parse_event(given("event")),
        snapshot(None if isinstance(request.traits, Unset) else request.traits.additional_properties, problems),
        parse_tags(given("tags")),
        parse_created_at(given("created_at")),
        parse_flag("add_to_sales_cycle", given("add_to_sales_cycle")),
        message.called_at,
        message.account,
        message.priority,
    )


def _call_time(message: Message) -> str | None:
    with IMPORT_LOCK:
        from datetime import UTC, datetime  # noqa: PLC0415 - only where a message is late

    return timestamp(datetime.fromtimestamp(message.called_at, UTC))
