"""An import that ended goes on where it was: after a signal, a refused key, an outage; and what is refused instead."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result
from command_line import run
from terminal import read_terminal
from waiting import wait_until
from words import words_of

from interakt_track import Client, SpoolFile
from interakt_track.cli._import_course import Course
from interakt_track.importing import Places, State
from interakt_track.sandbox import Fault, Sandbox

ROWS = 40


@pytest.fixture(autouse=True)
def wide_screen(surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.fixture
def path() -> Path:
    """A file of customers who are all different."""
    path = Path("customers.csv")
    path.write_text("user_id,name\n" + "".join(f"u{row},Asha\n" for row in range(2, ROWS + 2)), encoding="utf-8")
    return path


@pytest.fixture
def places(path: Path) -> Places:
    return Places(path)


def users(*arguments: str, **environment: str | None) -> Result:
    return run("import", "users", "customers.csv", "--rate-limit", "60000", *arguments, **environment)


def started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "interakt_track", "import", "users", "customers.csv", *arguments]
    return subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


def arrived(sandbox: Sandbox) -> Counter[str]:
    return Counter(str((request.body or {})["userId"]) for request in sandbox.requests if request.received)


EVERYBODY = Counter(f"u{row}" for row in range(2, ROWS + 2))


# Ended in order.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_and_the_same_command_goes_on(sandbox: Sandbox, path: Path, number: int) -> None:
    sandbox.faults = "latency=200ms"  # type: ignore[assignment]  # a plan's spelling is taken, too
    with started("--rate-limit", "60000", "--max-workers", "2") as process:
        sandbox.wait_for_requests(5)
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)

    left = re.search(r"(\d+) rows left; the same command goes on", out)
    assert process.returncode == 3, out
    assert left is not None, out
    assert int(left[1]) == ROWS - sandbox.counts.users  # what was in flight was waited for, and noted
    assert "Traceback" not in out

    sandbox.faults = None  # type: ignore[assignment]  # as above
    result = users()

    assert result.exit_code == 0, words_of(result)
    assert "Going on with the import that was begun." in words_of(result)
    assert f"\n{left[1]} rows will be sent to {sandbox.url}" in words_of(result)
    assert "twice" not in words_of(result)
    assert arrived(sandbox) == EVERYBODY


def test_whoever_stops_it_does_not_wait_for_what_is_not_in_flight(sandbox: Sandbox, path: Path) -> None:
    sandbox.faults = "latency=500ms"  # type: ignore[assignment]  # as above
    with started("--max-workers", "1", "--rate-limit", "60000") as process:
        sandbox.wait_for_requests(2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)

    assert sandbox.counts.requests <= 4  # in five seconds there would have been ten


@pytest.mark.skipif(os.name != "posix", reason="signals are sent otherwise there")
def test_a_second_ctrl_c_ends_it_at_once_and_loses_nothing(sandbox: Sandbox, path: Path) -> None:
    sandbox.faults = "latency=3s"  # type: ignore[assignment]  # as above
    with started("--rate-limit", "60000", "--max-workers", "1") as process:
        sandbox.wait_for_requests(1)
        while process.poll() is None:  # until it is heard, after the first one was
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
        out, _ = process.communicate(timeout=20)

    assert process.returncode == 3, out
    assert "Error: interrupted; the same command goes on" in out
    sandbox.faults = None  # type: ignore[assignment]  # as above
    assert users().exit_code == 0
    assert set(arrived(sandbox)) == set(EVERYBODY)


# The key.


@pytest.mark.parametrize(("status", "words"), [(401, "the key is wrong"), (403, "the plan may have no API access")])
def test_a_refused_key_ends_it_soon_and_loses_nothing(sandbox: Sandbox, path: Path, status: int, words: str) -> None:
    sandbox.fail_next(100_000, Fault(status=status))

    with started("--rate-limit", "60000") as process:
        out, _ = process.communicate(timeout=40)

    assert process.returncode == 3, out
    assert f"The API refuses the key ({status}): {words}" in out
    assert f"{ROWS} rows left" in out
    assert sandbox.counts.requests < 10

    sandbox.clear()
    assert users().exit_code == 0
    assert arrived(sandbox) == EVERYBODY


def test_a_key_that_was_wrong_from_the_start_can_be_replaced(sandbox: Sandbox, path: Path) -> None:
    assert users(INTERAKT_WRITE_KEY="mistyped").exit_code == 3

    result = users()

    assert result.exit_code == 0, words_of(result)
    assert arrived(sandbox) == EVERYBODY


def stop_in_the_middle(sandbox: Sandbox) -> None:
    sandbox.faults = "latency=100ms"  # type: ignore[assignment]  # as above
    with started("--rate-limit", "60000", "--max-workers", "1") as process:
        sandbox.wait_for(3)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    sandbox.faults = None  # type: ignore[assignment]  # as above


def test_one_that_was_sent_in_part_does_not_go_to_another_account(sandbox: Sandbox, path: Path) -> None:
    stop_in_the_middle(sandbox)
    before = sandbox.counts

    result = users(INTERAKT_WRITE_KEY="another-shop")

    assert result.exit_code == 2
    assert "a part of this import was sent under another key; use that one" in words_of(result)
    assert sandbox.counts == before


def test_one_that_was_begun_for_another_host_says_for_which(sandbox: Sandbox, path: Path) -> None:
    stop_in_the_middle(sandbox)

    with Sandbox() as other:
        refused = users(INTERAKT_HOST=other.url)
        restarted = users("--restart", INTERAKT_HOST=other.url)

        assert refused.exit_code == 2
        assert f"begun for {sandbox.url}: --host {sandbox.url} goes on with it; or --restart" in words_of(refused)
        assert restarted.exit_code == 0, words_of(restarted)
        assert other.counts.users == ROWS


# An outage.


def test_an_api_that_is_not_reached_is_said_and_tried_again(
    sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interakt_track.cli._import_course.STALLED", 0.1)
    monkeypatch.setattr("interakt_track.cli._import_course.ASK_AGAIN", 0.1)
    monkeypatch.setattr("interakt_track.cli._import_course.LINE_INTERVAL", 0.5)
    sandbox.stop()

    def restart_later() -> None:
        wait_until(Places(path).spool.exists)
        with SpoolFile(Places(path).spool) as spool:
            wait_until(lambda: any(message.attempts for message in spool.waiting(limit=10)))
        sandbox.start()

    thread = threading.Thread(target=restart_later)
    thread.start()
    result = users()
    thread.join()

    assert result.exit_code == 0, words_of(result)
    assert "the API is not reached, it is tried again" in words_of(result)
    assert arrived(sandbox) == EVERYBODY


# Refused.


def test_an_edited_file_is_refused_without_restart(sandbox: Sandbox, path: Path) -> None:
    stop_in_the_middle(sandbox)
    path.write_text(path.read_text(encoding="utf-8") + "u99,Ravi\n", encoding="utf-8")

    refused = users()
    restarted = users("--restart")

    assert refused.exit_code == 2
    assert "the file was edited since; --restart begins anew" in words_of(refused)
    assert restarted.exit_code == 0, words_of(restarted)
    assert set(arrived(sandbox)) == {*EVERYBODY, "u99"}


def test_other_options_are_refused_without_restart(sandbox: Sandbox, path: Path) -> None:
    stop_in_the_middle(sandbox)

    for options in (["--trait", "name=Name"], ["--country-code", "44"], ["--ignore", "name"], ["--type", "name=json"]):
        refused = users(*options)

        assert refused.exit_code == 2, options
        assert "--restart" in words_of(refused), options
    assert users("--rate-limit", "50000", "--max-workers", "3").exit_code == 0  # how fast is no other import


def test_a_finished_one_is_refused_without_again(sandbox: Sandbox, path: Path) -> None:
    assert users().exit_code == 0

    refused = users()
    again = users("--again")

    assert refused.exit_code == 2
    assert f"this import is finished: {ROWS} delivered, 0 refused; --again" in words_of(refused)
    assert again.exit_code == 0, words_of(again)
    assert arrived(sandbox) == EVERYBODY + EVERYBODY


def test_a_finished_one_that_was_edited_is_told_as_such(sandbox: Sandbox, path: Path) -> None:
    assert users().exit_code == 0

    other_options = users("--trait", "name=Name")
    path.write_text(path.read_text(encoding="utf-8") + "u99,Ravi\n", encoding="utf-8")
    edited = users()

    assert (other_options.exit_code, edited.exit_code) == (2, 2)
    assert f"imported with other options ({ROWS} delivered, 0 refused); --again" in words_of(other_options)
    assert "and edited since; import what was mended only, from customers.csv.rejected.csv, or --again" in words_of(
        edited
    )


def test_two_at_once_are_one_too_many(sandbox: Sandbox, path: Path) -> None:
    sandbox.faults = "latency=200ms"  # type: ignore[assignment]  # as above
    with started("--max-workers", "1") as process:
        sandbox.wait_for_requests(1)

        second = users()

        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert second.exit_code == 2
    assert "another process is importing customers.csv right now" in words_of(second)


def test_a_spool_that_somebody_else_has_used_is_refused(sandbox: Sandbox, path: Path, places: Places) -> None:
    stop_in_the_middle(sandbox)
    with Client(write_key="another", host="http://127.0.0.1:9", spool=places.spool, shutdown_timeout=0.1) as client:
        client.event("u1", "Order Placed")

    refused = users()

    assert refused.exit_code == 2
    assert f"has had {ROWS + 1} messages, and {ROWS} were handed over" in words_of(refused), words_of(refused)


def test_a_state_that_is_gone_or_damaged_is_refused(sandbox: Sandbox, path: Path, places: Places) -> None:
    stop_in_the_middle(sandbox)
    text = places.state.read_text(encoding="utf-8")

    for damaged in ("{", "[]", '{"version": 1}', json.dumps({**json.loads(text), "version": 2})):
        places.state.write_text(damaged, encoding="utf-8")
        assert users().exit_code == 2, damaged
        assert "--restart" in words_of(users()), damaged
    places.state.unlink()
    refused = users()

    assert refused.exit_code == 2
    assert "which says how far it was, is gone; --restart" in words_of(refused)
    assert users("--restart").exit_code == 0


def test_a_file_that_is_changed_meanwhile_ends_it(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["user_id,name", *(f"u{row},Asha" for row in range(3000))]
    Path("customers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sandbox.faults = "latency=50ms"  # type: ignore[assignment]  # as above
    with started("--rate-limit", "600000", "--max-workers", "16") as process:
        sandbox.wait_for_requests(1)
        Path("customers.csv").write_text("user_id,name\nu1,Asha\n", encoding="utf-8")
        sandbox.faults = None  # type: ignore[assignment]  # as above
        out, _ = process.communicate(timeout=50)

    assert process.returncode == 3, out
    assert "was changed while it was imported" in out


# What is kept.


def test_the_spool_stays_small_however_large_the_file_is(sandbox: Sandbox, places: Places) -> None:
    lines = ["user_id,name", *(f"u{row},Asha" for row in range(8000))]
    Path("customers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with started("--rate-limit", "60") as process:
        sandbox.wait_for_requests(2)
        with SpoolFile(places.spool) as spool:
            waiting = spool.status().waiting
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)

    assert process.returncode == 3, out
    assert 1000 <= waiting <= 2000


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is needed")
def test_on_a_terminal_a_bar_moves(sandbox: Sandbox, path: Path) -> None:
    sandbox.faults = "latency=50ms"  # type: ignore[assignment]  # as above
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "interakt_track", "import", "users", "customers.csv", "--max-workers", "2"]

    with subprocess.Popen([*command, "--rate-limit", "60000"], env=os.environ | {"TERM": "xterm"}, stdout=theirs):
        os.close(theirs)
        shown = read_terminal(ours)

    assert "━" in shown
    assert re.search(r"[1-9]\d* of 40 sent, 0 refused, [\d,]+ a minute, \d+ s left", shown)
    assert "40 rows sent, 0 refused by the API" in shown


# Rejected rows.


def test_the_burst_at_the_start_is_not_taken_for_the_pace_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    waiting = [600]
    monkeypatch.setattr("interakt_track.cli._watching.time", SimpleNamespace(monotonic=lambda: now[0]))
    spool: Any = SimpleNamespace(status=lambda: SimpleNamespace(waiting=waiting[0], failed=0))
    state = State(content="", options="", fine=600, fine_rows="", handed=600)
    nobody: Any = None
    course = Course(spool, state, nobody, nobody, 600)

    def at(moment: float, left: int) -> str:
        now[0], waiting[0] = moment, left
        course.look()
        return str(course)

    at(0.0, 600)
    assert "60 of 600 sent, 0 refused, 3,600 a minute, 54 s left" in at(1.0, 540)
    at(30.0, 250)
    assert "a minute, 5 s left" in at(59.5, 50)


def told(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture
def refusing(sandbox: Sandbox) -> None:
    """Have the API refuse u5."""
    sandbox.fail_next(1000, Fault(status=400), when=lambda request: request.user_id == "u5")


def test_what_the_api_refuses_can_be_mended_and_imported(sandbox: Sandbox, path: Path, refusing: None) -> None:
    result = users("--json")

    rejected = Path("customers.csv.rejected.csv")
    assert result.exit_code == 1, words_of(result)
    assert (told(result)["sent"], told(result)["refused"], told(result)["left"]) == (ROWS - 1, 1, 0)
    head, row = rejected.read_text(encoding="utf-8").splitlines()
    assert head == "user_id,name,rejected_row,rejected_reason"
    assert row.startswith("u5,Asha,5,the API answered 400: ")

    rejected.write_text(f"{head}\n{row.replace('u5', 'u500')}\n", encoding="utf-8")
    mended = run("import", "users", str(rejected), "--rate-limit", "60000")

    assert mended.exit_code == 0, words_of(mended)
    assert sandbox.users[-1] == {"userId": "u500", "traits": {"name": "Asha"}}


def test_a_file_of_rejected_rows_that_somebody_works_on_is_left_alone(
    sandbox: Sandbox, path: Path, refusing: None
) -> None:
    rejected = Path("customers.csv.rejected.csv")
    assert users().exit_code == 1
    first = rejected.read_text(encoding="utf-8")

    assert users("--again").exit_code == 1
    assert rejected.read_text(encoding="utf-8") == first
    assert not Path("customers.csv.rejected-2.csv").exists()  # the same import's own file is replaced

    rejected.write_text("half mended", encoding="utf-8")
    result = users("--again")

    assert rejected.read_text(encoding="utf-8") == "half mended"
    assert Path("customers.csv.rejected-2.csv").read_text(encoding="utf-8") == first
    assert "customers.csv.rejected-2.csv" in words_of(result)


WITH_A_WRONG_ROW = "user_id,phone_number\nu1,12\n" + "".join(f"u{row},\n" for row in range(2, ROWS + 2))


def test_wrong_rows_can_be_mended_while_the_others_are_sent(sandbox: Sandbox, path: Path, refusing: None) -> None:
    path.write_text(WITH_A_WRONG_ROW, encoding="utf-8")
    rejected = Path("customers.csv.rejected.csv")
    sandbox.faults = "latency=100ms"  # type: ignore[assignment]  # as above
    with started("--rate-limit", "60000", "--max-workers", "1") as process:
        sandbox.wait_for_requests(1)
        first = rejected.read_text(encoding="utf-8").splitlines()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    sandbox.faults = None  # type: ignore[assignment]  # as above

    result = users()

    assert [line.split(",")[:2] for line in first[1:]] == [["u1", "12"]]
    assert "1 wrong row to mend meanwhile: customers.csv.rejected.csv" in out
    assert result.exit_code == 1, words_of(result)
    last = rejected.read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in last[1:]] == ["u1", "u5"]  # nobody has worked on it: it has all


def test_wrong_rows_that_are_mended_meanwhile_are_not_written_twice(
    sandbox: Sandbox, path: Path, refusing: None
) -> None:
    path.write_text(WITH_A_WRONG_ROW, encoding="utf-8")
    rejected = Path("customers.csv.rejected.csv")
    sandbox.faults = "latency=100ms"  # type: ignore[assignment]  # as above
    with started("--rate-limit", "60000", "--max-workers", "1") as process:
        sandbox.wait_for_requests(1)
        rejected.write_text("half mended", encoding="utf-8")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    sandbox.faults = None  # type: ignore[assignment]  # as above

    result = users()

    assert result.exit_code == 1, words_of(result)
    assert rejected.read_text(encoding="utf-8") == "half mended"
    lines = Path("customers.csv.rejected-2.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["u5"]
