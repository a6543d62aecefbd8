"""The program and its list of commands; each command is a module, imported when it is wanted."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from keyword import iskeyword

import click

import interakt_track

COMMANDS = ("demo", "sandbox", "check", "identify", "event", "import", "spool", "completion")
"""Each is the name of a module `_<name>` here and of the click command in it, dashes as underscores; where Python keeps
the name for itself, the command has a `_` behind it."""


class Commands(click.Group):
    """A group that imports a command's module when the command, or the list of them all, is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, as the help lists them."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the words begin with; one that is mistyped is told with those that are near."""
        near = [] if args[0] in COMMANDS else get_close_matches(args[0], COMMANDS)
        if near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {' or '.join(map(repr, near))}?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Return the command of this name; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"{__package__}._{name}")
        command: click.Command = getattr(module, f"{name}_" if iskeyword(name) else name)
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(
    interakt_track.__version__, "--version", prog_name="interakt-track", message="%(prog)s %(version)s"
)
def program() -> None:
    """Try out and use Interakt's Track API from a terminal.

    Begin with `interakt-track demo`, then run your own code against `interakt-track sandbox`. Neither needs an account,
    a key or the network.

    `interakt-track COMMAND --help` explains a command and shows examples.
    """
