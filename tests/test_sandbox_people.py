"""The people of the sandbox's page: whom a message is about, what is known of them, and when they are forgotten."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track.sandbox import Request
from interakt_track.sandbox._changes import Changes
from interakt_track.sandbox._lines import MAX_DEPTH, MAX_LINES, lines_of
from interakt_track.sandbox._people import People, identifiers
from interakt_track.sandbox._person import KEEP_ALIASES, KEEP_BYTES, KEEP_IDENTIFIERS, TIMELINE, Person, held_by
from interakt_track.sandbox._pulse import SECONDS, Pulse

NUMBERS = itertools.count(1)
PHONE = {"countryCode": "+91", "phoneNumber": "5550100042"}


def request(body: dict[str, Any]) -> Request:
    number = next(NUMBERS)
    return Request(
        number=number,
        method="POST",
        path="/",
        kind="event" if "event" in body else "user",
        body=body,
        size=0,
        status=202,
        reason=None,
        received=True,
        headers={},
        key_is_valid=True,
        key_digest=None,
        connection=1,
        started=0.0,
        arrived=float(number),
    )


def note(people: People, *bodies: dict[str, Any]) -> Person:
    """Let messages arrive; return whom the last one is about."""
    for body in bodies:
        people.note(request(body))
    person = people.find(bodies[-1])
    assert person is not None
    return person


def traits_of(person: Person) -> dict[str, Any]:
    return {name: held.value for name, held in person.traits.items()}


# What adds up to a person.


def test_traits_of_a_customer_are_replaced_and_tags_are_added() -> None:
    person = note(
        People(),
        {"userId": "1", "traits": {"City": "Jaipur", "orders": 1}, "tags": ["a", "b"], "createdAt": "2025-01-01"},
        {"userId": "1", "traits": {"City": ["Pune"], "name": "Asha"}, "tags": ["b", "c"], "add_to_sales_cycle": False},
        {"userId": "1"},
    )

    assert traits_of(person) == {"orders": 1, "City": ["Pune"], "name": "Asha"}
    assert list(person.tags) == ["a", "b", "c"]
    assert (person.created_at, person.in_sales_cycle, person.identifies) == ("2025-01-01", False, 3)


def test_traits_of_an_event_go_into_the_timeline_only() -> None:
    person = note(
        People(),
        {"userId": "1", "traits": {"City": "Jaipur"}},
        {"userId": "1", "event": "Order Placed", "traits": {"City": "Pune"}, "createdAt": "2025-01-01"},
        {"userId": "1", "event": "Order Placed"},
    )

    assert traits_of(person) == {"City": "Jaipur"}
    assert [(entry.kind, entry.name, entry.created_at) for entry in person.timeline] == [
        ("user", "", ""),
        ("event", "Order Placed", "2025-01-01"),
        ("event", "Order Placed", ""),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"userId": "1"}, [("user_id", "1")]),
        (PHONE, [("phone", "+915550100042")]),
        ({"fullPhoneNumber": "915550100042"}, [("phone", "+915550100042")]),
        ({"fullPhoneNumber": "915550100042", **PHONE}, [("phone", "+915550100042")]),
        ({"userId": "1", "phoneNumber": "5550100042"}, [("user_id", "1"), ("phone", "5550100042")]),
        ({"userId": 1, "phoneNumber": None, "countryCode": [], "fullPhoneNumber": ""}, []),
        ({"phoneNumber": "1", "countryCode": 91}, [("phone", "1")]),
    ],
)
def test_a_person_is_known_by_id_and_by_phone_in_either_form(
    body: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert identifiers(body) == expected


def test_an_id_and_a_phone_in_one_message_make_one_person_of_two() -> None:
    people = People()
    by_id = note(people, {"userId": "1", "traits": {"City": "Jaipur", "name": "Asha"}, "tags": ["a"]})
    by_phone = note(people, {**PHONE, "traits": {"City": "Pune"}, "tags": ["b"]}, {**PHONE, "event": "Called"})

    both = note(people, {"userId": "1", **PHONE, "event": "Order Placed"})

    assert len(people) == 1
    assert traits_of(both) == {"name": "Asha", "City": "Pune"}
    assert (list(both.user_ids), list(both.phones), list(both.tags)) == (["1"], ["+915550100042"], ["a", "b"])
    assert [entry.name for entry in both.timeline] == ["", "", "Called", "Order Placed"]
    assert (both.identifies, both.events) == (2, 2)
    assert people.get(by_id.number) is people.get(by_phone.number) is both
    assert both.first_seen == by_id.first_seen < both.last_seen


def test_what_was_set_later_holds_whichever_of_the_two_is_older() -> None:
    people = People()
    note(people, {**PHONE, "traits": {"City": "Pune"}}, {"userId": "1", "traits": {"City": "Kochi", "name": "Asha"}})
    note(people, {**PHONE, "traits": {"City": "Jaipur"}})

    assert traits_of(note(people, {"userId": "1", **PHONE})) == {"name": "Asha", "City": "Jaipur"}


@pytest.mark.parametrize(
    ("traits", "name"),
    [
        ({"name": "Asha"}, "Asha"),
        ({"Full Name": "Asha Verma", "first_name": "Asha"}, "Asha Verma"),
        ({"name": "  ", "First Name": "Asha"}, "Asha"),
        ({"name": 5}, "1"),
        ({}, "1"),
    ],
)
def test_a_person_is_called_by_name_where_there_is_one(traits: dict[str, Any], name: str) -> None:
    assert note(People(), {**PHONE, "userId": "1", "traits": traits}).name == name


def test_without_an_id_a_person_is_called_by_phone() -> None:
    assert note(People(), PHONE).name == "+915550100042"


def test_who_was_active_last_is_found_first() -> None:
    people = People()
    note(people, {"userId": "1"}, {"userId": "2"}, {"userId": "1", "event": "Order Placed"})

    found, total = people.search("", 1)

    assert ([person.name for person in found], total) == (["1"], 2)


# What is forgotten.


def test_who_was_inactive_the_longest_leaves_first() -> None:
    people = People(keep=2)

    note(people, {"userId": "1"}, {"userId": "2"}, {"userId": "1", "event": "e"}, {"userId": "3"})

    assert [person.name for person in people.search("", 10)[0]] == ["3", "1"]
    assert people.find({"userId": "2"}) is None
    assert (len(people), people.seen) == (2, 3)


def test_people_leave_when_their_traits_are_too_many_bytes() -> None:
    people = People(keep_bytes=1000)

    note(people, *({"userId": str(number), "traits": {"a": "x" * 300}} for number in range(10)))

    assert [person.name for person in people.search("", 10)[0]] == ["9", "8", "7"]


def test_of_one_person_the_traits_that_were_set_first_leave() -> None:
    person = note(People(), *({"userId": "1", "traits": {str(number): "x" * (KEEP_BYTES // 4)}} for number in range(6)))

    assert list(person.traits) == ["3", "4", "5"]
    assert person.size <= KEEP_BYTES


def test_the_timeline_keeps_the_newest() -> None:
    person = note(People(), *({"userId": "1", "event": str(number)} for number in range(TIMELINE + 5)))

    assert [entry.name for entry in person.timeline] == [str(number) for number in range(5, TIMELINE + 5)]
    assert person.events == TIMELINE + 5


def test_a_phone_that_everybody_shares_does_not_grow_a_person_for_ever() -> None:
    people = People()

    for number in range(5 * KEEP_IDENTIFIERS):
        person = note(people, {"userId": str(number)}, {"userId": str(number), **PHONE})

    assert len(people) == 1
    assert len(person.user_ids) == KEEP_IDENTIFIERS
    assert len(person.aliases) == len(people._aliases) == KEEP_ALIASES
    assert len(people._numbers) == KEEP_IDENTIFIERS + 1


bodies = st.builds(
    lambda ids, traits, tags, event: {**ids, "traits": traits, **({"event": event} if event else {"tags": tags})},
    ids=st.sampled_from(
        [{"userId": a} for a in "abc"]
        + [{"fullPhoneNumber": p} for p in "12"]
        + [{"userId": a, "fullPhoneNumber": p} for a in "abc" for p in "12"]
    ),
    traits=st.dictionaries(st.sampled_from("xyz"), st.text(max_size=20), max_size=3),
    tags=st.lists(st.sampled_from("uvw"), max_size=2),
    event=st.sampled_from(["", "Order Placed"]),
)


@given(st.lists(bodies, max_size=30), st.integers(1, 5), st.integers(0, 200))
def test_the_books_of_people_always_agree(arriving: list[dict[str, Any]], keep: int, keep_bytes: int) -> None:
    people = People(keep, keep_bytes)

    for body in arriving:
        note(people, body)

        everybody = list(people._people.values())
        assert len(everybody) <= keep
        assert sum(person.size for person in everybody) == people._bytes
        assert people._bytes <= keep_bytes or len(everybody) == 1
        assert {key: person.number for person in everybody for key in held_by(person)} == people._numbers
        assert {alias: person.number for person in everybody for alias in person.aliases} == people._aliases


# What has changed.


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=40), st.integers(1, 4))
def test_a_listener_learns_of_every_change_or_that_he_missed_one(steps: list[tuple[int, bool]], limit: int) -> None:
    changes = Changes()
    kept: dict[int, int] = {}
    known: dict[int, int] = {}
    cursor = 0
    for step, (number, is_noted) in enumerate(steps):
        if is_noted:
            changes.note(number)
            kept[number] = step
        else:
            changes.lose(number)
            kept.pop(number, None)
        if step % 3:
            continue
        found = changes.since(cursor, limit)
        if found is None:
            known, cursor = dict(kept), changes.revision
            continue
        assert len(found[0]) <= limit
        known.update({number: kept[number] for number in found[0]})
        cursor = found[1]
    while (found := changes.since(cursor, limit)) and found[0]:
        known.update({number: kept[number] for number in found[0]})
        cursor = found[1]

    if found is not None:
        assert {number: known.get(number) for number in kept} == kept


def test_a_new_epoch_has_another_name() -> None:
    changes = Changes()
    changes.note(1)
    before = changes.epoch

    changes.forget()

    assert changes.epoch != before
    assert changes.since(0, 10) == ([], 0)


def test_the_pulse_counts_by_the_second_and_keeps_the_last_ones() -> None:
    pulse = Pulse()
    for tenth in range(10 * (SECONDS + 5)):
        pulse.note(tenth / 10, is_failed=tenth % 10 < 2, is_over=tenth % 10 == 0)

    assert pulse.since(SECONDS + 3) == [(SECONDS + 3, 10, 2, 1), (SECONDS + 4, 10, 2, 1)]
    assert len(pulse.since(0)) == SECONDS


# A body, line by line.


def test_a_body_is_lines_with_their_places() -> None:
    lines = lines_of({"userId": "5", "traits": {"a~b": [1, None], "e": {}}, "tags": []})

    assert [(line.kind, line.depth, line.pointer, line.name, line.text) for line in lines] == [
        ("open", 0, "/body", "", "{"),
        ("string", 1, "/body/userId", '"userId"', '"5"'),
        ("open", 1, "/body/traits", '"traits"', "{"),
        ("open", 2, "/body/traits/a~0b", '"a~b"', "["),
        ("number", 3, "/body/traits/a~0b/0", "", "1"),
        ("word", 3, "/body/traits/a~0b/1", "", "null"),
        ("close", 2, "/body/traits/a~0b", "", "]"),
        ("word", 2, "/body/traits/e", '"e"', "{}"),
        ("close", 1, "/body/traits", "", "}"),
        ("word", 1, "/body/tags", '"tags"', "[]"),
        ("close", 0, "/body", "", "}"),
    ]


def test_an_empty_body_shows_what_it_lacks() -> None:
    assert [line.text for line in lines_of({}, ["/body/event"])] == ["{", "is not there", "}"]


def test_a_body_without_end_is_cut() -> None:
    deep: Any = 1
    for _ in range(10 * MAX_DEPTH):
        deep = [deep]

    wide, deepest = lines_of({"a": list(range(2 * MAX_LINES))}), lines_of({"a": deep})

    assert len(wide) == MAX_LINES + 1
    assert wide[-1].kind == "more"
    assert max(line.depth for line in deepest) == MAX_DEPTH
    assert "[ … ]" in [line.text for line in deepest]
