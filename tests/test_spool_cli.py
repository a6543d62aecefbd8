"""The commands of `interakt-track spool`: what they show, ask, change and send."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import Result
from command_line import run
from spool_clients import NewClient, clients_of_spool
from spool_left_behind import KEY, leave_behind
from terminal import read_terminal

from interakt_track import SpoolFile
from interakt_track.sandbox import Sandbox

NOBODY = "http://127.0.0.1:9"
MODULE = [sys.executable, "-m", "interakt_track"]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the spool is, for the tests and in the environment."""
    path = tmp_path / "track.db"
    monkeypatch.setenv("INTERAKT_SPOOL", str(path))
    return path


@pytest.fixture
def new_client(sandbox: Sandbox, path: Path) -> Iterator[NewClient]:
    with clients_of_spool(sandbox, path) as make:
        yield make


@pytest.fixture
def failures(sandbox: Sandbox, new_client: NewClient) -> None:
    """Three failed messages: two that are refused with 400, one with 422; a later identify of u1 was delivered."""
    client = new_client()
    sandbox.script([400, 400, 422])
    client.identify("customer-1", phone_number="9876543210", traits={"name": "Asha", "city": "Pune"})
    assert client.flush(10)
    client.event("customer-2", "Order Placed", {"total": 5})
    assert client.flush(10)
    client.event("customer-3", "Seen")
    assert client.flush(10)
    client.identify("customer-1", traits={"city": "Delhi"})
    assert client.flush(10)
    client.shutdown(5)


def spool(*arguments: str, answer: str = "", **environment: str) -> Result:
    return run("spool", *arguments, answer=answer, **environment)


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def numbers(path: Path) -> tuple[int, int]:
    with SpoolFile(path) as file:
        status = file.status()
    return status.waiting, status.failed


# The file.


def test_without_a_file_it_says_how_to_name_one() -> None:
    ended = spool("status")

    assert ended.exit_code == 2
    assert ended.stderr == ("Error: which file? Name the spool with --spool, or in the environment's INTERAKT_SPOOL\n")


@pytest.mark.parametrize("command", ["status", "list", "failed", "retry", "export"])
def test_a_file_that_is_missing_is_told_and_not_made(path: Path, command: str) -> None:
    ended = spool(command)

    assert ended.exit_code == 2
    assert ended.stderr == f"Error: there is no spool at {path}; a client makes it with its first call\n"
    assert not path.exists()


def test_another_programs_file_is_told_in_one_sentence(path: Path) -> None:
    path.write_text("not a database, but something that somebody needs", encoding="utf-8")

    ended = spool("drop", "--failed", "--yes")

    assert ended.exit_code == 2
    assert re.fullmatch(r"Error: the spool \S+ is no database: .*\n", ended.stderr)


