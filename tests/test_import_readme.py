"""The README's example of an import: its file, its command, and what it says becomes of them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from command_line import run
from words import words_of

from interakt_track.sandbox import Sandbox

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SECTION = re.split(r"^## Import\n", README, maxsplit=1, flags=re.MULTILINE)[1].split("\n## ")[0]


@pytest.mark.usefixtures("surroundings")
def test_the_example_is_checked_and_sent_as_it_says(sandbox: Sandbox) -> None:
    text = re.search(r"^```text\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    command = re.search(r"^\$ interakt-track (import users customers\.csv .*)$", SECTION, re.MULTILINE)
    assert text is not None
    assert command is not None
    Path("customers.csv").write_text(text[1], encoding="utf-8")
    arguments = shlex.split(command[1])

    checked = run(*arguments, "--json")
    sent = run(*(argument for argument in arguments if argument != "--dry-run"), "--rate-limit", "60000")

    (reason,) = json.loads(checked.stdout)["check"]["reasons"]
    assert (checked.exit_code, reason["rows"]) == (1, [4])
    assert "a spreadsheet shows long numbers: its digits are lost" in reason["reason"]
    assert sent.exit_code == 1, words_of(sent)
    assert sorted(sandbox.users, key=lambda body: str(body["userId"])) == [
        {
            "userId": "C-1001",
            "countryCode": "+91",
            "phoneNumber": "9876543210",
            "tags": ["festival", "vip"],
            "traits": {"name": "Asha", "City": "Pune", "Birthday": "1996-08-15", "Orders": 3},
        },
        {
            "userId": "C-1002",
            "countryCode": "+44",
            "phoneNumber": "7700900123",
            "traits": {"name": "Ravi", "Orders": 0},
        },
    ]
    assert "C-1003,9.87654E+09,Mina" in Path("customers.csv.rejected.csv").read_text(encoding="utf-8")
