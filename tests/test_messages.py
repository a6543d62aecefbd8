"""A call's arguments as a frozen `Message`, and a message as the request that sends it."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track._account import Account
from interakt_track._errors import InvalidMessageError
from interakt_track._messages import (
    EVENT,
    MAX_BODY_BYTES,
    REPORT,
    USER,
    Message,
    event_message,
    masked_identity,
    merge,
    user_message,
)
from interakt_track._requests import message_from_body, request_model, wire
from interakt_track_client.models import EventRequest, UserRequest

ACCOUNT = Account("http://localhost", "key")
OTHER_ACCOUNT = Account("http://localhost", "other key")

SURROGATES = "Cs"
TEXT = st.text(st.characters(exclude_categories=[SURROGATES]))
NAMES = TEXT.filter(str.strip)
TRAITS = st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT), max_size=3)


def identify(
    user_id: object = None,
    country_code: object = None,
    phone_number: object = None,
    traits: object = None,
    *,
    tags: object = None,
    created_at: object = None,
    add_to_sales_cycle: object = None,
    account: Account = ACCOUNT,
    priority: object = "normal",
    problems: list[InvalidMessageError] | None = None,
) -> Message:
    return user_message(
        user_id,
        country_code,
        phone_number,
        traits,
        tags,
        created_at,
        add_to_sales_cycle,
        default_country_code="+91",
        account=account,
        priority=priority,
        problems=problems,
    )


def event(
    user_id: object = None,
    event: object = None,
    traits: object = None,
    country_code: object = None,
    phone_number: object = None,
    *,
    created_at: object = None,
    problems: list[InvalidMessageError] | None = None,
) -> Message:
    return event_message(
        user_id,
        event,
        traits,
        country_code,
        phone_number,
        created_at,
        default_country_code="+91",
        account=ACCOUNT,
        priority="low",
        problems=problems,
    )


def body_of(message: Message) -> dict[str, Any]:
    return wire(message)["body"]


def replaced(message: Message, **fields: object) -> Message:
    return message_from_body(message, {**body_of(message), **fields})


@pytest.mark.parametrize(
    ("message", "path", "body"),
    [
        (
            identify(5, "+91", "9999999999", {"a": 1}),
            "/v1/public/track/users/",
            {"traits": {"a": 1}, "userId": "5", "countryCode": "+91", "phoneNumber": "9999999999"},
        ),
        (identify("u1"), "/v1/public/track/users/", {"traits": {}, "userId": "u1"}),
        (
            identify(phone_number="9999999999"),
            "/v1/public/track/users/",
            {"traits": {}, "countryCode": "+91", "phoneNumber": "9999999999"},
        ),
        (
            event("u1", "Order Placed", {"total": 1.5}),
            "/v1/public/track/events/",
            {"event": "Order Placed", "traits": {"total": 1.5}, "userId": "u1"},
        ),
        (
            event(None, "Order Placed", None, "+1", "2025550123"),
            "/v1/public/track/events/",
            {"event": "Order Placed", "traits": {}, "countryCode": "+1", "phoneNumber": "2025550123"},
        ),
    ],
    ids=count(),
)
def test_bodies_equal_those_of_the_published_sdk(message: Message, path: str, body: dict[str, Any]) -> None:
    assert {"path": path, "body": body} == wire(message)


def test_all_that_is_given_is_sent() -> None:
    message = identify(
        0,
        "44",
        "020 7946 0958",
        MappingProxyType({"since": datetime(2020, 1, 1, tzinfo=UTC)}),
        tags={"b", "a"},
        created_at="2025-03-27T18:56:52+05:30",
        add_to_sales_cycle=False,
    )

    assert body_of(message) == {
        "userId": "0",
        "countryCode": "+44",
        "phoneNumber": "2079460958",
        "traits": {"since": "2020-01-01T00:00:00.000Z"},
        "tags": ["a", "b"],
        "createdAt": "2025-03-27T13:26:52.000Z",
        "add_to_sales_cycle": False,
    }


def test_a_message_knows_its_call() -> None:
    before = time.time()
    message = event("u1", "e")

    assert before <= message.called_at <= time.time()
    assert message.kind == EVENT
    assert message.account is ACCOUNT
    assert message.priority == 2
    assert message.told_by == REPORT
    assert message.outcome is None


def test_somebody_is_needed() -> None:
    for nobody in ({}, {"user_id": ""}, {"phone_number": ""}, {"country_code": "+91"}):
        with pytest.raises(InvalidMessageError, match="user_id and phone_number are both missing"):
            identify(**nobody)
        with pytest.raises(InvalidMessageError, match="user_id and phone_number are both missing"):
            event(event="e", **nobody)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"user_id": 1.5}, "user_id is of type float"),
        ({"user_id": " "}, "user_id is blank"),
        ({"user_id": "u", "phone_number": "12"}, "phone_number is too short"),
        ({"user_id": "u", "phone_number": "9876598765", "country_code": "+999"}, "country_code: no country"),
        ({"user_id": "u", "traits": {"a": b""}}, r'traits\["a"\] is of type bytes'),
        ({"user_id": "u", "created_at": 5}, "created_at is of type int"),
    ],
    ids=count(),
)
def test_bad_arguments_are_told_at_the_call(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidMessageError, match=reason):
        identify(**arguments)
    with pytest.raises(InvalidMessageError, match=reason):
        event(event="e", **arguments)


def test_bad_tags_flags_and_events_are_told_at_the_call() -> None:
    with pytest.raises(InvalidMessageError, match="tags is a single text"):
        identify("u", tags="vip")
    with pytest.raises(InvalidMessageError, match="add_to_sales_cycle is of type int"):
        identify("u", add_to_sales_cycle=1)
    with pytest.raises(InvalidMessageError, match="event is missing"):
        event("u")
    with pytest.raises(InvalidMessageError, match="event is empty"):
        event("u", " ")


def test_lenient_repairs_traits_only() -> None:
    problems: list[InvalidMessageError] = []

    message = event("u", "e", {"good": 1, "bad": b""}, problems=problems)

    assert body_of(message)["traits"] == {"good": 1}
    assert [str(p) for p in problems] == ['traits["bad"] is of type bytes, which cannot be sent; decode it to text']
    with pytest.raises(InvalidMessageError, match="user_id is of type float"):
        identify(1.5, problems=problems)


@pytest.mark.parametrize(
    ("arguments", "biggest"),
    [
        ({"user_id": "u", "traits": {"small": 1, "big": "x" * MAX_BODY_BYTES}}, r'traits\["big"\]'),
        ({"user_id": "u", "traits": {"small": 1, "big": "आ" * (MAX_BODY_BYTES // 3)}}, r'traits\["big"\]'),
        ({"user_id": "u" * MAX_BODY_BYTES}, "user_id"),
        ({"user_id": "\x01" * (MAX_BODY_BYTES // 6)}, "user_id"),
        ({"user_id": "u", "event": "e" * MAX_BODY_BYTES}, "event"),
    ],
    ids=count(),
)
def test_a_message_over_a_mebibyte_is_refused_by_size_and_name(arguments: dict[str, Any], biggest: str) -> None:
    with pytest.raises(InvalidMessageError, match=rf"over .*1,048,576.* {biggest}$") as caught:
        event(**{"event": "e", **arguments})

    assert len(str(caught.value)) < 200


def test_tags_count_for_the_size() -> None:
    with pytest.raises(InvalidMessageError, match=r"the message has [\d,]+ bytes, over the limit .* tags$"):
        identify("u", tags=["x" * 100] * 11_000)


def test_a_message_just_under_a_mebibyte_is_sent() -> None:
    message = identify("u", traits={"x": "x" * (MAX_BODY_BYTES - 250)})

    assert MAX_BODY_BYTES - 250 < message.size <= MAX_BODY_BYTES


@given(NAMES, NAMES, TRAITS, st.lists(NAMES, max_size=3))
def test_the_size_is_never_below_the_bytes_sent(
    user_id: str, name: str, traits: dict[str, Any], tags: list[str]
) -> None:
    everything = {"created_at": datetime(2025, 1, 1), "phone_number": "+919876598765"}
    for message in (
        identify(user_id, None, traits=traits, tags=tags, add_to_sales_cycle=False, **everything),
        event(user_id, name, traits, **everything),
        event(user_id, name, traits),
    ):
        sent = len(json.dumps(body_of(message), ensure_ascii=False, separators=(",", ":")).encode())

        assert sent <= message.size <= sent + 200


@given(NAMES, NAMES, TRAITS)
def test_what_is_sent_is_what_was_called(user_id: str, name: str, traits: dict[str, Any]) -> None:
    expected = {"userId": user_id, "event": name, "traits": json.loads(json.dumps(traits))}
    message = event(user_id, name, traits)

    traits.clear()

    assert expected == body_of(message)


def test_the_traits_are_there_as_new_objects_and_as_text() -> None:
    message = identify("u", traits={"list": [1], "ü": "é"})

    message.traits["list"].append(2)

    assert message.traits == {"list": [1], "ü": "é"}
    assert message.traits_text == '{"list":[1],"ü":"é"}'


def test_two_bodies_share_nothing() -> None:
    message = identify("u", traits={"list": [1]}, tags=["a"])

    body = body_of(message)
    body["traits"]["list"].append(2)
    body["tags"].append("b")

    assert body_of(message) == {"userId": "u", "traits": {"list": [1]}, "tags": ["a"]}


def test_only_an_event_without_a_time_of_its_own_carries_the_time_of_its_call() -> None:
    late = event("u", "e")
    timed = event("u", "e", created_at="2025-03-27T13:26:52.926Z")
    called_at = datetime.fromtimestamp(late.called_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    assert wire(late, with_call_time=True)["body"]["createdAt"] == called_at
    assert wire(timed, with_call_time=True)["body"]["createdAt"] == "2025-03-27T13:26:52.926Z"
    assert "createdAt" not in wire(late)["body"]
    assert "createdAt" not in wire(identify("u"), with_call_time=True)["body"]


def test_the_request_model_is_the_generated_one() -> None:
    assert type(request_model(identify("u"))) is UserRequest
    assert type(request_model(event("u", "e"))) is EventRequest


@pytest.mark.parametrize(
    "message",
    [
        identify(
            "u", "+91", "9876598765", {"a": [1]}, tags=["t"], created_at="2025-03-27T13:26:52Z", add_to_sales_cycle=True
        ),
        identify("u"),
        event(None, "e", {"a": 1}, "+44", "2079460958"),
        event(None, "e", None, None, "+91919876598765"),  # read again, it would lose what looks like a second prefix
    ],
    ids=count(),
)
def test_an_unchanged_body_makes_the_same_message(message: Message) -> None:
    again = message_from_body(message, body_of(message))

    assert again is not message
    names = [*Message.__slots__, "traits"]
    names.remove("snapshot")  # its bytes may differ where their meaning does not
    assert [getattr(message, name) for name in names] == [getattr(again, name) for name in names]


def test_a_changed_body_is_checked_as_a_call_is() -> None:
    message = identify("u", None, "9876598765", {"a": 1}, tags=["t"], priority="high")

    changed = message_from_body(
        message,
        {
            "userId": 7,
            "phoneNumber": "020 7946 0958",
            "countryCode": 44,
            "traits": {"b": datetime(2020, 1, 1, tzinfo=UTC)},
            "tags": ("x",),
            "createdAt": datetime(2025, 1, 1, tzinfo=UTC),
            "add_to_sales_cycle": None,
        },
    )

    assert body_of(changed) == {
        "userId": "7",
        "phoneNumber": "2079460958",
        "countryCode": "+44",
        "traits": {"b": "2020-01-01T00:00:00.000Z"},
        "tags": ["x"],
        "createdAt": "2025-01-01T00:00:00.000Z",
    }
    assert (changed.kind, changed.account, changed.priority) == (USER, ACCOUNT, 0)
    assert message.called_at == changed.called_at


def test_a_body_may_have_its_phone_number_in_one_piece() -> None:
    message = identify("u")

    assert body_of(replaced(message, fullPhoneNumber="442079460958"))["countryCode"] == "+44"
    with pytest.raises(InvalidMessageError, match="both in one piece and in two"):
        replaced(message, fullPhoneNumber="442079460958", phoneNumber="9876598765")


def test_a_body_without_traits_has_none() -> None:
    message = event("u", "e", {"a": 1})

    assert body_of(message_from_body(message, {"userId": "u", "event": "e"}))["traits"] == {}


def test_a_body_s_phone_number_without_a_country_code_has_the_default_one() -> None:
    message = event("u", "e")

    changed = message_from_body(message, {"event": "e", "phoneNumber": "2079460958"}, default_country_code="+44")

    assert body_of(changed) == {"event": "e", "traits": {}, "countryCode": "+44", "phoneNumber": "2079460958"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "the body is of type NoneType"),
        ([("userId", "u")], "the body is of type list"),
        ({"userId": "u"}, "the body has no event"),
        ({"userId": "u", "event": ""}, "event is empty"),
        ({"userId": "u", "event": None}, "event is missing"),
        ({"event": "e"}, "user_id and phone_number are both missing"),
        ({"event": "e", "userId": 0.5}, "user_id is of type float"),
        ({"event": "e", "userId": "u", "traits": None}, "its traits must be a mapping"),
        ({"event": "e", "userId": "u", "traits": "text"}, "its traits must be a mapping"),
        ({"event": "e", "userId": "u", "traits": {"a": {1, b""}}}, r'traits\["a"\]\[\*\] is of type bytes'),
        ({"event": "e", "userId": "u", "user_id": "u", "tags": []}, "fields that the API does not know: tags, user_id"),
        ({"event": "e", "userId": "u", 5: 1}, "fields that the API does not know: 5"),
        ({"event": "e", "userId": "u", "traits": {"big": "x" * MAX_BODY_BYTES}}, "over .*1,048,576"),
        ({"event": "e", "phoneNumber": "12", "countryCode": "+91"}, "phone_number is too short"),
        ({"event": "e", "userId": "u", "createdAt": "today"}, "created_at is not an ISO 8601"),
    ],
    ids=count(),
)
def test_a_body_that_cannot_be_sent_is_an_error(body: object, reason: str) -> None:
    with pytest.raises(InvalidMessageError, match=reason):
        message_from_body(event("u", "e"), body)


def test_two_identifies_of_one_person_merge() -> None:
    first = identify("u", None, "9876598765", {"a": 1, "b": {"x": 1}}, tags=["t", "s"], priority="low")
    second = identify("u", "91", "098765 98765", {"b": {"y": 2}, "c": "ü"}, tags=["r", "t"], priority="high")

    merged = merge(first, second)

    assert merged is not None
    assert body_of(merged) == {
        "userId": "u",
        "countryCode": "+91",
        "phoneNumber": "9876598765",
        "traits": {"a": 1, "b": {"y": 2}, "c": "ü"},
        "tags": ["t", "s", "r"],
    }
    assert first.called_at == merged.called_at
    assert merged.priority == 0
    assert first.traits == {"a": 1, "b": {"x": 1}}


def test_equal_times_and_flags_merge() -> None:
    first = identify("u", created_at="2025-01-01T05:30:00+05:30", add_to_sales_cycle=True)
    second = identify("u", created_at=datetime(2025, 1, 1, tzinfo=UTC), add_to_sales_cycle=True)

    merged = merge(first, second)

    assert merged is not None
    assert body_of(merged) == {
        "userId": "u",
        "traits": {},
        "createdAt": "2025-01-01T00:00:00.000Z",
        "add_to_sales_cycle": True,
    }


@pytest.mark.parametrize(
    "other",
    [
        identify("v"),
        identify("u", None, "9876598765"),
        identify(None, None, "9876598765"),
        identify("u", created_at="2025-01-01T00:00:00Z"),
        identify("u", add_to_sales_cycle=False),
        identify("u", account=OTHER_ACCOUNT),
        event("u", "e"),
        identify("u", traits={"more": "x" * (MAX_BODY_BYTES // 2)}),
    ],
    ids=count(),
)
def test_what_differs_stays_two_requests(other: Message) -> None:
    message = identify("u", traits={"much": "x" * (MAX_BODY_BYTES // 2)})

    assert merge(message, other) is None
    assert merge(other, message) is None


def test_two_events_never_merge() -> None:
    assert merge(event("u", "e"), event("u", "e")) is None


@given(TRAITS, TRAITS)
def test_later_traits_win(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    merged = merge(identify("u", traits=earlier), identify("u", traits=later))

    assert merged is not None
    assert {**earlier, **later} == merged.traits


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (identify("customer-42"), "user_id=***42"),
        (identify("asha@example.com"), "user_id=***om"),
        (identify("short"), "user_id=***"),
        (identify(1234567), "user_id=***"),
        (identify("customer-\r\n"), "user_id=***"),
        (identify(phone_number="9876598710"), "phone=+91***10"),
        (event("customer-42", "e", None, "+44", "2079460958"), "user_id=***42 phone=+44***58"),
    ],
    ids=count(),
)
def test_logs_show_two_characters_of_a_long_identifier(message: Message, expected: str) -> None:
    assert expected == masked_identity(message)


@given(NAMES)
def test_no_log_shows_more_than_the_end_of_an_identifier(user_id: str) -> None:
    shown = masked_identity(identify(user_id)).removeprefix("user_id=***")

    assert shown in ("", user_id[-2:])
    assert shown.isalnum() or not shown


def test_a_call_without_a_phone_number_brings_nothing_heavy() -> None:
    program = """
import sys
from interakt_track._messages import event_message
arguments = dict(default_country_code="+91", account=None, problems=None)
event_message("u", "e", {"a": 1, "b": [1.5]}, None, None, None, "normal", **arguments)
heavy = {"attr", "decimal", "httpx", "interakt_track_client", "phonenumbers", "typing", "uuid"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
event_message("u", "e", None, None, "98765 98765", None, "normal", **arguments)
assert "phonenumbers" in sys.modules and "httpx" not in sys.modules
"""

    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_brings_little_of_the_standard_library() -> None:
    program = """
import interakt_track, sys
heavy = {"binascii", "contextlib", "dataclasses", "enum", "inspect", "json", "logging", "re", "typing", "weakref"}
print(*heavy & set(sys.modules))
"""

    # Without `site`: what an environment's .pth files bring is theirs.
    said = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parent.parent,
        text=True,
    ).stdout

    assert said.split() == []