def test_the_option_is_stronger_than_the_environment(path: Path, tmp_path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')")

    assert spool("status", "--spool", str(tmp_path / "other.db")).exit_code == 2
    assert spool("status", "--spool", str(path)).exit_code == 0


# Looking.


def test_the_status_is_for_people_and_for_programs(path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')\nclient.event('u2', 'Seen')")
    leave_behind(path, NOBODY, "client.event('u3', 'Seen')", key="another")

    shown = spool("status", INTERAKT_WRITE_KEY=KEY, INTERAKT_HOST=NOBODY)
    (told,) = lines(spool("status", "--json"))

    assert shown.exit_code == 0
    assert re.search(r"^waiting +3  the oldest was called \d+ s ago *$", shown.output, re.MULTILINE)
    assert re.search(rf"^[0-9a-f]{{12}} +{NOBODY} +2 +0 +your key *$", shown.output, re.MULTILINE)
    assert "1 message of another key or host" in shown.output
    assert KEY not in shown.output
    assert (told["waiting"], told["failed"], told["is_held"]) == (3, 0, False)
    assert {account["waiting"] for account in told["accounts"]} == {1, 2}


def test_the_status_fits_a_screen_of_80_columns(path: Path, failures: None) -> None:
    for command in ("status", "list", "failed"):
        shown = spool(command, COLUMNS="80")

        assert shown.exit_code == 0
        assert [line for line in shown.output.splitlines()[1:] if len(line) > 80] == []


def test_what_waits_is_listed_with_masked_people(path: Path) -> None:
    leave_behind(
        path,
        NOBODY,
        "client.identify('customer.0042', phone_number='9876543210', traits={'name': 'Asha'})\n"
        "client.event('u2', 'Order Placed', {'note': 'secret'})",
    )

    masked, shown = spool("list", COLUMNS="80"), spool("list", "--show", COLUMNS="80")
    masked_lines, shown_lines = lines(spool("list", "--json")), lines(spool("list", "--json", "--show"))

    assert re.search(r"^ 1 +\d+ s +identify +\*\*\*42 +0 *$", masked.output, re.MULTILINE)
    assert re.search(r"^ +\+91\*\*\*10 *$", masked.output, re.MULTILINE)
    assert "Order Placed" in masked.output
    for secret in ("customer.0042", "9876543210", "Asha", "secret", "u2"):
        assert secret not in masked.output + json.dumps(masked_lines)
    assert "customer.0042" in shown.output
    assert "+919876543210" in shown.output
    assert [line["body"]["traits"] for line in shown_lines] == [{"name": "Asha"}, {"note": "secret"}]
    assert [line["body"]["traits"] for line in masked_lines] == [{"name": "***"}, {"note": "***"}]


def test_a_long_list_says_that_there_is_more(path: Path) -> None:
    leave_behind(path, NOBODY, "for n in range(60): client.event(f'u{n}', 'Seen')")

    first, some = spool("list"), spool("list", "--limit", "60")

    assert "These are the first 50; --limit shows more." in first.output
    assert "first" not in some.output
    assert len(lines(spool("list", "--json"))) == 60
    assert len(lines(spool("list", "--json", "--limit", "7"))) == 7


def test_nothing_is_a_sentence_not_an_empty_table(path: Path, failures: None) -> None:
    assert spool("list").output == "Nothing waits.\n"
    assert spool("failed", "--status", "500").output == "Nothing failed.\n"


def test_failed_messages_are_listed_with_their_reason(path: Path, failures: None) -> None:
    shown = spool("failed", COLUMNS="120")
    told = lines(spool("failed", "--json"))

    assert re.search(r"identify +\*\*\*.*Rejected +400 +.*", shown.output)
    assert "(superseded)" in shown.output
    assert [(line["error"], line["status_code"], line["is_superseded"]) for line in told] == [
        ("RejectedError", 400, True),
        ("RejectedError", 400, False),
        ("RejectedError", 422, False),
    ]
    assert "customer-1" not in shown.output + json.dumps(told)
    assert [line["id"] for line in lines(spool("failed", "--json", "--status", "422"))] == [told[2]["id"]]
    assert [line["id"] for line in lines(spool("failed", "--json", "--user-id", "customer-2"))] == [told[1]["id"]]
    assert lines(spool("failed", "--json", "--older-than", "30d")) == []


def test_what_was_called_cannot_take_over_the_terminal(path: Path) -> None:
    leave_behind(path, NOBODY, r"client.event('u1', '\x1b[2J[red]Order[/red]')")

    shown = spool("list")

    assert "\x1b" not in shown.output
    assert "\N{REPLACEMENT CHARACTER}[2J[red]Order[/red]" in shown.output


@pytest.mark.parametrize("age", ["soon", "5", "3w"])
def test_a_time_that_is_none_is_wrong_usage(path: Path, age: str) -> None:
    ended = spool("failed", "--older-than", age)

    assert ended.exit_code == 2
    assert f"'{age}' is no time such as 45s, 90m, 12h or 30d" in ended.stderr


# Export.


def test_an_export_is_complete_and_its_owners_alone(path: Path, failures: None, tmp_path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u9', 'Seen', {'note': 'kept'})")
    output = tmp_path / "out.jsonl"

    ended = spool("export", "--output", str(output))
    again = spool("export", "--output", str(output))

    written = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert ended.exit_code == 0
    assert f"4 messages written to {output}" in ended.output.replace("\n", "")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert [(line["state"], line["path"].split("/")[-2]) for line in written] == [
        ("waiting", "events"),
        ("failed", "users"),
        ("failed", "events"),
        ("failed", "events"),
    ]
    assert written[0]["body"]["traits"] == {"note": "kept"}
    assert written[1]["body"]["phoneNumber"] == "9876543210"
    assert (again.exit_code, "File exists" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ([], {"waiting", "failed"}),
        (["--waiting"], {"waiting"}),
        (["--failed"], {"failed"}),
        (["--waiting", "--failed"], {"waiting", "failed"}),
        (["--user-id", "customer-2"], {"failed"}),
    ],
)
def test_an_export_to_the_screen_is_lines_of_what_was_asked_for(
    path: Path, failures: None, options: list[str], states: set[str]
) -> None:
    leave_behind(path, NOBODY, "client.event('u9', 'Seen')")

    assert {line["state"] for line in lines(spool("export", *options))} == states


# Retry.


def test_retrying_warns_of_what_a_later_identify_superseded_and_asks(path: Path, failures: None) -> None:
    refused = spool("retry", "--status", "400", answer="n\n")
    after_no = numbers(path)
    skipped = spool("retry", "--status", "400", "--skip-superseded")
    after_skip = numbers(path)
    agreed = spool("retry", answer="y\n")

    assert refused.exit_code == 1
    assert "Warning: for 1 message of these, a later identify of that person already went out" in refused.stderr
    assert after_no == (0, 3)
    assert skipped.exit_code == 0
    assert skipped.stdout == (
        "1 message will be sent again.\n1 message left among the failed: a later identify went out, or waits.\n"
    )
    assert after_skip == (1, 2)
    assert "2 messages will be sent again.\n1 of them had been superseded by a later identify.\n" in agreed.stdout
    assert numbers(path) == (3, 0)


def test_retrying_by_id_or_error_touches_nothing_else(path: Path, failures: None) -> None:
    ids = [str(line["id"]) for line in lines(spool("failed", "--json"))]

    assert spool("retry", "--error", "ExpiredError").stdout == "No failed message is sent again.\n"
    assert lines(spool("retry", "--id", ids[1], "--id", ids[2], "--json")) == [
        {"retried": 2, "superseded": 0, "skipped": 0}
    ]
    assert lines(spool("retry", "--yes", "--json")) == [{"retried": 1, "superseded": 1, "skipped": 0}]


# Drop and erase.


def test_dropping_asks_first(path: Path, failures: None) -> None:
    refused = spool("drop", "--failed", "--error", "RejectedError", answer="n\n")
    after_no = numbers(path)
    agreed = spool("drop", "--failed", "--status", "422", answer="y\n")

    assert "Remove 3 failed messages for good? [y/N]" in refused.stderr
    assert (refused.exit_code, after_no) == (1, (0, 3))
    assert agreed.stdout.endswith("Removed 1 failed message.\n")
    assert spool("drop", "--failed", "--yes").exit_code == 0
    assert numbers(path) == (0, 0)


def test_dropping_by_id_looks_among_all(path: Path, failures: None) -> None:
    leave_behind(path, NOBODY, "client.event('u8', 'Seen')\nclient.event('u9', 'Seen')")
    waiting, *_ = lines(spool("list", "--json"))
    failed, *_ = lines(spool("failed", "--json"))

    ended = spool("drop", "--id", str(waiting["id"]), "--id", str(failed["id"]), "--yes", "--json")

    assert lines(ended) == [{"waiting": 1, "failed": 1}]
    assert numbers(path) == (1, 2)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], "say which messages: --failed, --waiting, or --id"),
        (["--waiting", "--status", "400"], "what waits has no --error and no --status"),
    ],
)
def test_dropping_everything_by_mistake_is_wrong_usage(path: Path, options: list[str], problem: str) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')")

    ended = spool("drop", "--yes", *options)

    assert ended.exit_code == 2
    assert problem in ended.stderr
    assert numbers(path) == (1, 0)


