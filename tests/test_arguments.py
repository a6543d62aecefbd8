"""What each argument of a call may be, and what is sent for it."""

import time
from collections import deque
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import Enum, IntEnum, StrEnum
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track._arguments import (
    parse_created_at,
    parse_event,
    parse_flag,
    parse_phone_arguments,
    parse_tags,
    parse_user_id,
)
from interakt_track._errors import InvalidMessageError

INDIA = timezone(timedelta(hours=5, minutes=30))


class Name(StrEnum):
    PLACED = "Order Placed"


class Level(IntEnum):
    HIGH = 3


class Size(Enum):
    SMALL = "s"


class Text(str):
    __slots__ = ()


class Integer:
    """An int of another library, as numpy has them."""

    def __index__(self) -> int:
        return 42


class Odd:
    def __index__(self) -> int:
        raise RuntimeError("asha@example.com")


class Broken(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta:
        raise RuntimeError("asha@example.com")


@pytest.mark.parametrize(
    ("user_id", "expected"),
    [
        ("u1", "u1"),
        ("  u 1\n", "  u 1\n"),
        ("उषा", "उषा"),
        (Text("u1"), "u1"),
        (Name.PLACED, "Order Placed"),
        (0, "0"),
        (5, "5"),
        (-7, "-7"),
        (10**4299, str(10**4299)),
        (Level.HIGH, "3"),
        (Integer(), "42"),
        (UUID("00000000-0000-4000-8000-000000000001"), "00000000-0000-4000-8000-000000000001"),
        ("", None),
        (Text(""), None),
        (None, None),
    ],
    ids=count(),
)
def test_a_user_id_is_sent_as_text(user_id: object, expected: str | None) -> None:
    actual = parse_user_id(user_id)

    assert expected == actual
    assert type(expected) is type(actual)


@pytest.mark.parametrize(
    ("user_id", "reason"),
    [
        ("  \n", "user_id is blank"),
        ("a\ud800", "user_id holds a lone surrogate"),
        (True, "user_id is of type bool"),
        (1.0, "user_id is of type float"),
        (float("nan"), "user_id is of type float"),
        (b"u1", "user_id is of type bytes"),
        (Size.SMALL, "Size"),
        (Odd(), "Odd; it must be text, an int or a UUID"),
        (["u1"], "user_id is of type list"),
        (10**4300, "more than 4,300 digits"),
    ],
    ids=count(),
)
def test_what_is_no_user_id_is_an_error(user_id: object, reason: str) -> None:
    with pytest.raises(InvalidMessageError, match=reason):
        parse_user_id(user_id)


@pytest.mark.parametrize("phone_number", [None, "", Text("")], ids=count())
def test_a_country_code_without_a_phone_number_is_not_looked_at(phone_number: object) -> None:
    assert parse_phone_arguments(phone_number, "nonsense", "+91") == (None, None)


@pytest.mark.parametrize("event", ["Order Placed", " Order ", "ऑर्डर", Text("e"), Name.PLACED], ids=count())
def test_an_event_is_sent_as_it_is(event: str) -> None:
    actual = parse_event(event)

    assert event == actual
    assert type(actual) is str


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (None, "event is missing"),
        ("", "event is empty"),
        (" \t", "event is empty"),
        ("\u2003", "event is empty"),
        ("\ud83d", "event holds a lone surrogate"),
        (5, "event is of type int"),
        (Size.SMALL, "event is of type .*Size"),
    ],
    ids=count(),
)
def test_what_is_no_event_is_an_error(event: object, reason: str) -> None:
    with pytest.raises(InvalidMessageError, match=reason):
        parse_event(event)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["vip", "new"], ("vip", "new")),
        (("b", "a", "b"), ("b", "a", "b")),
        ({"b", "a"}, ("a", "b")),
        (frozenset({Text("x")}), ("x",)),
        ([], None),
        (None, None),
    ],
    ids=count(),
)
def test_tags_are_a_list_of_texts(tags: object, expected: tuple[str, ...] | None) -> None:
    assert expected == parse_tags(tags)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ("vip", r"tags is a single text; it must be a list, as in tags=\['vip'\]"),
        (deque(["vip"]), "tags is of type collections.deque"),
        ({"vip": 1}, "tags is of type dict"),
        (iter(["vip"]), "tags is of type list_iterator"),
        (["vip", 5], r"tags\[1\] is of type int"),
        (["vip", ""], r"tags\[1\] is empty"),
        ([" "], r"tags\[0\] is empty"),
        (["\ud800"], r"tags\[0\] holds a lone surrogate"),
        ({None}, "a tag is of type NoneType"),
    ],
    ids=count(),
)
def test_what_are_no_tags_is_an_error(tags: object, reason: str) -> None:
    with pytest.raises(InvalidMessageError, match=reason):
        parse_tags(tags)


