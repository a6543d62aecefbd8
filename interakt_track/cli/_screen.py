"""The screen: a console that is calm in a pipe, and text that cannot take over the terminal."""

from __future__ import annotations

import sys

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

MAX_LENGTH = 160  # of one shown value; more is noise on a screen


def open_console() -> Console:
    """Return a console on stdout; it has colours only on a terminal, and none where `NO_COLOR` is set."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # a name the terminal's encoding lacks is no reason to end
    return Console(highlight=False, markup=False, emoji=False)


def printable(text: str, *, at_most: int = MAX_LENGTH) -> str:
    """Return text that stays on its line: control characters, terminal sequences among them, become a visible mark."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return shown if len(shown) <= at_most else shown[: at_most - 1] + "…"


def say(console: Console, text: str, *, style: str = "") -> None:
    """Print a sentence: wrapped at words on a screen, and as one line in a pipe."""
    console.print(text, style=style, soft_wrap=not console.is_terminal)


def plain_table(*headings: str, right: tuple[int, ...] = ()) -> Table:
    """Return a table without lines around it; the columns of these numbers are aligned to the right.

    On a narrow screen a value goes on in the next line: a cut address or name would be worth nothing.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim", border_style="dim")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number in right else "left", overflow="fold")
    return table