def test_erasing_a_person_says_how_much_it_was_and_shows_nobody(path: Path, failures: None) -> None:
    leave_behind(path, NOBODY, "client.event(phone_number='9876543210', event='Seen')\nclient.event('u9', 'Seen')")

    nobody = spool("erase", "--yes")
    wrong = spool("erase", "--phone", "123")
    refused = spool("erase", "--phone", "+91 98765 43210", answer="n\n")
    erased = spool("erase", "--user-id", "customer-1", "--phone", "098765 43210", "--yes")

    assert (nobody.exit_code, wrong.exit_code, refused.exit_code) == (2, 2, 1)
    assert "say who: --user-id, --phone, or both" in nobody.stderr
    assert wrong.stderr.startswith("Error: phone_number is too short for +91 (3 digits")
    assert "Erase 1 waiting and 1 failed messages of this person for good?" in refused.stderr
    assert erased.stdout == "Erased 1 waiting and 1 failed messages.\n"
    assert "98765" not in refused.output + erased.output
    assert numbers(path) == (1, 2)
    for file in path.parent.iterdir():
        assert b"9876543210" not in file.read_bytes()


# Adopt.


def test_adopting_asks_and_never_takes_a_key_from_the_command_line(path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')", key="old-key")

    keyless = spool("adopt", "--host", NOBODY)
    refused = spool("adopt", "--host", NOBODY, answer="n\n", INTERAKT_WRITE_KEY=KEY)
    adopted = spool("adopt", "--host", NOBODY, "--yes", INTERAKT_WRITE_KEY=KEY)
    again = spool("adopt", "--host", NOBODY, INTERAKT_WRITE_KEY=KEY)

    assert (keyless.exit_code, refused.exit_code) == (2, 1)
    assert "the key is missing; put it into the environment's INTERAKT_WRITE_KEY" in keyless.stderr
    assert "Give 1 waiting and 0 failed messages of account " in refused.stderr
    assert adopted.stdout == "Adopted 1 waiting and 0 failed messages.\n"
    assert again.stdout == "Nothing to adopt: all messages in the file are your key's already.\n"
    assert KEY not in keyless.output + refused.output + adopted.output


def test_a_sandboxs_messages_are_not_adopted_for_the_real_api(path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')")

    refused = spool("adopt", "--yes", INTERAKT_WRITE_KEY="real-key")
    allowed = spool("adopt", "--yes", "--change-host", "--json", INTERAKT_WRITE_KEY="real-key")

    assert refused.exit_code == 2
    assert (
        "called for another host, and https://api.interakt.ai gets them only with may_change_host (--change-host)"
        in refused.stderr
    )
    assert lines(allowed) == [{"waiting": 1, "failed": 0, "is_held": False}]


# Drain.


class Drain:
    """`spool drain` in a process of its own."""

    def __init__(self, sandbox: Sandbox, *options: str, stdout: int = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [*MODULE, "spool", "drain", *options],
            env={**os.environ, "INTERAKT_WRITE_KEY": KEY, "INTERAKT_HOST": sandbox.url, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT if stdout == subprocess.PIPE else stdout,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self.process:
            self.process.kill()

    def end(self) -> tuple[int, str]:
        """Return its status, and all that it printed."""
        shown, _ = self.process.communicate(timeout=40)
        return self.process.returncode, shown


def test_draining_sends_all_of_the_keys_messages_and_leaves_the_others(sandbox: Sandbox, path: Path) -> None:
    leave_behind(path, sandbox.url, "for n in range(40): client.event(f'u{n % 4}', 'Seen', {'n': n})")
    leave_behind(path, sandbox.url, "client.event('u9', 'Seen')", key="another")

    with Drain(sandbox) as drain:
        status, shown = drain.end()

    assert status == 0, shown
    assert re.search(r"^0 sent, 0 failed; 40 messages waiting$", shown, re.MULTILINE), "a line in place of the bar"
    assert re.search(r"^40 messages sent in \d+ s, 0 failed\.$", shown, re.MULTILINE)
    assert "Nothing waits under this key any more." in shown
    assert "1 message of another key or host left alone; see `interakt-track spool adopt`." in shown
    assert len(sandbox.events) == 40
    assert numbers(path) == (1, 0)


def test_draining_an_empty_file_is_done_at_once(sandbox: Sandbox, path: Path, failures: None) -> None:
    with Drain(sandbox) as drain:
        assert drain.end() == (0, "Nothing waits under this key.\n")


def test_what_fails_while_draining_is_counted_and_status_1(sandbox: Sandbox, path: Path) -> None:
    leave_behind(path, sandbox.url, "for n in range(6): client.event(f'u{n}', 'Seen')")
    sandbox.script([400, 400])

    with Drain(sandbox) as drain:
        status, shown = drain.end()

    assert status == 1
    assert re.search(r"^4 messages sent in \d+ s, 2 failed\.$", shown, re.MULTILINE)
    assert "`interakt-track spool failed` shows why they failed." in shown
    assert numbers(path) == (0, 2)


def test_draining_ends_when_its_time_is_up_and_says_what_remains(sandbox: Sandbox, path: Path) -> None:
    leave_behind(path, sandbox.url, "for n in range(30): client.event(f'u{n}', 'Seen')")

    with Drain(sandbox, "--rate-limit", "10", "--timeout", "1.5") as drain:
        status, shown = drain.end()

    left, _ = numbers(path)
    assert status == 1
    assert 0 < left < 30
    assert f"The time is up: {left} messages waiting, safe in {path}; run it again to go on." in shown
    assert len(sandbox.events) == 30 - left


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_draining_and_loses_nothing(sandbox: Sandbox, path: Path, number: int) -> None:
    sandbox.faults = "latency=100ms"
    leave_behind(path, sandbox.url, "for n in range(200): client.event(f'u{n}', 'Seen')")

    with Drain(sandbox, "--max-workers", "2") as drain:
        sandbox.wait_for(5)
        drain.process.send_signal(number)
        status, shown = drain.end()

    left, _ = numbers(path)
    assert status == 1
    assert 0 < left < 200
    assert f"Stopped: {left} messages waiting, safe in {path}" in shown
    assert "Traceback" not in shown
    repeated = len(sandbox.events) - (200 - left)
    assert 0 <= repeated <= 2, "no more than what was in flight"


def test_where_another_process_sends_draining_watches_until_it_is_done(
    sandbox: Sandbox, path: Path, new_client: NewClient
) -> None:
    sandbox.faults = "latency=50ms"
    client = new_client(max_workers=1)
    for number in range(60):
        client.event(f"u{number}", "Seen")
    sandbox.wait_for(1)

    with Drain(sandbox) as drain:
        status, shown = drain.end()

    assert status == 0, shown
    assert shown.startswith("Another process sends from the file; this one watches, and takes over if that one ends.\n")
    assert "Nothing waits under this key any more." in shown
    assert client.stats().delivered == 60


def test_where_the_other_process_ends_draining_takes_over(sandbox: Sandbox, path: Path, new_client: NewClient) -> None:
    sandbox.faults = "latency=50ms"
    client = new_client(max_workers=1)
    for number in range(100):
        client.event(f"u{number}", "Seen")
    sandbox.wait_for(1)

    with Drain(sandbox) as drain:
        assert drain.process.stdout is not None
        assert "Another process sends" in drain.process.stdout.readline()
        assert "messages waiting" in drain.process.stdout.readline(), "it watches"
        client.shutdown(0.2)
        status, shown = drain.end()

    assert status == 0, shown
    assert len({body["userId"] for body in sandbox.events}) == 100


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is needed")
def test_on_a_terminal_a_bar_moves_and_the_log_does_not_break_it(sandbox: Sandbox, path: Path) -> None:
    sandbox.faults = "latency=30ms"
    leave_behind(path, sandbox.url, "for n in range(200): client.event(f'u{n}', 'Seen')")
    sandbox.script([400])
    ours, theirs = os.openpty()

    with Drain(sandbox, "--max-workers", "2", stdout=theirs) as drain:
        os.close(theirs)
        shown = read_terminal(ours)
        drain.process.wait(20)

    assert drain.process.returncode == 1
    assert "━" in shown
    assert re.search(r"\d+ sent, 1 failed, [\d,]+ a minute, \d+ s left", shown)
    assert "was not delivered: the API answered 400" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h"), "the cursor comes back"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--rate-limit", "fast"], "is neither a whole number from 1 on"),
        (["--rate-limit", "0"], "is neither a whole number from 1 on"),
        (["--host", "ftp://nowhere"], "host must be an address"),
        (["--timeout", "0"], "0"),
        (["--retention", "0"], "0"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(path: Path, options: list[str], problem: str) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')")

    ended = spool("drain", *options, INTERAKT_WRITE_KEY=KEY, INTERAKT_HOST=NOBODY)

    assert ended.exit_code == 2
    assert problem in ended.stderr


def test_draining_needs_a_key(path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')")

    ended = spool("drain")

    assert ended.exit_code == 2
    assert "put it into the environment's INTERAKT_WRITE_KEY" in ended.stderr


def test_failed_messages_that_are_too_old_are_removed_while_draining(
    sandbox: Sandbox, path: Path, failures: None
) -> None:
    leave_behind(path, sandbox.url, "for n in range(20): client.event(f'u{n}', 'Seen')")

    with Drain(sandbox, "--retention", "0.000001", "--rate-limit", "120") as drain:
        status, shown = drain.end()

    assert status == 0, shown
    assert "were removed, as too old" in shown
    assert numbers(path) == (0, 0)
