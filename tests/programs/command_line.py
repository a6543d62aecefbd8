"""The command line, run in this process."""

from __future__ import annotations

from inspect import signature
from typing import Any

import click
from click.testing import CliRunner, Result

from interakt_track.cli import program

# Before click 8.2, the two outputs are apart on demand only.
APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}


def run(*arguments: str, answer: str = "", **environment: str | None) -> Result:
    """Run it with these arguments, with `answer` typed at what it asks."""
    return CliRunner(**APART).invoke(program, arguments, input=answer, env=environment)


def parse(*arguments: str) -> dict[str, Any]:
    """Read a command line and run nothing; a command, an option or a value that is not there raises."""
    command: click.Command = program
    rest = list(arguments)
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), rest.pop(0))
        assert found is not None, f"there is no command {arguments}"
        command = found
    return command.make_context("interakt-track", rest).params
