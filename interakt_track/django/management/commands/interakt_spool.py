"""The command `interakt_spool`: `interakt-track spool`, with the path, the key and the host of Django's settings."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

import interakt_track
from interakt_track.django._configuration import SETTING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click
    from django.core.management.base import CommandParser

DAY = 86_400.0  # seconds
USAGE_ERROR = 2  # the status of `interakt-track` where it cannot do what it was asked


class Command(BaseCommand):
    """Hands its words over; what it writes and its status are those of `interakt-track spool`."""

    help = (
        "Look after the spool: what waits, what failed, and sending it. The commands and options are those of "
        "`interakt-track spool`; path, key, host, rate limit and number of workers are the project's."
    )
    requires_system_checks = ()  # what waits can be looked at without a key

    def add_arguments(self, parser: CommandParser) -> None:
        """Take all words after the command's name, options too."""
        parser.add_argument(
            "words", nargs=argparse.REMAINDER, metavar="...", help="As in `interakt_spool status`, or `drain --help`."
        )

    def handle(self, *_: Any, words: list[str], **given: Any) -> None:
        """Run the command.

        Raises:
            CommandError: A package of the extra `cli` is missing.
            SystemExit: It ended with another status than 0.
        """
        command = _spool_command()
        out, errors = given.get("stdout") or sys.stdout, given.get("stderr") or sys.stderr  # those of `call_command`
        with _settings_in_the_environment(), redirect_stdout(out), redirect_stderr(errors):
            try:
                command.main(words or ["--help"], "manage.py interakt_spool", default_map={"drain": _drain_defaults()})
            except SystemExit as leaving:
                is_named = "INTERAKT_SPOOL" in os.environ or any(word.startswith("--spool") for word in words)
                if leaving.code == USAGE_ERROR and not is_named:
                    self.stderr.write(f'{SETTING} has no "SPOOL"')
                if leaving.code:
                    raise


def _spool_command() -> click.Command:
    try:
        from interakt_track.cli._spool import spool  # noqa: PLC0415 - what is missing has to be told, not raised
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "interakt_track", "track"):  # ours to be there: a broken build
            raise
        raise CommandError(
            f'interakt_spool needs {package}, which is not installed here: pip install "interakt-track-python[cli]"',
            returncode=USAGE_ERROR,
        ) from error
    return spool


def _drain_defaults() -> dict[str, Any]:
    """Return what `drain` has options for, but no variables of the environment."""
    limit = interakt_track.rate_limit
    return {
        "rate_limit": None if limit is None else str(limit),
        "max_workers": interakt_track.max_workers,
        "retention": interakt_track.spool_retention / DAY,
    }


@contextmanager
def _settings_in_the_environment() -> Iterator[None]:
    """Have the project's path, key and host where the commands look for them; an option still goes before them."""
    given = {
        "INTERAKT_SPOOL": interakt_track.spool,
        "INTERAKT_WRITE_KEY": interakt_track.write_key,
        "INTERAKT_HOST": interakt_track.host,
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update({name: os.fspath(value) for name, value in given.items() if value is not None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
