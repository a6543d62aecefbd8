"""The snapshot of traits: what each value becomes, and where the one is that cannot be sent."""

import json
import math
import os
import struct
import subprocess
import sys
import threading
import time
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock_time
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from itertools import count, cycle
from types import MappingProxyType
from typing import Any, Self
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track._conversion import MAX_BODY_BYTES, MAX_DEPTH
from interakt_track._errors import InvalidMessageError
from interakt_track._traits import snapshot, unpack
from interakt_track._values import encode

SECRET = "asha@example.com"
IDENTIFIER = UUID("00000000-0000-4000-8000-000000000001")


class Size(Enum):
    SMALL = "s"
    LARGE = 9


class Colour(StrEnum):
    GREEN = "green"


class Hidden(str, Enum):  # noqa: UP042 - StrEnum does not let a value differ from the text
    """An enum whose value is not the text it is made of."""

    def __new__(cls, text: str, value: str) -> Self:
        member = str.__new__(cls, text)
        member._value_ = value
        return member

    ONE = ("made of", "valued")


class Level(IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


class Number(float):
    __slots__ = ()


class Integer:
    """An int of another library, as numpy has them."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class Array:
    """As numpy's: it has the method of integers, and is none."""

    def __index__(self) -> int:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")


class NaT(datetime):
    """As pandas': a datetime that is no time."""

    def astimezone(self, *_: object) -> Self:
        return self

    def isoformat(self, *_: object, **__: object) -> str:
        return "NaT"


class Raising(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(SECRET)

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


Point = namedtuple("Point", "x y")  # noqa: PYI024 - the untyped kind is what older code has


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def read(data: bytes) -> Any:
    """Return what a strict reader makes of a snapshot's JSON text."""
    traits = unpack(data)
    text = encode(traits)
    text.encode()
    value = json.loads(text, parse_constant=refuse_constant)
    assert traits == value
    return value


def sent(value: object) -> Any:
    return read(snapshot({"x": value}))["x"]


def error_of(traits: object) -> str:
    with pytest.raises(InvalidMessageError) as caught:
        snapshot(traits)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize("traits", [None, {}, MappingProxyType({})], ids=repr)
def test_no_traits_are_an_empty_object(traits: object) -> None:
    assert unpack(snapshot(traits)) == {}


def test_plain_traits_are_sent_as_they_are() -> None:
    traits = {
        "Full Name": "Asha",
        "क": 'é😀\u2028"\\\n',
        "n": 1,
        "f": 0.1,
        "big": 1e300,
        "yes": True,
        "no": False,
        "none": None,
    }

    assert traits == read(snapshot(traits))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Text("text"), "text"),
        (Size.SMALL, "s"),
        (Size.LARGE, 9),
        (Colour.GREEN, "green"),
        (Hidden.ONE, "valued"),
        (Level.HIGH, 3),
        (Integer(7), 7),
        (Number(0.5), 0.5),
        (10**4299, 10**4299),
        (-(10**4299), -(10**4299)),
        (IDENTIFIER, "00000000-0000-4000-8000-000000000001"),
        (date(1998, 1, 1), "1998-01-01"),
        (datetime(2020, 11, 1, 12, 10, 26, 122999, UTC), "2020-11-01T12:10:26.122Z"),
        (datetime(2020, 11, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2020-11-01T06:30:00.000Z"),
        ((1, 2), [1, 2]),
        (Point(1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({"b", 1, None}, ["b", 1, None]),
        ({(2, 1), (1, 2)}, [[1, 2], [2, 1]]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (UserDict(a=1), {"a": 1}),
        (MappingProxyType({"a": {"b": [date(2000, 1, 1)]}}), {"a": {"b": ["2000-01-01"]}}),
        (
            {1: "a", Integer(2): "b", Level.HIGH: "c", Colour.GREEN: "d", Text("e"): "e"},
            {"1": "a", "2": "b", "3": "c", "green": "d", "e": "e"},
        ),
        ([[], {}, "", 0], [[], {}, "", 0]),
    ],
    ids=count(),
)
def test_other_values_become_plain(value: object, expected: object) -> None:
    actual = sent(value)

    assert expected == actual
    assert type(expected) is type(actual)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("5", 5),
        ("5.00", 5),
        ("-0", 0),
        ("1E+3", 1000),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("9" * 4300, int("9" * 4300)),
        ("499.90", 499.9),
        ("0.1", 0.1),
        ("-2.5", -2.5),
        ("1E-400", 0.0),
    ],
)
def test_a_decimal_is_a_json_number(written: str, expected: float) -> None:
    actual = sent(Decimal(written))

    assert expected == actual
    assert type(expected) is type(actual)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a process can only be set on Unix")
def test_a_naive_datetime_is_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with monkeypatch.context() as context:
            context.setenv("TZ", "IST-5:30")
            time.tzset()

            assert sent(datetime(2025, 3, 27, 18, 56, 52)) == "2025-03-27T13:26:52.000Z"
    finally:
        time.tzset()


def test_a_set_is_sent_in_the_same_order_by_every_process() -> None:
    program = """
from interakt_track._traits import snapshot, unpack
print(unpack(snapshot({"texts": {"a", "b", "c", "d"}, "mixed": {"a", "b", 1, None, frozenset({"c", "d"})}})))
"""

    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "1234"
    }

    assert outputs == {b"{'texts': ['a', 'b', 'c', 'd'], 'mixed': ['a', 'b', 1, ['c', 'd'], None]}\n"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "is NaN or infinite"),
        (-math.inf, "is NaN or infinite"),
        (Number("nan"), "is NaN or infinite"),
        (Decimal("NaN"), "is NaN or infinite"),
        (Decimal("sNaN"), "is NaN or infinite"),
        (Decimal("-Infinity"), "is NaN or infinite"),
        (Decimal("1" * 400 + ".5"), "is too large"),
        (Decimal("1E+4300"), "more than 4,300 digits"),
        (Decimal("1E+999999"), "more than 4,300 digits"),
        (10**4300, "more than 4,300 digits"),
        (-(10**4300), "more than 4,300 digits"),
        (Integer(10**4300), "more than 4,300 digits"),
        (SECRET.encode(), "is of type bytes, which cannot be sent; decode it to text"),
        (bytearray(b"x"), "decode it to text"),
        (clock_time(12), "is of type datetime.time"),
        (timedelta(1), "is of type datetime.timedelta"),
        (object(), "is of type object"),
        (Fraction(1, 3), "is of type fractions.Fraction"),
        (1j, "is of type complex"),
        (Array(), "Array, which cannot be sent"),
        (iter([SECRET]), "is of type list_iterator"),
        (range(3), "is of type range"),
        (print, "is of type builtin_function_or_method"),
        (NaT(2000, 1, 1), "is a time that UTC cannot express"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=5))), "is a time that UTC cannot express"),
        ("a\ud800b", "lone surrogate"),
        (Text("\udfff"), "lone surrogate"),
        (Raising(), "cannot be read: it raised RuntimeError"),
    ],
    ids=count(),
)
def test_what_cannot_be_sent_is_an_error_that_names_the_path(value: object, reason: str) -> None:
    for traits, path in (
        ({"x": value}, 'traits["x"]'),
        ({"order": {"total": value}}, 'traits["order"]["total"]'),
        (MappingProxyType({"items": [1, 2, value]}), 'traits["items"][2]'),
        ({"a": ({"ü b": [[value]]},)}, 'traits["a"][0]["ü b"][0][0]'),
    ):
        error = error_of(traits)

        assert error.startswith(f"{path} ")
        assert reason in error


