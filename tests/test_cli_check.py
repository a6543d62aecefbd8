"""The command `check`: the settings in force, and whether the API is reached and takes the key."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from command_line import run

from interakt_track.cli._check_steps import OK, WARNING, answer_step
from interakt_track.sandbox import Sandbox

KEY = "a-key-that-nobody-may-see"
SECRET_KEY = b64encode(f"{KEY}:".encode()).decode()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(write_key=KEY) as sandbox:
        monkeypatch.setenv("INTERAKT_WRITE_KEY", KEY)
        monkeypatch.setenv("INTERAKT_HOST", sandbox.url)
        yield sandbox


def check(*options: str, **environment: str | None) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the status it ends with, and the steps by name."""
    result = run("check", "--json", *options, **environment)
    return result.exit_code, {step["name"]: step for step in json.loads(result.stdout)["steps"]}


def test_a_key_that_works_is_told_and_nobody_is_created(sandbox: Sandbox) -> None:
    result = run("check")

    assert (result.exit_code, result.stderr) == (0, "")
    assert "the key works, and nobody was created" in result.stdout
    (request,) = sandbox.requests
    assert (request.status, request.body) == (400, {})
    assert sandbox.users == sandbox.events == []


def test_a_narrow_screen_cuts_no_setting(sandbox: Sandbox) -> None:
    shown = run("check", COLUMNS="44").stdout

    assert "…" not in shown
    assert max(map(len, shown.partition("\n\n")[0].splitlines())) <= 44


@pytest.mark.parametrize(
    ("pasted", "form"),
    [
        (KEY, "the key itself"),
        (f" {KEY}: ", "the key itself"),
        (SECRET_KEY, "Secret Key"),
        (f"Basic {SECRET_KEY}", "Authorization header"),
    ],
)
def test_the_form_of_the_key_is_told_and_the_key_is_not(sandbox: Sandbox, pasted: str, form: str) -> None:
    for options in ((), ("--json",)):
        result = run("check", *options, INTERAKT_WRITE_KEY=pasted)

        assert result.exit_code == 0
        assert form in result.stdout.replace('\\"', '"')
        assert f"{len(KEY)} characters" in result.stdout
        assert not any(secret in result.output for secret in (KEY, SECRET_KEY))


def test_a_setting_is_told_with_where_it_comes_from(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def settings(*options: str) -> dict[str, dict[str, Any]]:
        told: dict[str, dict[str, Any]] = json.loads(run("check", "--json", *options).stdout)["settings"]
        return told

    by_environment = settings()
    by_argument = settings("--host", f"{sandbox.url}/", "--timeout", "3")
    monkeypatch.setenv("INTERAKT_HOST", "")

    assert by_environment["write_key"] == {"value": "***", "source": "environment"}
    assert by_environment["host"] == {"value": sandbox.url, "source": "environment"}
    assert by_environment["timeout"] == {"value": 10.0, "source": "default"}
    assert by_environment["max_workers"] == {"value": 8, "source": "default"}
    assert by_argument["host"] == {"value": sandbox.url, "source": "argument"}
    assert by_argument["timeout"] == {"value": 3.0, "source": "argument"}


@pytest.mark.parametrize(
    ("status", "exit_code", "words"),
    [
        (401, 1, "the key is not valid"),
        (403, 1, "the plan may have no API access"),
        (404, 3, "not where the API is"),
        (429, 3, "too many requests"),
        (500, 3, "tells nothing of the key"),
        (302, 3, "tells nothing of the key"),
    ],
)
def test_an_answer_is_told_in_clear_words(sandbox: Sandbox, status: int, exit_code: int, words: str) -> None:
    sandbox.fail_next(1, status=status)

    code, steps = check()

    assert (code, steps["API"]["result"]) == (exit_code, "failed")
    assert words in steps["API"]["detail"]
    assert f"answered {status}" in steps["API"]["detail"]


def test_another_key_is_refused(sandbox: Sandbox) -> None:
    code, steps = check(INTERAKT_WRITE_KEY="another-key-of-somebody")

    assert code == 1
    assert "Invalid token provided" in steps["API"]["detail"]


def test_an_api_that_takes_what_it_must_refuse_is_told() -> None:
    assert answer_step(202, "", 0.1).result == WARNING
    assert answer_step(400, "", 0.1).result == OK


@pytest.mark.parametrize("key", ["two words", "kéy"])
def test_a_key_that_cannot_be_one_is_wrong_usage(sandbox: Sandbox, key: str) -> None:
    result = run("check", INTERAKT_WRITE_KEY=key)

    assert result.exit_code == 2
    assert "write_key holds characters a key never has" in result.stderr
    assert key not in result.output
    assert sandbox.requests == []


# The network.


class Answering:
    """A server that answers each POST the same."""

    def __init__(self, *, context: ssl.SSLContext | None = None, date: datetime | None = None) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                answer = b'{"result": false, "message": "userId or phoneNumber is required"}'
                self.send_response_only(400)
                self.send_header("Date", format_datetime(date or datetime.now(UTC), usegmt=True))
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)


