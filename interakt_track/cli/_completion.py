"""The command `completion`: what makes a shell complete commands, options and file names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ._command_line import CannotDoError

PROGRAM = "interakt-track"
VARIABLE = "_INTERAKT_TRACK_COMPLETE"  # click looks for it under this name
SHELLS = ("bash", "zsh", "fish")

EXAMPLES = f"""\b
Examples:
  {PROGRAM} completion bash >> ~/.bashrc
  {PROGRAM} completion zsh >> ~/.zshrc
  {PROGRAM} completion fish \\
      > ~/.config/fish/completions/{PROGRAM}.fish
"""


@click.command(epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete what you type.

    Once it is in the shell's start-up file, commands, options and their choices are completed. The shell asks the
    program itself each time, so a newer version needs nothing new.
    """
    maker = get_completion_class(shell)
    if maker is None:
        raise CannotDoError(f"this version of click completes nothing in {shell}")
    click.echo(maker(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
