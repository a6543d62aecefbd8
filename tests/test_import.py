"""`interakt-track import`: a file is checked, sent over real HTTP, and what was not sent is there to be mended."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from command_line import run

from interakt_track.sandbox import Sandbox

KEY = "a-key-that-nobody-may-see"
FAST = ("--rate-limit", "60000")

CUSTOMERS = """\
user_id,Phone Number,name,City,age
u1,98765 43210,Asha,Pune,31
u2,9876543211,Ravi,,42
,,,,
u3,9.88E+09,Mina,Delhi,20
"""


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(write_key=KEY) as sandbox:
        monkeypatch.setenv("INTERAKT_WRITE_KEY", KEY)
        monkeypatch.setenv("INTERAKT_HOST", sandbox.url)
        monkeypatch.chdir(tmp_path)
        yield sandbox


def import_users(*arguments: str, **environment: str | None) -> Result:
    return run("import", "users", *arguments, *FAST, **environment)


def import_events(*arguments: str, **environment: str | None) -> Result:
    return run("import", "events", *arguments, *FAST, **environment)


def write(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8", newline="")
    return name


def in_one_line(result: Result) -> str:
    """What was said, however the screen has wrapped it."""
    return " ".join(result.output.split())


def told(result: Result) -> Any:
    return json.loads(result.stdout)


# The way through.


def test_fine_rows_are_sent_and_wrong_ones_are_there_to_be_mended(sandbox: Sandbox) -> None:
    write("customers.csv", CUSTOMERS)

    result = import_users("customers.csv", "--type", "age=int")

    assert result.exit_code == 1, result.output
    assert sorted(sandbox.users, key=lambda body: str(body["userId"])) == [
        {
            "userId": "u1",
            "countryCode": "+91",
            "phoneNumber": "9876543210",
            "traits": {"name": "Asha", "City": "Pune", "age": 31},
        },
        {"userId": "u2", "countryCode": "+91", "phoneNumber": "9876543211", "traits": {"name": "Ravi", "age": 42}},
    ]
    reason = "phone_number is in exponent notation, as a spreadsheet shows long numbers: its digits are lost; "
    assert Path("customers.csv.rejected.csv").read_text(encoding="utf-8").splitlines() == [
        "user_id,Phone Number,name,City,age,rejected_row,rejected_reason",
        f'u3,9.88E+09,Mina,Delhi,20,5,"{reason}format the column as text"',
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