@contextmanager
def answering(*, context: ssl.SSLContext | None = None, date: datetime | None = None) -> Iterator[int]:
    """Give the port of a server that answers each POST the same: 400, as the API would."""
    server = Answering(context=context, date=date)
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.port
    finally:
        server.server.shutdown()
        thread.join()
        server.server.server_close()


def check_apart(host: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Return the status, the steps by name and all output of a process of its own: certificates are read once each."""
    ended = subprocess.run(
        [sys.executable, "-m", "interakt_track", "check", "--json", "--host", host],
        env={**os.environ, "INTERAKT_WRITE_KEY": KEY, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    steps = {step["name"]: step for step in json.loads(ended.stdout)["steps"]}
    return ended.returncode, steps, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """Return the environment of who trusts this authority."""
    file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return {"SSL_CERT_FILE": str(file)}


def server_context(authority: trustme.CA, *, ends_in: timedelta = timedelta(days=90)) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) + ends_in).configure_cert(context)
    return context


@pytest.mark.parametrize(("days", "result"), [(90.5, "ok"), (3.5, "warning")])
def test_tls_is_told_with_the_end_of_the_certificate(
    authority: trustme.CA, tmp_path: Path, days: float, result: str
) -> None:
    context = server_context(authority, ends_in=timedelta(days=days))
    with answering(context=context) as port:
        code, steps, _ = check_apart(f"https://127.0.0.1:{port}", **trusting(authority, tmp_path))

    assert (code, steps["TLS"]["result"], steps["API"]["result"]) == (0, result, "ok")
    assert steps["TLS"]["detail"].startswith("TLSv1.")
    assert f"ends in {days - 0.5:.0f} days" in steps["TLS"]["detail"]


def test_a_certificate_that_nobody_vouches_for_is_told(authority: trustme.CA, tmp_path: Path) -> None:
    with answering(context=server_context(trustme.CA())) as port:
        code, steps, _ = check_apart(f"https://127.0.0.1:{port}", **trusting(authority, tmp_path))

    assert (code, list(steps)) == (3, ["key", "DNS", "TLS"])
    assert "the certificate is not trusted" in steps["TLS"]["detail"]
    assert "SSL_CERT_FILE" in steps["TLS"]["detail"]


def test_a_port_that_does_not_speak_tls_is_told(sandbox: Sandbox) -> None:
    code, steps = check("--host", sandbox.url.replace("http:", "https:"))

    assert (code, steps["TLS"]["result"]) == (3, "failed")
    assert "does not speak TLS" in steps["TLS"]["detail"]


def test_a_host_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    code, steps = check("--host", "https://api.interakt.invalid", INTERAKT_WRITE_KEY=KEY)

    assert (code, list(steps)) == (3, ["key", "DNS"])
    assert "api.interakt.invalid was not found: Name or service not known" in steps["DNS"]["detail"]


def test_a_host_that_listens_to_nobody_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        code, steps = check("--host", f"http://127.0.0.1:{taken.getsockname()[1]}", INTERAKT_WRITE_KEY=KEY)

    assert (code, steps["DNS"]["result"], steps["API"]["result"]) == (3, "ok", "failed")
    assert "Connection refused" in steps["API"]["detail"]


def test_a_host_that_does_not_answer_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        code, steps = check("--host", host, "--timeout", "0.2", INTERAKT_WRITE_KEY=KEY)

    assert code == 3
    assert "no answer in time" in steps["API"]["detail"]


def test_a_proxy_is_named_and_its_password_is_not() -> None:
    with answering() as port:
        proxy = f"http://someone:a-secret@127.0.0.1:{port}"
        code, steps, output = check_apart("http://api.interakt.invalid", HTTP_PROXY=proxy, NO_PROXY="")

    assert (code, steps["DNS"]["result"], steps["API"]["result"]) == (0, "skipped", "ok")
    assert "HTTP_PROXY" in steps["DNS"]["detail"]
    assert "a-secret" not in output


@pytest.mark.parametrize(
    ("off", "result", "words"),
    [(0, "ok", "agree"), (600, "warning", "behind"), (-600, "warning", "ahead of")],
)
def test_a_clock_that_is_wrong_is_told(off: int, result: str, words: str) -> None:
    with answering(date=datetime.now(UTC) + timedelta(seconds=off)) as port:
        code, steps = check("--host", f"http://127.0.0.1:{port}", INTERAKT_WRITE_KEY=KEY)

    assert (code, steps["clock"]["result"]) == (0, result)
    assert words in steps["clock"]["detail"]
