"""`interakt-track import`: a file is checked, sent over real HTTP, and what was not sent is there to be mended."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import stat
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import Result
from command_line import run
from waiting import wait_until
from words import words_of

from interakt_track.sandbox import Sandbox, parse_faults

pytestmark = pytest.mark.usefixtures("surroundings")

KEY = "test-key"
FAST = ("--rate-limit", "60000")

CUSTOMERS = """\
user_id,Phone Number,name,City,age
u1,98765 43210,Asha,Pune,31
u2,9876543211,Ravi,,42
,,,,
u3,9.88E+09,Mina,Delhi,20
"""


def import_users(*arguments: str, **environment: str | None) -> Result:
    return run("import", "users", *arguments, *FAST, **environment)


def import_events(*arguments: str, **environment: str | None) -> Result:
    return run("import", "events", *arguments, *FAST, **environment)


def write(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8", newline="")
    return name


def in_one_line(result: Result) -> str:
    """What was said, however the screen has wrapped it."""
    return " ".join(words_of(result).split())


def told(result: Result) -> Any:
    return json.loads(result.stdout)


# The way through.


def test_fine_rows_are_sent_and_wrong_ones_are_there_to_be_mended(sandbox: Sandbox) -> None:
    write("customers.csv", CUSTOMERS)

    result = import_users("customers.csv", "--type", "age=int")

    assert result.exit_code == 1, words_of(result)
    assert sorted(sandbox.users, key=lambda body: str(body["userId"])) == [
        {
            "userId": "u1",
            "countryCode": "+91",
            "phoneNumber": "9876543210",
            "traits": {"name": "Asha", "City": "Pune", "age": 31},
        },
        {"userId": "u2", "countryCode": "+91", "phoneNumber": "9876543211", "traits": {"name": "Ravi", "age": 42}},
    ]
    reason = (
        "phone_number is in exponent notation, as a spreadsheet shows long numbers: its digits are lost; format the "
        "column as text; export the file anew, and let no spreadsheet read the column as numbers"
    )
    assert Path("customers.csv.rejected.csv").read_text(encoding="utf-8").splitlines() == [
        "user_id,Phone Number,name,City,age,rejected_row,rejected_reason",
        f'u3,9.88E+09,Mina,Delhi,20,5,"{reason}"',
    ]
    assert "2 rows sent, 0 refused by the API, 1 not sent" in in_one_line(result)


def test_nothing_of_the_customers_stays_beside_the_file(sandbox: Sandbox) -> None:
    write("customers.csv", CUSTOMERS)

    import_users("customers.csv")

    assert sorted(path.name for path in Path.cwd().iterdir()) == [
        "customers.csv",
        "customers.csv.import.json",
        "customers.csv.import.lock",
        "customers.csv.rejected.csv",
    ]
    for path in Path.cwd().glob("customers.csv.*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    state = Path("customers.csv.import.json").read_text(encoding="utf-8")
    assert not any(secret in state for secret in ("Asha", "98765", KEY, "u1"))
    assert os.environ["INTERAKT_WRITE_KEY"] == KEY


def test_the_screen_says_what_becomes_of_what_and_masks_it(sandbox: Sandbox) -> None:
    write("customers.csv", CUSTOMERS)

    result = import_users(
        "customers.csv", "--dry-run", "--trait", "City=city", "--ignore", "age", INTERAKT_WRITE_KEY=None
    )

    said = in_one_line(result)
    assert result.exit_code == 1
    assert "Columns: user_id, Phone Number → phone_number" in said
    assert "Traits: name, City → city" in said
    assert "Ignored: age" in said
    assert "2 rows can be sent, 1 cannot." in said
    assert re.search(r"1 phone_number is in exponent notation.* 5 +#\.##X\+##", said)
    assert not any(secret in words_of(result) for secret in ("98765", "Asha", "Ravi", "u1"))
    assert "Asha" in words_of(import_users("customers.csv", "--dry-run", "--show"))
    assert sandbox.requests == []
    assert [path.name for path in Path.cwd().iterdir()] == ["customers.csv"]


def test_reasons_are_grouped_with_how_many_and_the_first_rows(sandbox: Sandbox) -> None:
    lines = [f"u{row},{'12345'[: row % 5]},x" for row in range(2, 60)]
    write("customers.csv", "\n".join(["user_id,phone_number,age", *lines]) + "\n")

    result = import_users("customers.csv", "--dry-run", "--json", "--type", "age=int")

    check = told(result)["check"]
    assert (check["fine"], check["wrong"]) == (0, 58)
    first = check["reasons"][0]
    assert (first["count"], first["rows"]) == (58, [2, 3, 4, 5, 6])
    assert len(check["reasons"]) <= 3  # numbers that are too short are one reason, however short


def test_which_rows_are_meant_is_said_in_the_words_of_the_format(sandbox: Sandbox) -> None:
    write("customers.csv", "user_id,age\nu1,x 1\nu2,y 2\n")
    write("customers.jsonl", '{"user_id": "u1", "age": "x"}\n')

    table = import_users("customers.csv", "--dry-run", "--type", "age=int", COLUMNS="200")
    lines = import_users("customers.jsonl", "--dry-run", "--type", "age=int", COLUMNS="200")

    assert "which rows" in words_of(table)
    assert "Rows are counted as a spreadsheet does: that of the headings, and empty ones, too." in words_of(table)
    assert re.search(r"2 +'age' is no whole number +2, 3 +x #\s*$", words_of(table), re.MULTILINE)
    assert words_of(table).count("x #") == 1  # cells that look alike when masked are shown once
    assert "which lines" in words_of(lines)
    assert "spreadsheet" not in words_of(lines)


def test_all_columns_of_a_wide_export_are_shown(sandbox: Sandbox) -> None:
    names = [f"Column {number} of a wide export" for number in range(50)]
    write("customers.csv", f"user_id,{','.join(names)}\nu1\n")

    result = import_users("customers.csv", "--dry-run")

    assert all(name in in_one_line(result) for name in names)


def test_nothing_from_stdin_is_told(sandbox: Sandbox) -> None:
    result = import_users("-", "--dry-run")

    assert result.exit_code == 2
    assert "nothing came from stdin" in words_of(result)
    assert list(Path.cwd().iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_with_what_to_do(sandbox: Sandbox) -> None:
    write("customers.csv", CUSTOMERS)
    Path("customers.csv.import.lock").mkdir()  # as a folder that is read-only, for who may write everywhere

    result = import_users("customers.csv")

    assert result.exit_code == 2
    assert "customers.csv.import.lock cannot be made" in in_one_line(result)
    assert "it has to be in a folder that can be written" in in_one_line(result)


def test_a_file_that_is_all_right_ends_with_status_0(sandbox: Sandbox) -> None:
    write("customers.csv", "user_id,name\nu1,Asha\n")

    checked = import_users("customers.csv", "--dry-run")
    result = import_users("customers.csv")

    assert (checked.exit_code, result.exit_code) == (0, 0)
    assert not Path("customers.csv.rejected.csv").exists()
    assert "half of what the smallest plan allows" not in words_of(result)


def test_the_usual_rate_is_said_with_its_reason(sandbox: Sandbox) -> None:
    write("customers.csv", "user_id,name\nu1,Asha\n")

    result = run("import", "users", "customers.csv")

    assert "at most 150 requests a minute (half of what the smallest plan allows, so that live" in in_one_line(result)


def test_a_file_of_which_nothing_can_be_sent_is_over_at_once(sandbox: Sandbox) -> None:
    write("customers.csv", "user_id,phone_number\nu1,12\n")

    result = import_users("customers.csv")

    assert result.exit_code == 1
    assert sandbox.requests == []
    assert len(Path("customers.csv.rejected.csv").read_text(encoding="utf-8").splitlines()) == 2


def test_a_file_of_which_nothing_could_be_sent_can_be_mended_itself(sandbox: Sandbox) -> None:
    write("customers.csv", "user_id,phone_number\nu1,12\n")
    assert import_users("customers.csv").exit_code == 1

    write("customers.csv", "user_id,phone_number\nu1,9876543210\nu2,13\n")
    result = import_users("customers.csv")

    assert result.exit_code == 1, words_of(result)
    assert len(sandbox.users) == 1
    rejected = [path.name for path in Path.cwd().glob("*.rejected*.csv")]
    assert rejected == ["customers.csv.rejected.csv"]  # nobody has worked on the first one
    assert "u2,13,3," in Path("customers.csv.rejected.csv").read_text(encoding="utf-8")


def test_rows_of_one_person_are_merged_and_in_order(sandbox: Sandbox) -> None:
    write("customers.csv", "user_id,name,city\nu1,Asha,Pune\nu1,Asha P.,\nu1,,Delhi\n")

    result = import_users("customers.csv", "--json")

    assert told(result)["sent"] == 3
    merged: dict[str, Any] = {}
    for body in sandbox.users:
        merged.update(body["traits"])
    assert merged == {"name": "Asha P.", "city": "Delhi"}
    assert len(sandbox.users) < 3


def test_a_machine_gets_nothing_but_json(sandbox: Sandbox) -> None:
    write("customers.csv", CUSTOMERS)

    result = told(import_users("customers.csv", "--json"))

    assert result["check"]["fine"] == 2
    assert result["check"]["samples"][0]["body"]["traits"] == {"name": "***", "City": "***", "age": "***"}
    assert (result["sent"], result["refused"], result["left"], result["in_doubt"]) == (2, 0, 0, [])
    assert result["rejected"].endswith("customers.csv.rejected.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.csv"], "missing.csv cannot be read: No such file or directory"),
        (["customers.csv", "--map", "Mobile=phone_number"], "there is no column 'Mobile'"),
        (["customers.csv", "--map", "Mobile"], "is no COLUMN=NAME"),
        (["customers.csv", "--type", "age="], "is no COLUMN=TYPE"),
        (["customers.csv", "--type", "age=decimal"], "'decimal' is no type"),
        (["customers.csv", "--country-code", "999999"], "'999999' is no country's calling code"),
        (["customers.csv", "--rate-limit", "0"], "from 1 on"),
        (["customers.csv", "--rate-limit", "lots"], "growth or advanced"),
        (["customers.csv", "--sheet", "x"], "has no sheets"),
        (["customers.csv", "--encoding", "ascii"], "is no ascii text: a byte of line 2"),
        (["customers.csv", "--preset", "etsy"], "shopify-customers"),
    ],
)
def test_what_cannot_begin_is_told_in_a_sentence(sandbox: Sandbox, arguments: list[str], words: str) -> None:
    write("customers.csv", CUSTOMERS.replace("Asha", "Äsha"))

    result = import_users(*arguments) if "--rate-limit" not in arguments else run("import", "users", *arguments)

    assert result.exit_code == 2, words_of(result)
    assert words in in_one_line(result)
    assert "Traceback" not in words_of(result)
    assert sandbox.requests == []


# Events.

ORDERS = "user_id,created_at,total\nu1,2026-11-25T10:30:00+05:30,1499.5\nu2,2026-11-26T10:30:00+05:30,20\n"


def test_events_keep_their_time_and_are_asked_about(sandbox: Sandbox) -> None:
    write("orders.csv", ORDERS)
    options = ("orders.csv", "--event", "Order Placed", "--type", "total=float")

    refused = import_events(*options)
    result = import_events(*options, "--yes")

    assert refused.exit_code == 2
    assert "can set off WhatsApp campaigns" in in_one_line(refused)
    assert "--yes" in words_of(refused)
    assert result.exit_code == 0, words_of(result)
    assert sorted(sandbox.events, key=lambda body: str(body["userId"])) == [
        {"userId": "u1", "event": "Order Placed", "createdAt": "2026-11-25T05:00:00.000Z", "traits": {"total": 1499.5}},
        {"userId": "u2", "event": "Order Placed", "createdAt": "2026-11-26T05:00:00.000Z", "traits": {"total": 20.0}},
    ]


def test_events_without_a_time_are_warned_about(sandbox: Sandbox) -> None:
    write("orders.csv", "user_id,total\nu1,1\n")

    result = import_events("orders.csv", "--event", "Order Placed", "--dry-run")

    assert "No column is created_at: all events will have the time at which they are imported" in in_one_line(result)


@pytest.mark.parametrize(("answer", "count"), [("y\n", 2), ("n\n", 0)])
def test_a_person_is_asked(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, answer: str, count: int) -> None:
    write("orders.csv", ORDERS)
    monkeypatch.setattr("interakt_track.cli._import_run.is_somebody_there", lambda: True)

    result = run("import", "events", "orders.csv", "--event", "Order Placed", *FAST, answer=answer)

    assert result.exit_code == (0 if count else 2)
    assert ("nothing was sent" in words_of(result)) is not bool(count)
    assert len(sandbox.events) == count


def test_customers_and_events_of_one_file_are_two_imports(sandbox: Sandbox) -> None:
    write("orders.csv", ORDERS)

    assert import_users("orders.csv").exit_code == 0
    result = import_events("orders.csv", "--event", "Order Placed", "--yes")

    assert result.exit_code == 0, words_of(result)
    assert (sandbox.counts.users, sandbox.counts.events) == (2, 2)
    assert "this import is finished" in words_of(import_users("orders.csv"))


# Standard input.


def start_with_input(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "interakt_track", "import", *arguments, *FAST]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_what_comes_from_stdin_is_kept_and_resumed_by_its_content(sandbox: Sandbox) -> None:
    lines = "".join(json.dumps({"user_id": f"u{row}", "event": "Seen", "n": row}) + "\n" for row in range(30)).encode()
    sandbox.faults = parse_faults("latency=100ms")
    with start_with_input("events", "-", "--yes", "--max-workers", "1") as process:
        assert process.stdin is not None
        process.stdin.write(lines)
        process.stdin.close()
        sandbox.wait_for(3)
        process.send_signal(signal.SIGTERM)
        process.stdin = None
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 3, out
    (kept,) = (path for path in Path.cwd().glob("stdin-*") if path.suffix == "")
    assert kept.read_bytes() == lines
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    sandbox.faults = None

    with start_with_input("events", "-", "--yes") as process:
        out, _ = process.communicate(lines, timeout=30)

    assert process.returncode == 0, out
    assert b"Going on with the import" in out
    assert sorted(body["traits"]["n"] for body in sandbox.events) == list(range(30))
    assert not kept.exists()


@pytest.mark.skipif(os.name != "posix", reason="signals are sent otherwise there")
def test_nothing_of_an_input_that_is_cut_off_is_left(sandbox: Sandbox) -> None:
    with start_with_input("users", "-") as process:
        assert process.stdin is not None
        process.stdin.write(b"user_id,name\nu1,Asha\n")
        process.stdin.flush()
        wait_until(lambda: any(Path.cwd().glob(".stdin-*")))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 3
        out = process.stdout.read() if process.stdout else b""

    assert b"interrupted" in out
    assert list(Path.cwd().iterdir()) == []


# Rejected rows.


def test_rejected_rows_come_back_unchanged_whatever_a_cell_begins_with(sandbox: Sandbox) -> None:
    cells = ["=1+1", "+91", "-5", "@x", " padded ", 'say "hi"', "two\nlines", "a;b", "0110"]
    with Path("customers.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(
            [["user_id", "phone_number", "note"], *(["u1", "12", c] for c in cells)]
        )

    assert import_users("customers.csv").exit_code == 1

    with Path("customers.csv.rejected.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[:3] for row in rows] == [["user_id", "phone_number", "note"], *(["u1", "12", c] for c in cells)]


def test_a_rejected_row_of_a_workbook_can_be_read_again_as_it_was(sandbox: Sandbox) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["user_id", "phone_number", "age", "vip", "born", "seen", "zip"])
    sheet.append(["u1", 12, 31.5, True, datetime(1996, 8, 15), datetime(2026, 1, 2, 3, 4), "0110"])
    book.save("customers.xlsx")

    result = import_users("customers.xlsx")

    text = Path("customers.xlsx.rejected.csv").read_text(encoding="utf-8")
    assert text.splitlines()[1].startswith(
        "u1,12,31.5,true,1996-08-15,2026-01-02T03:04:00,0110,2,phone_number is too short"
    )
    options = re.findall(r"--type '([^']+)'", in_one_line(result))
    assert options == ["phone_number=json", "age=json", "vip=json", "born=date", "seen=datetime"]

    write("mended.csv", text.replace("u1,12,", "u1,9876543210,"))
    types = [part for option in options for part in ("--type", option)]
    assert import_users("mended.csv", *types).exit_code == 0
    (body,) = sandbox.users
    assert body["phoneNumber"] == "9876543210"
    assert {name: body["traits"][name] for name in ("age", "vip", "born", "zip")} == {
        "age": 31.5,
        "vip": True,
        "born": "1996-08-15",
        "zip": "0110",
    }
    assert body["traits"]["seen"].startswith("2026-01-0")