def test_a_member_of_a_set_has_no_index() -> None:
    assert error_of({"x": {1, b"y"}}).startswith('traits["x"][*] is of type bytes')


@pytest.mark.parametrize("key", [None, True, 1.5, b"a", (1,), date(2000, 1, 1), math.nan], ids=repr)
def test_keys_must_be_text(key: object) -> None:
    assert error_of({"fine": 1, key: 2}).startswith(
        f"traits has a key of type {type(key).__qualname__.replace('date', 'datetime.date')}"
    )
    assert error_of({"a": [{key: 2}]}).startswith('traits["a"][0] has a key of type ')


@pytest.mark.parametrize("key", ["\ud800", Text("a\udc00")], ids=ascii)
def test_a_key_with_a_lone_surrogate_is_an_error(key: str) -> None:
    assert error_of({key: 1}).startswith("a key of traits holds a lone surrogate")
    assert error_of({"a": {key: 1}}).startswith('a key of traits["a"] holds a lone surrogate')


def test_an_int_key_of_too_many_digits_is_an_error() -> None:
    assert "more than 4,300 digits" in error_of({10**4300: 1})


def test_keys_that_become_the_same_text_are_an_error() -> None:
    assert error_of({"a": {1: "x", "1": "y"}}).startswith('traits["a"] has two keys that are the same text')


