"""The commands `identify` and `event`: one call from the shell, its answer, and the status that scripts ask for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator

import pytest
from command_line import run
from terminal import read_terminal
from waiting import wait_until

from interakt_track.sandbox import Sandbox

KEY = "a-key-that-nobody-may-see"
SECRET_KEY = b64encode(f"{KEY}:".encode()).decode()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(write_key=KEY) as sandbox:
        monkeypatch.setenv("INTERAKT_WRITE_KEY", KEY)
        monkeypatch.setenv("INTERAKT_HOST", sandbox.url)
        yield sandbox


# What is sent.


def test_a_customer_is_identified_with_all_that_the_options_say(sandbox: Sandbox) -> None:
    result = run(
        *("identify", "--user-id", "u1", "--phone", "098765 43210", "--trait", "name=Asha = A.", "--trait", "zip=0110"),
        *("--trait-json", "age=31", "--trait-json", '{"vip": true, "likes": ["tea"]}', "--tag", "a", "--tag", "b"),
        *("--created-at", "2026-11-25T10:30:00+05:30", "--add-to-sales-cycle"),
    )

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("delivered; the API answered 202: ")
    assert [request.body for request in sandbox.requests] == [
        {
            "userId": "u1",
            "countryCode": "+91",
            "phoneNumber": "9876543210",
            "traits": {"name": "Asha = A.", "zip": "0110", "age": 31, "vip": True, "likes": ["tea"]},
            "tags": ["a", "b"],
            "createdAt": "2026-11-25T05:00:00.000Z",
            "add_to_sales_cycle": True,
        }
    ]


def test_ctrl_c_says_that_it_may_have_arrived(sandbox: Sandbox) -> None:
    sandbox.faults = "latency=20s"
    program = [sys.executable, "-m", "interakt_track", "identify", "--user-id", "u1"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        sandbox.wait_for_requests(1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)

    assert (process.returncode, said) == (3, "interrupted; if the request was under way, it may have arrived\n")


def test_an_event_is_sent_and_its_answer_is_there_for_programs(sandbox: Sandbox) -> None:
    result = run("event", "Order Placed", "--phone", "+1 202-555-0123", "--trait-json", "total=1499.5", "--json")

    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (answer["status"], answer["status_code"], answer["answer"]["result"]) == ("delivered", 201, True)
    assert [request.body for request in sandbox.requests] == [
        {"event": "Order Placed", "countryCode": "+1", "phoneNumber": "2025550123", "traits": {"total": 1499.5}}
    ]


def test_the_key_is_asked_for_on_a_terminal_only(sandbox: Sandbox) -> None:
    result = run("event", "e", "--user-id", "u", INTERAKT_WRITE_KEY=None)

    assert result.exit_code == 2
    assert "INTERAKT_WRITE_KEY" in result.stderr
    assert not any("key" in name for name in options("event"))
    assert sandbox.requests == []


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is needed")
def test_whoever_gives_no_key_has_sent_nothing_and_that_is_no_refusal(sandbox: Sandbox) -> None:
    import termios  # there is none on Windows

    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "interakt_track", "identify", "--user-id", "u1"]
    environment = {name: value for name, value in os.environ.items() if name != "INTERAKT_WRITE_KEY"}
    with subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        asked = b""
        while b"Write key" not in asked:
            asked += os.read(ours, 1024)
        wait_until(lambda: not termios.tcgetattr(ours)[3] & termios.ECHO)  # what is typed before that is thrown away
        os.write(ours, b"\x04")  # the end of the input, as Ctrl-D types it
        shown = read_terminal(ours)

    assert process.returncode == 2, shown
    assert "Error: no key was given, and nothing was sent" in shown
    assert sandbox.requests == []


def options(command: str) -> set[str]:
    return {word for word in run(command, "--help").stdout.split() if word.startswith("--")}


# What becomes of it.


def test_a_wrong_key_leads_to_the_check(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERAKT_WRITE_KEY", "another-key")

    result = run("identify", "--user-id", "u1")

    assert result.exit_code == 1
    assert result.stderr.endswith("\n`interakt-track check` tells what is wrong with the key\n")


@pytest.mark.parametrize(("status", "exit_code"), [(400, 1), (404, 1), (429, 3), (500, 3), (503, 3)])
def test_the_status_says_whether_it_was_refused_or_is_worth_another_try(
    sandbox: Sandbox, status: int, exit_code: int
) -> None:
    sandbox.fail_next(100, status=status, retry_after=0 if status == 429 else None)

    result = run("event", "e", "--user-id", "u")

    assert result.exit_code == exit_code
    assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)
    assert f"the API answered {status}" in result.stderr


def test_a_refused_key_is_told_and_not_shown(sandbox: Sandbox) -> None:
    result = run("identify", "--user-id", "u", "--json", INTERAKT_WRITE_KEY="another-key-of-somebody")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"] == "AuthenticationError"
    assert "another-key-of-somebody" not in result.output


def test_nobody_there_is_status_3(sandbox: Sandbox) -> None:
    sandbox.stop()

    result = run("identify", "--user-id", "u", "--json")

    said = json.loads(result.stdout)
    assert result.exit_code == 3
    assert (said["status"], said["status_code"], said["error"]) == ("unreachable", None, "UnreachableError")
    sandbox.start()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["identify"], "user_id and phone_number are both missing"),
        (["event", "e", "--phone", "12"], "phone_number"),
        (["event", "", "--user-id", "u"], "event"),
        (["event", "--user-id", "u"], "NAME"),
        (["event", "e", "--user-id", "u", "--trait", "name"], "name=value"),
        (["event", "e", "--user-id", "u", "--trait-json", "name=Asha"], "is no JSON"),
        (["event", "e", "--user-id", "u", "--trait-json", "{"], "is no JSON"),
        (["event", "e", "--user-id", "u", "--created-at", "yesterday"], "created_at"),
        (["event", "e", "--user-id", "u", "--host", "api"], "host"),
        (["event", "e", "--user-id", "u", "--curl"], "--dry-run"),
    ],
)
def test_what_cannot_be_sent_is_wrong_usage(sandbox: Sandbox, arguments: list[str], words: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert sandbox.requests == []


# Without sending.


def test_a_dry_run_shows_the_request_and_needs_no_key(sandbox: Sandbox) -> None:
    result = run("identify", "--user-id", "u1", "--trait", "name=Ésha", "--dry-run", INTERAKT_WRITE_KEY=None)

    head, _, body = result.stdout.partition("\n\n")
    assert result.exit_code == 0
    assert head.splitlines() == [
        f"POST {sandbox.url}/v1/public/track/users/",
        "Authorization: Basic ***",
        "Content-Type: application/json",
    ]
    assert json.loads(body) == {"userId": "u1", "traits": {"name": "Ésha"}}
    assert sandbox.requests == []


@pytest.mark.parametrize("pasted", [KEY, SECRET_KEY, f"Basic {SECRET_KEY}"])
def test_the_curl_command_sends_the_same_whatever_form_the_key_has(sandbox: Sandbox, pasted: str) -> None:
    if shutil.which("curl") is None:
        missing = "curl is not installed here; scripts/install_system_parts.sh installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}; CI must have it")
        pytest.skip(missing)
    arguments = ("event", "It's $HOME `date`", "--user-id", "u 1", "--trait", 'note="quoted" \\ é')
    shown = json.loads(run(*arguments, "--dry-run", "--curl", "--json", INTERAKT_WRITE_KEY=pasted).stdout)
    assert run(*arguments, INTERAKT_WRITE_KEY=pasted).exit_code == 0

    environment = {**os.environ, "INTERAKT_WRITE_KEY": pasted}
    subprocess.run(["sh", "-c", f"{shown['curl']} --silent --fail"], env=environment, check=True, capture_output=True)

    by_program, by_curl = sandbox.requests
    assert by_curl.body == by_program.body == shown["body"]
    assert (by_curl.status, by_curl.method, by_curl.path) == (201, shown["method"], by_program.path)
    assert KEY not in shown["curl"]
    assert SECRET_KEY not in shown["curl"]
