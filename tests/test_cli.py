"""The terminal program: its help, what it says where something is missing, and the command `sandbox`."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner
from terminal import read_terminal

import interakt_track
from interakt_track.cli import program
from interakt_track.cli._faults import HELP, PLANS
from interakt_track.cli._program import COMMANDS

SCREEN_SETTINGS = ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in SCREEN_SETTINGS} | {
    "PYTHONIOENCODING": "utf-8"
}
MODULE = [sys.executable, "-m", "interakt_track"]
KEY = "a-key-that-nobody-may-see"
USERS = "/v1/public/track/users/"
EVENTS = "/v1/public/track/events/"


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-c", code)


class RunningSandbox:
    """A sandbox in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self._lines = iter(process.stdout)
        self.greeting = self.read_until("Ctrl-C ends it")
        self.url = self.greeting[0].rpartition(" ")[2].strip()

    def read_until(self, text: str) -> list[str]:
        """Read lines up to one with this text; the test's own time limit ends it where none comes."""
        lines = []
        for line in self._lines:
            lines.append(line)
            if text in line:
                return lines
        _, stderr = self._process.communicate()
        raise AssertionError(f"{text!r} is not in {lines}: {stderr}")

    def post(self, path: str, body: Any, *, key: str | None = KEY) -> int:
        auth = None if key is None else (key, "")
        return httpx.post(f"{self.url}{path}", json=body, auth=auth).status_code

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Return the status, the rest of what is printed, and the errors."""
        self._process.send_signal(number)
        stdout, stderr = self._process.communicate()
        return self._process.returncode, stdout, stderr


@contextmanager
def running_sandbox(*options: str, **environment: str) -> Iterator[RunningSandbox]:
    process = subprocess.Popen(
        [*MODULE, "sandbox", "--port", "0", *options],
        env={**ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            yield RunningSandbox(process)
        finally:
            process.kill()


# The program.


@pytest.mark.parametrize("module", ["interakt_track", "track"])
def test_both_names_run_the_program(module: str) -> None:
    ended = run(sys.executable, "-m", module, "--version")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"interakt-track {interakt_track.__version__}\n"


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Give all commands, those of groups too, with the words that lead there."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


ALL_COMMANDS = dict(commands(program))


@pytest.mark.parametrize("path", ALL_COMMANDS, ids=" ".join)
def test_the_help_names_every_command_and_each_explains_itself(path: tuple[str, ...]) -> None:
    around = CliRunner().invoke(program, [*path[:-1], "--help"])
    of_one = CliRunner().invoke(program, [*path, "--help"])

    assert (around.exit_code, of_one.exit_code) == (0, 0)
    assert re.search(rf"^  {path[-1]} +\w.*[^.]\.$", around.output, re.MULTILINE), "a sentence that is not cut off"
    assert "Examples:" in of_one.output
    assert "\\b" not in of_one.output


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("path", ALL_COMMANDS, ids=" ".join)
def test_no_line_of_the_help_is_wider_than_the_screen(path: tuple[str, ...], columns: int) -> None:
    shown = CliRunner().invoke(program, [*path, "--help"], env={"COLUMNS": f"{columns}"}).output

    assert [line for line in shown.splitlines() if len(line) > columns] == []


@pytest.mark.parametrize("path", [("import", "users"), ("import", "events"), ("spool", "drain")], ids=" ".join)
def test_a_pace_that_is_none_is_wrong_usage_and_told_in_words(path: tuple[str, ...]) -> None:
    for pace in ("0", "-5", "1.5", "lots"):
        ended = CliRunner().invoke(program, [*path, "--rate-limit", pace])

        assert ended.exit_code == 2
        assert f"'--rate-limit': '{pace}' is neither a whole number from 1 on, nor growth or advanced" in ended.output


@pytest.mark.parametrize("path", ALL_COMMANDS, ids=" ".join)
def test_every_option_of_a_command_is_explained(path: tuple[str, ...]) -> None:
    command = ALL_COMMANDS[path]

    if isinstance(command, click.Group):
        return
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert options or path == ("completion",)
    assert [option.name for option in options if not option.help] == []


def test_every_fault_that_the_help_names_is_understood() -> None:
    entries = re.findall(r"^  ((?:[\w.-]+, )*[\w.-]+)(?:   |=yes|$)", HELP, re.MULTILINE)
    listed = re.findall(r"[a-z0-9][a-z0-9-]*", "\n".join(entries))
    takes_no_chance = {"latency", "jitter", "rate", "period", "window", "retry-after", "yes", "seed"}
    faults = [name for name in listed if name not in takes_no_chance]

    assert {"503", "5xx", "html", "false-result", "reset", "slow", "reset-early"} <= set(faults)
    for name in faults:
        ended = CliRunner().invoke(program, ["sandbox", "--host", "name.invalid", "--faults", f"{name}=0"])
        assert "cannot listen" in ended.output, name


def test_an_unknown_command_is_wrong_usage() -> None:
    ended = CliRunner().invoke(program, ["sandpit"])

    assert ended.exit_code == 2
    assert "sandpit" in ended.output


def test_a_command_that_is_nearly_right_is_told_with_the_right_one() -> None:
    ended = CliRunner().invoke(program, ["improt"])

    assert ended.exit_code == 2
    assert "No such command 'improt'. Did you mean 'import'?" in ended.output


def test_a_command_brings_only_what_it_needs() -> None:
    ended = run_python(
        "import sys\n"
        "from interakt_track.__main__ import main\n"
        "sys.argv = ['interakt-track', '--version']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(sorted({'starlette', 'uvicorn', 'rich', 'jsonschema', 'httpx'} & set(sys.modules)))\n"
    )

    assert ended.stdout.splitlines()[-1] == "[]"


SANDBOX_NEEDS = ["starlette", "uvicorn", "jsonschema", "yaml"]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        (name, package)
        for name in COMMANDS
        for package in [
            "click",
            *(["rich"] if name != "completion" else []),
            *(SANDBOX_NEEDS if name in ("demo", "sandbox") else []),
        ]
    ],
)
def test_without_the_extra_it_says_what_to_install(name: str, package: str) -> None:
    ended = run_python(
        "import sys\n"
        f"sys.modules[{package!r}] = None\n"
        f"sys.argv = ['interakt-track', {name!r}, '--help']\n"
        "from interakt_track.__main__ import main\n"
        "main()\n"
    )

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == (
        f'interakt-track needs {package}, which is not installed here: pip install "interakt-track-python[cli]"\n'
    )


def test_a_module_of_ours_that_is_missing_is_not_blamed_on_the_extra() -> None:
    ended = run_python(
        "import sys\n"
        "sys.modules['interakt_track.cli._screen'] = None\n"
        "sys.argv = ['interakt-track', 'demo']\n"
        "from interakt_track.__main__ import main\n"
        "main()\n"
    )

    assert ended.returncode == 1
    assert "ModuleNotFoundError" in ended.stderr
    assert "pip install" not in ended.stderr


# The sandbox.


def test_the_lines_it_shows_point_the_sdk_at_it() -> None:
    with running_sandbox() as sandbox:
        shown = [line.strip() for line in sandbox.greeting if line.startswith("    track.")]
        calls = ["track.identify(user_id='asha')", "assert track.flush()", "assert track.stats().delivered == 1"]

        sdk = run_python("\n".join(["import track", *shown, *calls]))

        assert len(shown) == 2
        assert (sdk.returncode, sdk.stderr) == (0, "")
        assert sandbox.read_until(USERS)


def test_each_request_is_a_line_that_says_why_it_was_refused_and_shows_nobody() -> None:
    with running_sandbox() as sandbox:
        sandbox.post(
            USERS, {"userId": "customer-0042", "countryCode": "+91", "phoneNumber": "9876543210", "traits": {}}
        )
        sandbox.post(EVENTS, {"userId": "asha", "event": "Order Placed", "traits": {"email": "asha@shop.example"}})
        sandbox.post(USERS, {"userId": 5, "traits": {}})
        sandbox.post(USERS, {"userId": "5", "traits": {}}, key=None)
        sandbox.post("/v1/public/track/users", {"userId": "5"})

        status, stdout, stderr = sandbox.stop()

    lines = [line[10:] for line in stdout.splitlines() if re.match(r"\d\d:\d\d:\d\d  ", line)]
    assert lines == [
        f"202  POST {USERS}   user_id=***42 phone=+91***10",
        f"201  POST {EVENTS}  user_id=***  Order Placed",
        f"400  POST {USERS}   user_id=***  refused: userId: must be text, in quotation marks",
        f"401  POST {USERS}   user_id=***  refused: Authorization: is missing",
        f"404  POST {USERS[:-1]}    refused: path: the API has none of this name; the slash at the end belongs to it",
    ]
    assert KEY not in stdout
    assert stdout.splitlines()[-1] == (
        "5 requests over 5 connections: 1 customers and 1 events received, 3 refused, 0 not answered"
    )
    assert (status, stderr) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary_and_status_0(number: int) -> None:
    with running_sandbox() as sandbox:
        status, stdout, stderr = sandbox.stop(number)

    assert (status, stderr) == (0, "")
    assert stdout.splitlines()[-1].startswith("0 requests over 0 connections")


def test_what_arrives_cannot_take_over_the_terminal() -> None:
    with running_sandbox() as sandbox:
        sandbox.post(EVENTS, {"userId": "5", "event": "\x1b[2J\r\n[red]Order[/red]\u202e" + "x" * 500, "traits": {}})
        httpx.post(f"{sandbox.url}/%1b%5b2J%0a")

        _, stdout, _ = sandbox.stop()

    assert "\x1b" not in stdout
    assert "\r" not in stdout
    assert "\u202e" not in stdout
    (line,) = [line for line in stdout.splitlines() if EVENTS in line]
    assert "\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[red]Order[/red]" in line
    assert len(line) < 250
    assert "404  POST /\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}" in stdout


def test_faults_happen_and_are_told() -> None:
    with running_sandbox("--latency", "1ms", "--faults", "503=1") as sandbox:
        assert sandbox.post(USERS, {"userId": "5", "traits": {}}) == 503

        line = sandbox.read_until(USERS)[-1]

    assert "  503  " in line
    assert line.endswith("fault: 503\n")


def test_a_connection_that_is_cut_is_a_line_without_a_status() -> None:
    with running_sandbox("--faults", "reset=1") as sandbox:
        with pytest.raises(httpx.TransportError):
            sandbox.post(USERS, {"userId": "5", "traits": {}})

        status, stdout, _ = sandbox.stop()

    assert f"  ---  POST {USERS}   user_id=***  fault: reset\n" in stdout
    assert "1 not answered" in stdout
    assert status == 0


def test_a_plan_lets_its_requests_a_minute_through_and_no_more() -> None:
    with (
        running_sandbox("--plan", "growth", "--faults", "window=sliding", "--quiet") as sandbox,
        httpx.Client(base_url=sandbox.url, auth=(KEY, "")) as http,
    ):
        statuses = [http.post(USERS, json={"userId": "5", "traits": {}}).status_code for _ in range(301)]

        _, stdout, _ = sandbox.stop()

    assert PLANS == {"growth": 300, "advanced": 600}
    assert statuses == [202] * 300 + [429]
    assert USERS not in stdout, "--quiet"


def test_the_page_is_named_and_served_and_none_of_its_requests_is_told() -> None:
    with running_sandbox() as sandbox:
        page = httpx.get(re.findall(r"Open (http://\S+/) in a browser", "".join(sandbox.greeting))[0])

        _, stdout, _ = sandbox.stop()

    assert page.status_code == 200
    assert "<h1>Sandbox</h1>" in page.text
    assert stdout.splitlines()[-1].startswith("0 requests over 0 connections")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_it_says_so_where_others_can_see_the_customers(host: str) -> None:
    with running_sandbox("--host", host) as sandbox:
        warning = "Whoever can reach this machine can send to it, and see the customers on its page."

        assert (warning in "".join(sandbox.greeting)) is (host == "0.0.0.0")


def test_the_first_requests_can_be_made_to_fail_and_then_some_of_them() -> None:
    with running_sandbox("--fail-next", "2", "--fail-status", "418", "--error-rate", "100%") as sandbox:
        statuses = [sandbox.post(USERS, {"userId": "5", "traits": {}}) for _ in range(5)]

    assert statuses[:2] == [418, 418]
    assert set(statuses[2:]) <= {500, 502, 503, 504}


@pytest.mark.parametrize(
    "pasted",
    [KEY, base64.b64encode(f"{KEY}:".encode()).decode(), "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()],
    ids=["raw", "base64", "header"],
)
def test_check_key_accepts_the_key_of_the_environment_only(pasted: str) -> None:
    with running_sandbox("--check-key", INTERAKT_WRITE_KEY=pasted) as sandbox:
        right = sandbox.post(USERS, {"userId": "5", "traits": {}})
        wrong = sandbox.post(USERS, {"userId": "5", "traits": {}}, key="another")

        _, stdout, _ = sandbox.stop()

    assert (right, wrong) == (202, 401)
    assert "holds another key than this sandbox has" in stdout
    assert "write_key" not in "".join(sandbox.greeting), "no key that would be refused is proposed"
    assert pasted not in "".join(sandbox.greeting) + stdout


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "--check-key needs a key in the environment's INTERAKT_WRITE_KEY"),
        ({"INTERAKT_WRITE_KEY": "a b"}, "spaces"),
    ],
)
def test_check_key_without_a_key_is_wrong_usage(environment: Mapping[str, str], problem: str) -> None:
    ended = run(*MODULE, "sandbox", "--check-key", **environment)

    assert ended.returncode == 2
    assert problem in ended.stderr
    assert "a b" not in ended.stderr


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = run(*MODULE, "sandbox", "--port", str(port))

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"Error: cannot listen on port {port} of 127.0.0.1: ")
    assert ended.stderr.endswith("; choose another with --port (0 takes a free one) or --host\n")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--faults", "oops=1"), "there is no fault 'oops'"),
        (("--latency", "soon"), "latency must be a time such as 50ms"),
        (("--latency", "1s", "--faults", "latency=2s"), "'latency' is there twice"),
        (("--plan", "growth", "--faults", "rate=5"), "'rate' is there twice"),
        (("--port", "70000"), "70000"),
        (("--error-rate", "often"), "'--error-rate': 'often' is no chance: 5% or 0.05"),
        (("--error-rate", "5"), "'5' is no chance: 5% or 0.05, and 100% or 1 at most"),
        (("--error-rate", "200%"), "'200%' is no chance"),
        (("--fail-next", "0"), "0 is not in the range"),
        (("--fail-status", "200"), "200 is not in the range"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(options: tuple[str, ...], problem: str) -> None:
    ended = CliRunner().invoke(program, ["sandbox", *options])

    assert ended.exit_code == 2
    assert problem in ended.output


# The screen.


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is needed")
@pytest.mark.parametrize("wish", [{}, {"NO_COLOR": "1"}], ids=["no wish", "NO_COLOR"])
def test_a_terminal_gets_colours_unless_it_wants_none(wish: Mapping[str, str]) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [*MODULE, "demo", "--customers", "3", "--faults", "latency=20ms"],
        env={**ENVIRONMENT, "TERM": "xterm-256color", **wish},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = read_terminal(ours)

    assert process.returncode == 0
    assert ("\x1b[32m" in shown) is not bool(wish)
    assert "\x1b[?25l" in shown, "the cursor is hidden while the bar moves"
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h"), "and comes back"
    assert re.search(r"Delivering .*━", shown)