def test_a_key_that_is_long_is_shown_in_part() -> None:
    assert len(error_of({"k" * 1000: b""})) < 150


@pytest.mark.parametrize(
    "traits", ["text", [("a", 1)], 5, {"a"}, pytest.param(object(), id="an object"), True, 0, ""], ids=repr
)
def test_traits_must_be_a_mapping(traits: object) -> None:
    assert "it must be a mapping such as a dict" in error_of(traits)


def test_traits_that_raise_when_read_are_an_error_with_their_cause() -> None:
    with pytest.raises(InvalidMessageError, match="traits cannot be read: it raised RuntimeError") as caught:
        snapshot(Raising())

    assert type(caught.value.__cause__) is RuntimeError


def test_items_that_are_no_pairs_are_an_error() -> None:
    class Odd(UserDict[str, int]):
        def items(self) -> Any:
            return [1, 2]

    assert "traits cannot be read" in error_of(Odd(a=1))


def test_a_cycle_is_an_error() -> None:
    cycle: dict[str, Any] = {"list": []}
    cycle["list"].append(cycle)

    assert error_of({"x": cycle}) == 'traits["x"]["list"][0] holds itself; a cycle cannot be sent'
    assert error_of(cycle) == 'traits["list"][0]["list"] holds itself; a cycle cannot be sent'


def test_the_same_object_twice_is_no_cycle() -> None:
    shared = [1]

    assert sent([shared, shared, {"a": shared}]) == [[1], [1], {"a": [1]}]


def test_nesting_has_an_end() -> None:
    assert nested(MAX_DEPTH) == sent(nested(MAX_DEPTH))
    assert f"is nested more than {MAX_DEPTH} deep" in error_of({"x": nested(MAX_DEPTH + 1)})
    assert len(error_of({"x": nested(100_000)})) < 200


def test_nesting_deeper_than_the_stack_left_is_an_error() -> None:
    def at_depth(depth: int) -> bytes:
        return at_depth(depth - 1) if depth else snapshot({"x": nested(MAX_DEPTH)})

    frame, used = sys._getframe(), 0
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1

    with pytest.raises(InvalidMessageError, match="nested too deeply for the stack that is left"):
        at_depth(sys.getrecursionlimit() - used - 60)


@pytest.mark.parametrize(
    "value",
    [
        [{"a": n} for n in range(500)],
        {"a": [[1.5, None, "ü"]] * 60},
        list(range(5000)),
        [{"ü": [True, {}]}],
        {"": -(2**63)},
    ],
    ids=count(),
)
def test_large_and_small_trees_are_sent_as_they_are(value: object) -> None:
    assert value == sent(value)


@pytest.mark.parametrize(
    "value",
    [
        "하나 \ud7ff\ue000",
        "x" * 0xED,
        float.fromhex("0x1.7a0ed00000000p+10"),
        struct.unpack("<d", b"\xed\xa0\xed\xbf\xed\xa0\x97\x40")[0],
        0xBFED,
    ],
    ids=count(),
)
def test_what_looks_like_a_lone_surrogate_in_a_snapshot_is_sent_as_it_is(value: object) -> None:
    assert b"\xed" in snapshot({"x": value})
    assert value == sent(value)


@pytest.mark.parametrize(
    "build", [lambda value: value, lambda value: [value, {"deep": [value]}]], ids=["flat", "nested"]
)
def test_what_another_thread_does_meanwhile_is_told_or_sent_but_never_half(build: Callable[[object], object]) -> None:
    traits = {"a": 1, "swapped": build("fine"), "b": 2}
    is_over = threading.Event()

    def swap() -> None:
        for value in cycle(("fine", math.nan, "also fine", b"bytes", "\ud800", {2.5: 1})):
            if is_over.is_set():
                return
            traits["swapped"] = build(value)
            traits.pop("more", None)
            traits["more"] = "a name that comes and goes"

    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        snapshots, looks = [], 0
        while looks < 5000 or not snapshots:  # the other thread may rest for long where this one runs
            looks += 1
            with suppress(InvalidMessageError):
                snapshots.append(snapshot(traits))
    finally:
        is_over.set()
        swapper.join()
        sys.setswitchinterval(switch_interval)

    assert snapshots
    fine = (build("fine"), build("also fine"))
    assert [traits for traits in map(read, snapshots) if traits["swapped"] not in fine] == []


