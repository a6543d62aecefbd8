"""Units in order: whatever happens to units, each person's messages keep the order of their calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track._account import Account
from interakt_track._ledger import Epoch
from interakt_track._messages import RAISE, Message, event_message, user_message
from interakt_track._order import MAX_STARVATION, Lane, Unit
from interakt_track._rows import Record

if TYPE_CHECKING:
    from interakt_track._spool import Spool

ACCOUNT = Account("http://localhost", "key")
HIGH, NORMAL, LOW = range(3)
PRIORITIES = ("high", "normal", "low")


def an_event(
    user_id: str | None = None, phone: str | None = None, *, name: str = "e", priority: int = NORMAL
) -> Message:
    return event_message(
        user_id, name, {}, "+91", phone, None,
        PRIORITIES[priority], default_country_code="+91", account=ACCOUNT, problems=None,
    )  # fmt: skip


def an_identify(
    user_id: str | None = None, phone: str | None = None, *, priority: int = NORMAL, **traits: object
) -> Message:
    return user_message(
        user_id, "+91", phone, traits, None, None, None,
        PRIORITIES[priority], default_country_code="+91", account=ACCOUNT, problems=None,
    )  # fmt: skip


def link_all(*messages: Message) -> tuple[Lane, list[Unit | None]]:
    lane, epoch = Lane(ACCOUNT), Epoch()
    return lane, [lane.link(message, epoch) for message in messages]


def pop_all(lane: Lane, now: float = 0.0) -> list[Message]:
    sent = []
    while lane.ready:
        unit = lane.pop(now)
        sent.append(unit.current)
        lane.settle(unit)
    return sent


def test_people_do_not_wait_for_each_other() -> None:
    first, second, third = an_event("u1"), an_event("u1"), an_event("u2")
    lane, _ = link_all(first, second, third)

    sent = [lane.pop(0.0).current, lane.pop(0.0).current]

    assert sent == [first, third]
    assert lane.ready == 0


def test_a_message_with_both_identifiers_is_ordered_behind_and_before_both() -> None:
    by_user, by_phone = an_event("u1"), an_event(phone="9876543210")
    both = an_event("u1", "9876543210")
    after_user, after_phone = an_event("u1"), an_event(phone="9876543210")
    lane, units = link_all(by_user, by_phone, both, after_user, after_phone)
    first, second = lane.pop(0.0), lane.pop(0.0)

    lane.settle(first)
    ready_after_one = lane.ready
    lane.settle(second)
    unit_of_both = lane.pop(0.0)
    ready_while_both_is_in_flight = lane.ready
    lane.settle(unit_of_both)

    assert ready_after_one == 0
    assert unit_of_both is units[2]
    assert ready_while_both_is_in_flight == 0
    assert lane.ready == 2


def test_a_delayed_unit_keeps_its_followers_waiting_and_goes_first_when_due() -> None:
    first, second, other = an_event("u1"), an_event("u1"), an_event("u2")
    lane, _ = link_all(first, second, other)
    unit = lane.pop(0.0)

    lane.delay(unit, 10.0)
    assert lane.pop(0.0).current is other
    assert lane.ready == 0
    assert lane.next_due() == 10.0
    lane.wake(10.0)

    assert pop_all(lane) == [first, second]


def test_identifies_of_one_person_merge_until_an_event_of_that_person_comes() -> None:
    first, second = an_identify("u1", a=1), an_identify("u1", b=2)
    event, third = an_event("u1"), an_identify("u1", c=3)
    lane, units = link_all(first, second, event, third)

    assert units[1] is None
    assert units[0] is not None
    assert units[0].messages == [first, second]
    assert units[3] is not None
    assert [m.traits for m in pop_all(lane)] == [{"a": 1, "b": 2}, {}, {"c": 3}]


def test_identifies_with_other_identifiers_do_not_merge() -> None:
    _lane, units = link_all(
        an_identify("u1", "9876543210", a=1), an_event(phone="9876543210"), an_identify("u1", "9876543210", b=1)
    )

    assert None not in units


def test_an_identify_that_was_attempted_takes_no_more_in() -> None:
    lane, (unit,) = link_all(an_identify("u1", a=1))
    assert unit is not None
    taken = lane.pop(0.0)
    taken.attempts = 1
    lane.delay(taken, 5.0)

    assert lane.link(an_identify("u1", b=1), unit.epoch) is not None


def test_an_identify_that_was_taken_apart_takes_no_more_in() -> None:
    lane, (unit, _) = link_all(an_identify("u1", a=1), an_identify("u1", b=1))
    assert unit is not None
    lane.pop(0.0)
    unit.is_apart = True
    lane.resume(unit)

    assert lane.link(an_identify("u1", c=1), unit.epoch) is not None


def test_a_message_somebody_waits_for_has_a_request_of_its_own() -> None:
    waited_for = an_identify("u1", b=1)
    waited_for.told_by = RAISE

    _, units = link_all(an_identify("u1", a=1), waited_for, an_identify("u1", c=1))

    assert None not in units


def test_a_flush_ends_merging() -> None:
    lane = Lane(ACCOUNT)

    lane.link(an_identify("u1", a=1), Epoch())

    assert lane.link(an_identify("u1", b=1), Epoch()) is not None


def test_a_higher_priority_goes_first() -> None:
    low, normal, high = (an_event(f"u{p}", priority=p) for p in (LOW, NORMAL, HIGH))
    lane, _ = link_all(low, normal, high)

    assert pop_all(lane) == [high, normal, low]


def test_what_blocks_a_higher_one_inherits_its_priority() -> None:
    others = [an_event(f"x{i}", priority=LOW) for i in range(3)]
    first, second = an_event("u1", priority=LOW), an_event("u1", priority=LOW)
    urgent = an_event("u1", priority=HIGH)
    lane, _ = link_all(*others, first, second, urgent)

    assert pop_all(lane) == [first, second, urgent, *others]


def test_a_low_priority_is_not_starved() -> None:
    lane, epoch = Lane(ACCOUNT), Epoch()
    low = an_event("low", priority=LOW)
    lane.link(low, epoch)
    sent_at = None

    for second in range(60):
        lane.link(an_event(f"u{second}", priority=HIGH), epoch)
        unit = lane.pop(float(second))
        if unit.current is low:
            sent_at = second
        lane.settle(unit)

    assert sent_at is not None
    assert sent_at <= MAX_STARVATION + 1


@pytest.mark.parametrize("seconds", [0.2, 10.0, 15.3, 20.4, 61.0])
def test_nobody_is_starved_by_a_lower_priority_however_slow_the_ration(seconds: float) -> None:
    lane, _ = link_all(*(an_event(f"u{p}-{n}", priority=p) for p in (HIGH, NORMAL, LOW) for n in range(30)))
    sent = []

    for turn in range(30):
        unit = lane.pop(turn * seconds)
        sent.append(unit.current.priority)
        lane.settle(unit)

    assert sent.count(HIGH) >= 10


def test_settling_everything_leaves_nothing() -> None:
    lane, _ = link_all(an_event("u1"), an_event("u1"), an_event("u2", "9876543210"))

    pop_all(lane)

    assert lane.is_empty()


def test_what_is_left_to_the_file_wakes_nothing_that_is_in_none() -> None:
    in_memory, in_file, behind = an_event("u1"), an_event("u2"), an_event("u2")
    for row_id, message in enumerate((in_file, behind), start=1):
        message.record = Record(cast("Spool", None), "salt", row_id, is_own=True)
    lane, _ = link_all(in_memory, in_file, behind)
    for _ in range(2):
        lane.delay(lane.pop(0.0), 60.0)

    released = [lane.release(), lane.release(), lane.release()]

    assert [[unit.current for unit in units] for units in released] == [[in_file], [behind], []]
    assert (lane.ready, lane.next_due()) == (0, 60.0)
    lane.wake(60.0)
    assert pop_all(lane) == [in_memory]


user_ids = st.sampled_from([None, "u1", "u2", "u3"])
phones = st.sampled_from([None, "9876543210", "9876543211"])
people = st.tuples(
    st.sampled_from([None, "u1", "u2", "u3"]), st.sampled_from([None, "9876543210", "9876543211"])
).filter(any)
calls = st.lists(st.tuples(people, st.booleans(), st.sampled_from([HIGH, NORMAL, LOW])), max_size=30)


@given(calls=calls, choices=st.data())
def test_no_message_overtakes_one_it_shares_an_identifier_with(
    calls: list[tuple[tuple[str | None, str | None], bool, int]], choices: st.DataObject
) -> None:
    messages = [
        an_identify(user, phone, priority=priority, **{f"t{i}": i})
        if is_identify
        else an_event(user, phone, priority=priority)
        for i, ((user, phone), is_identify, priority) in enumerate(calls)
    ]
    lane, epoch = Lane(ACCOUNT), Epoch()
    waiting = list(messages)
    in_flight: list[Unit] = []
    finished: list[Message] = []
    now = 0.0

    while len(finished) < len(messages):
        now += 1.0
        lane.wake(now)
        possible = ["link"] * bool(waiting) + ["pop"] * bool(lane.ready) + ["settle", "delay"] * bool(in_flight)
        action = choices.draw(st.sampled_from(possible)) if possible else "wait"
        if action == "link":
            lane.link(waiting.pop(0), epoch)
        elif action == "pop":
            unit = lane.pop(now)
            unit.attempts += 1
            for message in unit.messages:
                assert not _overtaken(message, messages, finished, unit)
            in_flight.append(unit)
        elif action == "settle":
            unit = in_flight.pop(choices.draw(st.integers(0, len(in_flight) - 1)))
            finished += unit.messages
            lane.settle(unit)
        elif action == "delay":
            unit = in_flight.pop(choices.draw(st.integers(0, len(in_flight) - 1)))
            lane.delay(unit, now + choices.draw(st.integers(1, 5)))

    assert lane.is_empty()
    assert lane.ready == 0


@given(calls=calls, choices=st.data())
def test_units_may_be_given_up_at_any_time_and_nobody_overtakes_for_it(
    calls: list[tuple[tuple[str | None, str | None], bool, int]], choices: st.DataObject
) -> None:
    messages = [an_event(user, phone, priority=priority) for (user, phone), _, priority in calls]
    lane, epoch = Lane(ACCOUNT), Epoch()
    waiting = list(messages)
    unfinished: list[Unit] = []
    in_flight: list[Unit] = []
    finished: list[Message] = []
    now = 0.0

    while len(finished) < len(messages):
        now += 1.0
        lane.wake(now)
        possible = ["link"] * bool(waiting) + ["pop"] * bool(lane.ready) + ["settle", "delay"] * bool(in_flight)
        action = choices.draw(st.sampled_from(possible + ["give up"] * bool(unfinished))) if possible else "wait"
        if action == "link":
            unit = lane.link(waiting.pop(0), epoch)
            assert unit is not None
            unfinished.append(unit)
        elif action == "pop":
            in_flight.append(lane.pop(now))
            assert not _overtaken(in_flight[-1].current, messages, finished, in_flight[-1])
        elif action == "delay":
            unit = in_flight.pop(choices.draw(st.integers(0, len(in_flight) - 1)))
            lane.delay(unit, now + choices.draw(st.integers(1, 5)))
        elif action in ("settle", "give up"):
            unit = choices.draw(st.sampled_from(in_flight if action == "settle" else unfinished))
            unfinished.remove(unit)
            in_flight = [other for other in in_flight if other is not unit]
            finished.append(unit.current)
            (lane.settle if action == "settle" else lane.give_up)(unit)

    assert lane.is_empty()
    assert lane.ready == 0


def test_a_thousand_given_up_in_a_row_are_passed_over_at_once() -> None:
    lane, units = link_all(*(an_event("u1") for _ in range(2000)), an_event("u1", name="last"))
    first = lane.pop(0.0)
    for unit in units[1:-1]:
        assert unit is not None
        lane.give_up(unit)
    ready_before = lane.ready

    lane.settle(first)

    assert ready_before == 0
    assert lane.pop(0.0) is units[-1]


def test_nothing_is_kept_of_ready_units_that_were_given_up() -> None:
    lane, units = link_all(*(an_event(f"u{number}", priority=number % 3) for number in range(30)))

    for unit in units:
        assert unit is not None
        lane.give_up(unit)

    assert [len(waiting) for waiting in lane._ready] == [0, 0, 0]
    assert lane.is_empty()


def test_giving_up_thousands_compares_none_with_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    class Compared(Unit):
        __slots__ = ()
        __hash__ = Unit.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return self is other

    monkeypatch.setattr("interakt_track._order.Unit", Compared)
    lane, units = link_all(*(an_event(f"u{number}") for number in range(2000)))

    for unit in reversed(units[1:]):
        assert unit is not None
        lane.give_up(unit)

    assert compared < 2000
    assert len(lane._ready[NORMAL]) <= 2 * lane.ready == 2
    assert lane.pop(0.0) is units[0]


def test_a_low_one_is_not_starved_because_one_was_that_is_given_up() -> None:
    lane, (low, _, _) = link_all(an_event("u1", priority=LOW), an_event("u2"), an_event("u3"))
    assert low is not None
    lane.pop(0.0)  # from now on the low one is passed over
    lane.give_up(low)
    now = 2 * MAX_STARVATION
    later, _ = (
        lane.link(an_event(user, priority=priority), Epoch()) for user, priority in (("u4", LOW), ("u5", NORMAL))
    )

    first = [lane.pop(now), lane.pop(now)]

    assert later not in first


def _overtaken(message: Message, messages: list[Message], finished: list[Message], unit: Unit) -> list[Message]:
    earlier = messages[: messages.index(message)]
    return [m for m in earlier if m not in finished and m not in unit.messages and _is_same_person(m, message)]


def _is_same_person(one: Message, other: Message) -> bool:
    return (one.user_id is not None and one.user_id == other.user_id) or (
        one.phone_number is not None and one.phone_number == other.phone_number
    )
