"""What is read of CSV, Excel and JSON Lines: columns, rows with their numbers, and what cannot be read."""

from __future__ import annotations

import csv
import json
import time
import tracemalloc
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from interakt_track.importing import Calls, ImportFileError, Mapping, check, make_plan, open_table
from interakt_track.importing._delimited import detect_format


def read(path: Path, **options: Any) -> tuple[list[str], list[tuple[int, list[Any]]]]:
    table = open_table(path, **options)
    return list(table.columns), [(record.number, list(record.cells)) for record in table.records()]


# CSV.


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_delimiter_line_end_and_byte_order_mark_is_seen(
    tmp_path: Path, delimiter: str, line_end: str, encoding: str
) -> None:
    path = tmp_path / "people.csv"
    rows = [["user_id", "name", "note"], ["u1", "Zoë", f"a{delimiter}b"], ["u2", 'said "hi"', "two\nlines"]]
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)

    assert read(path) == (rows[0], [(2, rows[1]), (3, rows[2])])


def test_quotes_that_are_escaped_or_single_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"

    path.write_text('user_id,name\nu1,"said \\"hi\\", twice"\n', encoding="utf-8")
    assert read(path)[1] == [(2, ["u1", 'said "hi", twice'])]

    path.write_text("'user_id','name'\n'u1','a, b'\n", encoding="utf-8")
    assert read(path)[1] == [(2, ["u1", "a, b"])]


def test_a_single_column_is_a_table_too(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("user_id\nu1\nu2\n", encoding="utf-8")

    assert read(path) == (["user_id"], [(2, ["u1"]), (3, ["u2"])])


def test_commas_in_texts_do_not_hide_another_delimiter() -> None:
    sample = "user_id;name;price\nu1;Asha, A.;1,50\nu2;Ravi, B.;2,50\n"

    assert detect_format(sample)["delimiter"] == ";"


def test_rows_have_the_numbers_that_a_spreadsheet_shows(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('user_id,note\n\nu1,"two\nlines"\n , \nu2,\nu3\nu4,x,\nu5,x,y\n', encoding="utf-8")
    table = open_table(path)

    records = list(table.records())

    assert [(r.number, list(r.cells)) for r in records] == [
        (3, ["u1", "two\nlines"]),
        (5, ["u2", ""]),
        (6, ["u3", ""]),
        (7, ["u4", "x"]),
        (8, ["u5", "x"]),
    ]
    assert [record.problem for record in records] == [*[None] * 4, "it has 3 cells, and there are 2 headings"]


def test_another_encoding_is_told_with_the_place_and_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    text = "user_id,name\n" + "u1,Asha\n" * 30_000 + "u2,Zoë\n"
    path.write_bytes(text.encode("cp1252"))

    place = rf"a byte of line 30,002 is wrong \(byte {text.index('ë'):,}, counted from 0\)"
    with pytest.raises(ImportFileError, match=rf"no UTF-8 text: {place}.*--encoding cp1252"):
        read(path)
    assert read(path, encoding="cp1252")[1][-1] == (30_002, ["u2", "Zoë"])
    with pytest.raises(ImportFileError, match="there is no encoding 'klingon'"):
        read(path, encoding="klingon")


def test_a_cut_off_character_at_the_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("user_id,name\nu1,Zoë".encode()[:-1])

    with pytest.raises(ImportFileError, match=r"no UTF-8 text: a byte of line 2 is wrong \(byte 18,"):
        read(path)


def test_a_quotation_mark_that_is_not_closed_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('user_id,name\nu1,"Asha\n' + "u2,Ravi\n" * 400_000, encoding="utf-8")
    csv.field_size_limit(50_000)

    with pytest.raises(ImportFileError, match=r"cannot be read after row 1: .*is a quotation mark not closed"):
        read(path)
    assert csv.field_size_limit(131_072) == 50_000  # Python's own limit, for the tests that follow


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no headings"),
        ("\n\n", "has no headings"),
        (",,\nu1,2,3\n", "has no headings"),
        ("user_id,name,name\nu1,a,b\n", "more than one column 'name'"),
    ],
)
def test_headings_that_say_nothing_are_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ImportFileError, match=words):
        open_table(path)


# Excel.


