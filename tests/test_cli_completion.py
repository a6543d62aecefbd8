"""The command `completion`: what a shell completes, in the shell itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run

BASH = shutil.which("bash")


def completed(*words: str) -> list[str]:
    """Return what bash offers in place of the last word."""
    script = f"""
        {run("completion", "bash").stdout}
        COMP_WORDS=(interakt-track "$@")
        COMP_CWORD=$#
        _interakt_track_completion interakt-track
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert BASH is not None
    folder = Path(sys.executable).parent
    ended = subprocess.run(
        [BASH, "-c", script, "bash", *words],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("sa",), ["sandbox"]),
        (("spool", "ad"), ["adopt"]),
        (("spool", "drain", "--ret"), ["--retention"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("nothing-of-ours",), []),
    ],
)
def test_bash_completes_commands_options_and_choices(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


@pytest.mark.parametrize("subject", ["users", "events"])
def test_the_shell_is_asked_for_the_files_that_can_be_imported(subject: str) -> None:
    asked = {"_INTERAKT_TRACK_COMPLETE": "bash_complete", "COMP_WORDS": f"interakt-track import {subject} cust"}

    ended = subprocess.run(
        [Path(sys.executable).parent / "interakt-track"],
        env={**os.environ, **asked, "COMP_CWORD": "3"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert ended.stdout == "file,cust\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_is_printed_asks_the_program_in_that_shells_way(shell: str) -> None:
    result = run("completion", shell)

    assert (result.exit_code, result.stderr) == (0, "")
    assert "_INTERAKT_TRACK_COMPLETE" in result.stdout
    assert f"{shell}_complete" in result.stdout


def test_a_shell_it_does_not_know_is_wrong_usage() -> None:
    assert run("completion", "tcsh").exit_code == 2
