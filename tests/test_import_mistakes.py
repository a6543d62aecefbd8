"""Files as people hand them over by mistake: no row is taken for a part of another one, and what to do is said."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from interakt_track.importing import ImportFileError, open_table


def rows_of(path: Path) -> list[tuple[int, list[str], str | None]]:
    return [(record.number, list(record.cells), record.problem) for record in open_table(path).records()]


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_rows_behind_a_quotation_mark_that_is_not_closed_are_told(tmp_path: Path, line_end: str) -> None:
    lines = ["user_id,name", "u1,Asha", 'u2,"Ravi', "u3,Mina", "u4,Tom", ""]
    path = written(tmp_path / "people.csv", line_end.join(lines))

    (first, second) = rows_of(path)

    assert (2, ["u1", "Asha"], None) == first
    assert second[0] == 3
    assert second[2] == "a quotation mark is not closed, or not doubled inside of a text; see lines 3 to 5 of the file"


def test_a_quotation_mark_that_the_next_one_closes_is_told_and_the_rows_behind_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "people.csv", 'user_id,name\nu1,"Asha\nu2,"Ravi"\nu3,Mina\n')

    problems = [(number, problem) for number, _, problem in rows_of(path)]

    assert problems == [
        (2, "a quotation mark is not closed, or not doubled inside of a text; see lines 2 to 3 of the file"),
        (3, None),
    ]


def test_a_quotation_mark_that_is_missing_in_one_line_is_told_with_the_line(tmp_path: Path) -> None:
    path = written(tmp_path / "people.csv", 'user_id,name,note\nu1,Asha,"two\nlines"\nu2,"5" pipe",\nu3,5" pipe,\n')

    problems = [problem for _, _, problem in rows_of(path)]

    assert problems == [
        None,
        "a quotation mark is not closed, or not doubled inside of a text; see line 4 of the file",
        None,
    ]


@pytest.mark.parametrize("first_line", ["sep=;", "SEP=;", '"sep=;"'])
def test_the_line_that_names_the_separator_is_no_row(tmp_path: Path, first_line: str) -> None:
    path = written(tmp_path / "people.csv", f'{first_line}\r\nuser_id;name\r\nu1;"Asha, A.\r\nu2;Ravi\r\n')

    (row,) = rows_of(path)

    assert open_table(path).columns == ["user_id", "name"]
    assert (row[0], row[2]) == (
        2,
        "a quotation mark is not closed, or not doubled inside of a text; see lines 3 to 4 of the file",
    )


def test_json_lines_may_be_called_json(tmp_path: Path) -> None:
    path = written(tmp_path / "people.json", '{"user_id": "u1"}\n{"user_id": "u2"}\n')

    assert rows_of(path) == [(1, ["u1"], None), (2, ["u2"], None)]


@pytest.mark.parametrize("name", ["people.json", "people.jsonl", "people"])
def test_a_json_array_is_told_from_json_lines(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, '[\n  {"user_id": "u1"}\n]\n')

    with pytest.raises(ImportFileError, match="is a JSON array; write each object on a line of its own"):
        open_table(path)


def test_json_without_an_object_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="holds no JSON object"):
        open_table(written(tmp_path / "people.jsonl", '"u1"\n'))


def test_a_compressed_file_is_told_from_text(tmp_path: Path) -> None:
    path = tmp_path / "people.csv.gz"
    path.write_bytes(gzip.compress(b"user_id\nu1\n"))

    with pytest.raises(ImportFileError, match=r"people\.csv\.gz is compressed; unpack it"):
        open_table(path)


def test_a_workbook_with_a_password_is_told(tmp_path: Path) -> None:
    path = tmp_path / "people.xlsx"
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504))

    with pytest.raises(ImportFileError, match=r"has a password, or is an old \.xls; save it as \.xlsx without one"):
        open_table(path)


def test_a_cell_without_end_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "people.csv", f"user_id,name\nu1,Asha\nu2,{'x' * (1 << 20)}x\n")

    with pytest.raises(
        ImportFileError, match=r"cannot be read after row 2: a cell is larger than 1,048,576 characters"
    ):
        rows_of(path)