def test_few_lists_that_hold_each_other_often_do_not_fill_memory() -> None:
    value: list[Any] = ["x"]
    for _ in range(60):
        value = [value, value]

    assert "over 1,048,576 bytes" in error_of({"small": 1, "bomb": value})


@pytest.mark.parametrize(
    "value", ["x" * MAX_BODY_BYTES, ["x" * 100_000] * 11, [1] * MAX_BODY_BYTES, [[]] * 600_000], ids=count()
)
def test_what_is_too_big_names_the_biggest_trait(value: object) -> None:
    traits = {"small": [1, 2], "big": value, "also small": []}

    error = error_of(traits)

    assert error == 'the traits are over 1,048,576 bytes, the limit of a message; the biggest is traits["big"]'


def test_the_biggest_trait_is_named_even_if_a_later_one_goes_over_the_limit() -> None:
    traits = {"big": ["x" * 900_000], "later": ["x" * 200_000]}

    assert 'the biggest is traits["big"]' in error_of(traits)


def test_digits_beyond_the_interpreter_s_own_limit_are_our_error() -> None:
    limit = sys.get_int_max_str_digits()
    try:
        sys.set_int_max_str_digits(0)
        assert "more than 4,300 digits" in error_of({"x": 10**4300})
        sys.set_int_max_str_digits(640)
        assert "more digits than this process" in error_of({"x": 10**4000})
    finally:
        sys.set_int_max_str_digits(limit)


def test_lenient_leaves_bad_traits_out_and_tells_of_each() -> None:
    problems: list[InvalidMessageError] = []
    traits = {"a": 1, "nan": math.nan, "b": {"c": [SECRET.encode()]}, 2.5: "x", "\ud800": 1, "d": [date(2000, 1, 1)]}

    data = snapshot(traits, problems)

    assert read(data) == {"a": 1, "d": ["2000-01-01"]}
    assert [str(problem).split(" ")[0] for problem in problems] == [
        'traits["nan"]',
        'traits["b"]["c"][0]',
        "traits",
        "a",
    ]
    assert {InvalidMessageError} == {type(problem) for problem in problems}
    assert SECRET not in str(problems)


@pytest.mark.parametrize(
    "traits", ["text", Raising(), {"x": "x" * MAX_BODY_BYTES}], ids=lambda value: type(value).__name__
)
def test_lenient_raises_where_there_is_nothing_to_leave_out(traits: object) -> None:
    with pytest.raises(InvalidMessageError):
        snapshot(traits, [])


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**4310), max_value=10**4310)
    | st.floats()
    | st.decimals()
    | ANY_TEXT
    | st.binary(max_size=5)
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.complex_numbers()
    | st.fractions()
    | st.sampled_from([*Size, *Colour, *Hidden, *Level, Integer(1), Array(), Raising(), object()]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(ANY_TEXT | st.integers() | st.floats() | st.none() | st.booleans(), inner, max_size=4)
        | st.sets(st.integers() | st.text() | st.dates() | st.sampled_from(Size), max_size=4)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), PLAIN))
def test_whatever_json_can_hold_arrives_equal(traits: dict[str, Any]) -> None:
    assert traits == read(snapshot(traits))


@given(st.dictionaries(ANY_TEXT | st.integers() | st.floats() | st.none(), ANYTHING, max_size=4))
def test_whatever_goes_in_strict_json_or_our_error_comes_out(traits: dict[Any, Any]) -> None:
    try:
        data = snapshot(traits)
    except InvalidMessageError:
        problems: list[InvalidMessageError] = []
        data = snapshot(traits, problems)
        assert problems

    assert isinstance(read(data), dict)


@given(
    st.integers(10**6, 10**4400) | st.binary(min_size=6) | st.text("abc", min_size=6).map(lambda text: f"{text}\ud800")
)
def test_no_error_shows_the_value(value: object) -> None:
    try:
        snapshot({"x": [value]})
    except InvalidMessageError as error:
        text = str(error)
        shown = value if isinstance(value, str) else repr(value) if isinstance(value, bytes) else hex(value)[2:10]
        assert shown[:6] not in text
        assert text.startswith('traits["x"][0] ')


@given(
    st.dictionaries(
        st.text(max_size=3), st.lists(st.integers()) | st.dictionaries(st.text(max_size=2), st.integers()), min_size=1
    )
)
def test_a_snapshot_knows_nothing_of_later_changes(traits: dict[str, Any]) -> None:
    before = json.loads(json.dumps(traits))
    data = snapshot(traits)

    for value in traits.values():
        value.clear()
    traits["later"] = 1

    assert before == read(data)