@pytest.mark.parametrize(
    ("created_at", "expected"),
    [
        (datetime(2025, 3, 27, 13, 26, 52, 926999, UTC), "2025-03-27T13:26:52.926Z"),
        (datetime(2025, 3, 27, 18, 56, 52, tzinfo=INDIA), "2025-03-27T13:26:52.000Z"),
        ("2025-03-27T13:26:52.926Z", "2025-03-27T13:26:52.926Z"),
        ("2025-03-27T18:56:52+05:30", "2025-03-27T13:26:52.000Z"),
        ("2025-03-27T18:56:52+0530", "2025-03-27T13:26:52.000Z"),
        (" 2025-03-27T13:26Z\n", "2025-03-27T13:26:00.000Z"),
        (Text("2025-03-27T13:26:52Z"), "2025-03-27T13:26:52.000Z"),
        (None, None),
    ],
    ids=count(),
)
def test_created_at_is_sent_in_utc(created_at: object, expected: str | None) -> None:
    assert expected == parse_created_at(created_at)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a process can only be set on Unix")
def test_a_naive_created_at_is_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with monkeypatch.context() as context:
            context.setenv("TZ", "IST-5:30")
            time.tzset()

            assert parse_created_at(datetime(2025, 3, 27, 18, 56, 52)) == "2025-03-27T13:26:52.000Z"
            assert parse_created_at("2025-03-27T18:56:52") == "2025-03-27T13:26:52.000Z"
    finally:
        time.tzset()


@pytest.mark.parametrize(
    "created_at",
    [
        "2025-03-26",
        "20250327T132652Z",
        "2025-W13-4T13:26:52Z",
        "2025-03-27 13:26:52Z",
        "27.03.2025",
        "",
        "yesterday",
        "2025-02-30T00:00:00Z",
        "2025-03-27T25:00:00Z",
        "२०२५-03-27T13:26:52Z",
        "2025-03-27T13:26:52.926Z!",
    ],
)
def test_text_that_is_no_date_and_time_is_an_error(created_at: str) -> None:
    with pytest.raises(InvalidMessageError, match="created_at is not an ISO 8601 date and time") as caught:
        parse_created_at(created_at)

    assert not created_at or created_at not in str(caught.value)


@pytest.mark.parametrize(
    ("created_at", "reason"),
    [
        (date(2025, 3, 27), "created_at is of type datetime.date"),
        (1743081412, "created_at is of type int"),
        (True, "created_at is of type bool"),
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=5))), "a time that UTC cannot express"),
        (datetime(2025, 3, 27, tzinfo=Broken()), "a time that UTC cannot express"),
        ("0001-01-01T00:00:00+05:30", "a time that UTC cannot express"),
    ],
    ids=count(),
)
def test_what_is_no_time_is_an_error(created_at: object, reason: str) -> None:
    with pytest.raises(InvalidMessageError, match=reason):
        parse_created_at(created_at)


@given(st.datetimes(datetime(1900, 1, 1), datetime(9998, 1, 1), timezones=st.timezones()))
def test_the_same_moment_is_the_same_text_however_it_is_given(moment: datetime) -> None:
    expected = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"

    assert expected == parse_created_at(moment)
    assert expected == parse_created_at(moment.astimezone(UTC).isoformat())
    assert expected == parse_created_at(expected)


@pytest.mark.parametrize("flag", [True, False, None])
def test_a_flag_is_sent_as_it_is(flag: bool | None) -> None:
    assert flag is parse_flag("add_to_sales_cycle", flag)


@pytest.mark.parametrize("flag", [1, 0, "true", "", Level.HIGH], ids=repr)
def test_a_flag_must_be_true_or_false(flag: object) -> None:
    with pytest.raises(InvalidMessageError, match=r"add_to_sales_cycle is of type .*; it must be True or False"):
        parse_flag("add_to_sales_cycle", flag)
