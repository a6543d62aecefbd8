"""The command `check`: whether the settings are right, the API is reached, and it takes the key."""

from __future__ import annotations

import os
from inspect import signature
from typing import TYPE_CHECKING, NamedTuple

import click
from click.core import ParameterSource
from rich.text import Text

from interakt_track import Client, SettingsError

from ._check_steps import FAILED, OK, SKIPPED, WARNING, Step, exit_code_of, steps
from ._command_line import KEY_VARIABLE, CannotDoError, host_option, json_option, options, print_json, write_key
from ._screen import open_console, plain_table, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

TIMEOUT = 10.0
MARKS = {OK: ("ok", "green"), WARNING: ("look", "yellow"), FAILED: ("failed", "bold red"), SKIPPED: ("-", "dim")}

EXAMPLES = f"""\b
Examples:
  {KEY_VARIABLE}=... interakt-track check
  interakt-track check --json | jq .steps

It ends with status 0 when the key works, 1 when the API refuses the key or the plan, 2 when a setting is wrong, and 3
when the API could not be reached, or gave an answer that tells nothing.
"""


class Setting(NamedTuple):
    """A setting in force."""

    name: str
    value: object
    """What JSON can hold; the key's is masked."""
    source: str
    """`"argument"`, `"environment"`, `"prompt"` or `"default"`."""


@click.command(epilog=EXAMPLES)
@options(
    host_option,
    click.option(
        "--timeout",
        metavar="SECONDS",
        default=TIMEOUT,
        show_default=True,
        type=click.FloatRange(min=0, min_open=True, max=3600),
        help="How long the request may take.",
    ),
    json_option,
)
@click.pass_context
def check(ctx: click.Context, *, host: str | None, timeout: float, is_json: bool) -> None:
    """Find out whether the API is reached and the key works.

    One request is made, which creates nobody: it names no customer and no event, so that the API must refuse it for
    what it says. When it is refused for the key instead, the key or the plan is what is wrong.

    The settings shown are those of this program: the environment's, and a default where it has none. What an
    application assigns in its own code is not seen from here.
    """
    pasted = write_key()
    try:
        client = Client(write_key=pasted, host=host, timeout=timeout)
    except SettingsError as error:
        raise CannotDoError(str(error)) from error
    settings = list(_settings(ctx, client))
    console = None if is_json else open_console()
    if console is not None:
        _show_settings(console, settings)
    made = []
    for step in steps(client, pasted):
        made.append(step)
        if console is not None:
            _show_step(console, step)
    code = exit_code_of(made)
    if console is None:
        print_json(
            {
                "status": "ok" if code == 0 else "failed",
                "settings": {name: {"value": value, "source": source} for name, value, source in settings},
                "steps": [step._asdict() for step in made],
            }
        )
    ctx.exit(code)


def _settings(ctx: click.Context, client: Client) -> Iterator[Setting]:
    words = {ParameterSource.COMMANDLINE: "argument", ParameterSource.ENVIRONMENT: "environment"}
    sources = {name: words.get(source) for name in ("host", "timeout") if (source := ctx.get_parameter_source(name))}
    sources["write_key"] = "environment" if os.environ.get(KEY_VARIABLE) else "prompt"
    for name in signature(type(client.settings)).parameters:
        value = "***" if name == "write_key" else getattr(client.settings, name)
        yield Setting(name, value, sources.get(name) or "default")


def _show_settings(console: Console, settings: list[Setting]) -> None:
    table = plain_table("setting", "value", "from")
    for name, value, source in settings:
        shown = Text(printable(str(value)), style="dim" if source == "default" else "")
        table.add_row(name, shown, Text(source, style="dim" if source == "default" else ""))
    console.print(table, "")


def _show_step(console: Console, step: Step) -> None:
    mark, style = MARKS[step.result]
    line = Text.assemble((f"{mark:<7}", style), (f"{step.name:<9}", "bold"), printable(step.detail, at_most=400))
    console.print(line, soft_wrap=not console.is_terminal)