def workbook(path: Path, *sheets: tuple[str, list[list[Any]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_sheet_s_cells_keep_their_types(tmp_path: Path) -> None:
    when = datetime(2026, 11, 25, 10, 30)
    path = workbook(
        tmp_path / "people.xlsx",
        (
            "2026",
            [
                ["user_id", "phone", "age", "vip", "born", "seen"],
                [1.0, 9876543210, 31.5, True, date(1996, 8, 15), when],
            ],
        ),
    )

    columns, rows = read(path)

    assert columns == ["user_id", "phone", "age", "vip", "born", "seen"]
    assert rows == [(2, [1, 9876543210, 31.5, True, datetime(1996, 8, 15), when])]


def test_a_sheet_is_chosen_by_its_name_and_blank_rows_count(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "people.xlsx",
        ("cover", [["hello"]]),
        ("people", [[], ["user_id", "name"], ["u1", "Asha"], [], ["u2", None], ["#N/A", "x"]]),
    )

    table = open_table(path, sheet="people")

    records = list(table.records())
    assert [(r.number, list(r.cells)) for r in records] == [(3, ["u1", "Asha"]), (5, ["u2", None]), (6, ["#N/A", "x"])]
    assert records[2].problem == "a cell shows the error #N/A"
    assert open_table(path).note == "the sheet 'cover' is read; --sheet takes another one: 'people'"
    with pytest.raises(ImportFileError, match="has no sheet 'folk'; it has 'cover', 'people'"):
        open_table(path, sheet="folk")


def test_what_is_no_workbook_is_told(tmp_path: Path) -> None:
    for name, content, words in (
        ("a.xlsx", b"user_id\n", "is no Excel workbook"),
        ("b.xlsx", b"PK\x03\x04 and nothing", "is no Excel workbook"),
        ("c.xls", b"\xd0\xcf\x11\xe0", r"is a \.xls file; save it as"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ImportFileError, match=words):
            open_table(path)
    with pytest.raises(ImportFileError, match="cannot be read: No such file"):
        open_table(tmp_path / "missing.csv")
    path.with_suffix(".csv").write_text("user_id\n", encoding="utf-8")
    with pytest.raises(ImportFileError, match="has no sheets"):
        open_table(path.with_suffix(".csv"), sheet="x")


# JSON Lines.


def test_lines_are_rows_and_all_their_names_columns(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"user_id": 1, "event": "Seen"}\n\n{"user_id": "u2", "total": 5.5, "tags": ["a"]}\n[1]\n{"user_id":\n{}\n',
        encoding="utf-8-sig",
    )
    table = open_table(path)

    records = list(table.records())

    assert list(table.columns) == ["user_id", "event", "total", "tags"]
    assert [(r.number, list(r.cells)) for r in records[:2]] == [
        (1, [1, "Seen", None, None]),
        (3, ["u2", None, 5.5, ["a"]]),
    ]
    assert [(r.number, r.problem) for r in records[2:]] == [
        (4, "it is no JSON object"),
        (5, "it is no JSON: Expecting value"),
    ]


def test_what_came_from_stdin_is_told_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "stdin-0123"

    path.write_text('{"user_id": 1}\n', encoding="utf-8")
    assert read(path) == (["user_id"], [(1, [1])])

    path.write_text("user_id\n1\n", encoding="utf-8")
    assert read(path) == (["user_id"], [(2, ["1"])])

    workbook(tmp_path / "x.xlsx", ("s", [["user_id"], ["u1"]])).rename(path)
    assert read(path) == (["user_id"], [(2, ["u1"])])


# Memory.


def peak_of_a_check(path: Path, rows: int) -> int:
    """Return the bytes that a check of so many rows takes at most; one in a thousand of them is wrong."""
    with path.open("w", encoding="utf-8") as file:
        file.write("user_id,phone_number,name,seen\n")
        for row in range(rows):
            file.write(f"u{row},{'12' if row % 1000 == 0 else 6000000000 + row},Asha,{row}\n")
    table = open_table(path)
    plan = make_plan(table.columns, "users", options=Mapping(kinds={"seen": "int"}), preset=None, country_code="+91")
    calls = Calls(plan)
    tracemalloc.start()
    try:
        found = check(table, calls)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        assert (found.fine, found.wrong) == (rows - rows // 1000, rows // 1000)


@pytest.mark.timeout(120)
def test_a_check_takes_as_much_memory_for_many_rows_as_for_few(
    tmp_path: Path, is_soak: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    peak_of_a_check(tmp_path / "warm-up.csv", 1000)

    few = peak_of_a_check(tmp_path / "few.csv", 5_000)
    began = time.monotonic()
    many = peak_of_a_check(tmp_path / "many.csv", 1_000_000 if is_soak else 50_000)

    if is_soak:
        with capsys.disabled():
            print(
                f"\na check of 1,000,000 rows: {many / 1e6:.1f} MB at most, {time.monotonic() - began:.0f} s (traced)"
            )
    assert many < few + 1_000_000  # 45,000 rows more: not even a number for each is kept


def test_json_lines_and_workbooks_are_read_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"

    def peak(rows: int) -> int:
        path.write_text("".join(json.dumps({"user_id": row, "note": "x" * 200}) + "\n" for row in range(rows)))
        tracemalloc.start()
        try:
            assert sum(1 for _ in open_table(path).records()) == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    assert peak(20_000) < peak(1_000) + 200_000


def test_times_with_a_zone_are_read_as_such(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("user_id,created_at\nu1,26.11.2026 10:00 +0530\n", encoding="utf-8")
    table = open_table(path)
    kinds = {"created_at": "datetime:%d.%m.%Y %H:%M %z"}
    plan = make_plan(table.columns, "users", options=Mapping(kinds=kinds), preset=None, country_code="+91")

    found = check(table, Calls(plan))

    wanted = datetime(2026, 11, 26, 4, 30, tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert found.samples[0].message["body"]["createdAt"] == wanted
