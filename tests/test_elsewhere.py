"""Where the system has no forks, `fcntl` or Unix signals: all else works. Real processes that have lost them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections import Counter

import pytest

from interakt_track.sandbox import Sandbox

PREAMBLE = """
import asyncio  # its half for Unix wants what is taken away below
import os, signal, sys, threading

class NotHere:
    '''Refuses modules that only Unix has.'''
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "grp", "pwd", "resource", "termios", "tty"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotHere())
for name in {"fcntl", "grp", "pwd", "resource", "termios", "tty"}: sys.modules.pop(name, None)
for name in ("fork", "forkpty", "register_at_fork", "waitpid", "getppid", "geteuid", "getuid"):
    if hasattr(os, name): delattr(os, name)
for name in [name for name in dir(signal) if name.startswith("SIG")]:
    if name not in ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN"):
        delattr(signal, name)
for name in ("alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "sigwait"):
    if hasattr(signal, name): delattr(signal, name)
"""


def run(script: str, sandbox: Sandbox) -> str:
    """Run a script to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PREAMBLE + textwrap.dedent(script)],
        env={**os.environ, "INTERAKT_HOST": sandbox.url, "INTERAKT_WRITE_KEY": "test-key"},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def arrived(sandbox: Sandbox) -> Counter[str]:
    return Counter(event["event"] for event in sandbox.events)


def test_the_end_of_the_program_delivers(sandbox: Sandbox) -> None:
    run('import track\nfor i in range(20): track.event(user_id=f"u{i}", event="e")', sandbox)

    assert arrived(sandbox) == {"e": 20}


def test_flush_and_shutdown_deliver(sandbox: Sandbox) -> None:
    script = """
        import track
        for i in range(5): track.event(user_id="u", event="flushed", traits={"number": i})
        print(track.flush(20), track.stats().delivered)
        client = track.Client(write_key="test-key")
        client.event("u", "shut down")
        client.shutdown(20)
        print(client.stats().delivered)
    """

    written = run(script, sandbox)

    assert written == "True 5\n1\n"
    assert arrived(sandbox) == {"flushed": 5, "shut down": 1}


def test_sync_mode_and_on_error_tell(sandbox: Sandbox) -> None:
    sandbox.script([None, 400, 400])
    script = """
        import logging, track
        logging.getLogger("interakt_track").setLevel("CRITICAL")
        track.sync_mode = True
        print(track.event(user_id="u", event="first").status)
        try: track.event(user_id="u", event="second")
        except track.RejectedError as error: print(error.status_code)
        track.sync_mode = False
        track.on_error = lambda error, queue_msg: print(error.status_code, queue_msg["body"]["event"])
        track.event(user_id="u", event="third")
        track.flush(20)
    """

    written = run(script, sandbox)

    assert written == "delivered\n400\n400 third\n"
    assert arrived(sandbox) == {"first": 1}


def test_what_is_left_at_the_end_is_told(sandbox: Sandbox) -> None:
    sandbox.faults = "hang=1"
    script = """
        import logging, track
        logging.getLogger("interakt_track").setLevel("CRITICAL")
        track.shutdown_timeout = 0.5
        track.on_error = lambda error, queue_msg: print(type(error).__name__, flush=True)
        for i in range(3): track.event(user_id=f"u{i}", event="e")
    """

    written = run(script, sandbox)

    assert written == "ShutdownError\n" * 3


def test_a_sandbox_runs_and_takes_messages(sandbox: Sandbox) -> None:
    script = """
        import track
        from interakt_track.sandbox import Sandbox
        with Sandbox(write_key="here") as here:
            client = track.Client(write_key="here", host=here.url)
            client.event("u", "e")
            print(client.flush(20), len(here.events))
    """

    written = run(script, sandbox)

    assert written == "True 1\n"
    assert sandbox.requests == []


@pytest.mark.parametrize("arguments", [["--help"], ["sandbox", "--help"]], ids=" ".join)
def test_the_terminal_answers(sandbox: Sandbox, arguments: list[str]) -> None:
    script = f"""
        sys.argv = ["interakt-track", *{arguments!r}]
        from interakt_track.__main__ import main
        main()
    """

    written = run(script, sandbox)

    assert "Usage: interakt-track" in written


def test_what_this_file_takes_away_is_gone(sandbox: Sandbox) -> None:
    script = """
        try: import fcntl
        except ImportError: print("fcntl", end=" ")
        import track
        from interakt_track import _lifecycle
        print(*[name for name in ("fork", "register_at_fork") if not hasattr(os, name)], not hasattr(signal, "SIGALRM"))
    """

    written = run(script, sandbox)

    assert written == "fcntl fork register_at_fork True\n"
