"""The command `demo`, run as a person runs it, and the comparison it judges by."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track.cli._arrivals import Arrivals, compare
from interakt_track.cli._calls import Call, Person, utc
from interakt_track.cli._shop import README_CALLS, make_day
from interakt_track.sandbox import Request

SCREEN_SETTINGS = ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in SCREEN_SETTINGS} | {
    "PYTHONIOENCODING": "utf-8"
}

SINCE = datetime(2025, 10, 18, 4, 0, tzinfo=UTC)
UNTIL = SINCE + timedelta(seconds=1)

ASHA = Person(user_id="asha", phone_number="5550000001", country_code="+91", national_number="5550000001")
GUEST = Person(phone_number="5550000002", country_code="+91", national_number="5550000002")

SIGN_UP = Call(person=ASHA, traits={"name": "Asha", "newsletter": True}, tags=("new",), with_phone=True)
VIEWED = Call(person=ASHA, event="Product Viewed", traits={"price": 1499})
ORDERED = Call(person=ASHA, event="Order Placed", created_at=SINCE - timedelta(hours=1))
CITY = Call(person=ASHA, traits={"city": "Kochi"}, tags=("regular",))
ORDERS = Call(person=ASHA, traits={"orders": 1, "city": "पुणे"})
GUEST_VIEWED = Call(person=GUEST, event="Product Viewed")


def run_demo(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interakt_track", "demo", *options],
        env={**ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def as_arrived(call: Call, **changes: Any) -> Request:
    """Return the record of a request that carries this call."""
    request = Request(
        number=1,
        method="POST",
        path="/",
        kind=call.kind,
        body=call.body(),
        size=1,
        status=202,
        reason=None,
        received=True,
        headers={},
        key_is_valid=True,
        key_digest=None,
        connection=1,
        started=0.0,
    )
    return attrs.evolve(request, **changes)


def with_fields(call: Call, **fields: Any) -> Request:
    return as_arrived(call, body={**call.body(), **fields})


def compared(calls: Sequence[Call], requests: Sequence[Request]) -> Arrivals:
    return compare(calls, requests, since=SINCE, until=UNTIL)


# The command.


def test_the_demo_delivers_all_and_ends_with_status_0() -> None:
    calls = make_day(50)

    ended = run_demo()

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"All {len(calls)} messages arrived." in ended.stdout
    for name in {call.event for call in calls if call.event}:
        count = str(sum(call.event == name for call in calls))
        (row,) = [line.split() for line in ended.stdout.splitlines() if line.startswith(f"  {name} ")]
        assert row[-3:] == [count, count, "all"]
    assert "/v1/public/track/users/" in ended.stdout
    assert "/v1/public/track/events/" in ended.stdout
    assert f"{len(calls)} = {len(calls)} + 0 + 0 + 0 + 0: the accounting of stats() adds up." in ended.stdout
    assert ended.stderr == ""


def test_a_pipe_gets_no_colours_and_no_moving_bar() -> None:
    ended = run_demo("--customers", "2", "--faults", "latency=0")

    assert "\x1b" not in ended.stdout
    assert "\r" not in ended.stdout
    assert ended.stdout.count("Delivering") == 1


def test_a_refused_message_makes_the_demo_fail_and_is_listed() -> None:
    calls = make_day(2)

    ended = run_demo("--customers", "2", "--faults", "400=1")

    assert ended.returncode == 1
    assert f"{len(calls)} of {len(calls)} messages did not arrive." in ended.stdout
    assert "Missing, among others:\n  identify of " in ended.stdout
    assert "the API answered 400" in ended.stdout
    assert f"0 + {len(calls)} + 0 + 0 + 0" in ended.stdout


def test_a_few_refused_messages_make_the_demo_fail_and_the_others_arrive() -> None:
    ended = run_demo("--customers", "5", "--faults", "400=30%,seed=1")

    calls = len(make_day(5))
    verdict = re.search(r"(\d+) of (\d+) messages did not arrive\.", ended.stdout)
    assert ended.returncode == 1
    assert verdict is not None
    assert 0 < int(verdict[1]) < int(verdict[2]) == calls
    assert f"{verdict[1]} × the API answered 400" in ended.stdout
    assert "What arrived is what was called." in ended.stdout


def test_the_demo_fails_when_the_time_is_up() -> None:
    ended = run_demo("--customers", "2", "--faults", "hang=1", "--timeout", "0.3")

    assert ended.returncode == 1
    assert "messages did not arrive." in ended.stdout
    assert "The messages of" not in ended.stdout, "nothing came, so nothing came in order"


def test_retries_deliver_what_failed_at_first() -> None:
    ended = run_demo("--customers", "5", "--faults", "5xx=5%,seed=3")  # the 7th and the 26th request

    numbers = next(
        dict(zip(line.split(), lines[number + 2].split(), strict=True))
        for lines in [ended.stdout.splitlines()]
        for number, line in enumerate(lines)
        if line.startswith("queued ")
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert numbers["queued"] == numbers["delivered"]
    assert int(numbers["retried"]) >= 1


def test_a_lost_answer_makes_a_message_come_twice_and_is_no_failure() -> None:
    ended = run_demo("--customers", "5", "--faults", "reset-received=5%,seed=3")  # the same two

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " came twice" in ended.stdout


def test_the_settings_of_the_environment_do_not_reach_the_demo() -> None:
    ended = run_demo(
        "--customers",
        "1",
        HTTP_PROXY="http://127.0.0.1:9",
        ALL_PROXY="http://127.0.0.1:9",
        INTERAKT_HOST="http://127.0.0.1:9",
        INTERAKT_WRITE_KEY="a-real-key",
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "a-real-key" not in ended.stdout + ended.stderr


def test_an_output_that_cannot_write_every_character_is_no_reason_to_fail() -> None:
    ended = run_demo("--customers", "1", "--faults", "400=1", PYTHONIOENCODING="ascii")

    assert ended.returncode == 1
    assert "messages did not arrive." in ended.stdout
    assert ended.stderr == ""


def test_faults_that_cannot_be_read_are_wrong_usage() -> None:
    ended = run_demo("--faults", "oops=1")

    assert ended.returncode == 2
    assert "there is no fault 'oops'" in ended.stderr


# The day in the shop.


def test_the_day_holds_a_few_hundred_messages_and_the_calls_of_the_readme() -> None:
    calls = make_day(50)

    assert 300 <= len(calls) <= 500
    assert [call for call in calls if call.person is README_CALLS[0].person] == list(README_CALLS)
    assert make_day(50)[7].body() == calls[7].body(), "the same day each time"


def test_people_of_the_day_do_not_share_identifiers_and_make_no_call_twice() -> None:
    calls = make_day(1000)

    people = {call.person for call in calls}
    assert len({(person.country_code, person.national_number) for person in people}) == len(people)
    assert len({str(person.user_id) for person in people if person.user_id is not None}) == sum(
        person.user_id is not None for person in people
    )
    bodies = [str(call.body()) for call in calls]
    assert len(set(bodies)) == len(bodies)


# The comparison.


def test_all_is_well_when_all_arrived_in_order() -> None:
    found = compared([SIGN_UP, VIEWED, GUEST_VIEWED], [as_arrived(call) for call in (GUEST_VIEWED, SIGN_UP, VIEWED)])

    assert found.are_complete
    assert len(found.arrived) == 3
    assert found.repeats == 0


def test_what_did_not_arrive_is_missing() -> None:
    refused = as_arrived(VIEWED, received=False, status=400)

    found = compared([SIGN_UP, VIEWED, ORDERED], [as_arrived(SIGN_UP), refused, as_arrived(ORDERED)])

    assert found.missing == [VIEWED]
    assert not found.are_complete


def test_one_persons_messages_out_of_order_are_noticed() -> None:
    found = compared([SIGN_UP, VIEWED], [as_arrived(VIEWED), as_arrived(SIGN_UP)])

    assert found.misplaced == [SIGN_UP]
    assert found.missing == []
    assert not found.are_complete


@pytest.mark.parametrize(
    "request_with_a_change",
    [
        pytest.param(with_fields(SIGN_UP, traits={"name": "Asha", "newsletter": 1}), id="true is not 1"),
        pytest.param(with_fields(SIGN_UP, traits={"name": "Asha"}), id="a trait is gone"),
        pytest.param(with_fields(SIGN_UP, phoneNumber="5550000009"), id="another phone number"),
        pytest.param(with_fields(SIGN_UP, createdAt=utc(SINCE)), id="an identify never gets the time of its call"),
        pytest.param(with_fields(SIGN_UP, userId="somebody else"), id="somebody else"),
    ],
)
def test_a_message_that_changed_on_its_way_is_noticed(request_with_a_change: Request) -> None:
    found = compared([SIGN_UP], [request_with_a_change])

    assert found.missing == [SIGN_UP]
    assert found.strangers == [request_with_a_change]
    assert not found.are_complete


def test_a_message_that_comes_twice_without_need_is_noticed() -> None:
    twin = as_arrived(VIEWED, number=2)

    found = compared([VIEWED], [as_arrived(VIEWED), twin])

    assert found.strangers == [twin]
    assert not found.are_complete


def test_a_message_may_come_twice_when_the_first_answer_was_lost() -> None:
    unanswered = as_arrived(VIEWED, status=None, fault="reset-received")

    found = compared([VIEWED, ORDERED], [unanswered, as_arrived(VIEWED), as_arrived(ORDERED)])

    assert found.are_complete
    assert found.repeats == 1


def test_a_repeat_after_a_later_message_is_out_of_order() -> None:
    unanswered = as_arrived(VIEWED, status=None, fault="reset-received")

    found = compared([VIEWED, ORDERED], [unanswered, as_arrived(ORDERED), as_arrived(VIEWED)])

    assert found.misplaced == [VIEWED]


def test_merged_identifies_count_each() -> None:
    merged = with_fields(CITY, traits={"orders": 1, "city": "पुणे"})

    found = compared([CITY, ORDERS, VIEWED], [merged, as_arrived(VIEWED)])

    assert found.are_complete
    assert found.arrived == [CITY, ORDERS, VIEWED]


def test_identifies_merged_across_an_event_are_noticed() -> None:
    merged = with_fields(CITY, traits={"orders": 1, "city": "पुणे"})

    found = compared([CITY, VIEWED, ORDERS], [merged, as_arrived(VIEWED)])

    assert found.strangers == [merged]
    assert found.missing == [CITY, ORDERS]


@pytest.mark.parametrize(
    ("time", "is_right"),
    [(SINCE, True), (UNTIL, True), (SINCE - timedelta(seconds=1), False), (UNTIL + timedelta(seconds=1), False)],
)
def test_a_late_event_carries_the_time_of_its_call(time: datetime, is_right: bool) -> None:
    found = compared([VIEWED], [with_fields(VIEWED, createdAt=utc(time))])

    assert found.are_complete is is_right


def test_an_event_with_a_time_of_its_own_keeps_it() -> None:
    found = compared([ORDERED], [with_fields(ORDERED, createdAt=utc(SINCE))])

    assert found.missing == [ORDERED]


@given(dice=st.randoms(use_true_random=False))
def test_other_peoples_messages_may_come_in_between_in_any_way(dice: Random) -> None:
    calls = make_day(3)
    turns = [call.person for call in calls]
    dice.shuffle(turns)
    queues = {person: iter([call for call in calls if call.person is person]) for person in turns}

    found = compared(calls, [as_arrived(next(queues[person])) for person in turns])

    assert found.are_complete
    assert len(found.arrived) == len(calls)
