"""What columns become: by their names, by options, by types; and what is said where they cannot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track.importing import PRESETS, Calls, ImportFileError, Mapping, RowError, make_plan, masked_shape
from interakt_track.importing._kinds import find_kind
from interakt_track.importing._table import Record


def plan_of(headings: str, subject: Any = "users", **said: Any) -> Any:
    return make_plan(headings.split("|"), subject, options=Mapping(**said), preset=None, country_code="+91")


def body_of(headings: str, cells: list[Any], subject: Any = "users", **said: Any) -> dict[str, Any]:
    receipt = Calls(plan_of(headings, subject, **said)).make(Record(2, cells))
    return dict(receipt.message["body"])


def reasons_of(headings: str, cells: list[Any], subject: Any = "users", **said: Any) -> list[str]:
    with pytest.raises(RowError) as caught:
        Calls(plan_of(headings, subject, **said)).make(Record(2, cells))
    return [problem.reason for problem in caught.value.problems]


# By name.


def test_fields_are_known_in_any_spelling_and_the_rest_are_traits() -> None:
    headings = "User ID|phone-number|Country_Code|Created At|TAGS|add to sales cycle|Lifetime Value"
    cells = ["u1", "7700 900123", "44", "2025-03-27T13:26:52Z", "vip, new ,", "yes", "12"]

    assert body_of(headings, cells) == {
        "userId": "u1",
        "countryCode": "+44",
        "phoneNumber": "7700900123",
        "createdAt": "2025-03-27T13:26:52.000Z",
        "tags": ["vip", "new"],
        "add_to_sales_cycle": True,
        "traits": {"Lifetime Value": "12"},
    }


def test_of_an_event_tags_are_a_trait_and_the_event_is_none_of_a_customer() -> None:
    assert body_of("user_id|event|tags", ["u1", "Seen", "a,b"], "events") == {
        "userId": "u1",
        "event": "Seen",
        "traits": {"tags": "a,b"},
    }
    assert body_of("user_id|event", ["u1", "Seen"])["traits"] == {"event": "Seen"}


def test_empty_cells_say_nothing() -> None:
    assert body_of("user_id|phone_number|name|tags|created_at", ["u1", " ", "", None, ""]) == {
        "userId": "u1",
        "traits": {},
    }


def test_our_own_columns_and_those_without_a_name_are_passed_by() -> None:
    plan = plan_of("user_id||rejected_row|rejected_reason|reason")

    assert [column.name for column in plan.columns] == ["user_id", "reason"]
    assert plan.ignored == ("rejected_row", "rejected_reason")


# By options.


def test_options_say_what_columns_are() -> None:
    body = body_of(
        "No|Mobile No|City|age|dob|seen|memo|raw",
        [7, "98765 43210", "Pune", "31", "15/08/1996", "1", "secret", '{"a": [1]}'],
        fields={"No": "user_id", "mobile no": "phone number"},
        traits={"City": "city"},
        kinds={"age": "int", "dob": "date:%d/%m/%Y", "seen": "bool", "raw": "json"},
        ignored=frozenset({"memo"}),
    )

    assert body == {
        "userId": "7",
        "countryCode": "+91",
        "phoneNumber": "9876543210",
        "traits": {"city": "Pune", "age": 31, "dob": "1996-08-15", "seen": True, "raw": {"a": [1]}},
    }


def test_the_event_may_be_of_all_rows_or_have_a_column() -> None:
    assert body_of("user_id|total", ["u1", "5"], "events", event="Order Placed")["event"] == "Order Placed"
    assert body_of("user_id|what", ["u1", "Seen"], "events", fields={"what": "event"})["event"] == "Seen"
    named = body_of("user_id|event", ["u1", "x"], "events", event="Order Placed")
    assert (named["event"], named["traits"]) == ("Order Placed", {"event": "x"})


def test_a_column_that_is_mapped_leaves_the_name_to_it() -> None:
    body = body_of(
        "user_id|email", ["u1", "a@example.com"], fields={"email": "user_id"}, ignored=frozenset({"user_id"})
    )

    assert body == {"userId": "a@example.com", "traits": {}}


@pytest.mark.parametrize(
    ("headings", "said", "words"),
    [
        ("name|city", {}, "no column says whom .* The file has name, city"),
        ("Name|WhatsApp No", {}, "--map 'WhatsApp No=phone_number'"),
        ("Default Address Phone|Phone", {}, "--map 'Phone=phone_number'"),
        ("A1|9876543210|Asha", {}, "seems to have no headings, for its first row holds a phone number or an email"),
        ("A1|asha@example.com", {}, "seems to have no headings"),
        ("user_id|City", {"traits": {"Ctiy": "c"}}, "no column 'Ctiy'. Did you mean 'City'"),
        ("user_id|City", {"fields": {"City": "town"}}, "--map takes one of user_id, .* not 'town'"),
        ("user_id|City", {"fields": {"City": "event"}}, "--map takes one of"),
        ("user_id|City", {"kinds": {"City": "decimal"}}, "'decimal' is no type; there are int"),
        ("user_id|City", {"kinds": {"City": "int:5"}}, "'int:5' is no type"),
        ("user_id|Born", {"kinds": {"Born": "date:%Q"}}, "'%Q' is no format of strptime, such as %d/%m/%Y"),
        ("user_id|Born", {"kinds": {"Born": "datetime:%"}}, "'%' is no format"),
        ("user_id|City|Town", {"traits": {"Town": "City"}}, "both 'City' and 'Town' are the trait 'City'"),
        ("user_id|User ID", {}, "both 'user_id' and 'User ID' are user_id"),
    ],
)
def test_what_cannot_be_a_plan_is_told_with_what_to_do(headings: str, said: dict[str, Any], words: str) -> None:
    with pytest.raises(ImportFileError, match=words):
        plan_of(headings, **said)


def test_what_looks_like_no_heading_is_not_shown() -> None:
    with pytest.raises(ImportFileError) as caught:
        plan_of("A1|9876543210|Asha")

    assert "9876543210" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_that_fits_is_named_where_none_was_given(name: str) -> None:
    headings = "|".join([*PRESETS[name].fields, *PRESETS[name].traits])

    with pytest.raises(ImportFileError, match=f"say which one does, as in --preset {name}\\. The file has"):
        plan_of(headings.replace("Username", "Login").replace("Customer ID", "Number"))


def test_a_preset_of_another_export_is_told() -> None:
    with pytest.raises(ImportFileError, match="for another export: none of Customer ID, Phone, Tags is there"):
        make_plan(
            ["user_id", "Email"],
            "users",
            options=Mapping(),
            preset=PRESETS["shopify-customers"],
            country_code="+91",
        )


def test_events_without_an_event_are_told() -> None:
    with pytest.raises(ImportFileError, match=r"--event-column COLUMN .* --event NAME .* The file has user_id, name"):
        plan_of("user_id|name", "events")


# Values.


@pytest.mark.parametrize("ruined", ["9.88E+09", "9,88E+09", "9876598765.0", "9.876598765e9"])
def test_a_phone_number_that_a_spreadsheet_ruined_is_recognised(ruined: str) -> None:
    (reason,) = reasons_of("phone_number", [ruined])

    assert "spreadsheet" in reason
    assert "export the file anew" in reason or "give the column the format Text" in reason
    assert ruined not in reason


def test_a_time_in_another_form_is_told_with_how_to_say_it() -> None:
    (reason,) = reasons_of("user_id|created_at", ["u1", "31/12/2025 10:00"])

    assert "--type COLUMN=datetime:FORMAT" in reason


@pytest.mark.parametrize("cell", ["2026-11-25", "2026-11-25 10:30", "2026-11-25T10:30:00+05:30"])
def test_a_time_as_spreadsheets_write_it_needs_no_format(cell: str) -> None:
    (reason,) = reasons_of("user_id|created_at", ["u1", "25.11.2026"])

    assert "--type COLUMN=datetime takes 2026-11-25 10:30 and dates, too" in reason
    assert "createdAt" in body_of("user_id|created_at", ["u1", cell], kinds={"created_at": "datetime"})


def test_a_field_that_is_not_of_its_type_is_not_said_to_be_missing() -> None:
    assert reasons_of("user_id", ["x"], kinds={"user_id": "int"}) == ["'user_id' is no whole number"]
    assert reasons_of("user_id|event", ["u1", "x"], "events", kinds={"event": "int"}) == ["'event' is no whole number"]


def test_a_date_in_another_form_is_called_a_date() -> None:
    assert reasons_of("user_id|born", ["u1", "15/08/1996"], kinds={"born": "date:%m/%d/%Y"}) == [
        "'born' is no date written as %m/%d/%Y"
    ]


def test_all_that_is_wrong_with_a_row_is_told_at_once() -> None:
    reasons = reasons_of("phone_number|age|vip", ["12", "x", "perhaps"], kinds={"age": "int", "vip": "bool"})

    assert reasons[:2] == ["'age' is no whole number", "'vip' is neither yes nor no"]
    assert reasons[2].startswith("phone_number is too short")


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("int", " 31 ", 31), ("int", 31.0, 31), ("int", "-5", -5), ("float", "1499.50", 1499.5), ("float", 3, 3.0),
        ("bool", "Yes", True), ("bool", "0", False), ("bool", True, True), ("text", 560001, "560001"),
        ("text", True, "true"), ("text", {"a": 1}, '{"a": 1}'), ("json", "[1]", [1]), ("json", 5, 5),
    ],
)  # fmt: skip
def test_types_make_values(kind: str, cell: Any, value: Any) -> None:
    made = find_kind(kind)(cell)

    assert (made, type(made)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("int", "1.5"), ("int", "1,000"), ("int", "1_000"), ("int", True), ("float", "nan"), ("float", "1,5"),
        ("bool", "maybe"), ("date", "15/08/1996"), ("date:%d/%m/%Y", "1996-08-15"), ("datetime", "soon"), ("json", "{"),
    ],
)  # fmt: skip
def test_what_is_not_of_its_type_is_told_and_not_shown(kind: str, cell: Any) -> None:
    with pytest.raises(ValueError, match=r"^is no|^is neither") as caught:
        find_kind(kind)(cell)

    assert str(cell) not in str(caught.value)


def test_a_sheet_s_midnight_is_a_day_and_stays_it() -> None:
    from datetime import datetime

    midnight = datetime(1996, 8, 15)

    assert body_of("user_id|born", ["u1", midnight])["traits"] == {"born": "1996-08-15"}
    assert (
        body_of("user_id|created_at", ["u1", "2026-01-31"], kinds={"created_at": "date"})["createdAt"][:7] == "2026-01"
    )


@given(st.text())
def test_a_masked_cell_has_its_form_and_nothing_else(text: str) -> None:
    shape = masked_shape(text)

    assert len(shape) == len(text)
    assert not any(character.isdecimal() for character in shape)
    assert all(character in "Xx" for character in shape if character.isalpha())
